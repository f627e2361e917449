"""Frames of a store against the same frames as fetched: values, dtypes and attrs."""

import random
import signal
import time

import generated
import pandas as pd
import pytest
from bodies import body_of
from killing import collecting
from known_sessions import RUNTIMES, known_session

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.frames.store import STORED, stage

MOST_LISTED = 100
TABLES = {name: getattr(frames, f"{name}_df") for name in STORED}
SIZES = [pytest.param(60, id="60 sessions"), pytest.param(800, id="800", marks=pytest.mark.faults)]


def made(count, seed=0):
    """Return generated sessions of all runtimes, some of several turns, some torn at the end."""
    found = {}
    for number in range(count):
        runtime = RUNTIMES[number % len(RUNTIMES)]
        one, known = generated.session_id(number), known_session(runtime, seed + number)
        row = generated.session_of(one, runtime=known.runtime, turns=len(known.turns))
        body = body_of(known, one, seed + number)
        if number % 9 == 0:
            body = body.replace(b'"type": "output"', b'"type": "outp', 1)  # one event is not JSON
        found[one] = row, generated.turns_of(len(known.turns)), body
    return found


def attrs_of(frame):
    """What a frame says of itself but the time; problems in an order of their own, if all are there."""
    attrs = {name: value for name, value in frame.attrs.items() if name != "fetched_at"}
    listed = sorted(attrs["problems"], key=repr)
    attrs["problems"] = len(listed) if len(listed) == MOST_LISTED else listed
    return attrs


@pytest.mark.filterwarnings("ignore::aod_notebook.frames.FrameWarning")
@pytest.mark.parametrize("count", SIZES)
def test_every_frame_of_the_store_equals_the_one_fetched(count, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_BATCH_SESSIONS", 17)
    with (
        generated.Generated(made(count)) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):
        ids = sorted(service.sessions)
        store = frames.collect(into=tmp_path, client=client)
        for name in STORED:
            stored, fetched = store.frame(name), TABLES[name](ids, client=client)
            pd.testing.assert_frame_equal(stored, fetched)
            assert attrs_of(stored) == attrs_of(fetched)
            assert set(stored["session_id"]) <= set(ids)
    assert {row["runtime"] for row, _, _ in service.sessions.values()} == set(RUNTIMES)


def kill_after(process, seconds):
    """Kill the process after a while; return whether it was still at work."""
    process.join(seconds)
    process.kill()
    process.join(60)
    return process.exitcode == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore::aod_notebook.frames.FrameWarning")
@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(40, 3, id="3 kills"),
        pytest.param(800, 30, id="30 kills", marks=pytest.mark.faults),
    ],
)
def test_collections_that_are_killed_two_at_a_time_lose_and_double_nothing(count, kills, tmp_path):
    dice, killed = random.Random(kills), 0
    with (
        generated.Generated(made(count)) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):
        service.aod_token = "of-no-use"
        ids = sorted(service.sessions)
        whole = frames.collect(ids, into=tmp_path / "whole", client=client)
        truth = {name: whole.frame(name) for name in STORED}
        began = time.monotonic()
        frames.collect(ids, into=tmp_path / "timed", client=client)
        takes = time.monotonic() - began
        folder = tmp_path / "killed"
        for _ in range(kills):
            one = collecting(service, ids, folder)
            other = collecting(service, ids[::-1], folder)
            for process, part in ((one, 1.0), (other, 0.5)):
                was_at_work = kill_after(process, dice.random() * takes * part)
                killed += was_at_work
                takes *= 1.0 if was_at_work else 0.5  # so that the next comes in time
            if (folder / "manifest.parquet").exists():
                left = frames.scan(folder)
                turns = left.frame("turns")
                assert set(turns["session_id"]) == set(left.session_ids)
                assert not turns.duplicated(["session_id", "turn"]).any()
        store = frames.collect(ids, into=folder, client=client)
        for name in STORED:
            pd.testing.assert_frame_equal(store.frame(name), truth[name])
            assert store.frame(name).attrs["complete"] is True
    assert killed
