"""Rows: what a viewer shows of the events of a session or a run, cleaned, in the order they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aod_notebook.core.clock import micros
from aod_notebook.core.text import clean, counted, one_line
from aod_notebook.core.words import dollars
from aod_notebook.transcripts import Reader
from aod_notebook.transcripts.noise import is_noise
from aod_notebook.viewers.lines import TextLines
from aod_notebook.viewers.row import TITLE_CHARS, Extra, Kind, Row, Summary, text_rows
from aod_notebook.viewers.run_rows import RunRows, is_of_run
from aod_notebook.viewers.styles import prose, styled
from aod_notebook.viewers.tools import ToolRows, seconds
from aod_notebook.viewers.turns import Turn, turn_begun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from aod_notebook.transcripts import Entry, Result
    from aod_notebook.viewers.protocols import Event

SLOW_STAGE_MS = 1_000
"""A stage that took longer is worth a line of its own."""
PARTIAL_CHARS = 2_000
WORDS_CHARS = 1_000_000
"""So much of an agent's words is read as Markdown, which is slow; the rest is shown as written."""
MARKED_CHARS = 100_000
"""In longer words, Markdown that is shown as written is not set off."""


class RowBuilder:
    r"""Makes rows of the events of a session or a run; feed it each event once, in order.

    What the events of a run are, `run_rows.RunRows` says.

    Args:
        runtime: what wrote a session's output; None to recognise it from the lines.
        prompts: the prompts by the numbers of their turns, as far as they are known; it may grow.

    Attributes:
        places: for each row of the tables by its `order`, from 1, the number of the row here that
            shows it, or of the one before; -1 if no row does.

    Example:
        >>> from aod_notebook.aod import StreamEvent
        >>> builder = RowBuilder("shell")
        >>> event = StreamEvent("output", 1, {"stream": "stdout", "data": "hello\n", "turn": 1})
        >>> [row.text for row in builder.feed(event)]
        ['hello']
    """

    def __init__(
        self, runtime: str | None = None, prompts: Mapping[int, str] | None = None
    ) -> None:
        self.summary = Summary()
        self._prompts: Mapping[int, str] = {} if prompts is None else prompts
        # What a shell prints is not a transcript, and there may be very much of it.
        self._plain = TextLines() if runtime == "shell" else None
        self._stdout = Reader(runtime)
        self._stderr = TextLines()
        self._run = RunRows(self.summary)
        self._number = 0  # of the next row
        self._stages: int | None = None  # the row that the stages under way fold under
        self._tools = ToolRows()
        self._turn: Turn | None = None
        self._states = 0  # rows that replaced others
        self._at: object = None  # when the event under way came about, as the service says it
        self._recorded: object = None  # the same of a replay's recording
        self._words = 0  # characters of Markdown so far
        self.places: list[int] = []

    def pass_over(self, events: Iterable[Event]) -> None:
        """Take events of earlier turns, which give no rows.

        They number the turns to come, and counts that a CLI keeps over all turns continue from them.
        """
        has_lines = self._plain is None
        for event in events:
            turn = turn_begun(event, self.summary.turn)
            if turn is not None:
                self._begin(turn)
                self.summary.turn = turn
            elif event.type == "output" and event.extra.get("stream") != "stderr" and has_lines:
                passed = self._stdout.feed(str(event.extra.get("data") or ""))
                self.places += [-1] * len(passed)
        self.places += [-1] * len(self._stdout.flush())
        self._stdout.account.skip()

    def feed(self, event: Event) -> list[Row]:
        """Return the rows that `event` completes; half a line waits for its other half."""
        rows = self._rows(event)
        self._number += len(rows)
        return rows

    @property
    def running(self) -> Row | None:
        """The row of the tool call that waits longest for its result; None if none waits."""
        call = self._tools.running()
        return None if call is None else call.row

    def feed_output(self, data: str) -> list[Row]:
        """Return the rows that a piece of standard output completes, of one event or of several."""
        rows = self._output_rows(data)
        self._number += len(rows)
        return rows

    def finish(self) -> list[Row]:
        """Return the rows of lines that were never ended by a newline."""
        rows = self._flushed()
        self._number += len(rows)
        return rows

    def _rows(self, event: Event) -> list[Row]:
        extra = event.extra
        self._at = extra.get("created_at")
        self._recorded = extra.get("recorded_at")
        if "payload" in extra:  # an event that a run recorded; its type can be any word
            return self._of_run(event)
        match event.type:
            case "output":
                data = str(extra.get("data") or "")
                if extra.get("stream") != "stderr":
                    return self._output_rows(data)
                self.summary.status, self.summary.stage = "running", ""
                return _stderr_rows(self._stderr.feed(data))
            case "stage":
                turn = turn_begun(event, self.summary.turn)
                return self._stage_rows(extra) if turn is None else self._turn_rows(turn)
            case "turn_start":
                return self._turn_rows(turn_begun(event, self.summary.turn) or 1)
            case "exit" | "error" | "terminated" | "stale":
                rows = self._flushed()
                rows.append(self._end_row(event))
                return rows if event.type == "stale" else self._turn_ended(rows)
            case _:
                return self._of_run(event)

    def _of_run(self, event: Event) -> list[Row]:
        """Return the rows of a run's event; its tables number these, not the blocks in them."""
        rows = self._run.rows(event, self._number)
        if is_of_run(event):
            self.places.append(self._place(rows, self._number))
        return rows

    @property
    def partial(self) -> tuple[Kind, str]:
        """The end of the line or paragraph that is being written; empty if there is none."""
        text = self._run.partial
        if text:
            return Kind.TEXT, clean(text)
        text = "" if self._plain is None else self._plain.waiting(PARTIAL_CHARS)
        if text:
            return Kind.OUTPUT, clean(text)
        return Kind.STDERR, clean(self._stderr.waiting(PARTIAL_CHARS))

    def _output_rows(self, data: str) -> list[Row]:
        self.summary.status, self.summary.stage = "running", ""
        if self._plain is not None:
            return self._plain_rows(self._plain.feed(data), self._number)
        return self._stdout_rows(self._stdout.feed(data))

    def _flushed(self) -> list[Row]:
        plain = [] if self._plain is None else self._plain.flush()
        rows = self._stdout_rows(self._stdout.flush())
        rows += self._plain_rows(plain, self._number + len(rows))
        return rows + _stderr_rows(self._stderr.flush()) + self._run.flushed()

    def _stage_rows(self, extra: Mapping[str, Any]) -> list[Row]:
        rows = self._flushed()
        stage, state = str(extra.get("stage")), str(extra.get("state"))
        self.summary.stage = one_line(stage, TITLE_CHARS) if state == "started" else ""
        if self._stages is None:
            self._stages = self._number + len(rows)
            rows.append(Row(Kind.STAGES, "Provisioning", is_minor=True))
        if state == "started":
            return rows
        took = extra.get("duration_ms")
        title = one_line(f"{stage} {state}" + _seconds(took, before=" in "), TITLE_CHARS)
        text = clean(str(extra.get("message") or ""))
        failed = state == "failed"
        is_minor = not failed and isinstance(took, int) and took < SLOW_STAGE_MS
        row = Row(Kind.STAGE, title, text, 0, failed, is_minor, self._stages)
        return [*rows, row]

    def _turn_rows(self, turn: int) -> list[Row]:
        """Return what heads a turn, once, and its prompt as soon as that is known."""
        rows, whole = self._flushed(), self.summary
        if whole.turns and turn == whole.turn:
            return [*rows, *self._prompt_rows(turn)]
        rows = self._turn_ended(rows)
        self._begin(turn)
        whole.turns, whole.turn = whole.turns + 1, turn
        whole.status, whole.exit_code = "running", None
        self._stages, whole.stage = None, ""
        head = Row(Kind.TURN, one_line(f"Turn {turn}", TITLE_CHARS))
        self._tools.begin_turn()
        spent = self._stdout.account.total
        self._turn = Turn(self._number + len(rows), head, micros(self._at), spent, self._states)
        return [*rows, head, *self._prompt_rows(turn)]

    def _prompt_rows(self, turn: int) -> list[Row]:
        known, head = self._prompts.get(turn), self._turn
        if not known or head is None or head.prompt:
            return []
        head.prompt = one_line(known, TITLE_CHARS)
        return [Row(Kind.PROMPT, text=clean(known), is_minor=True)]  # lines follow its cell

    def _turn_ended(self, rows: list[Row]) -> list[Row]:
        """Add the turn's head as it is known now: with what happened in it."""
        turn, self._turn = self._turn, None
        if turn is None:
            return rows
        count = self._number + len(rows) - turn.number - 1 - (self._states - turn.states)
        spent = self._stdout.account.total
        return [*rows, turn.row(count, self._tools, spent, micros(self._at))]

    def _begin(self, turn: int) -> None:
        self._stdout.flush()
        if not self.summary.turn:  # of turns before it nothing was read
            self._stdout.account.first_turn = turn

    def _end_row(self, event: Event) -> Row:
        self.summary.stage, self.summary.questions, self.summary.notice = "", (), ""
        code = event.extra.get("code")
        message = one_line(str(event.extra.get("message") or ""), TITLE_CHARS)
        if event.type == "exit":
            self.summary.exit_code = code if isinstance(code, int) else None
            self.summary.status = "completed" if code in (0, None) else "failed"
            title = "Ended" if code is None else one_line(f"Exit code {code}", TITLE_CHARS)
            return Row(Kind.END, title, is_error=self.summary.status == "failed")
        self.summary.status = {"error": "failed", "stale": "running"}.get(event.type, event.type)
        return Row(Kind.END, message or event.type, is_error=event.type == "error")

    def _stdout_rows(self, entries: Iterable[Entry]) -> list[Row]:
        rows: list[Row] = []
        for entry in entries:
            new = self._entry_rows(entry, self._number + len(rows))
            self._states += sum(row.replaces is not None for row in new)
            self.places.append(self._place(new, self._number + len(rows)))
            rows += new
            if entry.result is not None:
                self.summary.answer = clean(entry.result.text or "") or self.summary.answer
        self._count()
        return rows

    def _plain_rows(self, lines: list[str], number: int) -> list[Row]:
        rows = text_rows(Kind.OUTPUT, lines)
        if "" in lines:
            self.places += [place for place, line in enumerate(lines, number) if line]
        else:
            self.places += range(number, number + len(lines))
        return rows

    def _place(self, new: list[Row], number: int) -> int:
        """Return the row that shows an entry: its own, or the one that it changed."""
        own = next((at for at, row in enumerate(new, number) if row.replaces is None), None)
        if own is None and new:
            own = new[0].replaces
        return (self.places[-1] if self.places else -1) if own is None else own

    def _entry_rows(self, entry: Entry, number: int) -> list[Row]:
        if entry.line_type == "text":
            text, marks = styled(entry.raw)
            return [Row(Kind.OUTPUT, text=text, marks=marks)]
        if entry.result is not None:
            return [_result_row(entry.result)]
        self._notice(entry)
        depth, parent = self._tools.place(entry)
        if entry.line_type == "error" or (entry.is_error and entry.block != "tool_result"):
            text = clean(entry.text or "")
            return [Row(Kind.SYSTEM, "Error", text, depth, is_error=True, parent=parent)]
        if entry.subtype == "todo_list":
            return self._tools.list_rows(entry, number)
        if entry.line_type == "system" or entry.is_note:
            row = _system_row(entry, depth, parent)
            return [] if row is None else [row]
        return self._block_rows(entry, number, depth, parent)

    def _notice(self, entry: Entry) -> None:
        """Take what an entry says of the whole."""
        if entry.line_type == "system" or entry.is_note:
            self.summary.model = self.summary.model or one_line(entry.model or "", TITLE_CHARS)
        if entry.subtype == "init":
            self._tools.folder = str(entry.fields.get("cwd") or "")
        if entry.subtype == "api_retry":
            self.summary.notice = f"Waiting for the API: {clean(entry.text or '')}"
        elif entry.block is not None:
            self.summary.notice = ""

    def _block_rows(self, entry: Entry, number: int, depth: int, parent: int | None) -> list[Row]:
        match entry.block:
            case "text" if entry.line_type == "assistant":
                return [self._words_row(entry.text or "", depth, parent)]
            case "thinking":
                text = clean(entry.text or "")
                return [Row(Kind.THINKING, text=text, depth=depth, parent=parent)]
            case "tool_use":
                self.summary.tool_calls += 1
                return self._tools.call_rows(entry, number, self._time(entry))
            case "tool_result":
                self.summary.failed_calls += bool(entry.is_error)
                return self._tools.result_rows(entry, number, self._time(entry))
            case _:
                return []

    def _time(self, entry: Entry) -> int | None:
        """Return when an entry came about, in microseconds, by the rule of the tables.

        The line's own time counts, then that of a recording, then that of the event.
        """
        if entry.created_at is not None:
            return entry.created_at
        return micros(self._at if self._recorded is None else self._recorded)

    def _words_row(self, words: str, depth: int, parent: int | None) -> Row:
        text, marks = prose(words) if len(words) <= MARKED_CHARS else (clean(words), ())
        if depth == 0:
            self.summary.answer = text
            if self._turn is not None:
                self._turn.words = text
        self._tools.heard(parent, words)
        self._words += len(words)
        extra = Extra(words=True) if self._words <= WORDS_CHARS else None
        return Row(Kind.TEXT, text=text, depth=depth, parent=parent, marks=marks, extra=extra)

    def _count(self) -> None:
        """Take tokens and cost from the account of the turns."""
        total, whole = self._stdout.account.total, self.summary
        if total.usage is not None:
            whole.tokens_in, whole.tokens_out = total.tokens_in, total.tokens_out
            whole.tokens_cached = total.usage.cache_read_tokens
        if total.cost_usd is not None:
            whole.cost_usd = total.cost_usd


