"""What each turn of a session used and cost, from its result lines and the turns before it."""

import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import TypeVar

import msgspec

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.transcripts.model import ModelUsage, Result, Spent, Usage, add

_T = TypeVar("_T")
_Number = TypeVar("_Number", int, float)
_NOTHING = Result(cost_usd=0.0, duration_api_ms=0)
"""What a counter has counted before its first turn."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """A result line unchanged: what it reports may be more than its turn used.

    Attributes:
        result: the line's own counts.
        counter: the thread or session that continues counting; None if there is none.
        is_running: the counts are totals of the counter, earlier turns included.
        is_usage_own: the line's `usage` is the turn's alone, only its models' are totals. This
            shows whether an unknown counter is new or continues another one, as a fork does.
        since_last: what was used since the counter's last result line, if the line reports it.
        model: the session's model, for a line that names none.
    """

    result: Result
    counter: str | None = None
    is_running: bool = False
    is_usage_own: bool = False
    since_last: tuple[ModelUsage, ...] | None = None
    model: str | None = None


class Account:
    """Knows what the turns of one session used and cost; its `Reader` keeps it.

    Totals that continue over the turns of a thread or a session are taken as differences to
    its last result line, never below 0. Where that line was never seen (the stream begins
    in the middle), what the turn used is unknown.

    Attributes:
        first_turn: the number of the first turn that is read; set it before reading. If it
            is not 1, counters have counted before.
    """

    def __init__(self, first_turn: int = 1) -> None:
        self.first_turn = first_turn
        self._turn: Result | None = None
        self._later: Callable[[], Reported] | None = None
        self._ended: Spent | None = None
        self._last: dict[str, Result] = {}
        self._newest: Result | None = None
        self._bases: dict[str, Result | None] = {}
        self._parts: dict[str, Result | None] = {}

    @property
    def turn(self) -> Result | None:
        """The turn that is being read, as far as it was reported; None before that."""
        if self._later is not None:
            self.add(self._later())
        return self._turn

    @property
    def total(self) -> Spent:
        """What all turns so far used and cost, the unfinished one included."""
        return _sum(self._ended, self.turn) or Spent()

    def add(self, reported: Reported) -> Result | None:
        """Add a result line; return the account of its turn so far.

        None: the line says nothing, and the turn has a result already.
        """
        self._later = None
        result, before, key = reported.result, self._turn, reported.counter or ""
        if _is_empty(result):
            if before is None:
                self._turn = result
            return None if before is not None else result
        is_new = self._is_new(key, result)
        is_known = bool(result.model_usage) or (result.usage or result.cost_usd) is not None
        if is_known or not reported.is_running or key not in self._parts:
            self._parts[key] = self._part(reported, key, is_new=is_new)
        turn = self._combined(result)
        if before is not None and reported.counter is not None and result.model_usage:
            turn = _joined(before, turn, is_new=is_new)
        if is_known:
            self._last[key] = self._newest = result
        self._turn = turn
        return turn

    def report_later(self, report: Callable[[], Reported]) -> None:
        """Take from `report` what the turn used so far, once it is asked for."""
        self._later = report

    def end(self) -> None:
        """End the turn."""
        self._ended = _sum(self._ended, self.turn)
        self._turn = None
        self._bases.clear()
        self._parts.clear()

    def skip(self) -> None:
        """End the turn and start `total` again; the counters are kept."""
        self.end()
        self._ended = None

    def _is_new(self, key: str, result: Result) -> bool:
        """Whether the line counts more than the turn's line before it."""
        if key not in self._parts or key not in self._last:
            return True
        last = self._last[key]
        return (last.model_usage, last.cost_usd) != (result.model_usage, result.cost_usd)

    def _part(self, reported: Reported, key: str, *, is_new: bool) -> Result | None:
        """What the turn used of one counter; None if that is unknown."""
        result, since = reported.result, reported.since_last
        if key not in self._bases:
            self._bases[key] = self._base(reported, key)
        base = self._bases[key]
        api_ms = result.duration_api_ms
        if reported.is_running:
            api_ms = None if base is None else _less(api_ms, base.duration_api_ms)
        if since is not None:
            earlier = self._parts.get(key)
            models = () if earlier is None else earlier.model_usage
            models = _merged([*models, *since]) if is_new or earlier is None else models
            # a line that names no models reports that nothing was used, and that costs nothing
            cost = _cost(models) if models else 0.0
            return _of(models, result, cost, api_ms, reported.model)
        if not reported.is_running:
            return _of(result.model_usage, result, result.cost_usd, api_ms, reported.model)
        if base is None:
            return None
        models = _differences(result.model_usage, base.model_usage)
        part = _of(models, result, _less(result.cost_usd, base.cost_usd), api_ms, reported.model)
        earlier_models = {used.model for used in base.model_usage}
        used = [u for u in part.model_usage if u.model not in earlier_models or _is_used(u)]
        return msgspec.structs.replace(part, model_usage=tuple(used))

    def _base(self, reported: Reported, key: str) -> Result | None:
        """What the counter had counted before this turn; None if that is unknown."""
        if key in self._last:
            return self._last[key]
        if self._newest is None:
            is_whole = reported.is_usage_own and _is_whole(reported.result)
            return _NOTHING if self.first_turn <= 1 or is_whole else None
        if reported.is_usage_own and _goes_on(reported.result, self._newest):
            return self._newest
        return _NOTHING

    def _combined(self, result: Result) -> Result:
        """The line's result with what the turn used of all counters."""
        parts = list(self._parts.values())
        known = [part for part in parts if part is not None]
        whole: Spent | None = None
        for part in known if len(known) == len(parts) else ():
            whole = _sum(whole, part)
        api_ms = reduce(add, [part.duration_api_ms for part in known], None)
        return msgspec.structs.replace(
            result,
            cost_usd=None if whole is None else whole.cost_usd,
            usage=None if whole is None else whole.usage,
            model_usage=() if whole is None else whole.model_usage,
            duration_api_ms=None if whole is None else api_ms,
        )


