"""Turns with their results, cost by day, tools, stages and outliers."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames.checks import FrameError, at_least, names
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.given import names_sessions
from aod_notebook.frames.prepare.given import answer, numbers, one_row_each, taken, taken_any

_TURN = ["session_id", "turn"]
_SESSION = ["session_id"]
_OF_SESSION = ["agent_id", "environment_id", "runtime", "provider"]


def turns_with_results(
    turns: Any,
    results: Any = None,
    sessions: Any = None,
    *,
    client: Any = None,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Join turns with what their agents reported in the end, and with their sessions.

    Args:
        turns: a turns frame; or sessions, their ids, a `Store`, which the other frames are then
            read of, too.
        results: a results frame; a turn without a result has missing values.
        sessions: a sessions frame; it adds agent, environment, runtime and provider.
        client: the client to ask for sessions; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        The turns in order of session and turn, one row each, with the columns of `results`,
        among them the tokens and `cost_usd`.

    Raises:
        FrameError: a frame is not of that kind.

    Example:
        >>> from aod_notebook import frames
        >>> results = frames.results_from_events(b"")
        >>> turns = results[["session_id", "turn"]]
        >>> "cost_usd" in turns_with_results(turns, results)
        True
    """
    library(to)
    by, of = "turns_with_results", "frames.results_df()"
    if names_sessions(turns):
        results = turns if results is None else results
        sessions = turns if sessions is None else sessions
    reported = taken(results, [*_TURN, "cost_usd"], by=by, name="results", client=client)
    given = taken(turns, _TURN, by=by, name="turns", client=client)
    joined = _joined(given, one_row_each(reported, _TURN, by=by, of=of), _TURN)
    if sessions is not None:
        wanted = [*_SESSION, *_OF_SESSION]
        known = taken(sessions, wanted, by=by, name="sessions", client=client)
        known = one_row_each(known[wanted], _SESSION, by=by, of="frames.sessions_df()")
        joined = _joined(joined, known, _SESSION)
    return answer(joined.sort_values(_TURN, kind="stable"), to, of=given)


