"""What a session or a run leaves behind: static HTML and plain text, which need no kernel.

No script and no style sheet: `<details>` elements and inline styles, which the sanitisers of
notebook front ends keep (`markup`). Every text passes `core.text.clean` and is escaped.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import clip, one_line
from aod_notebook.viewers import markup
from aod_notebook.viewers.markup import MONO, QUIET, code, details, row_html, text_html
from aod_notebook.viewers.plain import LINE_CHARS, about, plain_text, status_line, status_word
from aod_notebook.viewers.row import MAX_DEPTH, Extra, Kind, Row, SettledRows
from aod_notebook.viewers.rows import RowBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aod_notebook.viewers.protocols import Event, Source
    from aod_notebook.viewers.row import Summary

MAX_ROWS = 2_000
MAX_BYTES = 300_000
ROW_CHARS = 4_000
TITLE_CHARS = 200
TAIL_ROWS = 20
OPEN_TURNS = 3
"""Of more turns, only the last is open."""
SHORT_ID = 8
RUN_LINES = 200
"""So many lines of output are one element."""
PART_PX = 4_000
"""Rows that are about so high together are one part of a long transcript."""
_ROW_PX, _LINE_PX = 24, 18
"""Guesses: how high a row is at least, and each further line of it."""

# By which MathJax passes over an element, of version 3 and 4 (JupyterLab) and of 2 (nbconvert).
_NO_MATH = "mathjax_ignore tex2jax_ignore"
_BOX = (
    "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px;"
    "line-height:20px;border:1px solid rgba(128,128,128,0.45);border-radius:8px;max-width:1120px;"
    "overflow:hidden"
)
_LINE = "rgba(128,128,128,0.3)"
_CHIPS = {
    "completed": ("#1a7340", "✓"),
    "failed": ("#b3261e", "✗"),
    "terminated": ("#855000", "■"),
    "running": ("#1f5fbf", "●"),
    "pending": ("#5f6368", "○"),
    "cancelled": ("#855000", "■"),
    "awaiting_input": ("#6a45b8", "?"),
    "awaiting_approval": ("#6a45b8", "?"),
}
_BELOW = "\0"
"""Where the rows below another one go; no text of a row has such a character."""
Numbered = tuple[int, Row]
Made = dict[int, str]
"""The markup of rows by their numbers."""


@dataclass
class Transcript:
    """The rows of a session or a run, and what is known of the whole, ready to be shown.

    Args:
        title: what heads it as long as no prompt is known.
        runtime: what wrote the output; None to recognise it from the lines.
        prompts: the prompts by the numbers of their turns, as far as they are known; it may grow.
        id: of the session or run; empty if there is none.
        again: the command that shows it again; empty if there is none.

    Attributes:
        rows: the rows so far, in order; some replace earlier ones (`row.SettledRows`).
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
    prompts: Mapping[int, str] = field(default_factory=dict)
    id: str = ""
    again: str = ""

    def __post_init__(self) -> None:
        self.title = one_line(self.title, TITLE_CHARS)
        self._builder = RowBuilder(self.runtime, self.prompts)
        self._settled = SettledRows(self.rows)
        self._heading = ""
        self._joins = self.runtime == "shell"

    @classmethod
    def of(cls, source: Source) -> Transcript:
        """Return an empty transcript of a session or a run."""
        return cls(
            source.title,
            source.runtime,
            prompts=getattr(source, "prompts", {}),
            id=source.id,
            again=getattr(source, "shown_again_by", ""),
        )

    @property
    def heading(self) -> str:
        """What heads it: the first words of the first prompt that is known, or the title."""
        if not self._heading and self.prompts:
            first = self.prompts[min(self.prompts)].strip().partition("\n")[0]
            self._heading = one_line(first, TITLE_CHARS)
        return self._heading or self.title

    def row_at(self, order: int) -> int | None:
        """Return the number of the row that shows a row of the tables, by its `order`; None so far."""
        places = self._builder.places
        found = places[order - 1] if 0 < order <= len(places) else -1
        return None if found < 0 else found

    @property
    def running(self) -> Row | None:
        """The row of the tool call that waits longest for its result; None if none waits."""
        return self._builder.running

    @property
    def summary(self) -> Summary:
        """What is known of the whole so far."""
        return self._builder.summary

    @property
    def partial(self) -> tuple[Kind, str]:
        """The end of the line or paragraph that is being written."""
        return self._builder.partial

    def add(self, events: Iterable[Event]) -> list[Row]:
        """Take the next events; return the rows that they add."""
        before, output, taken = len(self.rows), list[str](), 0
        joins = self._joins
        try:
            for event in events:
                extra = event.extra
                data = extra.get("data")
                if (  # what a session wrote on its standard output, as one text if nobody times it
                    joins
                    and event.type == "output"
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
        """Take lines that no newline ended; return the rows that they add."""
        new = self._builder.finish()
        self.rows += new
        return new

    def plain(self) -> str:
        """Return the state and the last rows as text, long lines cut."""
        shown = [row for row in self.rows if not row.is_minor and row.replaces is None]
        tail = [clip(line, LINE_CHARS) for line in plain_text(shown[-TAIL_ROWS:])]
        return "\n".join([status_line(self.title, self.summary), *tail])

    def html(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> str:
        """Return the transcript as one `<div>`, of `max_rows` or about `max_bytes` at the most."""
        ends, between = self._settled.ends(max_rows)
        rows, cut, made = _within_budget(ends, max_rows, max_bytes)
        cut += between
        groups = _groups(rows)
        turns = sum(group[0][1].kind is Kind.TURN for group in groups)
        body = "".join(
            _group(group, made, is_last=number == len(groups) - 1, opens=turns <= OPEN_TURNS)
            for number, group in enumerate(groups)
        )
        note = (
            ""
            if not cut
            else (
                f'<div style="{QUIET};padding:4px 12px">{cut:,} rows in the middle are not shown '
                "here; .events has them all.</div>"
            )
        )
        parts = [self._header(), note, body, self._footer()]
        return f'<div class="{_NO_MATH}" style="{_BOX}">{"".join(parts)}</div>'

    def _header(self) -> str:
        summary = self.summary
        colour, sign = _CHIPS.get(summary.status, _CHIPS["pending"])
        word = status_word(summary.status).capitalize()
        facts = [text_html(about(summary))]
        if self.heading != self.title:
            facts.insert(0, text_html(self.runtime or ""))
            facts.append(code(self.id[:SHORT_ID], MONO))
        return (
            f'<div style="padding:8px 12px;border-bottom:1px solid {_LINE}">'
            '<div style="font-size:14px;font-weight:600"><span style="display:inline-block;'
            f"border-radius:10px;padding:0 8px;margin-right:8px;background-color:{colour};"
            f'color:#ffffff;font-size:12px">{sign} {text_html(word)}</span> '
            f"{text_html(self.heading)}</div>"
            f'<div style="margin-top:4px;font-size:12px;{QUIET}">'
            f"{' · '.join(filter(None, facts))}</div></div>"
        )

    def _footer(self) -> str:
        if not self.again:
            return ""
        lead = "It was running when this was saved. " if self.summary.status == "running" else ""
        return (
            f'<div style="padding:6px 12px;font-size:12px;border-top:1px solid {_LINE};{QUIET}">'
            f"{lead}Reopen the live view: {code(self.again, MONO)}</div>"
        )


def render_html(
    events: Iterable[Event],
    title: str,
    runtime: str | None = None,
    prompts: Mapping[int, str] | None = None,
) -> str:
    """Return the events of a session or a run as one piece of static HTML.

    Args:
        events: as a followed session or run has received them; its `to_html()` gives the same.
        title: what heads it.
        runtime: what wrote the output; None to recognise it from the lines.
        prompts: the prompts by the numbers of their turns; None if they are unknown.

    Raises:
        AodNotebookError: these are not events, but a DataFrame of them, for example.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="seq 3", runtime="shell")).wait()
        >>> "Completed" in render_html([event for event, _ in session.received()], "My session")
        True
    """
    given = type(events).__name__
    events = list(events)
    if any(not hasattr(event, "extra") for event in events):
        raise AodNotebookError(
            f"This {given} holds no events as they are received, which render_html takes: use "
            "[event for event, _ in session.received()], or session.to_html()."
        )
    transcript = Transcript(title, runtime, prompts=prompts or {})
    transcript.add(events)
    transcript.finish()
    return transcript.html()


def _within_budget(
    rows: list[Numbered], max_rows: int, budget: int
) -> tuple[list[Numbered], int, Made]:
    """Keep the first and the last rows, as many as may be shown.

    Returns:
        These rows, how many were cut, and the markup of each.
    """
    made: Made = {}
    parents = {row.parent for _, row in rows if row.depth < MAX_DEPTH}
    kept_head, kept_tail = 0, 0
    for taken in range(min(len(rows), max_rows)):
        from_head = taken % 4 == 0  # the end of a session says more than its beginning
        number, row = rows[kept_head] if from_head else rows[-1 - kept_tail]
        made[number] = _alone(row, _BELOW if number in parents else "")
        budget -= len(made[number].encode())
        if budget < 0:
            break
        kept_head, kept_tail = kept_head + from_head, kept_tail + (not from_head)
    cut = len(rows) - kept_head - kept_tail
    return (rows if cut == 0 else rows[:kept_head] + rows[len(rows) - kept_tail :]), cut, made


def _alone(row: Row, below: str) -> str:
    return row_html(markup.merged([row], ROW_CHARS), below)


def _groups(rows: list[Numbered]) -> list[list[Numbered]]:
    """Split the rows where a run of stages or a turn begins."""
    groups: list[list[Numbered]] = []
    for each in rows:
        if each[1].kind in (Kind.STAGES, Kind.TURN) or not groups:
            groups.append([])
        groups[-1].append(each)
    return groups


def _group(rows: list[Numbered], made: Made, *, is_last: bool, opens: bool) -> str:
    first = rows[0][1]
    style = "padding:6px 12px;font-size:12px"
    if first.kind is Kind.STAGES:
        count = len(rows) - 1
        failed = any(row.kind is Kind.STAGE and row.is_error for _, row in rows)
        title, is_open = text_html(f"{first.title}: {count} stages"), is_last or failed
        if count == 0:
            return ""
    elif first.kind is Kind.TURN:
        is_open = opens or is_last
        title = _turn_head(rows, is_open=is_open)
    else:
        return f'<div style="padding:4px 12px">{_body(rows, made)}</div>'
    body = f'<div style="padding:0 12px 8px">{_body(rows[1:], made)}</div>'
    return details(title, body, is_open=is_open, style=style)


def _turn_head(rows: list[Numbered], *, is_open: bool) -> str:
    head = rows[0][1]
    extra = head.extra or Extra()
    facts = [extra.note]
    if not is_open:
        asked = next((row.text for _, row in rows[1:3] if row.kind is Kind.PROMPT), "")
        facts = [one_line(asked, 80), extra.note, extra.last]
    quiet = "".join(f" · {text_html(fact)}" for fact in facts if fact)
    return f'<b>{text_html(head.title)}</b><span style="{QUIET}">{quiet}</span>'


def _body(rows: list[Numbered], made: Made) -> str:
    """Return rows as markup, each with those below it."""
    here = {number for number, _ in rows}
    below: defaultdict[int | None, list[Numbered]] = defaultdict(list)
    for number, row in rows:
        is_below = row.parent in here and row.depth < MAX_DEPTH
        below[row.parent if is_below else None].append((number, row))
    return _level(below, None, made)


def _level(below: Mapping[int | None, list[Numbered]], parent: int | None, made: Made) -> str:
    """Return the rows below `parent`; a run of lines of the same kind is one element."""
    runs = itertools.groupby(below.get(parent, ()), key=lambda each: _run_key(*each))
    parts = []
    for _, run in runs:
        lines = list(run)
        if len(lines) == 1:
            number, row = lines[0]
            inner = _level(below, number, made) if number in below else ""
            before, mark, after = made[number].partition(_BELOW)
            parts.append(f"{before}{inner}{after}" if inner or not mark else _alone(row, ""))
            continue
        for start in range(0, len(lines), RUN_LINES):
            few = [row for _, row in lines[start : start + RUN_LINES]]
            parts.append(row_html(markup.merged(few, ROW_CHARS)))
    return "".join(_parted(parts))


def _parted(rows: list[str]) -> Iterator[str]:
    """Yield rows as they are, or many in parts that a page lays out only when they come into sight."""
    lines = [row.count("\n") + row.count("</") // 2 for row in rows]
    heights = [_ROW_PX + _LINE_PX * number for number in lines]
    if sum(heights) <= PART_PX:
        yield from rows
        return
    part, height = list[str](), 0
    for row, high in zip(rows, heights, strict=True):
        part.append(row)
        height += high
        if height > PART_PX:
            yield _part(part, height)
            part, height = [], 0
    yield _part(part, height) if part else ""


def _part(rows: list[str], height: int) -> str:
    style = f"content-visibility:auto;contain-intrinsic-size:auto {height}px"
    return f'<div style="{style}">{"".join(rows)}</div>'


def _run_key(number: int, row: Row) -> tuple[object, ...]:
    is_line = row.kind in (Kind.OUTPUT, Kind.STDERR) or (row.kind is Kind.STAGE and not row.text)
    return (row.kind, row.depth, row.is_error, is_line, None if is_line else number)
