"""Static HTML of rows: elements with inline styles only, which sanitisers keep, and readable without.

Text takes the page's colour and tints are see-through, so that it is right on light and on dark
pages. Every text is escaped, and what a page could take for mathematics is put into `code`, which
such pages leave alone.
"""

from __future__ import annotations

import itertools
import re
from html import escape
from typing import TYPE_CHECKING, Any

from msgspec import structs

from aod_notebook.core.text import clip, counted
from aod_notebook.transcripts import KINDS
from aod_notebook.viewers.row import FOLDED, INLINE, Kind
from aod_notebook.viewers.styles import BOLD, CODE, COLOUR_MASK, DIM, ITALIC, UNDERLINE
from aod_notebook.viewers.tools import seconds
from aod_notebook.viewers.words import tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from aod_notebook.viewers.diffs import Diff
    from aod_notebook.viewers.row import Extra, Row

FOLD_LINES = 6
"""Rows of the kinds in `FOLDED` that are longer than this are folded."""
DIFF_OPEN = 40
MARKS = 2_000
"""So many coloured parts at the most in one element."""
THINKING_CHARS = 90
MINUS = "\N{MINUS SIGN}"

MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px;line-height:18px"
QUIET = "opacity:0.75"
_PLAIN_PRE = (
    "margin:0;padding:0;border:0;background:transparent;color:inherit;white-space:pre-wrap;"
    f"overflow-wrap:break-word;word-break:normal;{MONO}"
)
_PRE = (
    "margin:4px 0;padding:6px 12px;border:0;border-radius:6px;background:rgba(128,128,128,0.1);"
    f"color:inherit;white-space:pre-wrap;overflow-wrap:break-word;word-break:normal;{MONO}"
)
_BAD_PRE = f"{_PRE};background:rgba(219,60,50,0.12);border-left:3px solid #d4443a"
_CODE = "margin:0;padding:0;border:0;background:transparent;color:inherit;font:inherit"
_WORDS = "font-size:14px;line-height:22px;max-width:800px"
_BAD = "background:rgba(219,60,50,0.18);border-radius:3px;padding:0 4px"
_EDGES = {
    **dict.fromkeys(("read", "grep", "glob", "web", "search"), "#4a86c9"),
    **dict.fromkeys(("write", "edit", "notebook", "changes"), "#2a9484"),
    "command": "#b07d2b",
    "task": "#8a63d2",
}
_BORDERS = {Kind.STDERR: "#c77700", Kind.MODEL: "#7c8794", Kind.STEP: "#17868f"}
_BORDERS |= {Kind.QUESTION: "#8a63d2", Kind.RESULT: "#1b7f4b"}
_ERROR = "#d4443a"
_GREY = "rgba(128,128,128,0.45)"
_COLOURS = {2: "#d0443c", 3: "#2b8a4f", 4: "#a87000", 5: "#3f7fd6", 6: "#9467cf", 7: "#17868f"}
"""By the terminal's number modulo 8; black and white stay the colour of the page's text."""
_LOOKS = {
    BOLD: "font-weight:bold",
    DIM: QUIET,
    ITALIC: "font-style:italic",
    UNDERLINE: "text-decoration:underline",
    CODE: MONO,
}
_TINTS = {
    "+": "background:rgba(46,160,67,0.18)",
    "-": "background:rgba(219,60,50,0.16)",
    "@": "background:rgba(128,128,128,0.12)",
    " ": "background:transparent",
}
_WORD_TINTS = {"+": "rgba(46,160,67,0.34)", "-": "rgba(219,60,50,0.32)"}
_LINK = re.compile(r"\bhttps?://[^\s<>\"'`⟨⟩]+[^\s<>\"'`⟨⟩.,;:!?)\]}]")
_MATH = re.compile(r"[$\\]+")
MANY_MATH = 20
_CELL = "text-align:{};padding:4px 16px 4px 0;border-bottom:1px solid rgba(128,128,128,0.3)"
_TAGS = {
    "p": "margin:6px 0",
    "h1": "font-size:16px;line-height:22px;margin:12px 0 4px",
    "h2": "font-size:15px;line-height:20px;margin:12px 0 4px",
    **dict.fromkeys(("h3", "h4", "h5", "h6"), "font-size:14px;line-height:20px;margin:12px 0 4px"),
    **dict.fromkeys(("ul", "ol"), "margin:4px 0;padding-left:22px"),
    "blockquote": f"margin:6px 0;padding-left:12px;border-left:3px solid {_GREY};{QUIET}",
    "hr": f"border:0;border-top:1px solid {_GREY};margin:8px 0",
    "table": "border-collapse:collapse;margin:4px 0;font-size:13px",
    "code": f"{MONO};background:rgba(128,128,128,0.12);color:inherit;border-radius:3px;padding:1px 4px",
    "pre": _PRE,
}
_SIGNS = {"done": "☑", "now": "▶", "open": "☐"}


