"""Tables for questions: known answers, whatever library the tables are of."""

import math

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aod_notebook import frames
from aod_notebook.frames import prepare
from aod_notebook.frames.schema import SCHEMAS

KINDS = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: duckdb.from_arrow(KINDS["arrow"](frame)),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def made(name, rows):
    """A frame of a schema, from dicts of the values that matter."""
    columns = {}
    for column in SCHEMAS[name].columns:
        values = [row.get(column.name) for row in rows]
        dtype = column.pandas_dtype
        if column.dtype == "datetime":
            columns[column.name] = pd.to_datetime(pd.Series(values), utc=True).astype(dtype)
        else:
            columns[column.name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


def records(frame, columns):
    """Rows as tuples, with None for what is missing."""

    def plain(value):
        return None if pd.isna(value) else value

    return [tuple(map(plain, row)) for row in frame[list(columns)].to_numpy(object)]


def run(kind, function, *tables, **options):
    """Call a function with tables of a library; the answer is pandas' whatever they are."""
    there = KINDS[kind]
    given = [there(table) if isinstance(table, pd.DataFrame) else table for table in tables]
    answer = function(*given, **options)
    assert isinstance(answer, pd.DataFrame)
    return answer


SESSIONS = made(
    "sessions",
    [
        {"session_id": "s1", "agent_id": "a1", "runtime": "claude"},
        {"session_id": "s2", "agent_id": "a2", "runtime": "codex"},
    ],
)
TURNS = made(
    "turns",
    [
        {"session_id": "s2", "turn": 1, "started_at": "2026-01-02T00:00:01"},
        {"session_id": "s1", "turn": 2, "started_at": "2026-01-01T23:59:59"},
        {"session_id": "s1", "turn": 1, "started_at": "2026-01-01T01:00:00"},
        {"session_id": "s1", "turn": 3},
    ],
)
RESULTS = made(
    "results",
    [
        {"session_id": "s1", "turn": 1, "cost_usd": 0.5, "input_tokens": 10, "result": "one"},
        {"session_id": "s1", "turn": 2, "cost_usd": 0.25, "input_tokens": 5, "result": "two"},
        {"session_id": "s2", "turn": 1, "input_tokens": 7, "result": "three"},
    ],
)


def test_turns_are_joined_with_their_results_and_agents(kind):
    joined = run(kind, prepare.turns_with_results, TURNS, RESULTS, SESSIONS)
    names = ["session_id", "turn", "result", "input_tokens", "agent_id", "runtime"]
    assert records(joined, names) == [
        ("s1", 1, "one", 10, "a1", "claude"),
        ("s1", 2, "two", 5, "a1", "claude"),
        ("s1", 3, None, None, "a1", "claude"),
        ("s2", 1, "three", 7, "a2", "codex"),
    ]


def test_turns_that_have_tokens_already_take_those_of_the_results(kind):
    turns = TURNS.assign(cost_usd=9.0, tool_call_count=3)
    joined = run(kind, prepare.turns_with_results, turns, RESULTS)
    assert list(joined["cost_usd"].dropna()) == [0.5, 0.25]
    assert list(joined["tool_call_count"]) == [3] * 4


def test_cost_is_added_up_by_agent_and_day_and_unknown_cost_is_not_zero(kind):
    joined = prepare.turns_with_results(TURNS, RESULTS, SESSIONS)
    summed = run(kind, prepare.cost_per_agent_and_day, joined)
    days = [None if pd.isna(day) else day.strftime("%Y-%m-%d %H:%M %Z") for day in summed["day"]]
    assert days == ["2026-01-01 00:00 UTC", "2026-01-02 00:00 UTC"]
    names = ["agent_id", "count", "priced_count", "cost_usd", "input_tokens", "output_tokens"]
    assert records(summed, names) == [
        ("a1", 2, 2, 0.75, 15, None),
        ("a2", 1, 0, None, 7, None),
    ]


def test_what_used_something_is_counted_though_its_start_is_unknown(kind):
    runs = made("runs", [{"agent_id": "a", "output_tokens": 3}, {"agent_id": "a"}])
    summed = run(kind, prepare.cost_per_agent_and_day, runs)
    assert records(summed, ["day", "count", "output_tokens"]) == [(None, 1, 3)]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", None])
def test_days_are_those_of_utc_in_every_time_zone(kind, zone):
    times = pd.to_datetime(["2026-01-01T23:30Z", "2026-01-02T23:30Z"])
    runs = made("runs", [{"agent_id": "a", "started_at": time, "cost_usd": 1} for time in times])
    runs["started_at"] = runs["started_at"].dt.tz_convert(zone)
    days = run(kind, prepare.cost_per_agent_and_day, runs)
    assert records(days, ["day", "count"]) == [
        (pd.Timestamp("2026-01-01", tz="UTC"), 1),
        (pd.Timestamp("2026-01-02", tz="UTC"), 1),
    ]


def test_times_with_a_zone_are_not_numbers():
    rows = ROWS.assign(at=pd.Timestamp("2026-01-01", tz="America/New_York"))
    with pytest.raises(frames.FrameError, match="compare needs numbers or booleans"):
        prepare.compare(rows, "model", "at", "a")


def test_answers_in_pandas_have_nullable_numbers_only():
    joined = prepare.turns_with_results(TURNS, RESULTS[:0], SESSIONS)
    calls = made("tool_calls", [{"tool": "Bash", "has_result": False}])
    answers = [
        joined,
        prepare.cost_per_agent_and_day(joined),
        prepare.tool_stats(calls),
        prepare.compare(joined, "agent_id", "cost_usd", "a1"),
    ]
    for answer in answers:
        assert not {"int64", "float64", "bool", "object"} & set(answer.dtypes.astype(str))


def test_runs_have_a_cost_per_agent_and_day_too(kind):
    runs = made(
        "runs",
        [
            {"run_id": "r1", "agent_id": "a", "started_at": "2026-01-01T05:00", "cost_usd": 1.0},
            {"run_id": "r2", "agent_id": "a", "started_at": "2026-01-01T06:00", "cost_usd": 2.0},
        ],
    )
    summed = run(kind, prepare.cost_per_agent_and_day, runs)
    assert records(summed, ["agent_id", "count", "cost_usd"]) == [("a", 2, 3.0)]


CALLS = made(
    "tool_calls",
    [
        {"session_id": "s1", "tool": "Bash", "has_result": True, "is_error": True, "duration_s": 1},
        {
            "session_id": "s1",
            "tool": "Bash",
            "has_result": True,
            "is_error": False,
            "duration_s": 3,
        },
        {"session_id": "s2", "tool": "Bash", "has_result": False},
        {"session_id": "s2", "tool": "Read", "has_result": False},
    ],
)


def test_tools_have_their_failure_rate_and_latency(kind):
    stats = run(kind, prepare.tool_stats, CALLS)
    names = ["tool", "count", "answered_count", "failed_count", "failure_rate", "median_s", "p95_s"]
    assert records(stats, names) == [
        ("Bash", 3, 2, 1, 0.5, 2.0, pytest.approx(2.9)),
        ("Read", 1, 0, 0, None, None, None),
    ]


def test_tools_can_be_looked_at_by_session(kind):
    stats = run(kind, prepare.tool_stats, CALLS, by=["session_id", "tool"])
    assert records(stats, ["session_id", "tool", "count", "max_s"]) == [
        ("s1", "Bash", 2, 3.0),
        ("s2", "Bash", 1, None),
        ("s2", "Read", 1, None),
    ]


def stage(order, name, state, duration_ms=None, **more):
    row = {"session_id": "s1", "order": order, "type": "stage", "stage": name, "state": state}
    return {**row, "duration_ms": duration_ms, **more}


def test_stages_have_their_durations_and_those_that_never_ended_none(kind):
    events = made(
        "events",
        [
            stage(1, "create_sprite", "started"),
            stage(2, "create_sprite", "done", 800),
            stage(3, "skills", "started"),
            stage(4, "skills", "failed", 20, message="no such skill"),
            stage(5, "runtime_start", "started"),
            {"session_id": "s1", "order": 6, "type": "output", "data": "x"},
            stage(7, "runtime_start", "started"),
        ],
    )
    durations = run(kind, prepare.stage_durations, events)
    assert records(durations, ["order", "stage", "state", "duration_ms", "message"]) == [
        (2, "create_sprite", "done", 800, None),
        (4, "skills", "failed", 20, "no such skill"),
        (5, "runtime_start", "started", None, None),
        (7, "runtime_start", "started", None, None),
    ]


def test_a_stage_that_ended_is_one_row_though_its_session_is_not_known(kind):
    rows = [stage(1, "skills", "started"), stage(2, "skills", "done", 5)]
    events = made("events", [{**row, "session_id": None} for row in rows])
    durations = run(kind, prepare.stage_durations, events)
    assert records(durations, ["session_id", "order", "state"]) == [(None, 2, "done")]


ROWS = pd.DataFrame(
    {
        "model": pd.Categorical(["a", "a", "b", "b", None], categories=["a", "b", "never"]),
        "cost_usd": pd.array([1.0, 3.0, 3.0, None, 100.0], dtype="Float64"),
        "is_error": pd.array([True, False, None, True, True], dtype="boolean"),
    }
)


def test_groups_are_compared_with_a_baseline(kind):
    told = run(kind, prepare.compare, ROWS, "model", ["cost_usd", "is_error"], "a")
    names = ["measure", "model", "count", "mean", "difference", "ratio"]
    assert records(told, names) == [
        ("cost_usd", "a", 2, 2.0, 0.0, 1.0),
        ("cost_usd", "b", 1, 3.0, 1.0, 1.5),
        ("is_error", "a", 2, 0.5, 0.0, 1.0),
        ("is_error", "b", 1, 1.0, 0.5, 2.0),
    ]


def test_a_baseline_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="No row has 'c' in the column 'model'"):
        prepare.compare(ROWS, "model", "cost_usd", "c")


