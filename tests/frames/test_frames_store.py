"""The store: filled bit by bit, whole at any moment, read by others."""

import errno
import os
import stat
from types import SimpleNamespace

import pandas as pd
import pyarrow.dataset as ds
import pytest

from aod_notebook import frames
from aod_notebook.frames import fetch
from aod_notebook.frames.store import STORED

TABLES = {
    "sessions": frames.sessions_df,
    "turns": frames.turns_df,
    "events": frames.events_df,
    "messages": frames.messages_df,
    "tool_calls": frames.tool_calls_df,
    "results": frames.results_df,
    "model_usage": frames.model_usage_df,
}


@pytest.fixture(scope="module")
def agent(client):
    return client.agents.create(name="replayed", model="any", runtime="replay")


@pytest.fixture(scope="module")
def ids(client, agent):
    """Ids of two finished sessions, in their order."""
    made = [client.sessions.run(agent_id=agent.id, prompt=f"go {n}").session.id for n in range(2)]
    return sorted(map(str, made))


@pytest.fixture(scope="module")
def store(client, ids, tmp_path_factory):
    return frames.collect(ids, into=tmp_path_factory.mktemp("store"), client=client)


@pytest.mark.parametrize("name", STORED)
def test_the_store_gives_the_same_frames_as_the_service(client, ids, store, name):
    stored = store.frame(name)
    pd.testing.assert_frame_equal(stored, TABLES[name](ids, client=client))
    assert stored.attrs["schema"] == frames.SCHEMAS[name].id
    assert stored.attrs["complete"] is True
    assert store.session_ids == ids


@pytest.mark.parametrize("name", STORED)
def test_the_functions_take_a_store_for_a_source(store, name):
    pd.testing.assert_frame_equal(TABLES[name](store), store.frame(name))
    assert list(TABLES[name](store, columns=["session_id"]).columns) == ["session_id"]


def test_turns_of_a_store_have_their_results_on_request(client, ids, store):
    stored = frames.turns_df(store, results=True)
    pd.testing.assert_frame_equal(stored, frames.turns_df(ids, client=client, results=True))


class Counting:
    """A client that counts how many streams are opened."""

    def __init__(self, client):
        self.sessions, self.agents, self.base_url = self, client.agents, client.base_url
        self._sessions = client.sessions
        self.streams = 0

    def __getattr__(self, name):
        return getattr(self._sessions, name)

    def stream(self, *args, **options):
        self.streams += 1
        return self._sessions.stream(*args, **options)


def test_what_is_stored_and_unchanged_is_not_fetched_again(client, agent, ids, tmp_path):
    counting = Counting(client)
    frames.collect(ids[:1], into=tmp_path, client=counting)
    assert counting.streams == 1
    frames.collect(ids, into=tmp_path, client=counting)
    assert counting.streams == 2


def test_a_continued_session_is_stored_again(client, agent, tmp_path):
    session_id = str(client.sessions.run(agent_id=agent.id, prompt="one").session.id)
    frames.collect(session_id, into=tmp_path, client=client)
    client.sessions.prompt(session_id, "two")
    client.sessions.wait_for_completion(session_id)
    store = frames.collect(session_id, into=tmp_path, client=client)
    assert list(store.frame("turns")["prompt"]) == ["one", "two"]
    assert list(store.frame("results")["turn"]) == [1, 2]


def followed(client, session_id):
    """A followed session as `live` has it."""
    with client.sessions.stream(session_id) as events:
        received = [(event, 1_760_000_000 + n / 2) for n, event in enumerate(events)]
    return SimpleNamespace(id=session_id, client=client, is_final=True, received=lambda: received)


def test_the_times_of_a_followed_session_are_stored_and_kept(client, ids, tmp_path):
    frames.collect(ids[:1], into=tmp_path, client=client)
    session = followed(client, ids[0])
    store = frames.collect([session], into=tmp_path)
    calls = store.frame("tool_calls")
    pd.testing.assert_frame_equal(calls, frames.tool_calls_df(session))
    assert calls["duration_s"].sum() > 0
    next((tmp_path / "sessions").iterdir()).unlink()  # so that it is fetched again
    again = frames.collect(ids[:1], into=tmp_path, client=client)
    pd.testing.assert_frame_equal(again.frame("tool_calls"), calls)