def _stderr_rows(lines: list[str]) -> list[Row]:
    """Make a row of each line; what a CLI writes in every good run is folded away."""
    rows = text_rows(Kind.STDERR, lines)
    return [
        msgspec.structs.replace(row, is_error=False, is_minor=True) if is_noise(row.text) else row
        for row in rows
    ]


def _system_row(entry: Entry, depth: int, parent: int | None) -> Row | None:
    if entry.is_note:
        title = one_line(entry.text or "", TITLE_CHARS)
        return Row(Kind.SYSTEM, title, depth=depth, parent=parent)
    if entry.subtype == "init":
        title = one_line(f"Session of {entry.model or 'an agent'}", TITLE_CHARS)
        return Row(Kind.SYSTEM, title, is_minor=True)
    if entry.subtype == "task_started":
        description = one_line(entry.text or "", TITLE_CHARS)
        title = f"Subagent started: {description or 'no description'}"
        return Row(Kind.SYSTEM, title, depth=depth, parent=parent, is_minor=True)
    return None


def _result_row(result: Result) -> Row:
    facts = []
    if result.num_turns is not None:
        facts.append(counted(result.num_turns, "step"))
    if result.duration_ms is not None:
        facts.append(seconds(result.duration_ms / 1000))
    if result.cost_usd is not None:
        facts.append(dollars(result.cost_usd))
    failed = bool(result.is_error)
    title = ("Failed" if failed else "Done") + "".join(f" · {fact}" for fact in facts)
    problems = [*result.errors, *(_denial(denial) for denial in result.permission_denials)]
    text = "\n".join([*problems, *([result.text] if failed and result.text else [])])
    return Row(Kind.RESULT, title, clean(text), is_error=failed)


def _seconds(milliseconds: object, before: str = "") -> str:
    return f"{before}{seconds(milliseconds / 1000)}" if isinstance(milliseconds, int) else ""


def _denial(denial: Mapping[str, Any]) -> str:
    return f"Permission denied: {denial.get('tool_name') or 'a tool'}"
