"""Every frame has the same columns and dtypes with no row, one row, and many."""

import io

import pandas as pd
import pytest
from bodies import body_of, event
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.frames.schema import SCHEMAS

EMPTY = b""
MANY = body_of(known_session("claude", 1), "s1", 1)
ONE = b"".join(
    [
        event(1, type="start", session_id="s1").encode(),
        event(2, type="output", id=2, stream="stdout", data="x", turn=1).encode(),
    ]
)
MAKERS = {
    "events": frames.decode_events,
    "messages": frames.messages_from_events,
    "tool_calls": frames.tool_calls_from_events,
    "results": frames.results_from_events,
    "model_usage": frames.model_usage_from_events,
}


def dtypes(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def without_categories(frame):
    return frame.astype({n: object for n, d in frame.dtypes.items() if d == "category"})


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("body", [EMPTY, ONE, MANY], ids=["none", "one", "many"])
def test_the_columns_and_dtypes_are_those_of_the_schema(name, body):
    frame = MAKERS[name](body)
    assert dtypes(frame) == {c.name: c.pandas_dtype for c in SCHEMAS[name].columns}
    assert isinstance(frame.index, pd.RangeIndex)
    assert frame.attrs["schema"] == SCHEMAS[name].id


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("body", [EMPTY, ONE, MANY], ids=["none", "one", "many"])
def test_plain_pandas_reads_columns_dtypes_values_and_attrs_back(name, body):
    frame = MAKERS[name](body)
    kept = io.BytesIO()
    frame.to_parquet(kept)
    back = pd.read_parquet(kept)
    assert dtypes(back) == dtypes(frame)
    assert back.attrs == frame.attrs
    pd.testing.assert_frame_equal(without_categories(back), without_categories(frame))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("body", [EMPTY, ONE, MANY], ids=["none", "one", "many"])
def test_our_own_reader_gives_back_even_the_categories_of_empty_columns(name, body):
    frame = MAKERS[name](body)
    kept = io.BytesIO()
    frames.to_parquet(frame, kept)
    back = frames.read_parquet(kept)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    assert back.attrs == frame.attrs


@pytest.mark.parametrize("name", MAKERS)
def test_known_categories_are_there_in_their_order_even_without_rows(name):
    frame = MAKERS[name](EMPTY)
    for column in SCHEMAS[name].columns:
        if column.dtype == "category":
            assert tuple(frame[column.name].cat.categories) == column.categories


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_schemas_keep_the_rules(schema):
    names = schema.names
    assert len(set(names)) == len(names)
    for column in schema.columns:
        assert column.name.islower()
        assert "." not in column.name
        assert column.meaning
        assert column.name.endswith("_at") == (column.dtype == "datetime")
        if column.name.endswith("_ms"):
            assert (column.dtype, column.unit) == ("Int64", "ms")
        if column.name.endswith("_s"):
            assert (column.dtype, column.unit) == ("Float64", "s")
        if column.name.startswith(("is_", "has_")):
            assert column.dtype == "boolean"


def test_a_column_of_one_name_has_one_otel_name():
    for schema in SCHEMAS.values():
        for column in schema.columns:
            assert frames.otel_names.get(column.name) == column.otel