def test_a_followed_session_with_stored_times_is_not_fetched_again(client, ids, tmp_path):
    counting = Counting(client)
    for _ in range(2):
        frames.collect([followed(client, ids[0])], into=tmp_path, client=counting)
    assert counting.streams == 1


def test_a_missing_session_is_reported_and_the_others_are_stored(client, ids, tmp_path):
    gone = "00000000-0000-4000-8000-000000000000"
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        store = frames.collect([gone, *ids], into=tmp_path, client=client)
    assert store.session_ids == ids


def test_a_scan_reads_only_what_is_asked_for(store):
    frame = store.frame("tool_calls", columns=["tool", "is_error"], filter=ds.field("is_error"))
    assert list(frame.columns) == ["tool", "is_error"]
    assert list(frame["tool"]) == ["Bash", "Bash"] * 2
    assert store.dataset("messages").count_rows() == 45 * 2


def test_what_a_killed_collection_left_half_written_is_deleted_after_a_while(client, ids, tmp_path):
    fresh = tmp_path / "_fresh"
    fresh.mkdir()
    (fresh / "old").write_bytes(b"half")
    os.utime(fresh / "old", (0, 0))
    (fresh / "of another process").write_bytes(b"half")
    frames.collect(ids[:1], into=tmp_path, client=client)
    assert [path.name for path in fresh.iterdir()] == ["of another process"]


def test_a_store_of_no_sessions_has_empty_frames(client, tmp_path):
    assert frames.collect([], into=tmp_path, client=client).session_ids == []
    for name in STORED:
        frame = frames.scan(tmp_path).frame(name)
        expected = {c.name: c.pandas_dtype for c in frames.SCHEMAS[name].columns}
        assert frame.dtypes.astype(str).to_dict() == expected


def test_a_disk_that_fills_up_costs_the_other_sessions_only(client, ids, tmp_path, monkeypatch):
    into = tmp_path / "store"
    frames.collect(ids[:1], into=into, client=client)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(frames.FrameError, match=r"No space left on device\. Make room"):
            frames.collect(ids, into=into, client=client)
    assert list((into / "_fresh").iterdir()) == []
    assert frames.scan(into).session_ids == ids[:1]
    assert frames.collect(ids, into=into, client=client).session_ids == ids


def test_a_folder_that_is_not_a_store_is_not_an_empty_store(tmp_path):
    with pytest.raises(frames.FrameError, match="'typo' is not a directory: fill one with frames"):
        frames.scan("typo")
    with pytest.raises(frames.FrameError, match="is not a store: fill one with frames"):
        frames.Store(tmp_path)


def test_a_deleted_store_is_reported(client, tmp_path):
    store = frames.collect([], into=tmp_path / "kept", client=client)
    (tmp_path / "kept" / "manifest.parquet").unlink()
    with pytest.raises(frames.FrameError, match="is not a store"):
        store.frame("turns")


def test_a_store_is_found_in_the_users_own_directory(client, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    frames.collect([], into="~/kept", client=client)
    assert frames.scan("~/kept").path == tmp_path / "kept"


def test_a_running_session_is_not_complete_and_is_fetched_again(client, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "QUIET_S", 0.3)
    gate = tmp_path / "gate"
    shell = client.agents.create(name=f"shell {gate}", model="any", runtime="shell")
    prompt = f"echo one; while [ ! -e '{gate}' ]; do sleep 0.02; done; echo two; exec sleep 600"
    session_id = str(client.sessions.create(agent_id=shell.id, prompt=prompt).id)

    def wait_for(text):
        with client.sessions.stream(session_id) as events:
            next(event for event in events if text in str(event.extra.get("data")))

    try:
        wait_for("one")
        store = frames.collect(session_id, into=tmp_path / "store", client=client)
        assert store.frame("events").attrs["complete"] is False
        gate.touch()
        wait_for("two")  # neither the status nor the time of change is another one
        store = frames.collect(session_id, into=tmp_path / "store", client=client)
        assert "two\n" in set(store.frame("events")["data"].dropna())
        assert store.frame("events").attrs["complete"] is False
    finally:
        client.sessions.terminate(session_id)
    store = frames.collect(session_id, into=tmp_path / "store", client=client)
    assert store.frame("events").attrs["complete"] is True


def test_a_store_in_the_packages_own_home_is_private(client, ids, tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path))
    frames.collect(ids, into=tmp_path / "kept", client=client)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
