"""Small pure functions from frames to the tables that questions are asked of.

They take pandas, polars or anything else that narwhals knows, lazy frames included, and give
back the kind that came in. What a runtime did not tell stays missing: it is never counted as 0.
"""

from collections.abc import Sequence
from typing import Any, cast

import narwhals.stable.v2 as nw
import pandas as pd
from narwhals.stable.v2.typing import IntoFrameT

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames._narwhals import (
    MEASURES,
    NUMBERS,
    holding,
    one_row_each,
    taken,
    taken_any,
)
from aod_notebook.frames.checks import FrameError, names, number, shown
from aod_notebook.frames.prepare.groups import (
    SESSION_MEASURES,
    TEST_NUMBERS,
    with_success,
    with_tests,
)

__all__ = [
    "compare",
    "cost_per_agent_and_day",
    "outliers",
    "stage_durations",
    "tool_stats",
    "turns_with_results",
]

_TURN = ("session_id", "turn")
_SESSION = ("session_id",)
_OF_SESSION = ("agent_id", "environment_id", "runtime", "provider")
_USUAL = 0.95
_FENCES = ("low", "high")


def turns_with_results(
    turns: IntoFrameT, results: IntoFrameT, sessions: IntoFrameT | None = None
) -> IntoFrameT:
    """Join turns with what their agents said in the end, and with whose sessions they are.

    Args:
        turns: a turns frame.
        results: a results frame; a turn without a result has missing values.
        sessions: a sessions frame; it adds agent, environment, runtime and provider.

    Returns:
        The turns in order of session and turn, one row each, with the columns of `results`,
        among them the tokens and `cost_usd`.

    Raises:
        FrameError: a frame is not of that kind, or they are of different libraries.

    Example:
        >>> from aod_notebook import frames
        >>> results = frames.results_from_events(b"")
        >>> turns = results[["session_id", "turn"]]
        >>> "cost_usd" in turns_with_results(turns, results)
        True
    """
    by, of = "turns_with_results", "frames.results_df()"
    told = one_row_each(taken(results, (*_TURN, "cost_usd"), by=by, of=of), _TURN, by=by, of=of)
    joined = _joined(taken(turns, _TURN, by=by, of="frames.turns_df()"), told, _TURN, by)
    if sessions is not None:
        of = "frames.sessions_df()"
        whose = taken(sessions, (*_SESSION, *_OF_SESSION), by=by, of=of)
        whose = one_row_each(whose.select(*_SESSION, *_OF_SESSION), _SESSION, by=by, of=of)
        joined = _joined(joined, whose, _SESSION, by)
    return _given_back(joined.sort(*_TURN), turns)


def cost_per_agent_and_day(rows: IntoFrameT) -> IntoFrameT:
    """Add up cost and tokens by agent and day.

    Args:
        rows: anything with `agent_id`, `started_at`, `cost_usd` and the four token columns: a
            runs frame, or `turns_with_results(turns, results, sessions)`.

    Returns:
        `agent_id`, `day` (midnight in UTC), `count` of rows, `priced_count` of those whose
        cost is known, `cost_usd` and the four token columns; a sum of nothing but missing
        values is missing. What never started and used nothing, such as a turn that was
        stopped while it waited, is left out; if it used something, its day is missing.

    Raises:
        FrameError: the frame lacks one of these columns.
    """
    of = "frames.runs_df(), or turns_with_results(turns, results, sessions),"
    wanted = ("agent_id", "started_at", "cost_usd", *TOKEN_FIELDS)
    frame = taken(rows, wanted, by="cost_per_agent_and_day", of=of)
    used = nw.any_horizontal(
        *(~nw.col(name).is_null() for name in ("cost_usd", *TOKEN_FIELDS)), ignore_nulls=False
    )
    frame = frame.filter(~nw.col("started_at").is_null() | used)
    in_utc = nw.col("started_at").dt.convert_time_zone("UTC")
    frame = frame.with_columns(in_utc.dt.truncate("1d").alias("day"))
    summed = frame.group_by("agent_id", "day").agg(
        nw.len().alias("count"),
        nw.col("cost_usd").count().alias("priced_count"),
        *(nw.col(name).sum() for name in ("cost_usd", *TOKEN_FIELDS)),
        *(nw.col(name).count().alias(f"{name}_told") for name in TOKEN_FIELDS),
    )
    told = {"cost_usd": "priced_count", **{name: f"{name}_told" for name in TOKEN_FIELDS}}
    known = [
        nw.when(nw.col(count) > 0).then(nw.col(name)).alias(name) for name, count in told.items()
    ]
    summed = summed.with_columns(*known).select(
        "agent_id", "day", _whole("count"), _whole("priced_count"), *told
    )
    counts = ("count", "priced_count")
    return _given_back(summed.sort("agent_id", "day", nulls_last=True), rows, counts)


