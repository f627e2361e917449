"""`/sessions/{id}/stream`: framing, replay, resume, heartbeats, and how it ends."""

import contextlib
import json
import threading
import uuid
from datetime import datetime

import httpx
import pytest
from service_kit import Kit, connect, frames, until

from aod_notebook.local import LocalService

WAIT = "echo up; exec sleep 600"


def kinds(events):
    return [event["type"] for event in events]


def output(events):
    return "".join(event["data"] for event in events if event["type"] == "output")


def test_the_stream_has_the_contracts_headers(http, kit):
    session = kit.session("true")
    response = http.get(f"/sessions/{session['id']}/stream")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"


def test_a_connection_right_after_create_sees_everything_in_order(kit):
    events = kit.stream(kit.session("echo hi; exit 2"))
    stages = [(e["stage"], e["state"]) for e in events if e["type"] == "stage"]
    assert stages == [
        *(
            (name, state)
            for name in (
                "create_sprite",
                "install_runtime",
                "env_file",
                "provision_setup",
                "runtime_config",
            )
            for state in ("started", "done")
        ),
        ("runtime_start", "started"),
    ]
    assert kinds(events) == ["start", *["stage"] * 11, "turn_start", "output", "exit"]


def test_every_event_has_the_contracts_fields(kit):
    session = kit.session("echo hi")
    found = frames(kit.raw(session))
    times = [datetime.fromisoformat(event.pop("created_at")) for _, event in found]
    assert times == sorted(times)
    (start_line, start), *rest = found
    assert start_line is None
    assert start == {
        "type": "start",
        "runtime": "shell",
        "provider": "shell",
        "session_id": session["id"],
    }
    by_kind = {event["type"]: (line, event) for line, event in rest}
    line, event = by_kind["turn_start"]
    row_line, row = by_kind["output"]
    assert line is None
    assert event == {"type": "turn_start", "id": row["id"], "turn": 1}
    assert row == {"type": "output", "id": row_line, "stream": "stdout", "data": "hi\n", "turn": 1}
    assert by_kind["exit"] == (row_line, {"type": "exit", "id": row_line, "code": 0})
    done = next(event for _, event in rest if event.get("state") == "done")
    assert list(done) == ["type", "id", "stage", "state", "duration_ms"]
    assert "turn" not in done
    for line, event in rest:
        assert line == event["id"] or event["type"] == "turn_start"


def test_a_frame_is_an_optional_id_line_and_one_data_line(kit):
    text = kit.raw(kit.session("printf 'a\\r\\n\\nb'"))
    for block in text.split("\n\n")[:-1]:
        *cursor, data = block.split("\n")
        assert len(cursor) <= 1
        assert data.startswith("data: {")
    assert text.endswith("\n\n")


def test_ids_rise_strictly(kit):
    ids = [line for line, _ in frames(kit.raw(kit.session("seq 1 50")))[:-1] if line]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("prompt", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_the_terminal_event_has_the_exit_code(kit, prompt, code):
    last = kit.stream(kit.session(prompt))[-1]
    assert (last["type"], last["code"]) == ("exit", code)


def test_stderr_is_its_own_stream(kit):
    events = kit.stream(kit.session("echo a; sleep 0.1; echo b >&2; sleep 0.1; echo c"))
    said = [(e["stream"], e["data"]) for e in events if e["type"] == "output"]
    assert said == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]


def test_a_turn_without_output_has_no_turn_start(kit):
    assert "turn_start" not in kinds(kit.stream(kit.session("true")))


def test_a_character_split_over_two_reads_is_put_together(kit):
    prompt = "printf '\\303'; sleep 0.2; printf '\\244\\342'; sleep 0.2; printf '\\202\\254'"
    assert output(kit.stream(kit.session(prompt))) == "ä€"


def test_bytes_that_are_not_utf8_are_replaced(kit):
    assert output(kit.stream(kit.session("printf 'a\\377b\\303'"))) == "a�b�"


def test_nul_and_control_characters_pass(kit):
    assert output(kit.stream(kit.session("printf 'a\\000\\033[1mb'"))) == "a\x00\x1b[1mb"


def test_large_output_comes_whole(kit):
    events = kit.stream(kit.session("seq 1 200000"))
    assert output(events) == "".join(f"{n}\n" for n in range(1, 200001))


def two_turns(kit):
    session = kit.session("echo one")
    kit.finish(session)
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "echo two; exit 4"}, 202)
    kit.finish(session)
    return session