def _is_empty(result: Result) -> bool:
    """Whether the line reports no turns, time, tokens or cost (Claude before 2.1.7)."""
    counts = [getattr(result.usage, name, None) for name in TOKEN_FIELDS]
    facts = (result.num_turns, result.duration_ms, result.cost_usd, *counts, *result.model_usage)
    return result.subtype == "error_during_execution" and not any(facts)


def _is_whole(result: Result) -> bool:
    """Whether the main loop's usage, which is the turn's alone, is all there ever was."""
    total = _usage_of(result.model_usage)
    if result.usage is None or total is None:
        return False
    counts = [(getattr(result.usage, name), getattr(total, name)) for name in TOKEN_FIELDS]
    return any(own for own, _ in counts) and all(own == whole for own, whole in counts)


def _goes_on(result: Result, parent: Result) -> bool:
    """Whether a session's first total continues its parent's, as that of a fork does.

    Then nothing is below the parent's, and what is above it is at least the turn's usage.
    """
    now = {used.model: used.usage for used in result.model_usage}
    for used in parent.model_usage:
        if used.model not in now or not _covers(now[used.model], used.usage, None):
            return False
    total, before = _usage_of(result.model_usage), _usage_of(parent.model_usage)
    return total is not None and before is not None and _covers(total, before, result.usage)


def _covers(whole: Usage, part: Usage, other: Usage | None) -> bool:
    for name in TOKEN_FIELDS:
        least = (getattr(part, name) or 0) + (getattr(other, name, None) or 0)
        if (getattr(whole, name) or 0) < least:
            return False
    return True


def _of(
    models: tuple[ModelUsage, ...],
    result: Result,
    cost: float | None,
    api_ms: int | None,
    model: str | None,
) -> Result:
    """What was used: the models' sum; of a line that names no models, its own usage."""
    if not models:
        if result.usage is not None and not result.model_usage:
            models = (ModelUsage(model, result.usage, cost),)
        return Result(cost_usd=cost, usage=result.usage, model_usage=models, duration_api_ms=api_ms)
    total = _usage_of(models) or Usage()
    own = result.usage
    if own is not None and all(
        getattr(total, name) in (None, getattr(own, name)) for name in TOKEN_FIELDS
    ):
        # the main loop was all there was, so what only its usage says holds for the whole
        total = _filled(total, own)
        if len(models) == 1:
            models = (msgspec.structs.replace(models[0], usage=total),)
    cost = _cost(models) if cost is None else cost
    return Result(cost_usd=cost, usage=total, model_usage=models, duration_api_ms=api_ms)


