"""What the end of a run waits for: its dead children's records, and a dead service for 2 s."""

import contextlib
import logging
import multiprocessing
import os
import socket
from concurrent.futures import ProcessPoolExecutor

import pytest

from aod_notebook.agentos import AgentOS, AgentOSError
from aod_notebook.agentos._sync import run as sync_run
from aod_notebook.aod import AodConnectionError, Client

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path))


@pytest.fixture
def client(fresh_service):
    with AgentOS(
        base_url=fresh_service.url,
        api_key=fresh_service.agentos_key,
        agent_id=fresh_service.agent_id,
    ) as client:
        yield client


RUN = []


def work(number):
    RUN[0].emit("child", {"i": number})


def by_pool():
    with FORK.Pool(3) as pool:
        pool.map(work, range(30))


def by_executor():
    with ProcessPoolExecutor(3, mp_context=FORK) as executor:
        list(executor.map(work, range(30)))


def by_hand():
    pid = os.fork()
    if pid == 0:
        for number in range(30):
            work(number)
        os._exit(0)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("fork", [by_pool, by_executor, by_hand])
def test_the_end_of_a_run_waits_for_records_of_dead_children(client, fork):
    RUN[:] = [client.start_run()]
    fork()
    receipt = RUN[0].complete()
    assert receipt.is_complete
    events = client.runs.events(run_id=RUN[0].run_id)
    assert sorted(each["payload"]["i"] for each in events if each["type"] == "child") == [
        *range(30)
    ]


def test_records_of_living_children_count_as_pending(client):
    RUN[:] = [client.start_run()]
    done, told = FORK.Event(), FORK.Event()

    def emit():
        from aod_notebook.agentos.report.sender import sender

        sender._working.acquire()  # so that nothing is sent from here
        work(1)
        told.set()
        done.wait(60)

    child = FORK.Process(target=emit)
    child.start()
    assert told.wait(60)
    receipt = RUN[0].flush()
    assert (receipt.pending, receipt.reason) == (1, "1 record of child processes")
    done.set()
    child.join()


# Each end alone would wait for 30 s, so that four of them and a close take too long for a test.
MANY = 4


@pytest.mark.timeout(120)
def test_a_dead_service_holds_ends_and_close_only_once(unused_port, caplog, monkeypatch):
    monkeypatch.setattr(sync_run, "START_S", 0.05)
    url = f"http://127.0.0.1:{unused_port}"
    with (
        caplog.at_level(logging.WARNING),
        AgentOS(base_url=url, api_key="aos_k", agent_id="a") as client,
    ):
        for _ in range(MANY):
            with client.start_run() as run:
                run.emit("x", {"a": 1})
    (line,) = [each.message for each in caplog.records if "wait in" in each.message]
    assert "8 records" in line
    assert url in line


@contextlib.contextmanager
def silent_host(is_full):
    """The URL of a host that accepts connections and never answers, or swallows their packets."""
    with contextlib.ExitStack() as sockets:
        host = sockets.enter_context(socket.socket())
        host.bind(("127.0.0.1", 0))
        host.listen(0 if is_full else 64)
        for _ in range(8 if is_full else 0):  # once its queue is full, the kernel drops what comes
            caller = sockets.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(host.getsockname())
        yield f"http://127.0.0.1:{host.getsockname()[1]}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("is_full", [True, False], ids=["swallows packets", "never answers"])
def test_a_silent_host_holds_ends_and_close_only_once(is_full, caplog, monkeypatch):
    monkeypatch.setattr(sync_run, "START_S", 0.05)
    with silent_host(is_full) as url, caplog.at_level(logging.WARNING):
        client = AgentOS(base_url=url, api_key="aos_k", agent_id="a", timeout_seconds=1)
        for _ in range(MANY):
            client.start_run().complete()
        client.close()
    (line,) = [each.message for each in caplog.records if "wait in" in each.message]
    assert "4 records" in line


def test_retries_of_a_call_reach_the_hook_and_the_log(unused_port, caplog):
    told = []
    url = f"http://127.0.0.1:{unused_port}"
    client = AgentOS(
        base_url=url, api_key="aos_k", agent_id="a", max_retries=2, on_retry=told.append
    )
    with caplog.at_level(logging.INFO, "aod_notebook"), pytest.raises(AgentOSError):
        client.runs.list()
    client.close()
    assert [each.status for each in told] == [None, None]
    assert caplog.text.count("trying again in") == 2


def test_retries_of_an_aod_client_reach_the_hook(unused_port):
    told = []
    url = f"http://127.0.0.1:{unused_port}"
    client = Client(base_url=url, token="aod_t", max_retries=1, on_retry=told.append)
    with client, pytest.raises(AodConnectionError):
        client.agents.list()
    assert [each.call for each in told] == [f"GET {url}/agents"]
