"""The bars of a session's timeline, from its events or its tool calls."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from aod_notebook import frames
from aod_notebook.contract import FINAL_EVENTS
from aod_notebook.frames.rows import records
from aod_notebook.plots._given import epoch_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

STAGE, TURN, CALL = "stage", "turn", "call"
_DTYPES: Final[dict[str, Any]] = {
    "session_id": "str",
    "kind": pd.CategoricalDtype([STAGE, TURN, CALL]),
    "turn": "Int32",
    "name": "str",
    "summary": "str",
    "state": pd.CategoricalDtype(["done", "failed", "stopped", "open"]),
    "depth": "Int16",
    "tool_use_id": "str",
    "parent_tool_use_id": "str",
    "lane": "str",
    "start": "Float64",
    "end": "Float64",
    "duration_s": "Float64",
}
_MARK = ("type", "turn", "stage", "state", "duration_ms", "exit_code", "message")
_CALL = (
    *("turn", "tool_use_id", "parent_tool_use_id", "order", "result_order", "tool", "summary"),
    *("is_error", "has_result", "called_at", "returned_at", "duration_s"),
)
_Row = dict[str, Any]


def bars_of_events(events: pd.DataFrame) -> pd.DataFrame:
    """Make the bars of one session's events; `start` and `end` are steps if there are no times."""
    calls = frames.tool_calls_from_events(events)
    at = _times(events)
    is_mark = events["type"].ne("output").to_numpy(bool)
    marks = [
        {**mark, "row": int(row), "at": float(at[row])}
        for row, mark in zip(np.flatnonzero(is_mark), records(events[is_mark], _MARK), strict=True)
    ]
    if not np.isnan(at).all():
        marks = [mark for mark in marks if not np.isnan(mark["at"])]
        turns = _turns_in_time(marks, at)
        bars = [*_stages_in_time(marks, at), *turns, *_calls(calls, turns, is_timed=True)]
        return _framed(bars, events, is_timed=True)
    messages = frames.messages_from_events(events, columns=["turn", "order"])
    turns = _turns_around(
        zip(messages["turn"], messages["order"], messages["order"] + 1, strict=True)
    )
    stages = _stages_in_order(marks)
    later = [*turns, *_calls(calls, turns, is_timed=False)]
    for bar in later:
        bar["start"] += len(stages)
        bar["end"] += len(stages)
    return _framed([*stages, *later], events, is_timed=False)


def _times(events: pd.DataFrame) -> NDArray[np.float64]:
    """Return when each event came; of a replay when it was recorded, which its stages were not."""
    recorded = events.get("recorded_at")
    if recorded is None or recorded.isna().all():
        received = events.get("received_at")
        is_known = received is not None and received.notna().any()
        return epoch_seconds(received if is_known else events.get("created_at"), len(events))
    begins, ends = events["type"].eq("turn_start"), events["type"].isin(FINAL_EVENTS)
    recorded = recorded.mask(begins, recorded.bfill()).mask(ends, recorded.ffill())
    return epoch_seconds(recorded, len(events))


def bars_of_calls(calls: pd.DataFrame) -> pd.DataFrame:
    """Make the bars of one session's tool calls; turns reach from their first to their last."""
    is_timed = not np.isnan(epoch_seconds(calls.get("called_at"), len(calls))).all()
    bars = _calls(calls, [], is_timed=is_timed)
    turns = _turns_around((bar["turn"], bar["start"], bar["end"]) for bar in bars)
    return _framed([*turns, *bars], calls, is_timed=is_timed)


def _framed(bars: list[_Row], source: pd.DataFrame, *, is_timed: bool) -> pd.DataFrame:
    """Make the frame; of times, the first is 0."""
    first = min((bar["start"] for bar in bars), default=0.0) if is_timed else 0.0
    for bar in bars:
        bar["start"], bar["end"] = bar["start"] - first, max(bar["end"], bar["start"]) - first
    frame = pd.DataFrame(bars, columns=list(_DTYPES)).astype(_DTYPES)
    ids = source["session_id"].dropna() if "session_id" in source else ()
    frame["session_id"] = pd.array([next(iter(ids), None)] * len(bars), dtype="str")
    began = datetime.fromtimestamp(first, UTC).isoformat() if is_timed and bars else None
    frame.attrs = {"unit": "s" if is_timed else "step", "began_at": began}
    return frame


# -- stages ---------------------------------------------------------------------------------------


def _stages_in_time(marks: Sequence[_Row], at: NDArray[np.float64]) -> list[_Row]:
    """Stages that ended, each as long as the service says, and those that were only announced.

    A client that connects late gets the events of all stages at once. So they are put one
    before the other, and the last of them ends when its event came.
    """
    bars: list[_Row] = []
    earliest = float("inf")
    stages = [mark for mark in marks if mark["type"] == "stage"]
    for mark in reversed([mark for mark in stages if mark["state"] in ("done", "failed")]):
        end = min(mark["at"], earliest)
        earliest = end - max(mark["duration_ms"] or 0, 0) / 1000
        bars.insert(0, _stage(mark, earliest, end))
    for mark in stages:
        following = (later for later in stages if later["row"] > mark["row"])
        after = next(
            (one["state"] for one in following if one["stage"] == mark["stage"]), "started"
        )
        if mark["state"] == "started" and after == "started":  # the agent's start is never "done"
            bars.append(_announced(mark, marks, float(np.nanmax(at))))
    return bars