def _differences(now: Iterable[ModelUsage], base: Iterable[ModelUsage]) -> tuple[ModelUsage, ...]:
    before = {used.model: used for used in base}
    return tuple(
        _difference(used, before[used.model]) if used.model in before else used for used in now
    )


def _difference(now: ModelUsage, base: ModelUsage) -> ModelUsage:
    counts = {
        name: _less(getattr(now.usage, name), getattr(base.usage, name))
        for name in Usage.__struct_fields__
    }
    return msgspec.structs.replace(
        now,
        usage=Usage(**counts),
        cost_usd=_less(now.cost_usd, base.cost_usd),
        web_search_requests=_less(now.web_search_requests, base.web_search_requests),
    )


def _is_used(used: ModelUsage) -> bool:
    counts = [getattr(used.usage, name) for name in Usage.__struct_fields__]
    return any(counts) or bool(used.cost_usd) or 0 not in counts


def _merged(rows: Iterable[ModelUsage]) -> tuple[ModelUsage, ...]:
    """One row per model."""
    merged: dict[str | None, ModelUsage] = {}
    for row in rows:
        before = merged.get(row.model)
        if before is not None:
            row = msgspec.structs.replace(  # noqa: PLW2901 - the sum takes the row's place
                row,
                usage=before.usage + row.usage,
                cost_usd=_total(before.cost_usd, row.cost_usd),
                web_search_requests=add(before.web_search_requests, row.web_search_requests),
            )
        merged[row.model] = row
    return tuple(merged.values())


def _joined(before: Result, now: Result, *, is_new: bool) -> Result:
    """Two result lines of one turn: the second reports turns and time of its own round only."""
    denials = [d for d in before.permission_denials if d not in now.permission_denials]
    count = add(before.denial_count, now.denial_count)
    return msgspec.structs.replace(
        now,
        num_turns=add(before.num_turns, now.num_turns) if is_new else before.num_turns,
        duration_ms=add(before.duration_ms, now.duration_ms) if is_new else before.duration_ms,
        ttft_ms=now.ttft_ms if before.ttft_ms is None else before.ttft_ms,
        permission_denials=(*denials, *now.permission_denials),
        denial_count=None if count is None else len(denials) + len(now.permission_denials),
    )


def _sum(left: Spent | None, right: Spent | None) -> Spent | None:
    if left is None or right is None:
        return left or right
    return Spent(
        cost_usd=_total(left.cost_usd, right.cost_usd),
        usage=_plus(left.usage, right.usage),
        model_usage=_merged([*left.model_usage, *right.model_usage]),
        input_includes_cache=_known(left.input_includes_cache, right.input_includes_cache),
        output_includes_reasoning=_known(
            left.output_includes_reasoning, right.output_includes_reasoning
        ),
    )


def _usage_of(models: Iterable[ModelUsage]) -> Usage | None:
    """The models' sum; a count that one of them does not report is unknown."""
    usages = [used.usage for used in models]
    if not usages:
        return None
    sums: dict[str, int | None] = {}
    for name in Usage.__struct_fields__:
        counts = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in counts else sum(counts)
    return Usage(**sums)


def _filled(usage: Usage, other: Usage) -> Usage:
    names = Usage.__struct_fields__
    return Usage(*(_known(getattr(usage, n), getattr(other, n)) for n in names))


def _known(first: _T | None, second: _T | None) -> _T | None:
    return second if first is None else first


def _cost(models: Iterable[ModelUsage]) -> float | None:
    costs = [used.cost_usd for used in models]
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if known and len(known) == len(costs) else None


def _plus(left: Usage | None, right: Usage | None) -> Usage | None:
    return _known(left, right) if left is None or right is None else left + right


def _total(left: float | None, right: float | None) -> float | None:
    return _known(left, right) if left is None or right is None else left + right


def _less(now: _Number | None, base: _Number | None) -> _Number | None:
    """Return the increase of a counter; never below 0."""
    if now is None or base is None:
        return None
    return now - base if now > base else type(now)(0)
