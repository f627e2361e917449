"""Tables of polars, pyarrow and duckdb: taken, and returned with `to=`."""

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


@pytest.mark.parametrize(("to", "kind"), [("polars", pl.DataFrame), ("arrow", pa.Table)])
def test_every_frame_is_returned_as_what_is_asked_for(to, kind):
    made = [
        frames.decode_events(BODY, to=to),
        frames.decode_run_events(RUN_EVENTS, to=to),
        frames.events_df(BODY, to=to),
        frames.messages_df(BODY, to=to),
        frames.tool_calls_df(BODY, to=to),
        frames.results_df(BODY, to=to),
        frames.model_usage_df(BODY, to=to),
        frames.spans_from_run_events(frames.decode_run_events(RUN_EVENTS), to=to),
    ]
    assert {type(table) for table in made} == {kind}


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
