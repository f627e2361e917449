"""Markdown of an agent's words as a small tree, of which the page and the static form are built.

Nothing in the tree is markup: a node is a text or a list of a tag of `TAGS`, attributes and
nodes. HTML in the text stays text, and only http(s) addresses become links.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from aod_notebook.core.text import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_CHARS = 16_000
"""Longer texts are shown as they were written: reading them would take too long."""
Node = Any
"""A text, or `[tag, attributes, *nodes]`."""
TAGS = frozenset(
    [
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "em",
        "strong",
        "s",
        "blockquote",
        "hr",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "br",
        "code",
        "pre",
    ]
)
_LINK = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_ALIGNED = re.compile(r"text-align:(left|right|center)")
_LANGUAGE = re.compile(r"[\w+#-]{1,20}")


MAX_BRACKETS = 400
"""Reading is quadratic in these."""


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    return parser.enable(["table", "strikethrough"]).disable(
        ["html_block", "html_inline", "entity"]
    )


@functools.lru_cache(2_000)
def tree(text: str) -> list[Node] | None:
    """Return Markdown as nodes, which nobody may change; None if it is too long to be read.

    Example:
        >>> tree("Two *nights* in `dates.py`.")
        [['p', {}, 'Two ', ['em', {}, 'nights'], ' in ', ['code', {}, 'dates.py'], '.']]
        >>> tree("[x](javascript:alert(1)) <b>")
        [['p', {}, '[x](javascript:alert(1)) <b>']]
    """
    if len(text) > MAX_CHARS or text.count("[") > MAX_BRACKETS:
        return None
    root: list[Node] = []
    _build(_parser().parse(clean(text)), root)
    return root


def _build(tokens: list[Token], root: list[Node]) -> None:
    stack = [root]
    for token in tokens:
        if token.type == "inline":
            _build(token.children or [], stack[-1])
        elif token.nesting == 1:
            node = _opened(token)
            if node is None:  # of what is not shown as an element its content is shown
                stack.append(stack[-1])
            else:
                stack[-1].append(node)
                stack.append(node)
        elif token.nesting == -1:
            stack.pop()
        else:
            node = _leaf(token)
            if node != "":
                stack[-1].append(node)


def _opened(token: Token) -> list[Node] | None:
    if token.hidden or token.tag not in TAGS:
        return None
    attributes: dict[str, str] = {}
    if token.tag == "a":
        address = str(token.attrs.get("href", ""))
        if not _LINK.fullmatch(address):
            return None
        attributes["href"] = address
    elif token.tag in ("th", "td"):
        aligned = _ALIGNED.search(str(token.attrs.get("style", "")))
        if aligned and aligned[1] != "left":
            attributes["align"] = aligned[1]
    elif token.tag == "ol" and "start" in token.attrs:
        attributes["start"] = str(token.attrs["start"])
    return [token.tag, attributes]


def _leaf(token: Token) -> Node:
    match token.type:
        case "softbreak" | "hardbreak":
            return ["br", {}]
        case "hr":
            return ["hr", {}]
        case "code_inline":
            return ["code", {}, token.content]
        case "fence" | "code_block":
            named = _LANGUAGE.match(token.info.strip())
            return ["pre", {"lang": named[0]} if named else {}, token.content.rstrip("\n")]
        case _:  # of an image, what it shows
            return token.content
