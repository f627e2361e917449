"""Which logs an import reads, and the parts of a store that it writes them to."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames import FrameError
from aod_notebook.frames.logs import imports
from aod_notebook.frames.logs.rows import changed_at
from aod_notebook.frames.store import parts
from aod_notebook.logs import find_logs

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"
OLD = datetime(2026, 1, 5, 12, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore:computed_cost_usd")


@pytest.fixture
def home(tmp_path):
    return Path(shutil.copytree(SAMPLES, tmp_path / "home"))


@pytest.fixture
def whole(home, tmp_path):
    return frames.import_logs(home, into=tmp_path / "whole")


def check_same(store, expected):
    for name in ("sessions", "turns", "events", "messages", "tool_calls", "model_usage"):
        pd.testing.assert_frame_equal(store.frame(name), expected.frame(name))


@pytest.mark.parametrize(
    "since",
    ["2026-01-06", datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 6)],  # noqa: DTZ001
    ids=["text", "with a zone", "without"],
)
def test_only_logs_that_changed_since_are_imported(home, tmp_path, since):
    for path in home.rglob("*"):
        if path.is_file() and ".gemini" not in path.parts:
            os.utime(path, (OLD.timestamp(), OLD.timestamp()))

    store = frames.import_logs(home, into=tmp_path / "store", since=since)

    assert store.frame("sessions")["runtime"].tolist() == ["gemini"]


@pytest.mark.parametrize("since", ["last week", 5])
def test_since_what_is_not_a_date_is_refused(home, tmp_path, since):
    with pytest.raises(FrameError, match=rf"since={since!r} is not a date"):
        frames.import_logs(home, into=tmp_path / "store", since=since)


def test_a_log_that_vanished_after_it_was_found_counts_as_old(home):
    log = find_logs(home / ".gemini")[0]
    log.path.unlink()
    assert changed_at(log) == 0


@pytest.mark.parametrize(
    ("batch_bytes", "where", "limit", "value"),
    [
        (8_000_000, imports, "_FRAME_BYTES", 1),
        (1, parts, "MOST_SESSIONS", 1),
        (1, imports, "MOST_BYTES", 0),
        (1, imports, "_LONGEST_WAIT_S", -1),
    ],
)
def test_a_store_is_the_same_however_its_sessions_are_cut_into_parts(
    home, tmp_path, whole, monkeypatch, batch_bytes, where, limit, value
):
    monkeypatch.setattr(imports, "_BATCH_BYTES", batch_bytes)
    monkeypatch.setattr(where, limit, value)
    check_same(frames.import_logs(home, into=tmp_path / "cut"), whole)


def test_a_session_of_two_files_in_different_batches_is_stored_once(
    home, tmp_path, whole, monkeypatch
):
    rollout = next((home / ".codex").rglob("rollout-*.jsonl"))
    shutil.copy(rollout, rollout.with_name(f"{rollout.stem}-again.jsonl"))
    monkeypatch.setattr(imports, "_BATCH_BYTES", 1)

    store = frames.import_logs(home, into=tmp_path / "store")

    assert store.session_ids == whole.session_ids
    used = store.frame("model_usage")["input_tokens"].sum()
    assert used == whole.frame("model_usage")["input_tokens"].sum()


def test_what_an_import_stored_before_it_failed_is_not_read_again(
    home, tmp_path, whole, monkeypatch
):
    monkeypatch.setattr(imports, "_BATCH_BYTES", 1)
    monkeypatch.setattr(imports, "_LONGEST_WAIT_S", -1)
    added, read = [], []

    def failing(*args):
        if len(added) == 2:
            raise OSError("no room")
        added.append(add(*args))

    def watched(log, **options):
        read.append(log.path)
        return read_log(log, **options)

    add, read_log = imports.add_sessions, imports.read_sessions.__globals__["read_log"]
    with monkeypatch.context() as patched:
        patched.setattr(imports, "add_sessions", failing)
        with pytest.raises(FrameError, match=r"stopped: no room.*what is stored stays"):
            frames.import_logs(home, into=tmp_path / "store", jobs=1)
    kept = frames.scan(tmp_path / "store").session_ids
    monkeypatch.setattr("aod_notebook.frames.logs.rows.read_log", watched)
    store = frames.import_logs(home, into=tmp_path / "store", jobs=1)

    assert kept
    assert len(read) == len(set(read)) == len(find_logs(home)) - len(added)
    check_same(store, whole)
