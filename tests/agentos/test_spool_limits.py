"""The bounds of a spool: its age, its size, and systems that cannot lock files."""

import os
import time

import pytest
from collector import Collector, until
from ports import unused_port

from aod_notebook.agentos import AgentOS, outbox
from aod_notebook.agentos.report import log as log_module
from aod_notebook.agentos.report import orphans
from aod_notebook.core import append_log


def client_of(url, key="aos_agent_x", **options):
    return AgentOS(api_key=key, agent_id="a1", base_url=url, **options)


@pytest.fixture
def orphan():
    """A spool that waits for the key `aos_agent_revoked`, of a process that is gone."""
    client = client_of(f"http://127.0.0.1:{unused_port()}", "aos_agent_revoked")
    client.start_run().emit("x", {"i": 1})
    client.close(timeout=0)
    client._reporter.leave()
    (spool,) = outbox.waiting()
    return spool.folder


def age(folder, seconds):
    """Date the last write of a spool back."""
    then = time.time() - seconds
    for path in folder.glob("*.log"):
        os.utime(path, (then, then))


def test_a_spool_is_deleted_30_days_after_its_last_write(orphan):
    age(orphan, 30 * 24 * 3600 + 60)
    with client_of(f"http://127.0.0.1:{unused_port()}"):
        until(lambda: not orphan.exists())


def test_a_younger_spool_of_another_key_is_kept(orphan):
    age(orphan, 30 * 24 * 3600 - 3600)
    with client_of(f"http://127.0.0.1:{unused_port()}") as client:
        client._reporter.delivery.adopt()
        assert orphan.exists()


def test_an_old_spool_is_sent_once_its_key_is_used(monkeypatch):
    with Collector() as server:
        monkeypatch.setattr(orphans, "EXPIRES_S", -1.0)
        client = client_of(server.url, batch_interval_ms=60_000)
        client.start_run().emit("x", {"i": 7})
        client.close(timeout=0)
        client._reporter.leave()
        with client_of(server.url):
            until(lambda: server.numbers == [7])


def test_a_full_spool_drops_events_visibly_and_still_takes_the_end(monkeypatch):
    told = []
    monkeypatch.setattr(log_module, "SPOOL_LIMIT", 4096)
    with client_of(f"http://127.0.0.1:{unused_port()}", on_error=told.append) as client:
        run = client.start_run()
        for number in range(100):
            run.emit("x", {"i": number, "pad": "." * 100})
        queued, dropped = run.stats.queued, run.stats.dropped
        assert dropped == {"spool full": 100 - queued}
        assert 10 < queued < 50
        run.complete(timeout=0)
        assert run.stats.queued == queued + 1
        client.close(timeout=0)
    assert [str(error) for error in told if "the spool is full: events are dropped" in str(error)]


def test_sent_records_free_their_space(monkeypatch):
    monkeypatch.setattr(log_module, "SPOOL_LIMIT", 4096)
    with Collector() as server, client_of(server.url) as client:
        run = client.start_run()
        for number in range(100):
            run.emit("x", {"i": number, "pad": "." * 100})
            if number % 10 == 9:
                client.flush(timeout=60)
        assert run.complete().is_complete
        assert server.numbers == list(range(100))


def test_records_in_memory_are_reported_to_be_lost_at_exit(monkeypatch, caplog):
    monkeypatch.setattr(append_log, "fcntl", None)
    with client_of("http://127.0.0.1:9", on_error=lambda _: None) as client:
        client.start_run().emit("x", {})
        client.close(timeout=0.5)
    (line,) = [each.message for each in caplog.records if "lost at exit" in each.message]
    assert "in memory" in line
    assert "outbox --send" not in line


def test_without_file_locks_memory_carries_the_records(monkeypatch):
    told = []
    monkeypatch.setattr(append_log, "fcntl", None)
    with Collector() as server:
        with client_of(server.url, on_error=told.append) as client:
            run = client.start_run()
            for number in range(50):
                run.emit("x", {"i": number})
            assert run.complete().is_complete
        assert server.numbers == list(range(50))
    assert [str(error) for error in told if "no file locks" in str(error)]
    assert outbox.waiting() == []
