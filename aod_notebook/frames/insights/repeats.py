"""Calls that were repeated without need."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from aod_notebook.frames.insights.session import (
    EDITS,
    Call,
    Finding,
    Limits,
    SessionRows,
    decoded,
    of_calls,
)


def repeated_calls(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find identical calls with identical answers in one turn: a loop."""
    groups: dict[tuple[Any, ...], list[Call]] = defaultdict(list)
    edited = 0
    for call in session.calls:
        edited += call.edits
        if not call.is_error and call.has_result:
            groups[call.turn, call.parent, call.tool, call.input, call.output, edited].append(call)
    for calls in groups.values():
        if len(calls) >= limits.same_call and not calls[0].reads:
            text = f"{calls[0].tool} was called {len(calls)} times with the same input and answer"
            yield of_calls("repeated_call", "warn", text, calls, calls[1:])


def repeated_failures(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find identical calls that failed repeatedly, with no edit in between."""
    groups: dict[tuple[Any, ...], list[Call]] = defaultdict(list)
    edited = 0
    for call in session.calls:
        edited += call.edits and not call.is_error
        if call.is_error:
            groups[call.turn, call.parent, call.tool, call.input, edited].append(call)
    for calls in groups.values():
        if len(calls) >= limits.same_failure:
            text = f"{calls[0].tool} failed {len(calls)} times with the same input"
            yield of_calls("repeated_failure", "bad", text, calls, calls[1:])


def repeated_reads(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find files that were read repeatedly although nothing had changed them."""
    reads: dict[tuple[str | None, str], list[Call]] = defaultdict(list)
    for call in session.calls:
        for touch in call.touches:
            if touch.operation in EDITS:
                for reader in [one for one in reads if one[1] == touch.path]:
                    yield from _of_reads(touch.path, reads.pop(reader), limits)
            elif not call.is_error and not _is_partial(call):
                reads[call.parent, touch.path].append(call)
    for (_, path), calls in reads.items():
        yield from _of_reads(path, calls, limits)


def _of_reads(path: str, calls: Sequence[Call], limits: Limits) -> Iterator[Finding]:
    if len(calls) >= limits.same_read:
        text = f"{path} was read {len(calls)} times without a change"
        yield of_calls("repeated_read", "warn", text, calls, calls[1:])


def _is_partial(call: Call) -> bool:
    """Check whether a read asks for a part of a file only: then the next one is another read."""
    given = decoded(call.input)
    return isinstance(given, dict) and any(given.get(name) for name in ("offset", "start_line"))
