"""What the end of a run waits for: its dead children's records, and a dead service for 2 s."""

import logging
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from aod_notebook.agentos import AgentOS, AgentOSError
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
def test_the_end_of_a_run_takes_in_what_dead_children_left(client, fork):
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
        done.wait(30)

    child = FORK.Process(target=emit)
    child.start()
    assert told.wait(30)
    receipt = RUN[0].flush()
    assert (receipt.pending, receipt.reason) == (1, "1 record of child processes")
    done.set()
    child.join()


def test_a_dead_service_holds_ends_and_close_for_two_seconds_together(unused_port, caplog):
    url = f"http://127.0.0.1:{unused_port}"
    began = time.monotonic()
    with (
        caplog.at_level(logging.WARNING),
        AgentOS(base_url=url, api_key="aos_k", agent_id="a") as client,
    ):
        for _ in range(3):
            with client.start_run() as run:
                run.emit("x", {"a": 1})
    assert time.monotonic() - began < 12  # of which 3 x 2 s for the starts
    (line,) = [each.message for each in caplog.records if "wait in" in each.message]
    assert "6 records" in line
    assert url in line


def test_retries_of_a_call_are_told_to_the_hook_and_logged(unused_port, caplog):
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


def test_retries_of_an_aod_client_are_told_to_the_hook(unused_port):
    told = []
    url = f"http://127.0.0.1:{unused_port}"
    client = Client(base_url=url, token="aod_t", max_retries=1, on_retry=told.append)
    with client, pytest.raises(AodConnectionError):
        client.agents.list()
    assert [each.call for each in told] == [f"GET {url}/agents"]
