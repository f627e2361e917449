"""Frames that went through a CSV or JSON file are taken as if they had not."""

import io

import pandas as pd
import polars as pl
import pytest
from bodies import frames_of
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.frames import FrameError, prepare


def csv(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def json_records(frame):
    text = frame.to_json(orient="records", date_format="iso", double_precision=15)
    return pd.read_json(io.StringIO(text), precise_float=True)


def json_lines(frame):
    text = frame.to_json(orient="records", lines=True, date_format="iso", double_precision=15)
    return pd.read_json(io.StringIO(text), lines=True, precise_float=True)


def polars_csv(frame):
    return pl.read_csv(io.StringIO(frame.to_csv(index=False)))


PANDAS = (csv, json_records, json_lines)


@pytest.fixture(scope="module")
def tables():
    sessions, turns, calls, results = frames_of(known_session("claude", 3), "s1")
    turns.loc[0, "started_at"] = pd.Timestamp("2026-01-01T00:01:00.5Z")  # some with a fraction
    calls.loc[0, ["is_error", "has_result"]] = [pd.NA, False]
    calls["duration_s"] = pd.array([1.5] * len(calls), dtype="Float64")
    return sessions, turns, calls, results


@pytest.fixture(scope="module")
def unanswered(tables):
    calls = tables[2]
    nothing = [pd.NA] * len(calls)
    return calls.assign(
        is_error=pd.array(nothing, dtype="boolean"),
        has_result=False,
        duration_s=pd.array(nothing, dtype="Float64"),
    )


def assert_same(got, expected):
    got = got.to_pandas() if isinstance(got, pl.DataFrame) else got
    pd.testing.assert_frame_equal(
        got.astype(object).where(got.notna(), None),
        expected.astype(object).where(expected.notna(), None),
        check_dtype=False,
    )


@pytest.mark.parametrize("through", [*PANDAS, polars_csv])
def test_tool_stats_of_a_file_equal_those_of_the_frame(through, tables, unanswered):
    calls = tables[2]
    assert_same(prepare.tool_stats(through(calls)), prepare.tool_stats(calls))
    assert_same(prepare.tool_stats(through(unanswered)), prepare.tool_stats(unanswered))


@pytest.mark.parametrize("through", [*PANDAS, polars_csv])
def test_cost_per_agent_and_day_of_files_equals_that_of_the_frames(through, tables):
    sessions, turns, _, results = tables

    def cost(change):
        joined = prepare.turns_with_results(change(turns), change(results), change(sessions))
        return prepare.cost_per_agent_and_day(joined)

    assert_same(cost(through), cost(lambda frame: frame))


@pytest.mark.parametrize("through", PANDAS)
def test_traces_of_files_equal_those_of_the_frames(through, tables):
    there = [through(table) for table in tables]
    assert frames.sessions_to_otlp(*there) == frames.sessions_to_otlp(*tables)


def test_a_text_that_is_not_a_flag_is_refused(tables):
    calls = csv(tables[2]).assign(is_error="perhaps")
    with pytest.raises(FrameError, match=r"column is_error .* not boolean"):
        prepare.tool_stats(calls)


def test_a_number_is_not_taken_for_a_time(tables):
    joined = prepare.turns_with_results(*tables[1::2], tables[0])
    with pytest.raises(FrameError, match=r"column started_at .* not datetime"):
        prepare.cost_per_agent_and_day(joined.assign(started_at=1_767_225_600_000))