def _joined(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return a left join in which the right side's columns take the place of the left's."""
    replaced = [name for name in left if name in right and name not in keys]
    return left.drop(columns=replaced).merge(right, on=keys, how="left")


def cost_per_agent_and_day(
    rows: Any, *, client: Any = None, to: Library = "pandas"
) -> pd.DataFrame:
    """Add up cost and tokens by agent and day.

    Args:
        rows: anything with `agent_id`, `started_at`, `cost_usd` and the four token columns: a
            runs frame, `turns_with_results(turns, results, sessions)`, or sessions, their ids, a
            `Store`.
        client: the client to ask for sessions; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        `agent_id`, `day` (midnight in UTC), `count` of rows, `priced_count` of those with a
        known cost, `cost_usd` and the four token columns; a sum of nothing but missing
        values is missing. What never started and used nothing, such as a turn that was
        stopped while it waited, is left out; if it used something, its day is missing.

    Raises:
        FrameError: the frame lacks one of these columns.
    """
    library(to)
    of = "frames.runs_df(), or turns_with_results(turns, results, sessions),"
    used = ["cost_usd", *TOKEN_FIELDS]
    wanted = ["agent_id", "started_at", *used]
    given = turns_with_results(rows, client=client) if names_sessions(rows) else rows
    frame = taken(given, wanted, by="cost_per_agent_and_day", of=of)[wanted]
    frame = frame[frame["started_at"].notna() | frame[used].notna().any(axis="columns")]
    frame = frame.assign(day=frame["started_at"].dt.floor("D"))
    grouped = frame.groupby(["agent_id", "day"], dropna=False, observed=True)
    summed = grouped[used].sum(min_count=1)
    summed.insert(0, "count", grouped.size().astype("Int64"))
    summed.insert(1, "priced_count", grouped["cost_usd"].count().astype("Int64"))
    return answer(summed.reset_index().sort_values(["agent_id", "day"]), to, of=frame)


def tool_stats(
    tool_calls: Any,
    by: str | Sequence[str] = "tool",
    *,
    client: Any = None,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Count how often each tool was called and how often it failed, and how long it took.

    Args:
        tool_calls: a tool_calls frame; or sessions, their ids, a `Store`.
        by: what to group by, such as `["session_id", "tool"]`.
        client: the client to ask for sessions; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        The columns of `by`; `count` of calls, `answered_count`, `failed_count`,
        `failure_rate` (failed of answered calls, from 0 to 1; missing if none was answered);
        `mean_s`, `median_s`, `p95_s` and `max_s` of the duration, as far as times are known;
        the most called first.

    Raises:
        FrameError: it is not a tool_calls frame, or has no column of that name.
    """
    library(to)
    keys = names(by)
    if not keys:
        raise FrameError("tool_stats needs at least one column to group by, such as by='tool'")
    wanted = ["has_result", "is_error", "duration_s"]
    frame = taken(tool_calls, wanted, by="tool_stats", name="tool_calls", client=client)
    grouped = taken_any(frame, keys, by="tool_stats").groupby(keys, dropna=False, observed=True)
    took = grouped["duration_s"]
    stats = pd.DataFrame(
        {
            "count": grouped.size().astype("Int64"),
            "answered_count": grouped["has_result"].sum().astype("Int64"),
            "failed_count": grouped["is_error"].sum().astype("Int64"),
            "mean_s": took.mean(),
            "median_s": took.median(),
            "p95_s": took.quantile(0.95),
            "max_s": took.max(),
        }
    )
    answered = stats["answered_count"]
    rate = stats["failed_count"].astype("Float64") / answered.mask(answered == 0)
    stats.insert(3, "failure_rate", rate)
    order = [False, *(True for _ in keys)]
    stats = stats.reset_index().sort_values(["count", *keys], ascending=order, key=_as_text)
    return answer(stats, to, of=frame)


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the values that rows are ordered by: names by their letters, not by appearance."""
    is_name = isinstance(column.dtype, pd.CategoricalDtype) and not column.dtype.ordered
    return column.astype("str") if is_name else column


def stage_durations(events: Any, *, client: Any = None, to: Library = "pandas") -> pd.DataFrame:
    """Return how long each stage of provisioning took, and how it ended.

    Args:
        events: an events frame; or sessions, their ids, a `Store`.
        client: the client to ask for sessions; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        `session_id`, `order`, `stage`, `state`, `duration_ms` and `message`: a row per stage
        that was done or failed, and one with state `started` and no duration per stage
        without a reported end (that of `runtime_start` is never reported).

    Raises:
        FrameError: it is not an events frame.
    """
    library(to)
    columns = ["session_id", "order", "stage", "state", "duration_ms", "message"]
    wanted = ["type", *columns]
    frame = taken(events, wanted, by="stage_durations", name="events", client=client)
    stages = frame.loc[frame["type"] == "stage", columns]
    stages = stages.astype({"stage": "str", "state": "str"}).dropna(subset="state")
    is_end = stages["state"] != "started"
    # events of one body may have no session's id, and they belong together all the same
    key = stages["session_id"].fillna("") + "\n" + stages["stage"].fillna("")
    kept = stages[is_end | ~key.isin(key[is_end])]
    return answer(kept.sort_values(["session_id", "order"]), to, of=frame)


def outliers(
    rows: Any,
    column: str,
    by: str | Sequence[str] = (),
    *,
    k: float = 1.5,
    client: Any = None,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Find the rows with a value far from those of their group (Tukey's fences).

    Args:
        rows: any frame; or sessions, their ids, a `Store`, which stand for their sessions frame
            with details.
        column: the numeric column to look at.
        by: columns that tell groups apart; rows without a value in one are left out.
        k: how many interquartile ranges a value may lie beyond the quartiles, from 0 on.
        client: the client to ask for sessions; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        The rows beyond the fences with these in `low` and `high`, the largest values first.

    Raises:
        FrameError: there is no such column, it holds no numbers, or `k` is below 0.
    """
    library(to)
    at_least("k", k, 0)
    keys = names(by)
    given = taken_any(rows, [column, *keys], by="outliers", client=client)
    frame = given.dropna(subset=keys)
    values = numbers(frame, column, by="outliers")
    groups: Any = [frame[key] for key in keys] or pd.Series(0, index=frame.index)
    grouped = values.groupby(groups, observed=True)
    first, third = (grouped.transform("quantile", q) for q in (0.25, 0.75))
    reach = k * (third - first)
    low, high = first - reach, third + reach
    is_beyond = ((values < low) | (values > high)).fillna(value=False).astype(bool)
    # the fences of an earlier answer are replaced; as a value they are needed until here
    fenced = frame.drop(columns=[n for n in ("low", "high") if n in frame and n != column])
    fenced = fenced.assign(low=low, high=high)[is_beyond]
    order = values[is_beyond].sort_values(ascending=False, kind="stable").index
    return answer(fenced.loc[order], to, of=given)
