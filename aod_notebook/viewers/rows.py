"""Rows: what a viewer shows of a session's events, already cleaned, in the order they came."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aod_notebook.transcripts import Reader, Usage, summary
from aod_notebook.viewers.clean import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from aod_notebook.transcripts import Entry, Result

__all__ = ["Kind", "Row", "RowBuilder", "Summary"]

TITLE_CHARS = 160
SLOW_STAGE_MS = 1_000
"""A stage that took longer is worth a line of its own."""


class Event(Protocol):
    """An event of a session's stream, such as `aod.StreamEvent`."""

    @property
    def type(self) -> str: ...
    @property
    def extra(self) -> Mapping[str, Any]: ...


class Kind(enum.StrEnum):
    """What a row is."""

    STAGE = "stage"
    TURN = "turn"
    SYSTEM = "system"
    TEXT = "text"
    THINKING = "thinking"
    TOOL = "tool"
    TOOL_RESULT = "tool result"
    OUTPUT = "output"
    STDERR = "stderr"
    RESULT = "result"
    END = "end"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to show.

    Attributes:
        kind: what it is.
        title: a short name on one line: the stage, the tool, the result.
        text: the rest, over as many lines as it has.
        depth: 0 for the agent itself, 1 for its subagents, and so on.
        is_error: whether it reports a failure.
        is_minor: whether only somebody who unfolds it wants to see it.
    """

    kind: Kind
    title: str = ""
    text: str = ""
    depth: int = 0
    is_error: bool = False
    is_minor: bool = False


@dataclass(slots=True)
class Summary:
    """What is known of the whole session so far.

    Attributes:
        status: `pending`, `running`, or how it ended.
        exit_code: of the last turn; None while it runs or if it was killed.
        turns: how many turns were seen.
        tool_calls: how many calls of tools were seen.
        tokens_in: tokens read, cached ones included; None if the runtime told nothing.
        tokens_out: tokens written.
        cost_usd: sum over the turns; None if the runtime told nothing.
        answer: the agent's last words.
    """

    status: str = "pending"
    exit_code: int | None = None
    turns: int = 0
    tool_calls: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    answer: str = ""


class RowBuilder:
    r"""Makes rows of a session's events; feed it each event once, in order.

    Args:
        runtime: what wrote the output; None to recognise it from the lines.

    Example:
        >>> from aod_notebook.aod import StreamEvent
        >>> builder = RowBuilder("shell")
        >>> event = StreamEvent("output", 1, {"stream": "stdout", "data": "hello\n", "turn": 1})
        >>> [row.text for row in builder.feed(event)]
        ['hello']
    """

    def __init__(self, runtime: str | None = None) -> None:
        self.summary = Summary()
        self._stdout = Reader(runtime)
        self._stderr = Reader("shell")
        self._depths: dict[str, int] = {}

    def feed(self, event: Event) -> list[Row]:
        """Give the rows that `event` completes; half a line waits for its other half."""
        extra = event.extra
        match event.type:
            case "output":
                self.summary.status = "running"
                data = str(extra.get("data") or "")
                if extra.get("stream") == "stderr":
                    return self._stderr_rows(self._stderr.feed(data))
                return self._stdout_rows(self._stdout.feed(data))
            case "stage":
                return [*self.finish(), *_stage_rows(extra)]
            case "turn_start":
                return [*self.finish(), self._turn_row(extra)]
            case "exit" | "error" | "terminated" | "stale":
                return [*self.finish(), self._end_row(event)]
            case _:
                return []

    def finish(self) -> list[Row]:
        """Give the rows of lines that were never ended by a newline."""
        return self._stdout_rows(self._stdout.flush()) + self._stderr_rows(self._stderr.flush())

    def _turn_row(self, extra: Mapping[str, Any]) -> Row:
        self.summary.turns += 1
        self.summary.status, self.summary.exit_code = "running", None
        return Row(Kind.TURN, f"Turn {extra.get('turn')}")

    def _end_row(self, event: Event) -> Row:
        code = event.extra.get("code")
        message = one_line(str(event.extra.get("message") or ""), TITLE_CHARS)
        if event.type == "exit":
            self.summary.exit_code = code
            self.summary.status = "completed" if code in (0, None) else "failed"
            return Row(Kind.END, f"Exit code {code}", is_error=self.summary.status == "failed")
        self.summary.status = {"error": "failed", "stale": "running"}.get(event.type, event.type)
        return Row(Kind.END, message or event.type, is_error=event.type == "error")

    def _stderr_rows(self, entries: Iterable[Entry]) -> list[Row]:
        return [Row(Kind.STDERR, text=clean(entry.raw), is_error=True) for entry in entries]

    def _stdout_rows(self, entries: Iterable[Entry]) -> list[Row]:
        rows: list[Row] = []
        for entry in entries:
            row = self._entry_row(entry)
            if row is not None:
                rows.append(row)
            if entry.result is not None:
                self._count(entry.result)
        return rows

    def _entry_row(self, entry: Entry) -> Row | None:
        depth = self._depths.get(entry.parent_tool_use_id or "", 0)
        text = clean(entry.text or "")
        if entry.result is not None:
            return _result_row(entry.result)
        if entry.line_type == "text":
            return Row(Kind.OUTPUT, text=clean(entry.raw))
        if entry.line_type == "error" or (entry.is_error and entry.block is None):
            return Row(Kind.SYSTEM, "Error", text, depth, is_error=True)
        if entry.line_type == "system":
            return _system_row(entry, depth)
        match entry.block:
            case "text" if entry.line_type == "assistant":
                self.summary.answer = text if depth == 0 else self.summary.answer
                return Row(Kind.TEXT, text=text, depth=depth)
            case "thinking":
                return Row(Kind.THINKING, text=text, depth=depth)
            case "tool_use":
                return self._tool_row(entry, depth)
            case "tool_result":
                return Row(Kind.TOOL_RESULT, "", text, depth + 1, is_error=bool(entry.is_error))
            case _:
                return None

    def _tool_row(self, entry: Entry, depth: int) -> Row:
        self.summary.tool_calls += 1
        if entry.tool_use_id:
            self._depths[entry.tool_use_id] = depth + 1
        name = one_line(entry.tool or "tool", TITLE_CHARS)
        return Row(Kind.TOOL, name, one_line(summary(entry.tool, entry.input), TITLE_CHARS), depth)

    def _count(self, result: Result) -> None:
        whole = self.summary
        if result.usage is not None:
            whole.tokens_in = _add(whole.tokens_in, _tokens_in(result))
            whole.tokens_out = _add(whole.tokens_out, result.usage.output_tokens)
        if result.cost_usd is not None:
            whole.cost_usd = result.cost_usd + (whole.cost_usd or 0.0)
        whole.answer = clean(result.text or "") or whole.answer


def _stage_rows(extra: Mapping[str, Any]) -> list[Row]:
    stage, state = str(extra.get("stage")), str(extra.get("state"))
    if state == "started":
        return []
    took = extra.get("duration_ms")
    title = one_line(f"{stage} {state}" + _seconds(took, before=" in "), TITLE_CHARS)
    text = clean(str(extra.get("message") or ""))
    failed = state == "failed"
    is_minor = not failed and isinstance(took, int) and took < SLOW_STAGE_MS
    return [Row(Kind.STAGE, title, text, is_error=failed, is_minor=is_minor)]


def _system_row(entry: Entry, depth: int) -> Row | None:
    if entry.subtype == "init":
        return Row(Kind.SYSTEM, one_line(f"Session of {entry.model or 'an agent'}", TITLE_CHARS))
    if entry.subtype == "task_started":
        description = one_line(entry.text or "", TITLE_CHARS)
        return Row(Kind.SYSTEM, f"Subagent started: {description or 'no description'}", depth=depth)
    return None


def _result_row(result: Result) -> Row:
    facts = []
    if result.num_turns is not None:
        facts.append(f"{result.num_turns} steps")
    if result.duration_ms is not None:
        facts.append(_seconds(result.duration_ms))
    if result.cost_usd is not None:
        facts.append(f"${result.cost_usd:.4f}")
    failed = bool(result.is_error)
    title = ("Failed" if failed else "Done") + "".join(f" · {fact}" for fact in facts)
    problems = [*result.errors, *(_denial(denial) for denial in result.permission_denials)]
    text = "\n".join([*problems, *([result.text] if failed and result.text else [])])
    return Row(Kind.RESULT, title, clean(text), is_error=failed)


def _tokens_in(result: Result) -> int | None:
    """Tokens that were read, the cached ones included, whichever way the runtime counts."""
    usage = result.usage or Usage()
    if result.input_includes_cache:
        return usage.input_tokens
    return _add(_add(usage.input_tokens, usage.cache_read_tokens), usage.cache_creation_tokens)


def _add(left: int | None, right: int | None) -> int | None:
    return left if right is None else right + (left or 0)


def _seconds(milliseconds: object, before: str = "") -> str:
    return f"{before}{milliseconds / 1000:.1f} s" if isinstance(milliseconds, int) else ""


def _denial(denial: Mapping[str, Any]) -> str:
    return f"Permission denied: {denial.get('tool_name') or 'a tool'}"
