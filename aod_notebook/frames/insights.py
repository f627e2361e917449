"""Findings about sessions: loops, repeated failures, wasted reads, costly pauses.

No model is asked. Each kind of finding is one function over the calls and messages of one
session; its limits are arguments, each with its reason.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
import pandas as pd

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames import prices
from aod_notebook.frames._deliver import Report, finish
from aod_notebook.frames._native import Table
from aod_notebook.frames.messages import messages_of
from aod_notebook.frames.results import results_of
from aod_notebook.frames.schema import INSIGHTS as _SCHEMA
from aod_notebook.frames.sources import Gathered
from aod_notebook.frames.store import Store
from aod_notebook.frames.tool_calls import tool_calls_of
from aod_notebook.transcripts import Spent, Usage
from aod_notebook.transcripts.files import touched

_EDITS: Final = ("write", "edit", "delete")
_SUBAGENTS: Final = frozenset({"Task", "Agent", "task"})
_WORD_CHARS: Final = 5
"""Shorter words of an answer occur everywhere, so they say nothing of its use."""


@dataclass(frozen=True)
class Limits:
    """From when on something is a finding.

    Attributes:
        same_call: identical calls in one turn. Two happen by chance; the third is a loop.
        same_failure: failures of an identical call. A second try is often right, so 3.
        same_read: reads of one file without an edit of it in between.
        context_tokens: size of the context from which growth costs more than it helps.
        context_growth: growth within a session that counts, as a multiple of its start.
        pause_s: pause after which a provider's cache has usually expired (5 minutes).
        cold_tokens: tokens written to the cache anew that are worth a finding.
        first_token_ms: time to the first token at which a person notices.
        idle_s: seconds without a line while no tool runs.
        calls_after_edit: calls after the last edit that are more than a check of it.
        retries: retries of the API in one turn.
        denials: calls that were not permitted, in one turn.
    """

    same_call: int = 3
    same_failure: int = 3
    same_read: int = 3
    context_tokens: int = 100_000
    context_growth: float = 3.0
    pause_s: float = 300.0
    cold_tokens: int = 10_000
    first_token_ms: int = 20_000
    idle_s: float = 120.0
    calls_after_edit: int = 12
    retries: int = 3
    denials: int = 1


class Finding(NamedTuple):
    """One finding: what, where, the rows that show it, and what it cost."""

    kind: str
    severity: str
    turn: int | None
    finding: str
    times: int
    orders: list[int]
    tokens: int | None = None
    lost_s: float | None = None


@dataclass
class Call:
    """One tool call of a session."""

    turn: int | None
    order: int
    result_order: int | None
    tool: str
    input: str
    output: str
    is_error: bool
    has_result: bool
    called_at: float | None
    returned_at: float | None
    parent: str | None
    tool_use_id: str | None


@dataclass
class Row:
    """One row of a session's messages."""

    turn: int | None
    order: int
    line_type: str
    subtype: str | None
    block: str | None
    text: str
    model: str | None
    parent: str | None
    at: float | None
    tokens: dict[str, int | None]


@dataclass
class SessionRows:
    """The rows of one session, in the order of its transcript."""

    session_id: str | None
    calls: list[Call] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


# -- the kinds ----------------------------------------------------------------------------------