def row_html(row: Row, below: str = "") -> str:
    """Return a row, with the markup of the rows below it."""
    match row.kind:
        case Kind.TOOL:
            return _boxed(row, _tool(row, below), _tool_edge(row))
        case Kind.PROMPT:
            return (
                '<pre style="margin:8px 0;padding:8px 12px;border:0;border-radius:6px;color:inherit;'
                "font-family:inherit;font-size:14px;line-height:20px;white-space:pre-wrap;"
                'overflow-wrap:break-word;word-break:normal;background:rgba(33,130,230,0.13)">'
                f"<b>&#10095;</b>&nbsp; {text_html(row.text)}</pre>{below}"
            )
        case Kind.TEXT if row.extra is not None and row.extra.words:
            nodes = tree(row.text)
            if nodes is not None:
                return _boxed(row, f'<div style="{_WORDS}">{words_html(nodes)}</div>{below}')
        case Kind.RESULT:
            tint = "219,60,50" if row.is_error else "46,160,67"
            style = (
                f"margin:8px 0 4px;padding:6px 12px;border-radius:6px;background:rgba({tint},0.14)"
            )
            return f'<div style="{style}">{_content(row)}</div>{below}'
    edge = _ERROR if row.is_error else _BORDERS.get(row.kind, "transparent")
    return _boxed(row, _content(row) + below, edge)


def _boxed(row: Row, content: str, edge: str = "transparent") -> str:
    if row.kind is Kind.TOOL_RESULT:
        return f"<div>{content}</div>"
    margin = {Kind.OUTPUT: 0, Kind.STDERR: 0, Kind.TEXT: 6}.get(row.kind, 2)
    quiet = QUIET if row.kind in (Kind.STAGE, Kind.SYSTEM, Kind.THINKING, Kind.END) else ""
    return (
        f'<div style="padding:{margin}px 0 {margin}px 9px;border-left:3px solid {edge};{quiet}">'
        f"{content}</div>"
    )


def _tool_edge(row: Row) -> str:
    return _ERROR if row.is_error else _EDGES.get(KINDS.get(row.title, ""), _GREY)


def _tool(row: Row, below: str) -> str:
    extra = row.extra
    head, body, is_open = _tool_head(row, extra), "", True
    if extra is not None and extra.diff is not None:
        body, is_open = _diff(extra.diff), len(extra.diff.lines) <= DIFF_OPEN
    elif extra is not None and extra.todo:
        body = "".join(_item(*each) for each in extra.todo)
    elif extra is not None:
        is_open = not extra.folds
    if not body and not below:
        return f"<div>{head}</div>"
    inner = f'<div style="margin-left:15px">{body}{below}</div>'
    return details(head, inner, is_open=is_open)


def _tool_head(row: Row, extra: Extra | None) -> str:
    parts = [f"<b>{text_html(row.title)}</b>&nbsp;"]
    if row.text:
        parts.append(text_html(row.text) if extra and extra.todo else code(row.text, MONO))
    if extra is None:
        return " ".join(parts)
    if extra.diff is not None:
        parts += [
            _count(f"+{extra.diff.added}", "+"),
            _count(f"{MINUS}{extra.diff.removed}", "-"),
        ]
    if extra.bad:
        parts.append(f'<b style="{_BAD}">✗ {text_html(extra.bad)}</b>')
    facts = [extra.note, "" if extra.took is None else seconds(extra.took)]
    quiet = " · ".join(filter(None, facts))
    if quiet:
        parts.append(f'<span style="{QUIET}">· {text_html(quiet)}</span>')
    return " ".join(parts)


def _count(text: str, sign: str) -> str:
    return f'<b style="{MONO};{_TINTS[sign]};border-radius:3px;padding:0 4px">{text}</b>'


