"""The service killed, stopped and started again: nothing acknowledged is lost, nothing is left."""

import contextlib
import os
import random
import signal
import threading

import httpx
import psutil
import pytest
from service_kit import Kit, connect, frames, until

from aod_notebook.local import LocalService

EVENT = {
    "type": "x",
    "level": "info",
    "payload": {},
    "occurred_at": "2026-01-01T00:00:00Z",
}


SPAWNING = "sleep 600 & setsid sleep 600 & (trap '' TERM HUP; sleep 600) & echo up; sleep 600"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_service(start, number):
    service = start()
    session = service.kit.session(SPAWNING)
    service.kit.wait_for_output(session)
    until(lambda: len(service.marked()) >= 4)
    service.end(number)
    until(lambda: not service.marked())


def test_a_killed_guard_is_replaced_and_knows_what_runs(start):
    service = start()
    first = service.kit.session("echo up; sleep 600")
    service.kit.wait_for_output(first)
    (guard,) = [child for child in psutil.Process(service.child.pid).children() if _is_guard(child)]
    guard.kill()
    guard.wait(60) if guard.is_running() and guard.ppid() == os.getpid() else None
    until(lambda: not guard.is_running() or guard.status() == psutil.STATUS_ZOMBIE)
    second = service.kit.session("echo up; sleep 600")
    service.kit.wait_for_output(second)
    service.end(signal.SIGKILL)
    until(lambda: not service.marked())


def _is_guard(process):
    return any(part.endswith("guard.py") for part in process.cmdline())


def test_processes_that_even_the_guard_missed_are_killed_at_the_next_start(start):
    service = start()
    session = service.kit.session("echo up; sleep 600")
    service.kit.wait_for_output(session)
    for child in psutil.Process(service.child.pid).children():
        if _is_guard(child):
            child.kill()
    service.end(signal.SIGKILL)
    assert service.marked()
    again = start()
    assert not again.marked()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_sessions_at_work_are_failed_with_a_line_that_says_why(start, number):
    service = start()
    running = service.kit.session("echo up; sleep 600")
    service.kit.wait_for_output(running)
    environment = service.kit.environment(setup_script="sleep 600")
    pending = service.kit.session("true", environment_id=environment["id"])
    done = service.kit.session("echo done")
    service.kit.finish(done)
    service.end(number)
    again = start().kit
    assert again.get(f"/sessions/{done['id']}")["status"] == "completed"
    for session in (running, pending):
        now = again.get(f"/sessions/{session['id']}")
        assert (now["status"], now["exit_code"]) == ("failed", None)
        (turn,) = again.turns(session)
        assert turn["status"] == "failed"
        assert turn["ended_at"] is not None
        *_, said, last = again.stream(session)
        assert (said["stream"], said["data"]) == (
            "stderr",
            "turn failed: the service ended before the turn did\n",
        )
        assert last["type"] == "error"


def test_a_completed_session_continues_after_a_restart_with_its_files_and_secrets(start):
    service = start()
    session = service.kit.session("echo kept > f", secret_env_vars={"S": "secret"})
    service.kit.finish(session)
    last = service.kit.stream(session)[-1]["id"]
    service.end(signal.SIGKILL)
    again = start().kit
    again.post(f"/sessions/{session['id']}/prompt", {"prompt": 'cat f; echo "$S"'}, 202)
    events = again.stream(session, since=last)
    assert [e["data"] for e in events if e["type"] == "output"] == ["kept\nsecret\n"] or [
        e["data"] for e in events if e["type"] == "output"
    ] == ["kept\n", "secret\n"]


def test_ids_continue_rising_after_a_restart_even_if_the_last_rows_were_deleted(start):
    service = start()
    session = service.kit.session("echo a")
    last = service.kit.stream(session)[-1]["id"]
    assert service.client.delete(f"/sessions/{session['id']}/delete").status_code == 200
    service.end(signal.SIGKILL)
    again = start().kit
    session = again.session("echo b")
    assert min(line for line, _ in frames(again.raw(session)) if line) > last


def test_tokens_and_keys_stay_after_a_restart(start):
    first = start()
    first.end(signal.SIGTERM)
    second = start()
    assert {**second.said, "url": 0} == {**first.said, "url": 0}


