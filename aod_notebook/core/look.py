"""The look of tables and cards in a page: colours of both themes, and the layout of narrow pages.

Everything that a reader needs is in inline styles and in the words, so a page that drops the
`<style>` loses colours only. Pages that set mathematics pass over it: agents write prices and
shell variables, and what stands between two dollar signs stays what it is.
"""

from __future__ import annotations

import html
import re

NO_MATH_CLASSES = "mathjax_ignore tex2jax_ignore"
"""By which MathJax passes over an element, of version 3 and 4 (JupyterLab) and of 2 (nbconvert)."""

_DARK = (
    '[data-jp-theme-light="false"] .aod-out,.vscode-dark .aod-out{'
    "--aod-quiet:#a3abb5;--aod-good:#63cf93;--aod-bad:#ff8b82;--aod-warn:#ecb35b;"
    "--aod-wait:#bda6f7;--aod-run:var(--jp-content-link-color,#64b5f6);"
    "--aod-line:rgba(255,255,255,0.14);--aod-sunken:rgba(255,255,255,0.055)}"
)
STYLE = (
    "<style>"
    ".aod-out{container-type:inline-size;--aod-quiet:#57606a;--aod-good:#1a7340;--aod-bad:#b3261e;"
    "--aod-warn:#855000;--aod-wait:#6a45b8;--aod-run:var(--jp-content-link-color,#0d47a1);"
    "--aod-line:rgba(0,0,0,0.13);--aod-sunken:rgba(0,0,0,0.04)}" + _DARK +
    "".join(f".aod-out .aod-{tone}{{color:var(--aod-{tone})}}"
            for tone in ("quiet", "good", "bad", "warn", "wait", "run"))
    + ".aod-out tr{background:none!important}.aod-out tbody tr:hover{background:var(--aod-sunken)!important}"
    ".aod-out th,.aod-out td{border:0;border-bottom:1px solid var(--aod-line)!important;font-weight:400}"
    ".aod-out th,.aod-out .aod-strong{font-weight:600}.aod-out span.aod-strong{color:var(--jp-ui-font-color1,inherit)}"
    ".aod-out .aod-tb{min-width:460px!important}"
    ".aod-out code{background:var(--aod-sunken);border-radius:3px;padding:1px 4px;font-size:12px;"
    "color:inherit}"
    "@container (max-width:999px){.aod-out .aod-mid{display:none}}"
    "@container (max-width:719px){.aod-out .aod-opt{display:none}}"
    "</style>"
)  # fmt: skip
_FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:20px"
_CODE = re.compile(r"`([^`]+)`")


def styled(inner: str) -> str:
    """Return markup in a box that has the colours of both themes."""
    return f'{STYLE}<div class="aod-out {NO_MATH_CLASSES}" style="{_FONT}">{inner}</div>'


def code_parts(text: str) -> str:
    """Return text as markup, escaped; what stands in backticks is code.

    Example:
        >>> code_parts("a < b: `%aod sessions`")
        'a &lt; b: <code>%aod sessions</code>'
    """
    return _CODE.sub(r"<code>\1</code>", html.escape(text, quote=False))
