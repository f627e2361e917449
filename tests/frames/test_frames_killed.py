"""A collection that is killed at any moment: the store is readable, and the next call ends it."""

import random
import signal
import time

import pandas as pd
import pytest
from killing import collecting

from aod_notebook import frames
from aod_notebook.frames.store import STORED

SESSIONS = 4
STEPS = 2 * len(STORED)
DEADLINE_S = 60


@pytest.fixture(scope="module")
def ids(client):
    agent = client.agents.create(name="replayed", model="any", runtime="replay")
    acks = [client.sessions.create(agent_id=agent.id, prompt="go") for _ in range(SESSIONS)]
    for ack in acks:
        client.sessions.wait_for_completion(ack.id)
    return sorted(str(ack.id) for ack in acks)


@pytest.fixture(scope="module")
def truth(client, ids, tmp_path_factory):
    """All frames of a store that nobody disturbed."""
    return whole(frames.collect(ids, into=tmp_path_factory.mktemp("truth"), client=client))


def whole(store):
    return {name: store.frame(name) for name in STORED}


def written(folder):
    """Return how far a collection is: files that are being written, and those in their place."""
    return sum(1 for _ in folder.glob("_fresh/*/*")) + 2 * sum(
        1 for _ in folder.glob("[!_]*/*.parquet")
    )


def kill_at(process, folder, count):
    """Kill the process when it is that far; return whether it was still at work."""
    until = time.monotonic() + DEADLINE_S
    while written(folder) < count and process.is_alive():
        assert time.monotonic() < until
        time.sleep(0.002)  # lets the service work, which is in this process
    process.kill()
    process.join(DEADLINE_S)
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    "kills", [3, pytest.param(20, marks=pytest.mark.faults)], ids=["3 kills", "20 kills"]
)
def test_a_killed_collection_is_readable_and_the_next_one_completes_it(
    kills, service, client, ids, truth, tmp_path
):
    dice = random.Random(kills)
    killed_at_work = 0
    for number in range(kills):
        folder = tmp_path / str(number)
        process = collecting(service, ids, folder)
        killed_at_work += kill_at(process, folder, dice.randrange(1, STEPS))

        left = frames.scan(folder)
        assert set(left.session_ids) <= set(ids)
        for name, frame in whole(left).items():
            full = truth[name]
            there = full[full["session_id"].isin(frame["session_id"])].reset_index(drop=True)
            pd.testing.assert_frame_equal(frame.astype(object), there.astype(object))

        completed = whole(frames.collect(ids, into=folder, client=client))
        for name in STORED:
            pd.testing.assert_frame_equal(completed[name], truth[name])
    assert killed_at_work > kills // 2