def test_a_new_connection_after_turn_two_replays_both_with_one_exit(kit):
    events = kit.stream(two_turns(kit))
    tail = [e for e in events if e["type"] != "stage" or e["stage"] == "runtime_start"]
    assert [(e["type"], e.get("turn"), e.get("data")) for e in tail] == [
        ("start", None, None),
        ("stage", None, None),
        ("turn_start", 1, None),
        ("output", 1, "one\n"),
        ("stage", None, None),
        ("turn_start", 2, None),
        ("output", 2, "two\n"),
        ("exit", None, None),
    ]
    assert tail[-1]["code"] == 4


@pytest.mark.parametrize("how", ["since", "header"])
def test_every_cursor_resumes_with_exactly_the_later_rows(kit, how):
    session = two_turns(kit)
    rows = [(line, event) for line, event in frames(kit.raw(session))[:-1] if line]
    for cursor in [0, *(line for line, _ in rows)]:
        if how == "since":
            events = kit.stream(session, since=cursor)
        else:
            events = kit.stream(session, headers={"Last-Event-ID": str(cursor)})
        assert events[0]["type"] == "start"
        assert [e for e in events if "id" in e and e["type"] in ("stage", "output")] == [
            event for line, event in rows if line > cursor
        ]
        announced = [e["turn"] for e in events if e["type"] == "turn_start"]
        assert announced == sorted({e["turn"] for line, e in rows if line > cursor and "turn" in e})
        assert events[-1]["type"] == "exit"


def test_turn_start_is_repeated_after_a_resume_in_mid_turn(kit):
    session = kit.session("echo a; sleep 0.1; echo b")
    kit.finish(session)
    first = next(e["id"] for e in kit.stream(session) if e["type"] == "output")
    events = kit.stream(session, since=first)
    assert kinds(events) == ["start", "turn_start", "output", "exit"]
    assert events[1]["id"] == events[2]["id"]


def test_the_header_wins_over_since_unless_it_is_empty(kit):
    session = two_turns(kit)
    last = kit.stream(session)[-1]["id"]
    resumed = kit.stream(session, headers={"Last-Event-ID": str(last)}, since=0)
    assert kinds(resumed) == ["start", "exit"]
    full = kit.stream(session, headers={"Last-Event-ID": ""}, since=0)
    assert len(full) > 10


@pytest.mark.parametrize("since", ["-5", " 0 ", "+0", "0_0"])
def test_what_python_takes_as_an_integer_is_a_cursor(kit, since):
    session = kit.session("true")
    kit.finish(session)
    assert kit.stream(session, since=since) == kit.stream(session)


@pytest.mark.parametrize("since", ["", "x", "1.5", "0x1", "9" * 5000])
def test_a_cursor_that_is_not_an_integer_is_refused(http, kit, since):
    session = kit.session("true")
    response = http.get(f"/sessions/{session['id']}/stream", params={"since": since})
    assert (response.status_code, response.json()) == (400, {"detail": "since must be an integer"})
    headers = {"Last-Event-ID": since or "x"}
    response = http.get(f"/sessions/{session['id']}/stream", headers=headers)
    assert (response.status_code, response.json()) == (400, {"detail": "since must be an integer"})


def test_the_session_is_looked_up_before_the_cursor(http):
    response = http.get(f"/sessions/{uuid.uuid4()}/stream", params={"since": "x"})
    assert (response.status_code, response.json()) == (404, {"detail": "Session not found"})


@pytest.mark.parametrize("since", [10**9, 2**63 - 1, 2**70])
def test_a_cursor_beyond_the_end_of_a_finished_session_gets_the_terminal_event(kit, since):
    session = kit.session("true")
    kit.finish(session)
    found = frames(kit.raw(session, since=since))
    assert [(line, event["type"]) for line, event in found] == [(None, "start"), (since, "exit")]
    assert found[1][1]["id"] == since


def test_another_sessions_cursor_starts_at_the_next_own_row(kit):
    first = kit.session("true")
    kit.finish(first)
    second = kit.session("true")
    kit.finish(second)
    assert kit.stream(second, since=kit.stream(first)[-1]["id"]) == kit.stream(second)


def test_the_old_cursor_after_a_new_prompt_follows_the_next_turn(kit):
    session = kit.session("echo one")
    last = kit.stream(session)[-1]["id"]
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "sleep 0.2; echo two"}, 202)
    events = kit.stream(session, since=last)
    assert kinds(events) == ["start", "stage", "turn_start", "output", "exit"]
    assert output(events) == "two\n"


