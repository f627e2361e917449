"""Sessions that are read at the same time, and are longer than what is read ahead."""

import generated
import pandas as pd
import pytest
from bodies import event, output

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.frames.sources import Gathered

EVENTS = 3_000


def body_of(one, text):
    start = event(0, has_id=False, type="start", runtime="claude", session_id=one)
    outputs = [output(number, text) for number in range(1, EVENTS + 1)]
    return "".join([start, *outputs, event(EVENTS, type="exit", id=EVENTS, code=0)]).encode()


@pytest.fixture(scope="module")
def service():
    """Six sessions of 1 MiB: two more than are read ahead."""
    made = {}
    for number in range(6):
        one = generated.session_id(number)
        made[one] = (
            generated.session_of(one),
            generated.turns_of(1),
            body_of(one, f"{number} " + "x" * 350),
        )
    with generated.Generated(made) as service:
        yield service


@pytest.fixture
def client(service):
    with Client(base_url=service.url, token="of-no-use") as client:
        yield client


@pytest.mark.parametrize("jobs", [2, 8])
def test_longer_sessions_than_are_read_ahead_are_whole(client, service, jobs):
    at_once = frames.events_df(list(service.sessions), client=client, jobs=jobs)
    one_by_one = [frames.events_df(one, client=client) for one in service.sessions]
    pd.testing.assert_frame_equal(at_once, pd.concat(one_by_one, ignore_index=True))
    assert at_once.attrs["complete"]


def test_streams_that_nobody_wants_any_more_are_closed(client, service):
    gathered = Gathered(list(service.sessions), client=client)
    read = gathered.frames()
    assert len(next(read)) == EVENTS + 2
    del read
    frames.events_df(next(iter(service.sessions)), client=client)
    pool = client._transport._http._transport._pool
    assert all(connection.is_idle() for connection in pool.connections)
