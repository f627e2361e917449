"""The service on a disk that takes no more, or takes it late: nothing is lost in silence."""

import contextlib
import signal
import sqlite3
import threading

from service_kit import detail, until

from aod_notebook.local.processes import supervisor

EVENT = {"type": "x", "level": "info", "occurred_at": "2026-01-01T00:00:00Z"}
FULL = "The service's database can't be used at present: disk I/O error"
LINES = 500_000


def fill_up(service):
    """Start a session with more output than the disk takes; return once the disk is full."""
    service.limit_files(1_000_000)
    agent = service.kit.agent()
    session = service.kit.session(f"seq 1 {LINES}; exit 3", agent)
    body = {"name": "b", "model": "x" * 100, "runtime": "shell", "system": "y" * 100_000}
    until(lambda: service.client.post("/agents", json=body).status_code == 503)
    return session


def test_a_write_that_the_disk_does_not_take_is_a_503(start):
    """Rows: A.3 the database can't be written; B.2 the database can't be written."""
    service = start()
    run_id = service.rpc.start(service.said["agent_id"])
    service.limit_files(1_000_000)
    body = {"name": "b", "model": "m", "runtime": "shell", "system": "x" * 2_000_000}
    assert detail(service.client, "/agents", **body) == (503, FULL)
    events = [{**EVENT, "payload": {"a": "x" * 2_000_000}}]
    refused = service.rpc.error("/api/ingest/v1/events", {"run_id": run_id, "events": events})
    assert refused == (503, "INTERNAL_ERROR", FULL)
    assert service.kit.get("/agents") == {"data": []}
    service.limit_files(None)
    assert service.client.post("/agents", json=body).status_code == 201


def test_output_waits_for_a_disk_that_is_full(start):
    service = start()
    session = fill_up(service)
    assert service.kit.get(f"/sessions/{session['id']}")["status"] == "running"
    service.limit_files(None)
    events = service.kit.stream(session)
    said = "".join(event["data"] for event in events if event["type"] == "output")
    assert said == "".join(f"{number}\n" for number in range(1, LINES + 1))
    assert (events[-1]["type"], events[-1]["code"]) == ("exit", 3)


def test_a_full_disk_does_not_hold_up_the_services_end(start):
    service = start()
    session = fill_up(service)
    service.child.send_signal(signal.SIGTERM)
    assert service.child.wait(3) == 0
    service.end(signal.SIGTERM)
    again = start().kit
    assert again.get(f"/sessions/{session['id']}")["status"] == "failed"


def test_output_of_a_program_that_has_ended_waits_for_the_database(
    fresh_service, fresh_kit, monkeypatch
):
    monkeypatch.setattr(supervisor, "_DRAIN_S", 0.1)
    size = 4_350_000  # more than waits in the service, less than that and the pipes hold
    with contextlib.closing(
        sqlite3.connect(fresh_service.data_dir / "service.db", isolation_level=None)
    ) as other:
        session = fresh_kit.session(
            "until test -e ../locked; do sleep 0.01; done;"
            f" head -c {size} /dev/zero | tr '\\0' x; touch ../ended"
        )
        folder = fresh_service.data_dir / "sessions" / session["id"]
        until(lambda: fresh_kit.get(f"/sessions/{session['id']}")["status"] == "running")
        other.execute("BEGIN IMMEDIATE")
        (folder / "locked").touch()
        until((folder / "ended").exists)
        threading.Event().wait(0.4)  # longer than a pipe that nobody writes to is waited for
        other.execute("COMMIT")
    events = fresh_kit.stream(session)
    assert sum(len(e["data"]) for e in events if e["type"] == "output") == size
    assert events[-1]["type"] == "exit"


def test_the_service_allows_itself_more_open_files(start):
    import psutil

    service = start(before=("sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh"))
    soft, hard = psutil.Process(service.child.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 4096)
