"""`collect` on the workers of a dask cluster."""

import os
import pickle
import signal
from pathlib import Path

import cloudpickle
import dask.dataframe
import distributed
import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.aod import AodUsageError, Client
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.unpicklable import NotPicklableError
from aod_notebook.frames.store import STORED, worker
from aod_notebook.frames.store import cluster as spreading

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
    events = lazy.compute().sort_values(["session_id", "order"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(events.astype(object), serial.frame("events").astype(object))


def test_the_work_is_done_by_the_workers_with_clients_of_their_own(
    client, cluster, ids, tmp_path, monkeypatch
):
    seen = []
    staged = worker.staged

    def watched(store, given, tasks, report, **options):
        seen.append((distributed.get_worker().address, given is client, len(tasks)))
        return staged(store, given, tasks, report, **options)

    monkeypatch.setattr(worker, "staged", watched)
    frames.collect(ids, into=tmp_path, client=client, dask=cluster)
    assert sum(count for _, _, count in seen) == len(ids)
    assert not any(is_ours for _, is_ours, _ in seen)


def test_no_task_holds_the_token_and_workers_forget_it(
    service, client, cluster, ids, tmp_path, monkeypatch
):
    sent = []
    submit = cluster.submit

    def watched(*args, **options):
        sent.append(cloudpickle.dumps((args, options)))
        return submit(*args, **options)

    monkeypatch.setattr(cluster, "submit", watched)
    frames.collect(ids, into=tmp_path, client=client, dask=cluster)
    token = service.aod_token.encode()
    assert sent
    assert not any(token in each for each in sent)
    assert worker._handed == {}


def test_a_missing_session_is_reported_and_the_others_are_stored(client, cluster, ids, tmp_path):
    gone = "00000000-0000-4000-8000-000000000000"
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        frames.collect([gone, ids[0]], into=tmp_path, client=client, dask=cluster)
    assert frames.scan(tmp_path).session_ids == ids[:1]


@pytest.fixture
def failing(monkeypatch):
    """Ids of sessions that no worker can read; each is a task of its own."""
    staged, bad = worker.staged, set()

    def ask(store, given, tasks, report, **options):
        if bad & {task.id for task in tasks}:
            raise AodNotebookError("it is gone")
        return staged(store, given, tasks, report, **options)

    monkeypatch.setattr(worker, "staged", ask)
    monkeypatch.setattr(spreading, "_spread", lambda tasks, _: [[task] for task in tasks])
    return bad


def test_a_session_that_a_worker_cannot_read_costs_only_itself(
    client, cluster, ids, tmp_path, failing
):
    failing.add(ids[0])
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        frames.collect(ids, into=tmp_path, client=client, dask=cluster)
    assert frames.scan(tmp_path).session_ids == ids[1:]


def test_sessions_none_of_which_the_workers_can_read_are_an_error(
    client, cluster, ids, tmp_path, failing
):
    failing.update(ids)
    with pytest.raises(AodNotebookError, match="it is gone"):
        frames.collect(ids, into=tmp_path, client=client, dask=cluster)


def test_what_is_handed_over_makes_a_client_for_a_while(service, client):
    handed = client.hand_over(valid_s=60)
    assert service.aod_token not in repr(handed)
    with pytest.raises(NotPicklableError):
        pickle.dumps(handed)
    access = pickle.loads(pickle.dumps(worker.Access("one", handed)))
    with Client.from_hand_over(access._handed) as made:
        assert len(made.sessions.list()) == len(client.sessions.list())
    with pytest.raises(AodUsageError, match="has expired: call hand_over again"):
        Client.from_hand_over(client.hand_over(valid_s=-1))


def test_a_client_that_cannot_be_sent_is_refused(client, cluster, tmp_path):
    class Other:
        sessions, agents = client.sessions, client.agents

    with pytest.raises(AodNotebookError, match="Workers cannot make a client like this Other"):
        frames.collect(Other(), into=tmp_path, dask=cluster)


@pytest.fixture
def processes():
    """Two workers in processes of their own."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as running,
        distributed.Client(running) as client,
    ):
        yield client


@pytest.mark.timeout(300)  # on a busy machine the processes take long to start
def test_two_processes_make_the_same_store_also_when_one_of_them_is_killed(
    client, ids, processes, tmp_path
):
    ours = frames.collect(ids, into=tmp_path / "ours", client=client)
    frames.collect(ids, into=tmp_path / "theirs", client=client, dask=processes)
    processes.run(dying_once(str(tmp_path / "killed")), workers=[next(iter(processes.nthreads()))])
    frames.collect(ids, into=tmp_path / "killed", client=client, dask=processes)
    assert len(list(tmp_path.glob("killed-*"))) == 1
    for name in STORED:
        expected = ours.frame(name)
        for folder in ("theirs", "killed"):
            found = frames.scan(tmp_path / folder).frame(name)
            pd.testing.assert_frame_equal(found, expected)
            assert found.attrs["complete"] is True


def dying_once(mark):
    """Return what lets a worker's process be killed as it finishes its first part."""

    def die_once():  # not in the module: workers can't import that
        from aod_notebook.frames.store.parts import PartWriter

        def dying(_):
            Path(f"{mark}-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)

        PartWriter.close = dying

    return die_once
