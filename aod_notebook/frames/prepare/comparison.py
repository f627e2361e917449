"""Groups compared with one of them: means, intervals and tests."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from aod_notebook.contract import RUN_ENDED, SESSION_ENDED
from aod_notebook.frames.checks import FrameError, names, shown
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.prepare.given import answer, numbers, taken_any
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
_TEST_NUMBERS: Final = ("low", "high", "difference_low", "difference_high", "p_value")
_USUAL: Final = 0.95
_Row = tuple[Hashable, Hashable, float]
"""A group, what pairs a row with one of another group, and a value."""


def compare(
    rows: Any,
    by: str,
    columns: str | Sequence[str] | None,
    baseline: Any,
    *,
    confidence: float | None = None,
    pair: str | Sequence[str] = (),
    client: Any = None,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Compare groups of rows, such as agents or models, with one of them.

    Args:
        rows: any frame; or sessions, their ids, a `Store`, which stand for their sessions frame
            with details.
        by: the column that tells the groups apart; rows without a value are left out.
        columns: numeric or boolean columns to compare; a mean of booleans is a share. None means
            what a sessions frame has of success (completed, of those that ended), cost, tokens,
            duration and tool calls.
        baseline: the value of `by` to compare with.
        confidence: adds intervals that are so sure, such as 0.95, and tests.
        pair: columns that are the same in rows to be paired, such as `"prompt"`: only pairs count
            for the difference then. Several rows of a group with the same values count as one, by
            their mean. `confidence` is 0.95 then if it is not given.
        client: the client to ask for sessions; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        A row per column and group: `measure` (the column's name), the column `by`, `count` of
        known values, `mean`, `median`, `p95`, and the mean's `difference` and `ratio` to that
        of the baseline. With `confidence` also: `low` and `high` of the mean (Student's t; of a
        share Wilson's score), `difference_low` and `difference_high`, `p_value` (two-sided, not
        corrected for several comparisons), number of `pairs`, and `test`, the name of the test:
        Welch's or paired t-test; for shares Fisher's or, in pairs, McNemar's exact test. With
        `pair` the `difference` is the mean one within pairs. What cannot be known, such as the
        interval of a single value, is missing.

    Raises:
        FrameError: there is no such column, or it holds no numbers; or no row belongs to the
            baseline.
    """
    library(to)
    keys = names(pair)
    if confidence is None and keys:
        confidence = _USUAL
    if confidence is not None and not 0 < confidence < 1:
        raise FrameError(f"confidence must be between 0 and 1, not {shown(confidence)}")
    given = frame = taken_any(rows, [by, *keys], by="compare", client=client)
    if columns is None:
        frame = _with_success(frame)
        measures = [name for name in SESSION_MEASURES if name in frame]
    else:
        measures = names(columns)
        taken_any(frame, measures, by="compare")
    if not measures:
        raise FrameError("compare needs at least one column to compare, such as 'cost_usd'")
    frame = frame.dropna(subset=by).reset_index(drop=True)  # labels may occur twice
    values = {name: numbers(frame, name, by="compare", or_flags=True) for name in measures}
    table = _table(frame[by], values, baseline)
    if confidence is not None:
        groups = _Groups(frame, by, keys, values)
        table = _with_tests(table, groups, baseline, confidence)
    return answer(table, to, of=given)


def _with_success(frame: pd.DataFrame) -> pd.DataFrame:
    """Add `success`, from `status`, if a frame has no such column; it is unknown until the end."""
    if "success" in frame or "status" not in frame:
        return frame
    status = frame["status"].astype("str")
    success = status.eq("completed").astype("boolean")
    return frame.assign(success=success.where(status.isin([*SESSION_ENDED, *RUN_ENDED])))


def _table(groups: "pd.Series[Any]", values: Mapping[str, Any], baseline: Any) -> pd.DataFrame:
    """Return the means of each measure and group beside those of the baseline.

    Raises:
        FrameError: no row belongs to the baseline.
    """
    if not (groups == baseline).any():
        raise FrameError(f"No row has {shown(baseline)} in the column {groups.name!r}")
    parts = []
    for name, column in values.items():
        grouped = column.groupby(groups, observed=True)
        part = pd.DataFrame(
            {
                "count": grouped.count().astype("Int64"),
                "mean": grouped.mean(),
                "median": grouped.median(),
                "p95": grouped.quantile(0.95),
            }
        ).reset_index(names=str(groups.name))
        base = part.loc[part[groups.name] == baseline, "mean"].iloc[0]
        base = pd.array([base] * len(part), dtype="Float64")
        part["difference"] = part["mean"] - base
        part["ratio"] = part["mean"] / base
        part.insert(0, "measure", pd.Series(name, part.index, dtype="str"))
        parts.append(part)
    return pd.concat(parts, ignore_index=True).sort_values(["measure", str(groups.name)])


class _Groups:
    """The rows of each measure, by group and by what pairs them."""

    def __init__(
        self, frame: pd.DataFrame, by: str, pair: list[str], values: Mapping[str, Any]
    ) -> None:
        self.by = by
        self.is_paired = bool(pair)
        whole = frame.dropna(subset=pair)
        self._names = whole[by].tolist()
        columns = [whole[key].tolist() for key in pair]
        self._places = list(zip(*columns, strict=True)) if pair else range(len(whole))
        self._values = {name: column[whole.index].tolist() for name, column in values.items()}
        self.flags = {name for name in values if pd.api.types.is_bool_dtype(frame[name].dtype)}

    def rows(self, measure: str) -> list[_Row]:
        """Return the known values of a measure; with pairs, one per group and key: their mean."""
        found: dict[tuple[Hashable, Hashable], list[float]] = {}
        columns = (self._names, self._places, self._values[measure])
        for group, key, value in zip(*columns, strict=True):
            if not pd.isna(value):
                found.setdefault((group, key), []).append(value)
        return [(group, key, math.fsum(some) / len(some)) for (group, key), some in found.items()]


def _with_tests(
    table: pd.DataFrame, groups: _Groups, baseline: Any, confidence: float
) -> pd.DataFrame:
    """Add intervals and tests to a table of means."""
    rows = {measure: groups.rows(measure) for measure in table["measure"].unique()}
    made: list[dict[str, Any]] = []
    columns = (table["measure"], table[groups.by], table["difference"])
    for measure, group, difference in zip(*columns, strict=True):
        own = [row[1:] for row in rows[measure] if row[0] == group]
        base = [row[1:] for row in rows[measure] if row[0] == baseline]
        tested = _tested(
            own,
            None if group == baseline else base,
            confidence,
            is_flag=measure in groups.flags,
            is_paired=groups.is_paired,
        )
        if not (groups.is_paired and tested["test"]):
            tested["difference"] = difference
        made.append(tested)
    for name in ("difference", *_TEST_NUMBERS):
        table[name] = pd.array([row[name] for row in made], dtype="Float64")
    table["pairs"] = pd.array([row["pairs"] for row in made], dtype="Int64")
    table["test"] = pd.array([row["test"] for row in made], dtype="str")
    return table


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
        if are_flags and values
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
