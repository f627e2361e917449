"""A whole HTML page around a static transcript: for a file that others open."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib import resources

from aod_notebook.core.text import clean, one_line

_TITLE_CHARS = 200


def whole_page(title: str, body: str) -> str:
    """Return a page that holds a piece of static HTML, loads nothing and runs nothing.

    Args:
        title: what the browser's tab shows.
        body: trusted markup, such as `render_html` returns.

    Example:
        >>> page = whole_page("Fix <it>", "<p>done</p>")
        >>> page.startswith("<!doctype html>"), "<title>Fix &lt;it&gt;</title>" in page
        (True, True)
    """
    return document(title, f"<main>{body}</main>")


def document(title: str, body: str, script: str = "") -> str:
    """Return an HTML document; its policy allows its own style and this script, nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f" script-src 'sha256-{digest}';" if script else ""
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:;{allowed} "
        "base-uri 'none'; form-action 'none'"
    )
    run = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(one_line(clean(title), _TITLE_CHARS))}</title>"
        f"<style>{part('bundle.css')}</style></head><body>{body}{run}</body></html>\n"
    )


@cache
def part(name: str) -> str:
    """Return a file that stands beside this module."""
    return (resources.files("aod_notebook.viewers.bundle") / name).read_text(encoding="utf-8")