def tool_stats(tool_calls: IntoFrameT, by: str | Sequence[str] = "tool") -> IntoFrameT:
    """How often each tool was called, how often it failed, and how long it took.

    Args:
        tool_calls: a tool_calls frame.
        by: what to group by, such as `["session_id", "tool"]`.

    Returns:
        The columns of `by`; `count` of calls, `answered_count`, `failed_count`,
        `failure_rate` (failed of answered calls, from 0 to 1; missing if none was answered);
        `mean_s`, `median_s`, `p95_s` and `max_s` of the duration, as far as times are known;
        the most called first.

    Raises:
        FrameError: it is no tool_calls frame, or has no column of that name.
    """
    keys = names("by", by)
    if not keys:
        raise FrameError("tool_stats needs at least one column to group by, such as by='tool'")
    wanted = ("has_result", "is_error", "duration_s")
    frame = taken(tool_calls, wanted, by="tool_stats", of="frames.tool_calls_df()")
    taken_any(tool_calls, keys, by="tool_stats")
    duration = nw.col("duration_s")
    answered = nw.col("has_result").cast(nw.Int64)
    failed = nw.col("is_error").cast(nw.Int64)
    frame = frame.with_columns(answered=answered, failed=failed)
    grouped = frame.group_by(*keys).agg(
        nw.len().alias("count"),
        nw.col("answered").sum().alias("answered_count"),
        nw.col("failed").sum().alias("failed_count"),
        duration.mean().alias("mean_s"),
        duration.median().alias("median_s"),
        duration.quantile(0.95, interpolation="linear").alias("p95_s"),
        duration.max().alias("max_s"),
    )
    rate = nw.col("failed_count").cast(nw.Float64) / nw.col("answered_count")
    counts = ("count", "answered_count", "failed_count")
    stats = grouped.with_columns(
        *map(_whole, counts), nw.when(nw.col("answered_count") > 0).then(rate).alias("failure_rate")
    ).select(*keys, *counts, "failure_rate", "mean_s", "median_s", "p95_s", "max_s")
    order = [True, *(False for _ in keys)]
    stats = stats.sort("count", *keys, descending=order, nulls_last=True)
    return _given_back(stats, tool_calls, counts)


def stage_durations(events: IntoFrameT) -> IntoFrameT:
    """How long each stage of provisioning took, and how it ended.

    Args:
        events: an events frame.

    Returns:
        `session_id`, `order`, `stage`, `state`, `duration_ms` and `message`: a row per stage
        that was done or failed, and one with state `started` and no duration per stage that
        never said how it ended (`runtime_start` never does).

    Raises:
        FrameError: it is no events frame.
    """
    columns = ("session_id", "order", "stage", "state", "duration_ms", "message")
    frame = taken(events, ("type", *columns), by="stage_durations", of="frames.events_df()")
    stages = frame.filter(nw.col("type") == "stage").select(*columns)
    stages = stages.with_columns(nw.col("stage", "state").cast(nw.String))
    is_end = nw.col("state") != "started"
    ended = stages.filter(is_end)
    # events of one body may have no session's id, and missing values never join
    key = [nw.col("session_id").cast(nw.String).fill_null("").alias("_session"), nw.col("stage")]
    begun = stages.filter(~is_end).with_columns(key[0])
    names = ["_session", "stage"]
    open_ended = begun.join(ended.select(*key).unique(), on=names, how="anti").drop("_session")
    return _given_back(nw.concat([ended, open_ended]).sort("session_id", "order"), events)


def compare(
    rows: IntoFrameT,
    by: str,
    columns: str | Sequence[str] | None,
    baseline: Any,
    *,
    confidence: float | None = None,
    pair: str | Sequence[str] = (),
) -> IntoFrameT:
    """Compare groups of rows, such as agents or models, with one of them.

    Args:
        rows: any frame.
        by: the column that tells the groups apart; rows without a value are left out.
        columns: numeric or boolean columns to compare; a mean of booleans is a share. None means
            what a sessions frame has of success (completed, of those that ended), cost, tokens,
            duration and tool calls.
        baseline: the value of `by` to compare with.
        confidence: adds intervals that are so sure, such as 0.95, and tests; lazy frames are
            collected for it.
        pair: columns that are the same in rows to be paired, such as `"prompt"`: only pairs count
            for the difference then. Several rows of a group with the same values count as one, by
            their mean. `confidence` is 0.95 then if it is not given.

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
            baseline (lazy frames have an empty answer instead).
    """
    (by,), keys = names("by", [by]), names("pair", pair)
    if confidence is None and keys:
        confidence = _USUAL
    if confidence is not None and not 0 < number("confidence", confidence) < 1:
        raise FrameError(f"confidence must be between 0 and 1, not {shown(confidence)}")
    frame = taken_any(rows, [by, *keys], by="compare")
    if columns is None:
        frame = with_success(frame)
        there = frame.collect_schema().names()
        measures = [name for name in SESSION_MEASURES if name in there]
    else:
        measures = names("columns", columns)
        taken_any(rows, measures, by="compare")
    if not measures:
        raise FrameError("compare needs at least one column to compare, such as 'cost_usd'")
    frame = holding(frame, dict.fromkeys(measures, MEASURES), by="compare")
    frame = frame.filter(~nw.col(by).is_null())
    parts = []
    for name in measures:
        values = frame.select(nw.col(by), nw.col(name).cast(nw.Float64).alias("value"))
        value = nw.col("value")
        parts.append(
            values.group_by(by)
            .agg(
                value.count().alias("count"),
                value.mean().alias("mean"),
                value.median().alias("median"),
                value.quantile(0.95, interpolation="linear").alias("p95"),
            )
            .with_columns(nw.lit(name).alias("measure"))
        )
    told = nw.concat(parts)
    base = told.filter(nw.col(by) == baseline).select("measure", nw.col("mean").alias("base"))
    if isinstance(base, nw.DataFrame) and base.is_empty():
        raise FrameError(f"No row has {shown(baseline)} in the column {by!r}")
    mean, reference = nw.col("mean"), nw.col("base")
    told = told.join(base, on="measure", how="inner").with_columns(
        _whole("count"), (mean - reference).alias("difference"), (mean / reference).alias("ratio")
    )
    told = told.select("measure", by, "count", "mean", "median", "p95", "difference", "ratio")
    told = told.sort("measure", by)
    if confidence is None:
        return _given_back(told, rows, ("count",))
    chosen = frame.select(by, *keys, *measures)
    is_lazy = isinstance(told, nw.LazyFrame)
    at_hand, chosen = (one.collect() if is_lazy else one for one in (told, chosen))
    tested = with_tests(at_hand, chosen, by, keys, baseline, confidence=confidence)
    answer = _given_back(tested.lazy() if is_lazy else tested, rows, ("count", "pairs"))
    if isinstance(answer, pd.DataFrame):
        floats = {name: "Float64" for name in (*TEST_NUMBERS, "difference") if name != "pairs"}
        return answer.astype({**floats, "test": "str"})
    return answer


