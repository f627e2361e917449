"""The service on a disk that takes no more, or takes it late: nothing is lost in silence."""

import contextlib
import signal
import sqlite3
import threading

import psutil
from service_kit import detail, until

from aod_notebook.local.processes import supervisor

EVENT = {"type": "x", "level": "info", "occurred_at": "2026-01-01T00:00:00Z"}
FULL = "The service's database can't be used at present: disk I/O error"
LINES = 100_000


def statuses(service):
    return {row["status"] for row in service.kit.get("/sessions")["data"]}


def end_on_a_full_disk(service, *prompts):
    """Start a session with each prompt, fill the disk, and let the programs end there."""
    agent = service.kit.agent()
    go = "until test -e ../go; do sleep 0.01; done;"
    made = [service.kit.session(f"{go} {prompt}", agent) for prompt in prompts]
    until(lambda: statuses(service) == {"running"})
    service.limit_files(1)
    for session in made:
        (service.data_dir / "sessions" / session["id"] / "go").touch()
    until(lambda: not service.marked())
    assert statuses(service) == {"running"}
    return made


def test_a_write_that_the_disk_does_not_take_is_a_503(start):
    service = start()
    run_id = service.rpc.start(service.said["agent_id"])
    service.limit_files(1)
    body = {"name": "b", "model": "m", "runtime": "shell", "system": "x"}
    assert detail(service.client, "/agents", **body) == (503, FULL)
    events = [{**EVENT, "payload": {}}]
    refused = service.rpc.error("/api/ingest/v1/events", {"run_id": run_id, "events": events})
    assert refused == (503, "INTERNAL_ERROR", FULL)
    assert service.kit.get("/agents") == {"data": []}
    service.limit_files(None)
    assert service.client.post("/agents", json=body).status_code == 201


def test_output_and_result_wait_for_a_disk_that_is_full(start):
    service = start()
    loud, silent = end_on_a_full_disk(service, f"seq 1 {LINES}; exit 3", "exit 4")
    service.limit_files(None)
    events = service.kit.stream(loud)
    said = "".join(event["data"] for event in events if event["type"] == "output")
    assert said == "".join(f"{number}\n" for number in range(1, LINES + 1))
    assert (events[-1]["type"], events[-1]["code"]) == ("exit", 3)
    assert service.kit.finish(silent)["exit_code"] == 4


def test_a_session_can_be_terminated_on_a_disk_that_is_full(start):
    service = start()
    session = service.kit.session("sleep 60")
    until(lambda: statuses(service) == {"running"})
    service.limit_files(1)
    path = f"/sessions/{session['id']}/terminate"
    assert detail(service.client, path) == (503, FULL)
    until(lambda: not service.marked())
    service.limit_files(None)
    assert service.kit.stream(session)[-1]["type"] == "terminated"
    assert service.kit.turns(session)[0]["status"] == "failed"


def test_a_full_disk_does_not_hold_up_the_services_end(start):
    service = start()
    (session,) = end_on_a_full_disk(service, "echo last words")
    service.child.send_signal(signal.SIGTERM)
    assert service.child.wait(60) == 0  # held up, it would never end
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
    service = start(before=("sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh"))
    soft, hard = psutil.Process(service.child.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 4096)
