"""What closing a client leaves behind, and what goes on without it."""

import _thread
import os
import sys
import threading
import time

import pytest
from collector import Collector, until

from aod_notebook.agentos import AgentOS, AgentOSConfigError, outbox
from aod_notebook.agentos.report.notices import Notices
from aod_notebook.agentos.report.spool import spool_folder
from aod_notebook.live.outbox import send


def client_of(url, **options):
    return AgentOS(**{"api_key": "aos_agent_x", "agent_id": "a1", "base_url": url, **options})


@pytest.fixture
def nowhere():
    """The address of a service that is not there, and what a dead process left for it."""
    with Collector(lambda *_: (503, {})) as server:
        leave_spool(server.url)
    return server.url


def leave_spool(url):
    client = client_of(url)
    client.start_run().emit("x")
    client.close(timeout=0)
    client._reporter.leave()


def test_adopted_spools_are_free_again_once_the_client_is_closed(nowhere):
    client_of(nowhere).close(timeout=0)
    until(lambda: not outbox.waiting()[0].is_alive)


def test_what_could_not_be_sent_is_not_counted_as_delivered(nowhere, monkeypatch):
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_agent_x")
    (spool,) = outbox.waiting()
    (sent,) = send(timeout=0.1)
    assert (sent.delivered, sent.left) == (0, spool.records)
    assert "cannot reach the service" in sent.reason


def test_an_interrupted_close_closes(nowhere):
    client = client_of(nowhere)
    reporter = client._reporter

    def close():
        threading.Timer(0.1, _thread.interrupt_main).start()
        client.close(timeout=60)

    with pytest.raises(KeyboardInterrupt):
        close()
    assert client not in reporter.clients
    assert reporter.delivery._transport is None


def test_nothing_waits_for_a_closed_client():
    with Collector() as server:
        client = client_of(server.url)
        run = client.start_run()
        client.close()
        assert client.flush(timeout=60).reason is None
        with pytest.raises(AgentOSConfigError, match="This client is closed"):
            client.start_run()
        receipt = run.complete(timeout=60)  # recorded, though nobody sends it now
        assert receipt.pending == 1
        assert "client is closed" in receipt.reason


def test_a_spool_that_cannot_be_read_holds_up_no_other():
    with Collector() as server:
        leave_spool(server.url)
        (folder,) = spool_folder().iterdir()
        (folder / "00000001.log").unlink()
        (folder / "00000001.log").mkdir()  # reading it fails
        with client_of(server.url, on_error=lambda _error: None) as client:
            run = client.start_run()
            run.emit("x")
            assert run.complete(timeout=60).is_complete
            client.close(timeout=0)


def test_flush_does_not_wait_for_a_spool_with_a_refused_key():
    statuses = [503]
    with Collector(lambda *_: (statuses[-1], {})) as server:
        leave_spool(server.url)
        statuses.append(401)
        client = client_of(server.url)
        receipt = client.flush(timeout=60)
        assert "401" in receipt.reason
        client.close(timeout=0)


def test_a_spool_deleted_meanwhile_hides_no_other(nowhere):
    (folder,) = spool_folder().iterdir()
    vanishing = spool_folder() / "0-vanishing"
    vanishing.mkdir()
    (vanishing / "header.json").write_bytes((folder / "header.json").read_bytes())
    (vanishing / "00000001.log").symlink_to("gone")
    assert [spool.folder for spool in outbox.waiting()] == [folder]


def test_a_callback_that_exits_does_not_end_the_sending():
    answers = iter([(503, {})])

    def on_error(_error):
        told.set()
        sys.exit("no more")

    told = threading.Event()
    with (
        Collector(lambda *_: next(answers, (200, {"data": {}}))) as server,
        client_of(server.url, on_error=on_error) as client,
    ):
        run = client.start_run()
        run.emit("x")
        receipt = run.complete(timeout=60)
    assert told.is_set()
    assert receipt.is_complete


def test_clients_may_come_and_go_while_failures_are_reported():
    class Client:
        pass

    notices, stop = Notices(), threading.Event()
    kept = [Client() for _ in range(100)]
    for client in kept:
        notices.add(client, lambda _error: None)

    def come_and_go():
        while not stop.is_set():
            client = Client()
            notices.add(client, lambda _error: None)
            notices.remove(client)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(300):
            notices.tell("trouble", OSError(os.strerror(5)))
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert notices.counts == {"trouble": 300}


def test_an_outage_may_last_for_thousands_of_attempts():
    with Collector(lambda *_: (503, {})) as server, client_of(server.url) as client:
        run = client.start_run()
        pipe = client._reporter.delivery.pipe
        pipe.failures = 5000
        run.emit("x")
        client._reporter.delivery.try_again()
        until(lambda: pipe.failures > 5000)
        assert pipe.not_before < time.monotonic() + 10
        assert "agentos-sender" in [thread.name for thread in threading.enumerate()]
        client.close(timeout=0)