def outliers(
    rows: IntoFrameT, column: str, by: str | Sequence[str] = (), *, k: float = 1.5
) -> IntoFrameT:
    """Find the rows with a value far from those of their group (Tukey's fences).

    Args:
        rows: any frame.
        column: the numeric column to look at.
        by: columns that tell groups apart; rows without a value in one are left out.
        k: how many interquartile ranges a value may lie beyond the quartiles, from 0 on.

    Returns:
        The rows beyond the fences with these in `low` and `high`, the largest values first.

    Raises:
        FrameError: there is no such column, it holds no numbers, or `k` is no number from 0 on.
    """
    number("k", k)
    keys, (column,) = names("by", by), names("column", [column])
    frame = taken_any(rows, [column, *keys], by="outliers")
    frame = holding(frame, {column: NUMBERS}, by="outliers")
    if column not in _FENCES:  # those of an earlier answer give way
        frame = frame.drop(*_FENCES, strict=False)
    for key in keys:
        frame = frame.filter(~nw.col(key).is_null())
    if not keys:
        keys = ["_all"]
        frame = frame.with_columns(nw.lit(0).alias("_all"))
    value = nw.col(column)
    fences = frame.group_by(*keys).agg(
        value.quantile(0.25, interpolation="linear").alias("q1"),
        value.quantile(0.75, interpolation="linear").alias("q3"),
    )
    reach = k * (nw.col("q3") - nw.col("q1"))
    fences = fences.with_columns(
        (nw.col("q1") - reach).alias("low"), (nw.col("q3") + reach).alias("high")
    ).drop("q1", "q3")
    beyond = frame.join(fences, on=keys, how="inner").filter(
        (value < nw.col("low")) | (value > nw.col("high"))
    )
    if keys == ["_all"]:
        beyond = beyond.drop("_all")
    return _given_back(beyond.sort(column, descending=True), rows)


def _joined(left: Any, right: Any, keys: Sequence[str], by: str) -> Any:
    """A left join in which the right side's columns take the place of the left's."""
    if left.implementation != right.implementation or type(left) is not type(right):
        raise FrameError(f"{by} needs frames of one library, and all or none of them lazy")
    ours, theirs = left.collect_schema(), right.collect_schema()
    for key in keys:
        if ours[key].is_numeric() != theirs[key].is_numeric():
            both = f"{ours[key]} in one frame and {theirs[key]} in another"
            raise FrameError(f"{by} cannot join by {key}, which holds {both}")
        if ours[key] != theirs[key] and not left.implementation.is_pandas_like():
            right = right.with_columns(nw.col(key).cast(ours[key]))
    replaced = [name for name in ours.names() if name in theirs and name not in keys]
    return left.drop(*replaced).join(right, on=list(keys), how="left")


def _whole(name: str) -> nw.Expr:
    return nw.col(name).cast(nw.Int64)


def _given_back(frame: Any, _like: IntoFrameT, counts: Sequence[str] = ()) -> IntoFrameT:
    """The frame in the kind that came in; a pandas one with a fresh index and nullable counts."""
    fresh = nw.maybe_reset_index(frame) if isinstance(frame, nw.DataFrame) else frame
    native = fresh.to_native()
    if isinstance(native, pd.DataFrame):
        native = native.astype(dict.fromkeys(counts, "Int64"))
    return cast("IntoFrameT", native)