def test_a_hosted_run_at_work_is_failed_and_a_paused_one_continues(start, tmp_path, monkeypatch):
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\necho up > ../../../started\nsleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    service = start()
    rpc = service.rpc
    replay = service.said["agent_id"]
    paused = rpc.invoke(replay, expect=202, input={"replay": {"pauses": [{"ask": "?"}]}})
    slow = rpc.call("agents_create", name="c", system_prompt="")["id"]
    calling = threading.Thread(target=_ignore_end, args=(rpc, slow))
    calling.start()
    until((service.data_dir / "started").exists)
    (run,) = rpc.call("runs_list", agent_id=slow)
    reported = rpc.start(replay)
    service.end(signal.SIGKILL)
    calling.join(60)
    until(lambda: not service.marked())
    again = start().rpc
    failed = again.call("runs_get", run_id=run["id"])
    assert failed["status"] == "failed"
    assert failed["error_message"] == "the service ended before the run did"
    assert again.call("runs_get", run_id=reported)["status"] == "running"
    path = f"/api/v1/runs/{paused['run_id']}/human-input"
    assert again.data(path, {"response": "yes"})["output"]["answers"] == ["yes"]


def _ignore_end(rpc, agent_id):
    with contextlib.suppress(httpx.HTTPError):
        rpc.post(f"/api/v1/agents/{agent_id}/invoke", {})


def test_sigterm_ends_the_service_with_streams_open(start):
    service = start()
    session = service.kit.session("echo up; sleep 600")
    service.kit.wait_for_output(session)
    with service.client.stream("GET", f"/sessions/{session['id']}/stream") as response:
        lines = response.iter_lines()
        next(lines)
        service.child.send_signal(signal.SIGTERM)
        assert service.child.wait(60) == 0
    service.child.stdout.close()


class Load:
    """Reports events and runs sessions; remembers what the service acknowledged."""

    def __init__(self, service):
        self.service = service
        self.run_id = service.rpc.start(service.said["agent_id"])
        self.acknowledged = []
        self.sessions = []
        self.agent = service.kit.agent()
        self.threads = [
            threading.Thread(target=self._work, args=(work,)) for work in (self._report, self._run)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join(60)

    def _work(self, work):
        number = 0
        # The service goes away under the work, and then the client of it is closed.
        with contextlib.suppress(httpx.HTTPError, RuntimeError):
            while True:
                work(number)
                number += 1

    def _report(self, number):
        event = {**EVENT, "type": str(number)}
        body = {"run_id": self.run_id, "events": [event]}
        self.service.rpc.data("/api/ingest/v1/events", body)
        self.acknowledged.append(str(number))

    def _run(self, number):
        session = self.service.kit.session(
            f"echo {number}; setsid sleep 600 & sleep 0.02", self.agent
        )
        self.sessions.append(session["id"])


def killed_under_load(start, seconds):
    service = start()
    with Load(service) as load:
        until(lambda: len(load.acknowledged) > 3 and len(load.sessions) > 3)
        threading.Event().wait(seconds)  # a random moment, not a synchronisation
        service.end(signal.SIGKILL)
    until(lambda: not service.marked())
    again = start()
    events = again.rpc.call("runs_get_events", run_id=load.run_id)
    stored = [event["type"] for event in events]
    assert stored[: len(load.acknowledged)] == load.acknowledged
    assert len(stored) <= len(load.acknowledged) + 1
    rows = {row["id"]: row["status"] for row in again.kit.get("/sessions")["data"]}
    assert set(load.sessions) <= set(rows)
    assert set(rows.values()) <= {"completed", "failed"}
    assert not again.marked()
    again.end(signal.SIGTERM)


def test_what_was_acknowledged_survives_a_kill_under_load(start):
    killed_under_load(start, 0.1)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_fifty_kills(start):
    chance = random.Random(0)
    for _ in range(50):
        killed_under_load(start, chance.random() * 0.5)


def test_a_service_in_this_process_leaves_nothing_behind():
    threads, children = threading.active_count(), _children()
    with LocalService() as service, connect(service.url, service.aod_token) as client:
        kit = Kit(client)
        kit.wait_for_output(kit.session(SPAWNING))
        folder = service.data_dir
    assert not folder.exists()
    assert _children() == children
    assert threading.active_count() <= threads


def _children():
    return {child.pid for child in psutil.Process().children(recursive=True)}