def test_a_session_terminated_before_any_row_ends_with_id_zero_and_no_id_line(
    fresh_service, fresh_kit, monkeypatch
):
    monkeypatch.setattr("aod_notebook.local.turns.worker.TurnWorker.start", lambda *_: None)
    session = fresh_kit.session("true")
    fresh_kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    start, (line, last) = frames(fresh_kit.raw(session))
    assert start == (None, fresh_kit.stream(session)[0])
    assert line is None
    assert datetime.fromisoformat(last.pop("created_at"))
    assert last == {"type": "terminated", "id": 0, "message": "Session terminated"}


def test_a_terminated_session_ends_with_terminated(kit):
    session = kit.session(WAIT)
    kit.wait_for_output(session)
    kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    last = kit.stream(session)[-1]
    assert (last["type"], last["message"]) == ("terminated", "Session terminated")


def test_a_failed_provisioning_ends_with_error(kit):
    environment = kit.environment(setup_script="echo broken >&2; exit 5")
    events = kit.stream(kit.session("true", environment_id=environment["id"]))
    assert kinds(events)[-4:] == ["stage", "turn_start", "output", "error"]
    failed, _, said, error = events[-4:]
    message = "Provisioning script failed: sh: exit code 5\nstderr:\nbroken\n"
    assert (failed["stage"], failed["state"]) == ("provision_setup", "failed")
    assert failed["message"] == message
    assert (said["stream"], said["data"]) == ("stderr", f"provision failed: {message}\n")
    assert error["message"] == "Session failed"


def test_output_is_seen_while_the_program_runs(kit):
    session = kit.session(WAIT)
    kit.wait_for_output(session)
    assert kit.get(f"/sessions/{session['id']}")["status"] == "running"


def test_many_readers_see_the_same_events(kit):
    session = kit.session("for i in 1 2 3 4 5; do echo $i; sleep 0.05; done")
    seen = []

    def read():
        seen.append(kit.stream(session))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(events == seen[0] for events in seen)
    assert output(seen[0]) == "1\n2\n3\n4\n5\n"


@pytest.fixture
def quick():
    """A service with a heartbeat every 0.1 s that calls a stream stale after 0.5 s."""
    with (
        LocalService(heartbeat_s=0.1, stale_s=0.5) as service,
        connect(service.url, service.aod_token) as client,
    ):
        yield Kit(client)


def test_heartbeats_are_comments_and_come_while_output_flows(quick):
    session = quick.session("for i in 1 2 3 4 5 6; do echo $i; sleep 0.08; done")
    text = quick.raw(session)
    assert text.count(": heartbeat\n\n") >= 3
    assert output([event for _, event in frames(text)]) == "1\n2\n3\n4\n5\n6\n"


def test_a_silent_session_is_stale_but_continues(quick):
    session = quick.session("echo up; sleep 1.2; echo late")
    found = frames(quick.raw(session))
    line, last = found[-1]
    assert datetime.fromisoformat(last.pop("created_at"))
    assert last == {"type": "stale", "id": line, "message": "No output for 0.5s"}
    events = quick.stream(session, since=line)
    while events[-1]["type"] == "stale":
        events = quick.stream(session, since=events[-1]["id"])
    assert output(events) == "late\n"
    assert events[-1]["type"] == "exit"


def test_a_session_deleted_under_a_reader_ends_without_a_terminal_event(
    fresh_service, fresh_kit, monkeypatch
):
    session = fresh_kit.session(WAIT)
    lines = []

    def read():
        with (
            connect(fresh_service.url, fresh_service.aod_token) as client,
            client.stream("GET", f"/sessions/{session['id']}/stream") as response,
        ):
            lines.extend(response.iter_lines())

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: any('"output"' in line for line in lines))
    database = fresh_service._service.database
    database.submit(lambda c: c.execute("DELETE FROM session")).result()
    worker = fresh_service._service._state.worker
    fresh_service._loop.call_soon_threadsafe(worker.discard, session["id"])
    reader.join(60)
    assert not reader.is_alive()
    last = [json.loads(line[6:]) for line in lines if line.startswith("data: ")][-1]
    assert last["type"] == "output"


def test_open_streams_do_not_hold_up_the_services_end():
    with LocalService() as service, connect(service.url, service.aod_token) as client:
        kit = Kit(client)
        session = kit.session(WAIT)
        ended = threading.Event()

        def read():
            with connect(service.url, service.aod_token) as own:
                with contextlib.suppress(httpx.HTTPError):
                    own.get(f"/sessions/{session['id']}/stream")
                ended.set()

        threading.Thread(target=read, daemon=True).start()
        kit.wait_for_output(session)
    assert ended.wait(60)