def _item(state: str, text: str) -> str:
    shown = text_html(text)
    return f"<div>{_SIGNS[state]}&nbsp; {f'<b>{shown}</b>' if state == 'now' else shown}</div>"


def _diff(diff: Diff) -> str:
    """Return a diff, a `pre` for each run of lines of the same sign."""
    style = "margin:4px 0;border:1px solid rgba(128,128,128,0.35);border-radius:6px;overflow-x:auto"
    numbered = any(old is not None or new is not None for _, old, new, *_ in diff.lines)
    runs = itertools.groupby(diff.lines, key=lambda line: line[0])
    parts = []
    for sign, run in runs:
        text = "\n".join(_diff_line(line, numbered) for line in run)
        pre = f"{_PLAIN_PRE};white-space:pre;padding:0 12px;{_TINTS[sign]}"
        parts.append(f'<pre style="{pre}">{text}</pre>')
    if diff.cut:
        parts.append(f'<div style="{QUIET};padding:0 12px">{counted(diff.cut, "more line")}</div>')
    return f'<div style="{style}">{"".join(parts)}</div>'


def _diff_line(line: tuple[str, int | None, int | None, str, int, int], numbered: bool) -> str:
    sign, old, new, text, start, end = line
    if sign == "@":
        return escape(text)
    shown = escape(text)
    if start < end:
        tint = f'<span style="background:{_WORD_TINTS[sign]}">{escape(text[start:end])}</span>'
        shown = f"{escape(text[:start])}{tint}{escape(text[end:])}"
    numbers = (
        f"{'' if old is None else old:>4} {'' if new is None else new:>4} " if numbered else ""
    )
    return f"{numbers}{MINUS if sign == '-' else sign} {shown}"


def _content(row: Row) -> str:
    text, extra = row.text, row.extra
    sign = "✗ " if row.is_error and row.kind is not Kind.STDERR else ""
    sign = sign or ("✓ " if row.kind is Kind.RESULT else "")
    if row.kind is Kind.TOOL_RESULT:
        sign = ""
    title = f"<b>{text_html(sign + row.title)}</b> " if row.title else ""
    text = text if row.title else sign + text
    if extra is not None and extra.image:
        style = "max-width:100%;max-height:360px;border-radius:6px"
        return f'{title}<img src="{escape(extra.image)}" alt="Picture that the tool returned" style="{style}">'
    lines = text.count("\n") + 1
    style = _PLAIN_PRE if row.kind in (Kind.OUTPUT, Kind.STDERR) else _PRE
    if row.kind is Kind.TOOL_RESULT and row.is_error:
        if extra is None or not extra.short:
            return title + _pre(text, row.marks, _BAD_PRE)
        short = f'<pre style="{_BAD_PRE}">{_linked(extra.short)}</pre>'
        return title + short + details(f"all {lines} lines", _pre(text, row.marks))
    if row.kind is Kind.THINKING:
        return _thinking(text)
    if row.kind in FOLDED and lines > FOLD_LINES and not row.is_error:
        return details(f"{text_html(row.title or 'result')}, {lines} lines", _pre(text, row.marks))
    if row.kind in INLINE and "\n" not in text:
        return f"{title}{code(text, QUIET)}" if text else title
    if row.kind in (Kind.TEXT, Kind.QUESTION, Kind.SYSTEM, Kind.STAGE, Kind.END, Kind.RESULT):
        style = f"{_PLAIN_PRE};font-family:inherit;font-size:inherit;line-height:inherit"
    marks = () if sign and not row.title else row.marks
    body = _pre(text, marks, style) if text else ""
    return title + (f'<div style="{_WORDS}">{body}</div>' if row.kind is Kind.TEXT else body)


def _thinking(text: str) -> str:
    if "\n" not in text and len(text) <= THINKING_CHARS:
        return f'<span style="font-style:italic">{text_html(text)}</span>'
    first = clip(text.partition("\n")[0], THINKING_CHARS)
    head = f'<span style="font-style:italic">Thinking: {text_html(first)}</span>'
    style = f"{_PLAIN_PRE};font-family:inherit;font-style:italic;margin-left:15px"
    return details(head, _pre(text, (), style))


