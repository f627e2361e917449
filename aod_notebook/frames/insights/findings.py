"""The kinds of findings, with a function for each."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from aod_notebook.core.text import counted
from aod_notebook.frames.insights.session import (
    EDITS,
    CallRow,
    Finding,
    Limits,
    MessageRow,
    SessionRows,
    decoded,
    of_calls,
)

_SUBAGENTS: Final = frozenset({"Task", "Agent", "task"})
_WORD: Final = re.compile(r"\w{5,}")
"""Shorter words of an answer occur everywhere, so they say nothing of its use."""
_TRAILERS: Final = ("agentId: ", "</task_result>")
"""What the CLIs write below a subagent's answer."""


# Findings about the cost of the context and its cache.


def growing_context(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find sessions with a context that became many times as large as it began."""
    sizes = [(row, row.context) for row in session.rows if row.parent is None]
    known = [(row, size) for row, size in sizes if size]
    if not known:
        return
    first, begun = known[0]
    largest, size = max(known, key=lambda pair: pair[1])
    if size >= limits.context_tokens and size >= begun * limits.context_growth:
        text = f"The context grew from {begun:,} to {size:,} tokens"
        orders = [first.order, largest.order]
        yield Finding("context_growth", "warn", largest.turn, text, 1, orders, tokens=size)


def compactions(session: SessionRows, _: Limits) -> Iterator[Finding]:
    """Find the places where a full context was summarised."""
    for row in session.rows:
        if row.subtype == "compact_boundary" or row.line_type == "compacted":
            text = "The context was full and was summarised"
            yield Finding("compaction", "info", row.turn, text, 1, [row.order])


def cold_caches(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find requests that had to write the context to the cache again after a pause."""
    before: MessageRow | None = None
    for row in session.rows:
        if row.at is None or row.parent is not None or row.context is None:
            continue
        written = row.usage.cache_creation_tokens or 0
        if before is not None and before.at is not None:
            pause = row.at - before.at
            if pause > limits.pause_s and written >= limits.cold_tokens:
                text = f"After a pause of {pause / 60:.0f} min {written:,} tokens were cached again"
                orders = [before.order, row.order]
                yield Finding(
                    "cold_cache", "warn", row.turn, text, 1, orders, tokens=written, lost_s=pause
                )
        before = row


# Findings about waiting: for the model, the API, a permission, or nothing.


def slow_starts(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns that took long to their first token."""
    for result in session.results:
        first, turn = result.get("ttft_ms"), result["turn"]
        if first is not None and first >= limits.first_token_ms:
            text = f"The first token came after {first / 1000:.0f} s"
            orders = session.end_of(turn)
            yield Finding("slow_start", "info", turn, text, 1, orders, lost_s=first / 1000)


def idle_times(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find long silences inside a turn while no tool was running."""
    busy = [(c.called_at, c.returned_at) for c in session.calls if c.called_at and c.returned_at]
    timed = [row for row in session.rows if row.at is not None]
    for before, row in pairwise(timed):
        start, end = before.at or 0.0, row.at or 0.0
        if before.turn != row.turn or end - start < limits.idle_s:
            continue
        if any(called <= start + 1 and returned >= end - 1 for called, returned in busy):
            continue
        text = f"Nothing happened for {end - start:.0f} s, and no tool was running"
        orders = [before.order, row.order]
        yield Finding("idle", "info", row.turn, text, 1, orders, lost_s=end - start)


def denied_calls(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns in which calls were not permitted."""
    for result in session.results:
        count, turn = result.get("permission_denials"), result["turn"]
        if count is not None and count >= limits.denials:
            text = f"{counted(int(count), 'call')} {'was' if count == 1 else 'were'} not permitted"
            yield Finding("denied", "warn", turn, text, int(count), session.end_of(turn))


def api_retries(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns in which a request to the API was repeated many times."""
    by_turn: dict[int | None, list[MessageRow]] = defaultdict(list)
    for row in session.rows:
        if row.subtype == "api_retry":
            by_turn[row.turn].append(row)
    for turn, rows in by_turn.items():
        if len(rows) >= limits.retries:
            times = [row.at for row in rows if row.at is not None]
            lost = max(times) - min(times) if len(times) > 1 else None
            text = f"Requests to the API were repeated {len(rows)} times"
            orders = [row.order for row in rows]
            yield Finding("api_retry", "info", turn, text, len(rows), orders, lost_s=lost)


# Calls that were repeated without need.


def repeated_calls(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find identical calls with identical answers in one turn: a loop."""
    groups: dict[tuple[Any, ...], list[CallRow]] = defaultdict(list)
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
    groups: dict[tuple[Any, ...], list[CallRow]] = defaultdict(list)
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
    reads: dict[tuple[str | None, str], list[CallRow]] = defaultdict(list)
    for call in session.calls:
        for touch in call.touches:
            if touch.operation in EDITS:
                for reader in [one for one in reads if one[1] == touch.path]:
                    yield from _of_reads(touch.path, reads.pop(reader), limits)
            elif not call.is_error and not _is_partial(call):
                reads[call.parent, touch.path].append(call)
    for (_, path), calls in reads.items():
        yield from _of_reads(path, calls, limits)


def _of_reads(path: str, calls: Sequence[CallRow], limits: Limits) -> Iterator[Finding]:
    if len(calls) >= limits.same_read:
        text = f"{path} was read {len(calls)} times without a change"
        yield of_calls("repeated_read", "warn", text, calls, calls[1:])


def _is_partial(call: CallRow) -> bool:
    """Check whether a read asks for a part of a file only: then the next one is another read."""
    given = decoded(call.input)
    return isinstance(given, dict) and any(given.get(name) for name in ("offset", "start_line"))


# Findings about wasted work.


def work_after_edits(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns with many calls after the last edit."""
    for calls in session.by_turn():
        edits = [at for at, call in enumerate(calls) if call.edits and not call.is_error]
        after = calls[edits[-1] + 1 :] if edits else []
        if len(after) >= limits.calls_after_edit:
            text = f"{len(after)} calls followed the last edit"
            yield of_calls("work_after_edit", "info", text, after)


def unused_subagents(session: SessionRows, _: Limits) -> Iterator[Finding]:
    """Find subagents with answers that nothing afterwards used."""
    for call in session.calls:
        if call.tool not in _SUBAGENTS or not call.has_result or call.is_error:
            continue
        words = _words(_answer(call)) - _words(call.input)
        later = _later_words(session, call)
        if words and later is not None and not words & later:
            text = "Nothing of the subagent's answer shows up in what followed"
            found = of_calls("unused_subagent", "warn", text, [call])
            own = (row.message_id for row in session.rows if row.parent == call.tool_use_id)
            messages = list(dict.fromkeys(key for key in own if key and call.tool_use_id))
            orders = [*found.orders, *([call.result_order] if call.result_order else [])]
            yield found._replace(messages=messages, orders=orders)


def _answer(call: CallRow) -> str:
    """Return a subagent's own words."""
    text = call.output.rpartition("<task_result>")[2]
    for trailer in _TRAILERS:
        text = text.partition(trailer)[0]
    return text


def _words(text: str) -> set[str]:
    """Return the words of a text; of a path its parts, as it may be written in several ways."""
    return set(_WORD.findall(text.lower()))


def _later_words(session: SessionRows, call: CallRow) -> set[str] | None:
    """Return the words that the same speaker wrote later in the turn; None if there are none."""
    end = call.result_order or call.order
    spoken: list[tuple[MessageRow | CallRow, str]] = [
        (row, row.text)
        for row in session.rows
        if row.line_type == "assistant" and row.block == "text"
    ]
    asked: list[tuple[MessageRow | CallRow, str]] = [
        (other, other.input) for other in session.calls
    ]
    texts = [
        text
        for one, text in (*spoken, *asked)
        if one.order > end and one.turn == call.turn and one.parent == call.parent
    ]
    return set().union(*map(_words, texts)) if texts else None


KINDS: Final[dict[str, Callable[[SessionRows, Limits], Iterator[Finding]]]] = {
    "repeated_failure": repeated_failures,
    "repeated_call": repeated_calls,
    "repeated_read": repeated_reads,
    "unused_subagent": unused_subagents,
    "cold_cache": cold_caches,
    "context_growth": growing_context,
    "compaction": compactions,
    "denied": denied_calls,
    "work_after_edit": work_after_edits,
    "api_retry": api_retries,
    "slow_start": slow_starts,
    "idle": idle_times,
}
"""The kinds of findings, the gravest first, each with the function that finds it."""
