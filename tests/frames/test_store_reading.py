"""Reading a store: while others write it, with few columns, by other libraries, elsewhere."""

import pickle
import sys

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.checks import MissingPackageError
from aod_notebook.frames.store import STORED, read
from aod_notebook.frames.store.manifest import Manifest


@pytest.fixture(scope="module")
def ids(client):
    agent = client.agents.create(name="read", model="any", runtime="replay")
    made = [client.sessions.run(agent_id=agent.id, prompt=f"go {n}").session.id for n in range(3)]
    return sorted(map(str, made))


@pytest.fixture
def store(client, ids, tmp_path):
    """A store of two parts, in the reverse order of their sessions' ids."""
    for one in ids[1::-1]:
        frames.collect(one, into=tmp_path / "store", client=client)
    return frames.scan(tmp_path / "store")


@pytest.fixture
def empty(client, tmp_path):
    return frames.collect([], into=tmp_path / "empty", client=client)


def test_rows_stand_in_the_order_of_their_sessions_also_without_the_ids(store, ids):
    whole = store.frame("turns")
    assert list(whole["session_id"]) == ids[:2]
    prompts = store.frame("turns", columns=["prompt"])
    pd.testing.assert_frame_equal(prompts, whole[["prompt"]])
    assert store.arrow("turns", columns=["prompt"]).to_pydict() == prompts.to_dict("list")


@pytest.mark.parametrize("how", ["an error", "a missing file"])
def test_a_reader_that_a_collection_overtakes_reads_the_new_state(
    store, client, ids, monkeypatch, how
):
    method = "_ordered" if how == "an error" else "_intact"
    original, overtaken = getattr(read.Store, method), []

    def overtaking(self, name, *rest):
        if overtaken:
            return original(self, name, *rest)
        overtaken.append(frames.collect(ids[2], into=store.path, client=client))
        if how == "an error":
            raise OSError("the file is gone")
        return [], {store.path / "turns" / "part-0.parquet": "is missing"}

    monkeypatch.setattr(read.Store, method, overtaking)
    found = store.frame("turns")
    assert list(found["session_id"]) == ids
    assert found.attrs["complete"] is True


def test_a_store_that_changes_at_every_look_is_an_error_and_no_endless_loop(store, monkeypatch):
    def gone(*_):
        raise OSError("the file is gone")

    monkeypatch.setattr(read.Store, "manifest", property(lambda self: Manifest.read(self.path)))
    monkeypatch.setattr(read.Store, "_ordered", gone)
    with pytest.raises(frames.FrameError, match="is being rewritten all the time"):
        store.frame("turns")


def test_an_empty_store_has_every_table_for_other_libraries_too(empty):
    database = empty.duckdb()
    for name in STORED:
        columns = list(frames.SCHEMAS[name].names)
        assert database.sql(f"from {name}").columns == columns
        assert empty.polars(name).collect().columns == columns


@pytest.mark.parametrize("library", ["polars", "duckdb", "dask"])
def test_a_library_that_is_not_installed_is_named_with_its_command(store, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    ask = store.duckdb if library == "duckdb" else lambda: getattr(store, library)("turns")
    with pytest.raises(MissingPackageError, match=rf"needs {library}: pip install"):
        ask()


def test_a_store_can_be_sent_to_another_process(store):
    sent = pickle.loads(pickle.dumps(store))
    pd.testing.assert_frame_equal(sent.frame("turns"), store.frame("turns"))


def test_a_home_of_nobody_is_not_a_store():
    with pytest.raises(
        frames.FrameError, match="path names no directory: '~nobody-of-that-name/x'"
    ):
        frames.scan("~nobody-of-that-name/x")


def test_a_collection_of_missing_sessions_only_is_an_error(client, tmp_path):
    gone = "00000000-0000-4000-8000-00000000dead"
    with pytest.raises(AodNotebookError, match="not found"):
        frames.collect(gone, into=tmp_path, client=client)