def _pre(text: str, marks: tuple[int, ...] = (), style: str = _PRE) -> str:
    """Return `text` verbatim, with its links and (`marks`) its colours."""
    parts, at = [], 0
    for place in range(0, min(len(marks), 3 * MARKS), 3):
        start, end, look = marks[place : place + 3]
        end = min(end, len(text))
        if start < end:
            parts.append(_linked(text[at:start]))
            parts.append(f'<span style="{_look(look)}">{_linked(text[start:end])}</span>')
            at = end
    parts.append(_linked(text[at:]))
    return f'<pre style="{style}">{"".join(parts)}</pre>'


def code(text: str, style: str = "") -> str:
    """Return `text` verbatim; pages that set mathematics leave `code` and `pre` alone."""
    return f'<code style="{_CODE};{style}">{escape(text)}</code>'


def text_html(text: str) -> str:
    """Return `text` escaped, and so that no page takes a part of it for mathematics.

    Example:
        >>> text_html("a < b")
        'a &lt; b'
    """
    if "$" not in text and "\\" not in text:
        return escape(text)
    if len(_MATH.findall(text)) > MANY_MATH:
        return code(text)
    parts, at = [], 0
    for match in _MATH.finditer(text):
        parts += [escape(text[at : match.start()]), code(match[0])]
        at = match.end()
    return "".join([*parts, escape(text[at:])])


def _linked(text: str, escaped: Callable[[str], str] = escape) -> str:
    """Escape `text`; make links of the addresses in it."""
    if "://" not in text:
        return escaped(text)
    parts, at = [], 0
    for match in _LINK.finditer(text):
        parts += [escaped(text[at : match.start()]), _anchor(match[0], escaped(match[0]))]
        at = match.end()
    return "".join([*parts, escaped(text[at:])])


def _anchor(address: str, shown: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{shown}</a>'


def words_html(nodes: list[Any], tag: str = "") -> str:
    """Return nodes of `words.tree` as markup."""
    parts = []
    for node in nodes:
        if not isinstance(node, str):
            parts.append(_node(*node))
        elif tag in ("code", "pre"):
            parts.append(escape(node))
        else:
            parts.append(text_html(node) if tag == "a" else _linked(node, text_html))
    return "".join(parts)


def _node(tag: str, attributes: dict[str, str], *nodes: Any) -> str:
    inner = words_html(list(nodes), tag)
    if tag == "a":
        return _anchor(attributes["href"], inner)
    if tag in ("br", "hr"):
        return f'<{tag} style="{_TAGS[tag]}">' if tag in _TAGS else f"<{tag}>"
    style = _CELL.format(attributes.get("align", "left")) if tag in ("th", "td") else _TAGS.get(tag)
    number = f' start="{escape(attributes["start"])}"' if "start" in attributes else ""
    return f"<{tag}{number}{f' style={chr(34)}{style}{chr(34)}' if style else ''}>{inner}</{tag}>"


def _look(style: int) -> str:
    """Return the inline style of a mark; its colours are readable on light and on dark pages."""
    number = (style & COLOUR_MASK) % 8
    looks = [f"color:{_COLOURS[number]}"] if number in _COLOURS else []
    looks += [css for flag, css in _LOOKS.items() if style & flag]
    return ";".join(looks)


def details(summary: str, body: str, *, is_open: bool = False, style: str = "") -> str:
    """Fold `body` under `summary`; both are markup."""
    opened = " open" if is_open else ""
    return (
        f'<details{opened}><summary style="cursor:pointer;{style}">{summary}</summary>'
        f"{body}</details>"
    )


def merged(run: list[Row], limit: int) -> Row:
    """Return one row for a run of lines; long texts are cut."""
    if len(run) == 1:
        return structs.replace(run[0], text=_clipped(run[0].text, limit))
    first, parts, marks, length = run[0], [], [], 0
    for row in run:
        text = _clipped(row.text or row.title, limit)
        marks += [min(value, len(text)) + length if place % 3 < 2 else value  # noqa: PLR2004 - edges
                  for place, value in enumerate(row.marks)]  # fmt: skip
        parts.append(text)
        length += len(text) + 1
    kind = first.kind if first.kind is not Kind.STAGE else Kind.SYSTEM
    return structs.replace(first, kind=kind, title="", text="\n".join(parts), marks=tuple(marks))


def _clipped(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[{len(text) - limit:,} more characters: .events has them]"
