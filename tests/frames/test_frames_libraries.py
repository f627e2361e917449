"""Tables of polars, pyarrow and duckdb: taken, and returned with `to=`."""

import inspect
import sys
from types import SimpleNamespace

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from bodies import body_of
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.frames.exchange import converted, pandas_frame

SESSION = "8d0c0000-0000-4000-8000-000000000001"
BODY = body_of(known_session("claude", 5), SESSION, 1)
EVENTS = frames.decode_events(BODY)
RUN_EVENTS = b'{"data": [{"type": "plan", "span_id": "a", "level": "error"}]}'
ARROW = converted(EVENTS, "arrow")
TABLES = {
    "polars": converted(EVENTS, "polars"),
    "categories of polars": pl.from_pandas(EVENTS),
    "arrow": ARROW,
    "duckdb": duckdb.from_arrow(ARROW),
}


@pytest.mark.parametrize("name", TABLES)
def test_events_of_any_library_are_read_as_those_of_pandas(name):
    for read in (frames.messages_from_events, frames.tool_calls_df, frames.results_from_events):
        pd.testing.assert_frame_equal(read(TABLES[name]), read(EVENTS))


SERVICE = SimpleNamespace(
    sessions=SimpleNamespace(list=lambda **_: [], turns=None),
    agents=SimpleNamespace(list=lambda **_: []),
)
AGENTOS = SimpleNamespace(runs=SimpleNamespace(list=lambda **_: []), is_embedded=True)
RESULTS = frames.results_from_events(BODY)
TURNS = frames.turns_df(client=SERVICE)
ROWS = frames.prepare.turns_with_results(TURNS, RESULTS, frames.sessions_df(client=SERVICE))
MEASURED = pd.DataFrame({"agent": ["a", "b"] * 4, "cost_usd": [1.0, 2, 3, 4, 5, 6, 7, 90]})
NAMED = {
    **{name: {"client": SERVICE} for name in ("sessions_df", "turns_df", "agents_df")},
    **{name: {"client": AGENTOS} for name in ("runs_df", "tasks_df", "run_events_df", "spans_df")},
}
"""Arguments of the functions that ask a service."""


def returns_a_table(function):
    kind = inspect.isfunction(function) and inspect.signature(function).return_annotation
    return kind in (pd.DataFrame, "pd.DataFrame") and function is not frames.read_parquet


TABLE_MAKERS = {
    name: function
    for package in (frames, frames.prepare)
    for name in package.__all__
    if returns_a_table(function := getattr(package, name))
}


@pytest.mark.parametrize("name", TABLE_MAKERS)
def test_every_function_that_returns_a_table_refuses_an_unknown_library(name):
    parameters = inspect.signature(TABLE_MAKERS[name]).parameters.values()
    given = [
        b"" for each in parameters if each.default is each.empty and each.kind < each.VAR_POSITIONAL
    ]
    with pytest.raises(frames.FrameError, match="Use one of pandas, polars, arrow"):
        TABLE_MAKERS[name](*given, to="excel")


@pytest.mark.parametrize(("to", "kind"), [("polars", pl.DataFrame), ("arrow", pa.Table)])
@pytest.mark.parametrize("name", TABLE_MAKERS)
def test_every_function_that_returns_a_table_returns_what_is_asked_for(name, to, kind, tmp_path):
    given = {
        **dict.fromkeys(NAMED, ()),
        "decode_run_events": (RUN_EVENTS,),
        "spans_from_run_events": (frames.decode_run_events(RUN_EVENTS),),
        **dict.fromkeys(["usage_df", "spending_df"], (tmp_path,)),
        "search": (BODY, "x"),
        "turns_with_results": (TURNS, RESULTS),
        "cost_per_agent_and_day": (ROWS,),
        "outliers": (MEASURED, "cost_usd"),
        "compare": (MEASURED, "agent", "cost_usd", "a"),
        "stage_durations": (EVENTS,),
        "tool_stats": (frames.tool_calls_df(EVENTS),),
        "cost": (tmp_path,),
        **dict.fromkeys(["compare_df", "compare_totals", "compare_edits"], (BODY, BODY)),
    }.get(name, (BODY,))
    assert type(TABLE_MAKERS[name](*given, to=to, **NAMED.get(name, {}))) is kind


def test_an_arrow_table_holds_the_values_the_dtypes_and_the_attrs():
    table = frames.messages_df(BODY, to="arrow")
    expected = frames.messages_df(BODY)
    assert table.num_rows == len(expected)
    assert table.schema.field("input_tokens").type == pa.int64()
    assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert (
        table["text"].to_pylist()
        == expected["text"].astype(object).where(expected["text"].notna(), None).tolist()
    )
    assert pandas_frame(table, (), by="x", of="y").attrs == expected.attrs


def test_a_missing_cost_is_null_in_polars():
    body = body_of(known_session("codex", 5), SESSION, 1)
    assert frames.results_df(body, to="polars")["cost_usd"].null_count() > 0


def test_ids_are_taken_from_a_table_of_polars():
    asked = []

    def get(session_id):
        asked.append(session_id)
        return {"id": session_id, "status": "completed"}

    client = SimpleNamespace(sessions=SimpleNamespace(get=get), agents=None)
    frames.sessions_df(pl.DataFrame({"session_id": [SESSION, SESSION]}), client=client)
    assert asked == [SESSION]


def test_without_polars_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(frames.MissingPackageError, match="pip install polars"):
        frames.decode_events(BODY, to="polars")
