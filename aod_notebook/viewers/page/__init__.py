"""The page side of the widgets: parts of one idea each, joined into one module when first needed."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path

__all__ = ["joined", "module", "page_hash", "stub"]

HERE = Path(__file__).parent
MAIN = "main"
SHEETS = ("page", "trace", "board")
"""In this order, for later ones build on `page.css`."""
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_COMMENT = re.compile(r"[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*", re.DOTALL)
_BLANK = re.compile(r"^\s+", re.MULTILINE)


@functools.cache
def joined() -> str:
    """Return all parts as one module, each behind those that it imports, with their style sheet."""
    texts: dict[str, str] = {}
    _add(MAIN, texts)
    css = json.dumps("".join((HERE / f"{name}.css").read_text(encoding="utf-8") for name in SHEETS))
    return "".join(texts.values()).replace('"page.css"', css)


def _add(name: str, texts: dict[str, str]) -> None:
    text = _read(name)
    for needed in _IMPORT.findall(text):
        if needed not in texts:
            _add(needed, texts)
    texts[name] = _IMPORT.sub("", text)


def _read(name: str) -> str:
    """Return a part without what only its readers need: types, comments, indents."""
    text = (HERE / f"{name}.js").read_text(encoding="utf-8").replace("// @ts-check\n", "")
    return _BLANK.sub("", _COMMENT.sub("", text))


@functools.cache
def page_hash() -> str:
    """Return a hash that distinguishes this version of the parts from others in a page."""
    return hashlib.sha256(joined().encode()).hexdigest()[:16]


@functools.cache
def stub(widget: str) -> str:
    """Return the module of a widget for a page that has the parts already, or asks for them."""
    return _read("stub").replace("HASH", page_hash()).replace('"NAME"', json.dumps(widget))


@functools.cache
def module() -> str:
    """Return the parts as a module that makes them known to the whole page."""
    return f'{joined()}\nglobalThis[Symbol.for("aod-notebook {page_hash()}")] ??= widgets;\n'
