"""dask, polars, duckdb and pandas read the directory that `collect` filled, as it is."""

import dask.dataframe
import duckdb
import pandas as pd
import polars as pl
import pytest

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.frames.store import STORED

# what dask itself calls in pandas, not we
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def store(service, tmp_path_factory):
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="read", model="any", runtime="replay")
        ids = [client.sessions.run(agent_id=agent.id, prompt="go").session.id for _ in range(2)]
        yield frames.collect(ids, into=tmp_path_factory.mktemp("store"), client=client)


READERS = {
    "pandas": lambda path: pd.read_parquet(path, dtype_backend="pyarrow"),
    "dask": lambda path: dask.dataframe.read_parquet(path, dtype_backend="pyarrow").compute(),
    "polars": lambda path: pl.scan_parquet(path).collect().to_pandas(),
    "duckdb": lambda path: duckdb.sql(
        f"from read_parquet('{path}/**/*.parquet', hive_partitioning=true)"
    ).df(),
}


def rows(frame, columns):
    """Values row by row, in an order of their own."""
    frame = frame[list(columns)].astype(object)
    return sorted(frame.where(frame.notna(), None).itertuples(index=False, name=None), key=repr)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", STORED)
def test_other_readers_find_the_same_values(store, name, reader):
    ours = store.frame(name)
    theirs = READERS[reader](store.path / name)
    assert set(theirs.columns) == set(ours.columns)
    assert rows(theirs, ours.columns) == rows(ours, ours.columns)


@pytest.mark.parametrize("name", STORED)
def test_the_stores_own_dask_frame_has_our_dtypes_and_values(store, name):
    lazy = store.dask(name)
    assert lazy.npartitions == 1
    ours, whole = store.frame(name), lazy.compute(scheduler="synchronous")
    assert whole.dtypes.astype(str).to_dict() == ours.dtypes.astype(str).to_dict()
    pd.testing.assert_frame_equal(
        whole.astype(object).reset_index(drop=True), ours.astype(object), check_dtype=False
    )


def test_a_dask_frame_groups_by_a_category(store):
    counts = store.dask("tool_calls").groupby("tool", observed=True).size()
    expected = store.frame("tool_calls").groupby("tool", observed=True).size()
    assert counts.compute(scheduler="synchronous").to_dict() == expected.to_dict()


def test_an_empty_store_is_an_empty_dask_frame(tmp_path):
    (tmp_path / "_sessions").mkdir()
    lazy = frames.scan(tmp_path).dask("turns", columns=["turn", "status"])
    assert lazy.compute(scheduler="synchronous").empty
    assert list(lazy.columns) == ["turn", "status"]
