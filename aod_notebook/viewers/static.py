"""Rows as static HTML: no script, inline styles only, readable on light and on dark pages.

The colours of text are the page's own; only chips and borders have colours of theirs, so that
contrast holds in every theme. Every text passes `core.text.clean` and is escaped.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from msgspec import structs

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import clip, one_line
from aod_notebook.viewers.plain import LINE_CHARS, about, plain_text, status_line, status_word
from aod_notebook.viewers.row import FOLDED, INLINE, Kind, Row
from aod_notebook.viewers.rows import RowBuilder
from aod_notebook.viewers.styles import BOLD, CODE, COLOUR_MASK, DIM, ITALIC, UNDERLINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.viewers.protocols import Event
    from aod_notebook.viewers.row import Summary

__all__ = ["Transcript", "render_html"]

MAX_ROWS = 2_000
MAX_BYTES = 300_000
ROW_CHARS = 4_000
TITLE_CHARS = 200
TAIL_ROWS = 20
FOLD_LINES = 6
"""Rows of the kinds in `FOLDED` that are longer than this are folded."""

_BOX = (
    "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px;"
    "line-height:1.5;border:1px solid rgba(128,128,128,0.4);border-radius:6px;padding:8px 12px;"
    "max-width:1100px"
)
# By which MathJax passes over an element, of version 3 and 4 (JupyterLab) and of 2 (nbconvert).
_NO_MATH = "mathjax_ignore tex2jax_ignore"
_PRE = (
    "margin:0;padding:0;border:0;background:transparent;color:inherit;white-space:pre-wrap;"
    "overflow-wrap:anywhere;word-break:normal;line-height:inherit;font-size:inherit;font-family:inherit"
)
_CODE = "margin:0;padding:0;border:0;background:transparent;color:inherit;font:inherit"
_WORDS = ";font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:14px"
_QUIET = "opacity:0.72"
_CHIPS = {
    "completed": "#1b7f4b",
    "failed": "#b3261e",
    "terminated": "#8a5300",
    "running": "#1f5fbf",
    "pending": "#5f6368",
    "cancelled": "#8a5300",
    "awaiting_input": "#6b4fbb",
    "awaiting_approval": "#6b4fbb",
}
_BORDERS = {
    Kind.TOOL: "#7b61c9",
    Kind.TOOL_RESULT: "rgba(128,128,128,0.5)",
    Kind.THINKING: "rgba(128,128,128,0.5)",
    Kind.STDERR: "#c77700",
    Kind.RESULT: "#1b7f4b",
    Kind.MODEL: "#3f7fd6",
    Kind.STEP: "#17868f",
    Kind.QUESTION: "#7b61c9",
}
_MARGINS = {Kind.OUTPUT: 0, Kind.STDERR: 0, Kind.TEXT: 10}
"""In pixels above and below; paragraphs stand apart."""
_COLOURS = {2: "#d0443c", 3: "#2b8a4f", 4: "#a87000", 5: "#3f7fd6", 6: "#9467cf", 7: "#17868f"}
"""By the terminal's number modulo 8; black and white stay the colour of the page's text."""
_LOOKS = {
    BOLD: "font-weight:bold",
    DIM: _QUIET,
    ITALIC: "font-style:italic",
    UNDERLINE: "text-decoration:underline",
    CODE: "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px",
}
_LINK = re.compile(r"\bhttps?://[^\s<>\"'`⟨⟩]+[^\s<>\"'`⟨⟩.,;:!?)\]}]")
_A = '<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>'
MARKS = 2_000
"""So many coloured parts at the most in one element."""
_ERROR_BORDER = "#d0342c"


@dataclass
class Transcript:
    """The rows of a session or a run, and what is known of the whole, ready to be shown.

    Args:
        title: what heads it.
        runtime: what wrote the output; None to recognise it from the lines.

    Attributes:
        rows: the rows so far, in order.
        taken: how many events were taken so far.

    Example:
        >>> from aod_notebook.aod import StreamEvent
        >>> transcript = Transcript("shell", "shell")
        >>> _ = transcript.add([StreamEvent("exit", 7, {"code": 0})])
        >>> print(transcript.plain())
        shell · completed
        ── Exit code 0
    """

    title: str
    runtime: str | None = None
    rows: list[Row] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        self.title = one_line(self.title, TITLE_CHARS)
        self._builder = RowBuilder(self.runtime)

    @property
    def summary(self) -> Summary:
        """What is known of the whole so far."""
        return self._builder.summary

    @property
    def partial(self) -> tuple[Kind, str]:
        """The end of the line or paragraph that is being written."""
        return self._builder.partial

    def add(self, events: Iterable[Event]) -> list[Row]:
        """Take the next events; give the rows that they add."""
        before, output, taken = len(self.rows), list[str](), 0
        try:
            for event in events:
                extra = event.extra
                data = extra.get("data")
                if (  # what a session wrote on its standard output
                    event.type == "output"
                    and extra.get("stream") == "stdout"
                    and isinstance(data, str)
                    and "payload" not in extra
                ):
                    output.append(data)
                else:
                    self._add_output(output)
                    self.rows += self._builder.feed(event)
                taken += 1
        finally:  # an interrupt between two events loses nothing
            self.taken += taken
            self._add_output(output)
        return self.rows[before:]

    def pass_over(self, events: Iterable[Event]) -> None:
        """Take events of earlier turns: they are not shown, but turns are numbered after them."""
        self._builder.pass_over(events)

    def _add_output(self, output: list[str]) -> None:
        """Take pieces of output together: many small ones are dear one by one."""
        if output:
            data = "".join(output)
            output.clear()
            self.rows += self._builder.feed_output(data)

    def finish(self) -> list[Row]:
        """Take lines that no newline ended; give the rows that they add."""
        new = self._builder.finish()
        self.rows += new
        return new

    def plain(self) -> str:
        """Give the state and the last rows as text, long lines cut."""
        shown = [row for row in self.rows if not row.is_minor]
        tail = [clip(line, LINE_CHARS) for line in plain_text(shown[-TAIL_ROWS:])]
        return "\n".join([status_line(self.title, self.summary), *tail])

    def html(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> str:
        """Give the transcript as one `<div>`, of `max_rows` or about `max_bytes` at the most."""
        rows, cut = _within_budget(self.rows, max_rows, max_bytes)
        body = "".join(_group(group, is_last) for group, is_last in _groups(rows))
        note = (
            ""
            if not cut
            else (
                f'<div style="{_QUIET}">{cut:,} rows in the middle are not shown here; '
                ".events has them all.</div>"
            )
        )
        return f'<div class="{_NO_MATH}" style="{_BOX}">{_header(self.title, self.summary)}{note}{body}</div>'


def render_html(events: Iterable[Event], title: str, runtime: str | None = None) -> str:
    """Give the events of a session or a run as one piece of static HTML.

    Args:
        events: as a followed session or run has received them; its `to_html()` gives the same.
        title: what heads it.
        runtime: what wrote the output; None to recognise it from the lines.

    Raises:
        AodNotebookError: these are no events, but a DataFrame of them, for example.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="seq 3", runtime="shell")).wait()
        >>> "completed" in render_html([event for event, _ in session.received()], "My session")
        True
    """
    given = type(events).__name__
    events = list(events)
    if any(not hasattr(event, "extra") for event in events):
        raise AodNotebookError(
            f"This {given} holds no events as they are received, which render_html takes: use "
            "[event for event, _ in session.received()], or session.to_html()."
        )
    transcript = Transcript(title, runtime)
    transcript.add(events)
    transcript.finish()
    return transcript.html()


def _within_budget(rows: list[Row], max_rows: int, budget: int) -> tuple[list[Row], int]:
    """Keep the first and the last rows, as many as may be shown; say how many were cut."""
    kept_head, kept_tail = 0, 0
    for taken in range(min(len(rows), max_rows)):
        from_head = taken % 4 == 0  # the end of a session tells more than its beginning
        row = rows[kept_head] if from_head else rows[-1 - kept_tail]
        budget -= len(_body([row]).encode())
        if budget < 0:
            break
        kept_head, kept_tail = kept_head + from_head, kept_tail + (not from_head)
    cut = len(rows) - kept_head - kept_tail
    return (rows if cut == 0 else rows[:kept_head] + rows[len(rows) - kept_tail :]), cut


def _groups(rows: list[Row]) -> list[tuple[list[Row], bool]]:
    """Split the rows where a run of stages or a turn begins; say of each if it is the last."""
    groups: list[list[Row]] = []
    for row in rows:
        if row.kind in (Kind.STAGES, Kind.TURN) or not groups:
            groups.append([])
        groups[-1].append(row)
    return [(group, number == len(groups) - 1) for number, group in enumerate(groups)]


def _group(rows: list[Row], is_last: bool) -> str:
    first, failed = rows[0], any(row.kind is Kind.STAGE and row.is_error for row in rows)
    if first.kind is Kind.STAGES:
        count = len(rows) - 1
        title, is_open, rows = f"{first.title}: {count} stages", is_last or failed, rows[1:]
        if count == 0:
            return ""
    elif first.kind is Kind.TURN:
        title, is_open, rows = first.title, True, rows[1:]
    else:
        return _body(rows)
    body = _body(rows)
    return _details(
        _code(title),
        body,
        is_open=is_open,
        style=f"margin-top:6px;{_QUIET if not is_open else ''}",
    )


def _body(rows: list[Row]) -> str:
    """Give rows as markup; a run of lines of the same kind is one element, which pages like."""
    runs = itertools.groupby(enumerate(rows), key=lambda each: _run_key(*each))
    return "".join(_row(_merged([row for _, row in run])) for _, run in runs)


def _run_key(number: int, row: Row) -> tuple[object, ...]:
    is_line = row.kind in (Kind.OUTPUT, Kind.STDERR) or (row.kind is Kind.STAGE and not row.text)
    return (row.kind, row.depth, row.is_error, is_line, None if is_line else number)


def _merged(run: list[Row]) -> Row:
    """Make one row of a run; long texts are cut."""
    if len(run) == 1:
        return structs.replace(run[0], text=_clipped(run[0].text))
    first, parts, marks, length = run[0], [], [], 0
    for row in run:
        text = _clipped(row.text or row.title)
        marks += [min(value, len(text)) + length if place % 3 < 2 else value  # noqa: PLR2004 - edges
                  for place, value in enumerate(row.marks)]  # fmt: skip
        parts.append(text)
        length += len(text) + 1
    kind = first.kind if first.kind is not Kind.STAGE else Kind.SYSTEM
    text = "\n".join(parts)
    return Row(kind, "", text, first.depth, is_error=first.is_error, marks=tuple(marks))


def _clipped(text: str) -> str:
    if len(text) <= ROW_CHARS:
        return text
    return f"{text[:ROW_CHARS]}\n[{len(text) - ROW_CHARS:,} more characters: .events has them]"


def _row(row: Row) -> str:
    margin = _MARGINS.get(row.kind, 3)
    border = _ERROR_BORDER if row.is_error else _BORDERS.get(row.kind, "transparent")
    quiet = _QUIET if row.kind in (Kind.STAGE, Kind.SYSTEM, Kind.THINKING, Kind.END) else ""
    style = f"margin:{margin}px 0 {margin}px {row.depth * 18}px;padding-left:8px;border-left:3px solid {border};{quiet}"
    return f'<div style="{style}">{_content(row)}</div>'


def _content(row: Row) -> str:
    text = row.text
    sign = "✗ " if row.is_error and row.kind is not Kind.STDERR else ""
    title = f"<b>{_code(sign + row.title)}</b> " if row.title else ""
    text = text if row.title else sign + text
    lines = text.count("\n") + 1
    if row.kind in FOLDED and lines > FOLD_LINES and not row.is_error:
        label = "thinking" if row.kind is Kind.THINKING else _code(row.title or "result")
        return _details(f"{label}, {lines} lines", _pre(text, row.marks))
    if row.kind in INLINE and "\n" not in text:
        quiet = "" if row.kind is Kind.TOOL else f";{_QUIET}"
        return f"{title}{_code(text, quiet)}" if text else title
    marks = () if sign and not row.title else row.marks
    words = _WORDS if row.kind is Kind.TEXT else ""
    return f"{title}{_pre(text, marks, words) if text else ''}"


def _pre(text: str, marks: tuple[int, ...] = (), style: str = "") -> str:
    """Give `text` as it stands, with its links and (`marks`) its colours."""
    parts, at = [], 0
    for place in range(0, min(len(marks), 3 * MARKS), 3):
        start, end, look = marks[place : place + 3]
        end = min(end, len(text))
        if start < end:
            parts.append(_linked(text[at:start]))
            parts.append(f'<span style="{_look(look)}">{_linked(text[start:end])}</span>')
            at = end
    parts.append(_linked(text[at:]))
    return f'<pre style="{_PRE}{style}">{"".join(parts)}</pre>'


def _code(text: str, style: str = "") -> str:
    """Give `text` as it stands; pages that set mathematics leave code and pre alone."""
    return f'<code style="{_CODE}{style}">{escape(text)}</code>'


def _linked(text: str) -> str:
    """Escape `text`; make links of the addresses in it."""
    if "://" not in text:
        return escape(text)
    parts, at = [], 0
    for match in _LINK.finditer(text):
        address = escape(match[0])
        parts += [escape(text[at : match.start()]), _A.format(address)]
        at = match.end()
    return "".join([*parts, escape(text[at:])])


def _look(style: int) -> str:
    """Give the inline style of a mark; its colours are readable on light and on dark pages."""
    number = (style & COLOUR_MASK) % 8
    looks = [f"color:{_COLOURS[number]}"] if number in _COLOURS else []
    looks += [css for flag, css in _LOOKS.items() if style & flag]
    return ";".join(looks)


def _details(summary: str, body: str, *, is_open: bool = False, style: str = "") -> str:
    """Fold `body` (markup) under `summary` (escaped text)."""
    opened = " open" if is_open else ""
    return (
        f'<details style="{style}"{opened}><summary style="cursor:pointer">{summary}</summary>'
        f"{body}</details>"
    )


def _header(title: str, summary: Summary) -> str:
    colour = _CHIPS.get(summary.status, _CHIPS["pending"])
    return (
        f'<div><span style="background-color:{colour};color:#ffffff;border-radius:10px;'
        f'padding:1px 9px">{escape(status_word(summary.status))}</span> <b>{_code(title)}</b></div>'
        f'<div style="margin:2px 0 6px;{_QUIET}">{_code(about(summary))}</div>'
    )
