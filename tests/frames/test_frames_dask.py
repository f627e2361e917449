"""`collect` on the workers of a dask cluster."""

import pickle

import dask.dataframe
import distributed
import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames import _collect
from aod_notebook.frames._cluster import Service
from aod_notebook.frames.store import STORED

# what dask itself calls in pandas, not we
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two workers within this process."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as running,
        distributed.Client(running) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as made:
        yield made


@pytest.fixture(scope="module")
def ids(client):
    agent = client.agents.create(name="spread", model="any", runtime="replay")
    made = [client.sessions.run(agent_id=agent.id, prompt="go").session.id for _ in range(3)]
    return sorted(map(str, made))


def test_serial_concurrent_and_dask_collect_the_same(client, cluster, ids, tmp_path):
    serial = frames.collect(ids, into=tmp_path / "serial", client=client, jobs=1)
    concurrent = frames.collect(ids, into=tmp_path / "concurrent", client=client)
    lazy = frames.collect(ids, into=tmp_path / "dask", client=client, dask=cluster)
    assert isinstance(lazy, dask.dataframe.DataFrame)
    for name in STORED:
        expected = serial.frame(name)
        pd.testing.assert_frame_equal(concurrent.frame(name), expected)
        pd.testing.assert_frame_equal(frames.scan(tmp_path / "dask").frame(name), expected)
    events = lazy.compute().reset_index(drop=True)
    pd.testing.assert_frame_equal(events.astype(object), serial.frame("events").astype(object))


def test_the_work_is_done_by_the_workers_with_clients_of_their_own(
    client, cluster, ids, tmp_path, monkeypatch
):
    seen = []
    collect_one = _collect._collect_one

    def watched(folder, given, times, session_id):
        seen.append((distributed.get_worker().address, given is client))
        return collect_one(folder, given, times, session_id)

    monkeypatch.setattr(_collect, "_collect_one", watched)
    frames.collect(ids, into=tmp_path, client=client, dask=cluster)
    assert len(seen) == len(ids)
    assert not any(is_ours for _, is_ours in seen)


def test_a_missing_session_is_said_and_the_others_are_stored(client, cluster, ids, tmp_path):
    gone = "00000000-0000-4000-8000-000000000000"
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        frames.collect([gone, ids[0]], into=tmp_path, client=client, dask=cluster)
    assert frames.scan(tmp_path).session_ids == ids[:1]


def test_what_is_sent_to_workers_makes_a_client_and_shows_no_token(service, client):
    sent = Service.of(client)
    there = pickle.loads(pickle.dumps(sent))
    assert service.aod_token not in repr(there)
    with there.client() as made:
        assert len(made.sessions.list()) == len(client.sessions.list())


def test_a_client_that_cannot_be_sent_is_refused(client, cluster, tmp_path):
    class Other:
        sessions, agents = client.sessions, client.agents

    with pytest.raises(AodNotebookError, match="Workers cannot make a client like this Other"):
        frames.collect(Other(), into=tmp_path, dask=cluster)


@pytest.mark.faults
def test_workers_in_processes_of_their_own_do_the_same(client, ids, tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as running,
        distributed.Client(running) as processes,
    ):
        lazy = frames.collect(ids, into=tmp_path / "dask", client=client, dask=processes)
        tools = lazy.groupby("type", observed=True).size().compute()
    ours = frames.collect(ids, into=tmp_path / "ours", client=client)
    assert tools.to_dict() == ours.frame("events").groupby("type", observed=True).size().to_dict()