def repeated_calls(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find identical calls with identical answers in one turn: a loop."""
    groups: dict[tuple[Any, ...], list[Call]] = defaultdict(list)
    edited = 0
    for call in session.calls:
        edited += _edits(call)
        if not call.is_error:
            groups[call.turn, call.parent, call.tool, call.input, call.output, edited].append(call)
    for calls in groups.values():
        if len(calls) >= limits.same_call and not _is_read(calls[0]):
            text = f"{calls[0].tool} was called {len(calls)} times with the same input and answer"
            yield _of_calls("repeated_call", "warn", text, calls)


def repeated_failures(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find identical calls that failed again and again, with no edit in between."""
    groups: dict[tuple[Any, ...], list[Call]] = defaultdict(list)
    edited = 0
    for call in session.calls:
        edited += _edits(call)
        if call.is_error:
            groups[call.turn, call.tool, call.input, edited].append(call)
    for calls in groups.values():
        if len(calls) >= limits.same_failure:
            text = f"{calls[0].tool} failed {len(calls)} times with the same input"
            yield _of_calls("repeated_failure", "bad", text, calls)


def repeated_reads(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find files that were read again and again although nothing had changed them."""
    reads: dict[str, list[Call]] = defaultdict(list)
    for call in session.calls:
        for touch in touched(call.tool, _decoded(call.input)):
            if touch.operation == "read" and not call.is_error:
                if _windowed(call.input):
                    continue
                reads[touch.path].append(call)
            elif touch.operation in _EDITS:
                yield from _reads(touch.path, reads.pop(touch.path, []), limits)
    for path, calls in reads.items():
        yield from _reads(path, calls, limits)


def growing_context(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find sessions with a context that became many times as large as it began."""
    sizes = [(row, _context(row)) for row in session.rows if row.parent is None]
    known = [(row, size) for row, size in sizes if size]
    if not known:
        return
    first = known[0][1]
    largest, size = max(known, key=lambda pair: pair[1])
    if size >= limits.context_tokens and size >= first * limits.context_growth:
        text = f"The context grew from {first:,} to {size:,} tokens"
        yield Finding("context_growth", "warn", largest.turn, text, 1, [largest.order], size)


def compactions(session: SessionRows, _: Limits) -> Iterator[Finding]:
    """Find where the context was full and had to be summarised."""
    for row in session.rows:
        if row.subtype == "compact_boundary" or row.line_type == "compacted":
            text = "The context was full and was summarised"
            yield Finding("compaction", "info", row.turn, text, 1, [row.order])


def cold_caches(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find requests that had to write the context to the cache again after a pause."""
    before: Row | None = None
    for row in session.rows:
        written = row.tokens.get("cache_creation_tokens")
        if row.at is None or row.parent is not None or _context(row) is None:
            continue
        if before is not None and before.at is not None:
            pause = row.at - before.at
            if pause > limits.pause_s and (written or 0) >= limits.cold_tokens:
                text = f"After a pause of {pause / 60:.0f} min {written:,} tokens were cached again"
                orders = [before.order, row.order]
                yield Finding("cold_cache", "warn", row.turn, text, 1, orders, written, pause)
        before = row


def slow_starts(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns that took long to their first token."""
    for result in session.results:
        first = result.get("ttft_ms")
        if first is not None and first >= limits.first_token_ms:
            text = f"The first token came after {first / 1000:.0f} s"
            yield Finding("slow_start", "info", result["turn"], text, 1, [], None, first / 1000)


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
        yield Finding("idle", "info", row.turn, text, 1, orders, None, end - start)


def work_after_edits(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns that went on for many calls after the last edit."""
    by_turn: dict[int | None, list[Call]] = defaultdict(list)
    for call in session.calls:
        by_turn[call.turn].append(call)
    for calls in by_turn.values():
        edits = [at for at, call in enumerate(calls) if _edits(call) and not call.is_error]
        after = calls[edits[-1] + 1 :] if edits else []
        if len(after) >= limits.calls_after_edit:
            text = f"{len(after)} calls followed the last edit"
            yield _of_calls("work_after_edit", "info", text, after)


def unused_subagents(session: SessionRows, _: Limits) -> Iterator[Finding]:
    """Find subagents with answers of which nothing shows up in what followed."""
    for call in session.calls:
        if call.tool not in _SUBAGENTS or not call.has_result or call.is_error:
            continue
        words = _words(call.output) - _words(call.input)
        end = call.result_order or call.order
        later = _later_words(session, call, end)
        if words and later is not None and not words & later:
            text = "Nothing of the subagent's answer shows up in what followed"
            yield _of_calls("unused_subagent", "warn", text, [call])


def denied_calls(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns in which calls were not permitted."""
    for result in session.results:
        count = result.get("permission_denials")
        if count is not None and count >= limits.denials:
            text = f"{count} calls were not permitted"
            yield Finding("denied", "warn", result["turn"], text, int(count), [])


def api_retries(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns in which the API had to be asked again and again."""
    by_turn: dict[int | None, list[Row]] = defaultdict(list)
    for row in session.rows:
        if row.subtype == "api_retry":
            by_turn[row.turn].append(row)
    for turn, rows in by_turn.items():
        if len(rows) >= limits.retries:
            times = [row.at for row in rows if row.at is not None]
            lost = max(times) - min(times) if len(times) > 1 else None
            text = f"The API was asked again {len(rows)} times"
            orders = [row.order for row in rows]
            yield Finding("api_retry", "info", turn, text, len(rows), orders, None, lost)


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
"""The kinds of findings, each with the function that finds it."""


def limits_of(given: dict[str, Any]) -> Limits:
    """Return the default limits with some replaced.

    Raises:
        TypeError: a limit does not exist.
    """
    names = {one.name for one in fields(Limits)}
    for name in given:
        if name not in names:
            raise TypeError(f"unexpected limit {name!r}: there are {', '.join(sorted(names))}")
    return Limits(**given)


def find(session: SessionRows, kinds: Iterable[str], limits: Limits) -> Iterator[Finding]:
    """Find everything of the given kinds in one session."""
    for kind in kinds:
        yield from KINDS[kind](session, limits)


# -- helpers ------------------------------------------------------------------------------------


def _of_calls(kind: str, severity: str, text: str, calls: Sequence[Call]) -> Finding:
    spans = [(c.called_at, c.returned_at) for c in calls]
    known = [max(0.0, end - start) for start, end in spans if start is not None and end is not None]
    orders = [call.order for call in calls]
    lost = sum(known) if known else None
    return Finding(kind, severity, calls[0].turn, text, len(calls), orders, None, lost)


def _reads(path: str, calls: Sequence[Call], limits: Limits) -> Iterator[Finding]:
    if len(calls) >= limits.same_read:
        text = f"{path} was read {len(calls)} times without a change"
        yield _of_calls("repeated_read", "warn", text, calls)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _windowed(text: str) -> bool:
    """Whether a read asks for a part of a file only: then the next one is another read."""
    given = _decoded(text)
    return isinstance(given, dict) and any(given.get(name) for name in ("offset", "start_line"))


def _edits(call: Call) -> bool:
    return any(t.operation in _EDITS for t in touched(call.tool, _decoded(call.input)))


def _is_read(call: Call) -> bool:
    touches = touched(call.tool, _decoded(call.input))
    return bool(touches) and all(touch.operation == "read" for touch in touches)


def _context(row: Row) -> int | None:
    """Return the tokens that a request read: the size of the context then."""
    names = ("input_tokens", "cache_read_tokens", "cache_creation_tokens")
    known = [row.tokens[name] for name in names if row.tokens.get(name) is not None]
    return sum(value for value in known if value is not None) if known else None


def _words(text: str) -> set[str]:
    found = "".join(char if char.isalnum() or char in "._-/" else " " for char in text.lower())
    return {word.strip("._-/") for word in found.split() if len(word) >= _WORD_CHARS}


def _later_words(session: SessionRows, call: Call, end: int) -> set[str] | None:
    """Return the words that the same speaker wrote later in the turn; None if there are none."""
    spoken: list[tuple[Row | Call, str]] = [
        (row, row.text)
        for row in session.rows
        if row.line_type == "assistant" and row.block == "text"
    ]
    asked: list[tuple[Row | Call, str]] = [(other, other.input) for other in session.calls]
    texts = [
        text
        for one, text in (*spoken, *asked)
        if one.order > end and one.turn == call.turn and one.parent == call.parent
    ]
    return set().union(*map(_words, texts)) if texts else None


def sessions_of_frames(
    messages: pd.DataFrame, calls: pd.DataFrame, results: pd.DataFrame
) -> Iterator[SessionRows]:
    """Yield the rows of one session after the other, from frames of many."""
    parts: dict[Any, SessionRows] = {}
    for row in _records(messages):
        session = parts.setdefault(row["session_id"], SessionRows(row["session_id"]))
        session.rows.append(_row(row))
    for row in _records(calls):
        session = parts.setdefault(row["session_id"], SessionRows(row["session_id"]))
        session.calls.append(_call(row))
    for row in _records(results):
        session = parts.setdefault(row["session_id"], SessionRows(row["session_id"]))
        session.results.append(row)
    yield from parts.values()


def _records(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    columns = {name: _plain(frame[name]) for name in frame.columns}
    names = list(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def _plain(series: Any) -> list[Any]:
    """Return a column as Python values, None for what is missing, times in seconds."""
    missing = series.isna().to_numpy()
    if str(series.dtype).startswith("datetime"):
        numbers = series.astype("int64").to_numpy() / 1e6
        return [None if gone else float(n) for n, gone in zip(numbers, missing, strict=True)]
    values = series.astype(object).to_numpy()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _row(row: dict[str, Any]) -> Row:
    names = TOKEN_FIELDS
    return Row(
        row.get("turn"),
        int(row["order"]),
        row.get("line_type") or "",
        row.get("subtype"),
        row.get("block"),
        row.get("text") or "",
        row.get("model"),
        row.get("parent_tool_use_id"),
        row.get("created_at"),
        {name: row.get(name) for name in names},
    )


def _call(row: dict[str, Any]) -> Call:
    return Call(
        row.get("turn"),
        int(row["order"]),
        row.get("result_order"),
        row.get("tool") or "",
        row.get("input") or "",
        row.get("output") or "",
        bool(row.get("is_error")),
        bool(row.get("has_result")),
        row.get("called_at"),
        row.get("returned_at"),
        row.get("parent_tool_use_id"),
        row.get("tool_use_id"),
    )


# -- the frame ----------------------------------------------------------------------------------


def insights_df(
    source: Any = None,
    *,
    client: Any = None,
    kinds: Iterable[str] | None = None,
    **limits: float,
) -> pd.DataFrame:
    """Find loops, repeated failures, wasted reads and costly pauses, without a model.

    Args:
        source: whatever `messages_df` takes: ids, a `Store`, a path of logs, followed sessions;
            None means all sessions.
        client: the client to ask; by default the current connection's.
        kinds: only these kinds; by default all of `frames.insights.KINDS`.
        limits: other limits than the defaults, such as `same_call=5`
            (`frames.insights.Limits` lists them with their reasons).

    Returns:
        One row per finding, the gravest kinds first: `session_id`, `turn`, `kind`, `severity`
        (info, warn, bad), `finding` (one sentence), `times`, `orders` (JSON list: rows of
        `messages` that show it), `tokens`, `cost_usd` (what these tokens cost by the table of
        prices, NA where it has none), `lost_s` (seconds).

    Raises:
        TypeError: a limit or a kind does not exist.

    Example:
        >>> insights_df(b"").columns[:3].tolist()
        ['session_id', 'turn', 'kind']
    """
    chosen = list(KINDS) if kinds is None else list(kinds)
    for kind in chosen:
        if kind not in KINDS:
            raise TypeError(f"unexpected kind {kind!r}: there are {', '.join(KINDS)}")
    allowed = limits_of(limits)
    messages, calls, results = _frames(source, client)
    found = [
        (session, finding)
        for session in sessions_of_frames(messages, calls, results)
        for finding in find(session, chosen, allowed)
    ]
    found.sort(key=lambda pair: chosen.index(pair[1].kind))
    return _frame(found)


def _frames(source: Any, client: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    if isinstance(source, Store):
        messages, calls, results = (source.frame(name) for name in _NEEDED)
        return messages, calls, results
    transcript = list(Gathered(source, client=client).pieces())
    return (
        messages_of(transcript).frame,
        tool_calls_of(transcript).frame,
        results_of(transcript, exclude=("computed_cost_usd", "cost_source")).frame,
    )


_NEEDED: Final = ("messages", "tool_calls", "results")


def _frame(found: list[tuple[SessionRows, Finding]]) -> pd.DataFrame:
    rows = [
        {
            "session_id": session.session_id,
            **finding._asdict(),
            "orders": msgspec.json.encode(finding.orders).decode(),
            "cost_usd": _cost(session, finding),
        }
        for session, finding in found
    ]
    table = Table(_SCHEMA.columns)
    table.add(len(rows), {c.name: [row[c.name] for row in rows] for c in _SCHEMA.columns})
    return finish(table, _SCHEMA, Report()).frame


def _cost(session: SessionRows, finding: Finding) -> float | None:
    """Return the price of tokens that were written to the cache again."""
    if finding.kind != "cold_cache" or not finding.tokens:
        return None
    models = {row.order: row.model for row in session.rows}
    model = models.get(finding.orders[-1])
    if model is None:
        return None
    usage = Usage(0, 0, 0, finding.tokens, 0, 0)
    return prices.cost(model, usage, Spent(input_includes_cache=False), None, None)
