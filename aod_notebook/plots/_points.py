"""Where tokens and cost were counted: messages, turns or runs, in order of time."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from aod_notebook import frames
from aod_notebook.frames.native import completed
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS, TURN_RESULT_COLUMNS
from aod_notebook.frames.transcripts.pieces import times_of
from aod_notebook.plots._given import EVENTS, has, is_agentos, names_one, refuse

TOKENS: Final = ("cache_read_tokens", "cache_creation_tokens", "input_tokens", "output_tokens")
_DTYPES: Final[dict[str, Any]] = {
    "id": "str",
    "turn": "Int32",
    "at": "datetime64[us, UTC]",
    "step": "Int64",
    **dict.fromkeys(TOKENS, "Int64"),
    "cost_usd": "Float64",
}
_TURNS: Final = (
    *SCHEMAS["turns"].select(["session_id", "turn", "ended_at"]),
    *TURN_RESULT_COLUMNS,
)
_WANTED = (
    "messages, results, model_usage, events or runs, of turns with results=True, or of anything "
    "else with a column session_id"
)


def points(source: Any, client: Any, *, per_message: bool) -> pd.DataFrame:
    """Return the points: `id` of the session or run, `turn`, `at`, `step`, tokens and cost.

    `attrs` says what the points are (message, turn, run) and what they are of (session, run).

    Raises:
        PlotError: the frame has neither tokens nor cost.
        AodError: not one of the sessions could be read.
    """
    if is_agentos(source, client):
        source = frames.runs_df(source, client=client)
    if has(source, "run_id", "status", "input_tokens"):
        runs = completed(source, SCHEMAS["runs"].columns)
        ended = runs["ended_at"].fillna(runs["started_at"])
        return _points(runs.assign(id=runs["run_id"], at=ended), "run", "run")
    if has(source, *EVENTS) or isinstance(source, bytes) or names_one(source):
        return _of_events(frames.events_df(source, client=client), per_message=per_message)
    if has(source, "line_type", "input_tokens"):
        return _of_messages(completed(source, SCHEMAS["messages"].columns))
    if not has(source, "turn", "input_tokens"):
        if isinstance(source, pd.DataFrame) and "session_id" not in source:
            raise refuse(source, _WANTED)
        source = frames.turns_df(source, client=client, results=True)
    return _of_turns(source)


def _of_events(events: pd.DataFrame, *, per_message: bool) -> pd.DataFrame:
    """Points of messages if they are asked for and their tokens known, else of turns."""
    outputs = events[events["type"].eq("output")]
    if per_message:
        messages = frames.messages_from_events(events)
        if messages[list(TOKENS)].notna().any(axis=None):
            return _of_messages(messages)
    results = frames.results_from_events(events)
    last = outputs.drop_duplicates(["session_id", "turn"], keep="last")
    return _of_turns(results.assign(ended_at=_times(results, last, "turn")))


def _times(rows: pd.DataFrame, outputs: pd.DataFrame, key: str) -> pd.Series[Any]:
    """Return for each row the time of the output that has its session and its key."""
    keys = ["session_id", key]
    timed = outputs.assign(at=times_of(outputs))
    known = {
        (output["session_id"], output[key]): output["at"]
        for output in records(timed, [*keys, "at"])
    }
    found = [known.get((row["session_id"], row[key])) for row in records(rows, keys)]
    return pd.Series(pd.to_datetime(pd.Series(found, dtype=object), utc=True).array, rows.index)


def _of_messages(messages: pd.DataFrame) -> pd.DataFrame:
    counted = messages[messages[list(TOKENS)].notna().any(axis=1)]
    # opencode's steps, and no others, have tokens that leave those of reasoning out
    counted = _disjoint(counted, None, counted["subtype"].ne("step_finish"))
    return _points(
        counted.assign(id=counted["session_id"], at=counted["created_at"]), "message", "session"
    )


def _disjoint(rows: pd.DataFrame, includes_cache: Any, includes_reasoning: Any) -> pd.DataFrame:
    """Make kinds of tokens that share none: cached ones are not input, reasoning is output."""
    read, output = rows["input_tokens"], rows["output_tokens"]
    if includes_cache is not None:
        cached = rows["cache_read_tokens"].fillna(0) + rows["cache_creation_tokens"].fillna(0)
        is_whole = includes_cache.fillna(value=False).astype(bool)
        read = read.mask(is_whole, (read - cached).clip(lower=0))
    is_apart = ~includes_reasoning.fillna(value=True).astype(bool)
    output = output.mask(is_apart, output + rows["reasoning_tokens"].fillna(0))
    return rows.assign(input_tokens=read, output_tokens=output)


def _of_turns(turns: pd.DataFrame) -> pd.DataFrame:
    """Points of turns; a frame that has several rows of a turn, one per model, is summed up."""
    whole = completed(turns, _TURNS)
    whole = _disjoint(whole, whole["input_includes_cache"], whole["output_includes_reasoning"])
    grouped = whole.groupby(["session_id", "turn"], sort=False, dropna=False)
    counts = grouped[[*TOKENS, "cost_usd"]].sum(min_count=1)
    summed = counts.assign(at=grouped["ended_at"].max()).reset_index()
    return _points(summed.assign(id=summed["session_id"]), "turn", "session")


def _points(rows: pd.DataFrame, point: str, owner: str) -> pd.DataFrame:
    frame = rows.reindex(columns=list(_DTYPES)).assign(step=0)
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    frame = frame.astype(_DTYPES).sort_values("at", kind="stable").reset_index(drop=True)
    frame["step"] = pd.array(range(1, len(frame) + 1), dtype="Int64")
    frame.attrs = {"point": point, "owner": owner}
    return frame
