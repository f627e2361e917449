"""Terminating, interrupting and deleting a session."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from service_kit import Kit, connect, detail, until

from aod_notebook.local.turns.worker import TurnWorker

WAIT = "echo up; exec sleep 600"


@pytest.mark.parametrize(
    ("prompt", "code"), [("true", 0), ("exit 7", 7), (WAIT, None), (None, None)]
)
def test_terminate_is_taken_from_every_status_and_keeps_the_exit_code(http, kit, prompt, code):
    if prompt is None:
        environment = kit.environment(setup_script="sleep 600")
        session = kit.session("true", environment_id=environment["id"])
    else:
        session = kit.session(prompt)
        kit.wait_for_output(session) if prompt == WAIT else kit.finish(session)
    path = f"/sessions/{session['id']}/terminate"
    assert kit.post(path, expect=200) == {"id": session["id"], "status": "terminated"}
    now = kit.get(f"/sessions/{session['id']}")
    assert (now["status"], now["exit_code"]) == ("terminated", code)
    assert detail(http, path) == (409, "Session is already terminated")


def test_a_terminated_turn_gets_its_own_result_and_the_session_stays_terminated(kit):
    session = kit.session(WAIT)
    kit.wait_for_output(session)
    kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    turn = until(lambda: [t for t in kit.turns(session) if t["status"] != "running"])[0]
    assert (turn["status"], turn["exit_code"]) == ("failed", None)
    assert turn["ended_at"] is not None
    assert kit.get(f"/sessions/{session['id']}")["status"] == "terminated"


def test_a_session_terminated_before_its_turn_says_so_on_stderr(kit):
    environment = kit.environment(setup_script="echo up; sleep 600")
    session = kit.session("true", environment_id=environment["id"])
    kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    until(lambda: kit.turns(session)[0]["status"] == "failed")
    outputs = [e for e in kit.stream(session) if e["type"] == "output"]
    assert [(e["stream"], e["data"]) for e in outputs] == [
        ("stderr", "turn aborted: session terminated before execution started\n")
    ]


def test_a_session_terminated_before_its_worker_begins_leaves_no_directory(
    fresh_service, fresh_kit, monkeypatch
):
    kit, started = fresh_kit, []
    monkeypatch.setattr(TurnWorker, "start", lambda _, *turn: started.append(turn))
    session = kit.session("echo never")
    kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    monkeypatch.undo()
    worker = fresh_service._service._state.worker
    fresh_service._loop.call_soon_threadsafe(worker.start, *started[0])
    until(lambda: kit.turns(session)[0]["status"] == "failed")
    assert [e["data"] for e in kit.stream(session) if e["type"] == "output"] == [
        "turn aborted: session terminated before execution started\n"
    ]
    assert not (fresh_service.data_dir / "sessions" / session["id"]).exists()


def test_a_terminated_sessions_directory_is_removed(fresh_service, fresh_kit):
    session = fresh_kit.session(WAIT)
    fresh_kit.wait_for_output(session)
    folder = fresh_service.data_dir / "sessions" / session["id"]
    assert folder.is_dir()
    fresh_kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    until(lambda: not folder.exists())


def test_an_interrupted_session_is_completed_and_continues(kit):
    session = kit.session("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
    kit.wait_for_output(session)
    ack = kit.post(f"/sessions/{session['id']}/interrupt", expect=202)
    assert ack == {"id": session["id"], "status": "running"}
    now = kit.finish(session)
    assert (now["status"], now["exit_code"]) == ("completed", 9)
    assert kit.turns(session)[0]["status"] == "interrupted"
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "true"}, 202)
    assert kit.finish(session)["status"] == "completed"


def test_a_session_interrupted_before_its_turn_can_continue(fresh_service, fresh_kit):
    kit = fresh_kit
    environment = kit.environment(setup_script="test -e ../mark || { touch ../mark; sleep 600; }")
    session = kit.session("echo second", environment_id=environment["id"])
    until((fresh_service.data_dir / "sessions" / session["id"] / "mark").exists)
    kit.post(f"/sessions/{session['id']}/interrupt", expect=202)
    now = kit.finish(session)
    assert (now["status"], now["exit_code"]) == ("completed", None)
    outputs = [e["data"] for e in kit.stream(session) if e["type"] == "output"]
    assert outputs == ["turn aborted: interrupt requested before execution started\n"]
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "echo again"}, 202)
    kit.finish(session)
    assert [e["data"] for e in kit.stream(session) if e["type"] == "output"][1:] == ["again\n"]


@pytest.mark.parametrize(
    ("prompt", "end", "text"),
    [
        ("true", None, "Session has no active turn to interrupt"),
        ("true", "terminate", "Session has been terminated"),
        ("false", None, "Session has failed"),
    ],
)
def test_only_an_active_session_can_be_interrupted(http, kit, prompt, end, text):
    session = kit.session(prompt)
    kit.finish(session)
    if end is not None:
        kit.post(f"/sessions/{session['id']}/{end}", expect=200)
    assert detail(http, f"/sessions/{session['id']}/interrupt") == (409, text)


def test_a_finished_session_is_deleted_with_all_it_left(fresh_service, fresh_kit):
    session = fresh_kit.session("echo hi")
    fresh_kit.finish(session)
    response = fresh_kit.client.delete(f"/sessions/{session['id']}/delete")
    assert (response.status_code, response.json()) == (200, {"detail": "Session deleted"})
    assert fresh_kit.client.get(f"/sessions/{session['id']}").status_code == 404
    until(lambda: not (fresh_service.data_dir / "sessions" / session["id"]).exists())
    rows = fresh_service._service.database.submit(
        lambda c: c.execute("SELECT count(*) FROM log_block").fetchone()[0]
    )
    assert rows.result() == 0


def test_an_active_session_can_not_be_deleted(http, kit):
    session = kit.session(WAIT)
    response = http.delete(f"/sessions/{session['id']}/delete")
    assert (response.status_code, response.json()["detail"]) == (
        409,
        "Cannot delete an active session",
    )


FLOOD = "i=0; while :; do echo $i; i=$((i+1)); done"


def short_readers(service, ends, tries):
    """End flooding sessions under their readers; return how many readers lack stored rows."""
    with ThreadPoolExecutor(tries) as pool:
        return sum(
            pool.map(lambda number: is_short(service, ends[number % len(ends)]), range(tries))
        )


def is_short(service, end):
    with connect(service.url, service.aod_token) as client:
        kit = Kit(client)
        given = ("sleep 9; " + FLOOD, {"timeout": 10}) if end == "timeout" else (FLOOD, {})
        session = kit.session(given[0], **given[1])
        with client.stream("GET", f"/sessions/{session['id']}/stream") as response:
            lines = response.iter_lines()
            read = [next(line for line in lines if '"type": "output"' in line)]
            if end != "timeout":
                kit.post(f"/sessions/{session['id']}/{end}")
            read += [line for line in lines if '"type": "output"' in line]
        until(lambda: kit.turns(session)[0]["ended_at"] is not None)
        stored = [line for line in kit.raw(session).splitlines() if '"type": "output"' in line]
        return read != stored


def test_a_reader_has_every_row_when_its_stream_ends(fresh_service):
    assert short_readers(fresh_service, ["terminate"], 8) == 0
    assert short_readers(fresh_service, ["interrupt"], 4) == 0


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("end", "rounds"), [("terminate", 50), ("interrupt", 50), ("timeout", 3)])
def test_no_reader_of_two_hundred_is_short(fresh_service, end, rounds):
    assert sum(short_readers(fresh_service, [end], 4) for _ in range(rounds)) == 0
