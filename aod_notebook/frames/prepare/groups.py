"""Intervals and tests for a table of groups, one of which is the baseline."""

import math
from collections.abc import Hashable, Iterable
from typing import Any, Final

import narwhals.stable.v2 as nw

from aod_notebook.contract import RUN_ENDED, SESSION_ENDED
from aod_notebook.frames.prepare.statistics import (
    Sample,
    Tested,
    fisher,
    mcnemar,
    mean_interval,
    paired,
    share_interval,
    welch,
)

SESSION_MEASURES: Final = (
    "success",
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "duration_s",
    "tool_call_count",
)
"""What is compared of sessions if nothing is named."""
TEST_NUMBERS: Final = ("low", "high", "difference_low", "difference_high", "p_value", "pairs")
_Row = tuple[Hashable, Hashable, float]
"""A group, what pairs a row with one of another group, and a value."""


def with_success(frame: Any) -> Any:
    """Add `success`, from `status`, if a frame has no such column; it is unknown until the end."""
    names = frame.collect_schema().names()
    if "success" in names or "status" not in names:
        return frame
    status = nw.col("status").cast(nw.String)
    success = nw.when(status.is_in((*SESSION_ENDED, *RUN_ENDED))).then(status == "completed")
    return frame.with_columns(success.alias("success"))


def with_tests(
    told: Any, rows: Any, by: str, pair: list[str], baseline: Any, *, confidence: float
) -> Any:
    """Add intervals and tests to the table of `prepare.compare`.

    Args:
        told: the table, at hand.
        rows: the rows that it was made of, at hand.
        by: the column of groups.
        pair: columns that are the same in rows to be paired; none to pair nothing.
        baseline: the group to compare with.
        confidence: how sure intervals are, between 0 and 1.
    """
    made: list[dict[str, Any]] = []
    flags = {name for name, dtype in rows.collect_schema().items() if dtype == nw.Boolean}
    held: dict[str, list[_Row]] = {}
    for measure, group in zip(told["measure"].to_list(), told[by].to_list(), strict=True):
        if measure not in held:
            held[measure] = _rows(rows, by, pair, measure)
        own = [row[1:] for row in held[measure] if row[0] == group]
        base = [row[1:] for row in held[measure] if row[0] == baseline]
        is_flag = measure in flags
        made.append(
            _tested(
                own,
                None if group == baseline else base,
                confidence,
                is_flag=is_flag,
                is_paired=bool(pair),
            )
        )
    if pair:
        for row, own in zip(made, told["difference"].to_list(), strict=True):
            row["difference"] = row["difference"] if row["test"] else own
    columns = {name: nw.Float64() for name in (*TEST_NUMBERS, *(["difference"] if pair else []))}
    found = told.with_columns(
        *(_series(name, made, dtype, told) for name, dtype in columns.items()),
        _series("test", made, nw.String(), told),
    )
    if told.implementation.is_pandas_like():  # whose integers have no gaps
        return found
    return found.with_columns(nw.col("pairs").cast(nw.Int64))


def _series(name: str, made: list[dict[str, Any]], dtype: Any, like: Any) -> Any:
    values = [row[name] for row in made]
    return nw.new_series(name, values, dtype, backend=like.implementation)


def _rows(rows: Any, by: str, pair: list[str], measure: str) -> list[_Row]:
    """Return the known values of a measure; with pairs, one per group and key: their mean."""
    known = rows.filter(*(~nw.col(name).is_null() for name in (by, *pair, measure)))
    keys = [known[name].to_list() for name in pair]
    values = known[measure].cast(nw.Float64).to_list()
    places = zip(*keys, strict=True) if pair else range(len(values))
    found: dict[tuple[Hashable, Hashable], list[float]] = {}
    for group, key, value in zip(known[by].to_list(), places, values, strict=True):
        if not math.isnan(value):
            found.setdefault((group, key), []).append(value)
    return [(group, key, math.fsum(some) / len(some)) for (group, key), some in found.items()]


def _tested(
    own: list[tuple[Hashable, float]],
    base: list[tuple[Hashable, float]] | None,
    confidence: float,
    *,
    is_flag: bool,
    is_paired: bool,
) -> dict[str, Any]:
    values = [value for _, value in own]
    are_flags = is_flag and _are_flags(values)
    interval = (
        share_interval(int(sum(values)), len(values), confidence)
        if are_flags
        else mean_interval(Sample.of(values), confidence)
    )
    test, number, difference = Tested("", None), None, None
    if base is not None and is_paired:
        others = dict(base)
        pairs = [(value, others[key]) for key, value in own if key in others]
        differences = [one - other for one, other in pairs]
        number = len(pairs)
        difference = math.fsum(differences) / number if number else None
        exact = is_flag and all(_are_flags(each) for each in pairs)
        test = (
            mcnemar([(bool(a), bool(b)) for a, b in pairs], confidence)
            if exact
            else paired(differences, confidence)
        )
    elif base is not None:
        reference = [value for _, value in base]
        if are_flags:
            hits = int(sum(values)), int(sum(reference))
            test = fisher(hits, (len(values), len(reference)), confidence)
        else:
            test = welch(Sample.of(values), Sample.of(reference), confidence)
    return {
        "low": interval[0],
        "high": interval[1],
        "difference_low": test.low,
        "difference_high": test.high,
        "p_value": test.p_value,
        "pairs": number,
        "test": test.name or None,
        "difference": difference,
    }


def _are_flags(values: Iterable[float]) -> bool:
    return all(value in (0.0, 1.0) for value in values)
