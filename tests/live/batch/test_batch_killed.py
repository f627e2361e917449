"""A kernel that is killed in the middle of a batch: nothing is started twice, nothing is lost."""

import os
import signal
import time

import distributed
import pytest
from batch_kernel import kernel, run, table

from aod_notebook.live.batch import journal
from aod_notebook.local import LocalService

pytestmark = [
    pytest.mark.timeout(300),
    # what dask itself calls in pandas, not we
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]


@pytest.fixture
def narrow_service():
    """A service of each test alone: sessions of others have the same prompts."""
    with LocalService(max_active_sessions=5) as running:
        yield running


@pytest.fixture
def variables(connected, home, narrow_service):
    return {
        "AOD_NOTEBOOK_HOME": str(home),
        "AOD_API_URL": narrow_service.url,
        "AOD_API_TOKEN": narrow_service.aod_token,
    }


def kill_half_way(variables, count, rows, **options):
    """Run the batch in a kernel, and kill that when half of the sessions have been made."""
    process = kernel(variables, rows=rows, **options)
    while count() < rows // 2:
        assert process.is_alive()
        time.sleep(0.01)  # the service's count is all there is to wait for
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    made = count()
    assert made < rows
    return process.pid


def assert_whole(frame, count, rows):
    assert list(frame.index) == list(table(rows).index)
    assert frame["status"].eq("completed").all()
    assert list(frame["text"]) == [str(n) for n in range(rows)]
    assert frame["session"].is_unique
    assert count() == rows


def assert_gone(group, deadline_s=60):
    """Check that no worker of the dead kernel stays: each ends when it misses its scheduler."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"processes of the group {group} are left")


LONG = [40, pytest.param(200, marks=pytest.mark.faults)]


@pytest.mark.parametrize("rows", LONG)
def test_killed_kernel_is_continued_and_each_row_runs_once(variables, count, rows):
    kill_half_way(variables, count, rows)
    assert_whole(run(rows=rows), count, rows)


def test_killed_kernel_is_continued_on_a_service_without_keys(variables, count, monkeypatch):
    monkeypatch.setattr(journal, "_KEY", "a_key_that_no_session_has")
    kill_half_way(variables, count, 40)
    assert_whole(run(rows=40), count, 40)


@pytest.mark.parametrize("rows", [20, pytest.param(200, marks=pytest.mark.faults)])
def test_killed_kernel_of_a_cluster_is_continued_and_each_row_runs_once(variables, count, rows):
    pid = kill_half_way(variables, count, rows, with_cluster=True)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert_whole(run(client, rows=rows, jobs=4), count, rows)
    assert_gone(pid)
