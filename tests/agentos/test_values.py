"""What becomes of values in events, inputs and outputs: JSON that means the same, or marks."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import subprocess
import sys
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from aod_notebook.agentos import AgentOSValidationError
from aod_notebook.agentos.report.snapshot import snapshot
from aod_notebook.agentos.requests import encode


class Model(pydantic.BaseModel):
    text: str
    score: float


class Holder(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    array: np.ndarray


class Secret(pydantic.BaseModel):
    key: pydantic.SecretStr


@dataclasses.dataclass
class Data:
    array: object
    name: str = "n"


class Color(enum.Enum):
    RED = "red"


def stored(value):
    """What the service gets of the payload `{"v": value}`."""
    return json.loads(snapshot({"v": value}).text)


SERIES = pd.Series([1, 2], index=["a", "b"])
FRAME = pd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)})
ROWS = [{"a": 1, "t": "2026-01-01T00:00:00Z"}, {"a": 2, "t": "2026-01-02T00:00:00Z"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Model(text="ok", score=0.5), {"text": "ok", "score": 0.5}),
        (Holder(array=np.arange(3)), {"array": [0, 1, 2]}),
        (Secret(key="hush"), {"key": "**********"}),
        (Data(np.arange(2)), {"array": [0, 1], "name": "n"}),
        (np.arange(2000), list(range(2000))),
        (np.ones((2, 2)), [[1.0, 1.0], [1.0, 1.0]]),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.datetime64("2026-01-01T00:00:00.000000001"), "2026-01-01T00:00:00.000000001"),
        (np.array(["2026-01-01"], "datetime64[ns]"), ["2026-01-01T00:00:00.000000000"]),
        (np.timedelta64(3, "s"), "PT3S"),
        (pd.Timedelta("1s"), "PT1S"),
        (pd.Timedelta(1, "ns"), "PT0.000000001S"),
        (dt.timedelta(days=1), "P1D"),
        (pd.Timestamp("2026-01-01", tz="UTC"), "2026-01-01T00:00:00Z"),
        (pd.Timestamp("2026-01-01"), "2026-01-01T00:00:00"),
        (FRAME, ROWS),
        (pl.from_pandas(FRAME), ROWS),
        (pa.Table.from_pandas(FRAME), ROWS),
        (pd.Series([1, 2]), [1, 2]),
        (SERIES, {"a": 1, "b": 2}),
        (SERIES.to_frame("n"), [{"index": "a", "n": 1}, {"index": "b", "n": 2}]),
        (pl.Series([1, 2]), [1, 2]),
        (pa.array([1, 2]), [1, 2]),
        (pd.Index([1, 2]), [1, 2]),
        (pd.Categorical(["x"]), ["x"]),
        (Color.RED, "red"),
        ({3}, [3]),
        (collections.deque([1]), [1]),
        (range(3), [0, 1, 2]),
        (collections.ChainMap({"a": 1}), {"a": 1}),
        (decimal.Decimal("1.5"), "1.5"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (b"ab", "YWI="),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_arrives_as_json_that_means_the_same(value, expected):
    if isinstance(value, Secret):
        assert stored(value) == {"v": expected, "_as_text": ["v.key"]}
        return
    assert stored(value) == {"v": expected}
    # The same where another value keeps the payload from being encoded at once.
    slow = json.loads(snapshot({"v": value, "odd": float("nan")}).text)
    assert slow == {"v": expected, "odd": None, "_as_null": ["odd"]}


@pytest.mark.parametrize("value", [pd.NaT, pd.NA, np.nan, np.datetime64("NaT"), float("inf")])
def test_what_is_missing_becomes_null_and_is_marked(value):
    assert stored(value) == {"v": None, "_as_null": ["v"]}


def test_missing_values_of_a_frame_are_null():
    frame = pd.DataFrame({"a": pd.array([1, None], "Int64"), "t": [pd.NaT, pd.NaT]})
    assert stored(frame)["v"] == [{"a": 1, "t": None}, {"a": None, "t": None}]


def test_a_large_array_is_cut_with_the_count_of_what_is_left_out():
    assert stored(np.arange(12_000)) == {"v": list(range(10_000)), "_omitted": {"v": 2000}}
    taken = stored(np.zeros((4, 5000)))
    assert [len(row) for row in taken["v"]] == [5000, 5000]
    assert taken["_omitted"] == {"v": 10_000}


def test_a_large_frame_is_cut_with_the_count_of_rows_left_out():
    taken = stored(pd.DataFrame({"a": range(6000), "b": range(6000)}))
    assert len(taken["v"]) == 5000
    assert taken["_omitted"] == {"v": 1000}


def test_a_list_is_never_cut():
    assert len(stored([*range(12_000), float("nan")])["v"]) == 12_001


def test_keys_that_are_the_same_as_text_are_kept_and_marked():
    assert stored({1: "a", "1": "b"}) == {"v": {"1": "a", "1 (2)": "b"}, "_as_text": ["v.1 (2)"]}


def test_columns_of_the_same_name_are_kept_and_marked():
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert stored(frame) == {"v": [{"a": 1, "a (2)": 2}], "_as_text": ["v.0.a (2)"]}


def test_many_marks_are_counted_not_listed():
    marks = stored([float("nan")] * 1000)["_as_null"]
    assert marks[:2] == ["v.0", "v.1"]
    assert marks[100:] == ["… and 900 more"]


def test_what_has_no_form_in_json_is_text_and_marked():
    assert stored(pathlib.PurePosixPath("a/b")) == {"v": "a/b", "_as_text": ["v"]}


def test_a_model_that_holds_itself_is_text_and_marked():
    @dataclasses.dataclass
    class Node:
        up: object = None

        def __str__(self):
            return "node"

    node = Node()
    node.up = node
    assert stored(node) == {"v": {"up": "<circular>"}, "_as_text": ["v.up"]}


def test_a_snapshot_imports_neither_numpy_nor_pandas():
    code = (
        "import sys; from aod_notebook.agentos.report.snapshot import snapshot;"
        "snapshot({'v': object(), 'n': float('nan'), 1: 2});"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'pandas', 'polars', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_invoke_takes_the_arguments_of_start_run():
    body = {"input": {"v": pd.Timestamp("2026-01-01", tz="UTC"), "f": FRAME, "n": float("nan")}}
    assert json.loads(encode(body)) == {
        "input": {"v": "2026-01-01T00:00:00Z", "f": ROWS, "n": None}
    }
    assert len(json.loads(encode({"a": np.arange(20_000)}))["a"]) == 20_000


def test_invoke_names_the_place_and_type_of_what_it_cannot_send():
    with pytest.raises(AgentOSValidationError, match=r"input\.v \(complex\)"):
        encode({"input": {"v": 1j}})