def test_rows_far_from_their_group_are_outliers(kind):
    rows = pd.DataFrame({"tool": ["x"] * 5 + ["y"] * 5, "s": [1, 2, 3, 4, 90, 90, 91, 92, 93, -9]})
    found = run(kind, prepare.outliers, rows, "s", by="tool")
    assert records(found, ["tool", "s", "low", "high"]) == [
        ("x", 90, -1.0, 7.0),
        ("y", -9, 87.0, 95.0),
    ]
    assert not math.isnan(found["low"].iloc[0])
    assert len(run(kind, prepare.outliers, rows, "s", by="tool", k=100)) == 0
    assert list(run(kind, prepare.outliers, rows, "s").columns) == ["tool", "s", "low", "high"]


@pytest.mark.parametrize(
    ("function", "tables"),
    [
        (prepare.turns_with_results, ["turns", "results", "sessions"]),
        (prepare.cost_per_agent_and_day, ["runs"]),
        (prepare.tool_stats, ["tool_calls"]),
        (prepare.stage_durations, ["events"]),
    ],
)
def test_empty_frames_have_empty_answers(kind, function, tables):
    assert len(run(kind, function, *(made(name, []) for name in tables))) == 0


def test_frames_as_they_come_are_taken(kind):
    body = b'data: {"type": "stage", "id": 1, "stage": "skills", "state": "done", "duration_ms": 4}'
    events = frames.decode_events(body + b"\n\n", "s1")
    assert list(run(kind, prepare.stage_durations, events)["duration_ms"]) == [4]


@pytest.mark.parametrize(
    ("to", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)]
)
def test_an_answer_is_returned_as_what_is_asked_for(to, kind):
    answers = [
        prepare.turns_with_results(TURNS, RESULTS, to=to),
        prepare.tool_stats(CALLS, to=to),
        prepare.stage_durations(made("events", []), to=to),
        prepare.compare(ROWS, "model", "cost_usd", "a", to=to),
        prepare.outliers(ROWS, "cost_usd", to=to),
    ]
    assert {type(answer) for answer in answers} == {kind}


def test_a_lazy_frame_is_refused_with_what_to_call():
    with pytest.raises(frames.FrameError, match=r"call its collect\(\) first"):
        prepare.tool_stats(pl.from_pandas(CALLS).lazy())