def _announced(mark: _Row, marks: Sequence[_Row], last: float) -> _Row:
    """A stage without a known end: it lasts until the turn starts or the session ends."""
    ends = (one["at"] for one in marks if one["row"] > mark["row"] and one["type"] != "stage")
    end = next(ends, None)
    bar = _stage(mark, mark["at"], last if end is None else end)
    return bar if end is not None else bar | {"state": "open"}


def _stages_in_order(marks: Iterable[_Row]) -> list[_Row]:
    done = [
        mark for mark in marks if mark["type"] == "stage" and mark["state"] in ("done", "failed")
    ]
    return [_stage(mark, float(step), step + 1.0) for step, mark in enumerate(done)]


def _stage(mark: _Row, start: float, end: float) -> _Row:
    took = mark["duration_ms"]
    return {
        "kind": STAGE,
        "name": mark["stage"],
        "summary": mark["message"],
        "state": "failed" if mark["state"] == "failed" else "done",
        "depth": 0,
        "start": start,
        "end": end,
        "duration_s": None if took is None else took / 1000,
    }


# -- turns ----------------------------------------------------------------------------------------


def _turns_in_time(marks: Sequence[_Row], at: NDArray[np.float64]) -> list[_Row]:
    """Turns from their `turn_start` to the event that ended them, or to what came last."""
    first: dict[Any, _Row] = {}
    for mark in marks:
        if mark["type"] == "turn_start":
            first.setdefault(mark["turn"], mark)
    bars = []
    rows = sorted(mark["row"] for mark in first.values())
    for mark in sorted(first.values(), key=lambda mark: int(mark["row"])):
        following = next((row for row in rows if row > mark["row"]), len(at))
        own = (m for m in marks if mark["row"] < m["row"] < following and m["type"] in FINAL_EVENTS)
        end = next(own, None)
        until = following if end is None else end["row"] + 1
        state = _state(end, is_last=following == len(at))
        last = float(np.nanmax(at[mark["row"] : until]))
        bars.append(_turn(mark["turn"], mark["at"], last, state))
    return bars


def _state(end: _Row | None, *, is_last: bool) -> str:
    if end is None:
        return "open" if is_last else "done"
    if end["type"] == "terminated":
        return "stopped"
    return "failed" if end["type"] == "error" or end["exit_code"] else "done"


def _turns_around(spans: Iterable[tuple[Any, Any, Any]]) -> list[_Row]:
    """Turns as far as what is known of them reaches."""
    known: dict[int, tuple[float, float]] = {}
    for turn, start, end in spans:
        if not pd.isna(turn):
            from_, to = known.get(turn, (start, end))
            known[turn] = (min(from_, start), max(to, end))
    return [_turn(turn, start, end, "done") for turn, (start, end) in known.items()]


def _turn(number: int | None, start: float, end: float, state: str) -> _Row:
    return {
        "kind": TURN,
        "turn": number,
        "name": "turn" if number is None else f"turn {number}",
        "state": state,
        "depth": 0,
        "start": start,
        "end": end,
    }


# -- calls ----------------------------------------------------------------------------------------


def _calls(frame: pd.DataFrame, turns: Sequence[_Row], *, is_timed: bool) -> list[_Row]:
    """Calls, each after the one that it belongs to; one without a result lasts as its turn."""
    calls = records(frame, _CALL)
    names = ("called_at", "returned_at") if is_timed else ("order", "result_order")
    for call in calls:
        call["start"], call["end"] = (_number(call[name]) for name in names)
    over = {turn["turn"]: turn["end"] for turn in turns}
    last = max(
        (t for call in calls for t in (call["start"], call["end"]) if t is not None), default=0
    )
    placed = [
        (call, depth, lane) for call, depth, lane in _nested(calls) if call["start"] is not None
    ]
    return [_call(call, depth, lane, over.get(call["turn"], last)) for call, depth, lane in placed]


def _call(call: _Row, depth: int, lane: str | None, over: float) -> _Row:
    end = call["end"]
    is_open = end is None and not (call["has_result"] and call["duration_s"] is not None)
    state = "open" if is_open else "failed" if call["is_error"] else "done"
    return call | {
        "name": call["tool"],
        "kind": CALL,
        "state": state,
        "depth": depth,
        "lane": lane,
        "end": over if end is None else end,
    }


def _number(value: Any) -> float | None:
    return (
        value.timestamp()
        if isinstance(value, datetime)
        else None
        if value is None
        else float(value)
    )


def _nested(calls: Sequence[_Row]) -> list[tuple[_Row, int, str | None]]:
    """Put each call after the one that it belongs to; with its depth, and that call's name."""
    # ids are unique within a turn only
    by_id = {(call["turn"], call["tool_use_id"]): row for row, call in enumerate(calls)}
    children: dict[int | None, list[int]] = defaultdict(list)
    for row, call in enumerate(calls):
        parent = call["parent_tool_use_id"]
        children[None if parent is None else by_id.get((call["turn"], parent))].append(row)
    placed: dict[int, tuple[_Row, int, str | None]] = {}
    # what is its own ancestor is reached from no root and comes last
    for root in [*children[None], *range(len(calls))]:
        is_nested = calls[root]["parent_tool_use_id"] is not None
        waiting = [(root, int(is_nested), "subagent" if is_nested else None)]
        while waiting:
            row, depth, lane = waiting.pop()
            if row not in placed:
                placed[row] = (calls[row], depth, lane)
                name = f"{calls[row]['tool']} {calls[row]['summary'] or ''}".strip()
                waiting += [(child, depth + 1, name) for child in reversed(children[row])]
    return list(placed.values())
