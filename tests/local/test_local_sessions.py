"""`/sessions`: create, prompt, terminate, interrupt, delete, and the state machine (A.10)."""

import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_kit import Kit, connect, until

from aod_notebook.local import LocalService

MISSING = str(uuid.uuid4())
WAIT = "echo up; exec sleep 600"


def post(http, path, **body):
    response = http.post(path, json=body)
    return response.status_code, response.json()


def detail(http, path, **body):
    status, answer = post(http, path, **body)
    assert set(answer) == {"detail"}, answer
    return status, answer["detail"]


def test_the_answer_to_create_is_an_acknowledgement(kit):
    environment = kit.environment()
    agent = kit.agent(environment_id=environment["id"])
    ack = kit.session("true", agent)
    assert ack == {
        "id": str(uuid.UUID(ack["id"])),
        "status": "pending",
        "stream_url": f"/sessions/{ack['id']}/stream",
        "environment_id": environment["id"],
        "resources": [],
        "current_turn": 1,
    }


def test_a_finished_session_has_every_field_of_both_generations(kit):
    agent = kit.agent()
    session = kit.finish(kit.session("exit 3", agent))
    assert {key: session[key] for key in session if not key.endswith("_at")} == {
        "id": session["id"],
        "agent_id": agent["id"],
        "environment_id": None,
        "runtime": "shell",
        "provider": "shell",
        "status": "failed",
        "exit_code": 3,
        "resources": [],
        "turn_count": 1,
        "current_turn": 1,
    }


def test_a_sessions_provider_is_its_agents_current_one(http, kit):
    agent = kit.agent()
    session = kit.finish(kit.session("true", agent))
    http.put(f"/agents/{agent['id']}", json={"version": 1, "runtime": "replay"})
    now = kit.get(f"/sessions/{session['id']}")
    assert (now["runtime"], now["provider"]) == ("shell", "replay")


def test_a_turn_keeps_the_raw_prompt_and_its_times(kit):
    session = kit.session("true", kit.agent(system="be brief"))
    kit.finish(session)
    (turn,) = kit.turns(session)
    assert set(turn) == {
        "turn_number",
        "prompt",
        "status",
        "exit_code",
        "created_at",
        "started_at",
        "ended_at",
    }
    assert (turn["turn_number"], turn["prompt"], turn["status"]) == (1, "true", "completed")
    assert turn["exit_code"] == 0
    assert turn["created_at"] <= turn["started_at"] <= turn["ended_at"]


def test_the_create_checks_come_in_order(http, kit):
    environment = kit.environment()
    agent = kit.agent()
    archived_agent = kit.agent()
    kit.post(f"/agents/{archived_agent['id']}/archive", expect=200)
    kit.post(f"/environments/{environment['id']}/archive", expect=200)
    bad = {"prompt": "x", "environment_id": environment["id"]}
    status, answer = post(http, "/sessions", prompt=1, agent_id=MISSING)
    assert (status, answer["detail"][0]["loc"]) == (422, ["prompt"])
    assert detail(http, "/sessions", agent_id=MISSING, **bad) == (404, "Agent not found")
    assert detail(http, "/sessions", agent_id=archived_agent["id"], **bad) == (
        409,
        "Cannot create session with archived agent",
    )
    assert detail(http, "/sessions", agent_id=agent["id"], **bad) == (
        409,
        "Cannot create session with archived environment",
    )
    assert detail(http, "/sessions", agent_id=agent["id"], prompt="x", environment_id=MISSING) == (
        404,
        "Environment not found",
    )


def test_an_agents_environment_that_was_archived_blocks_its_sessions(http, kit):
    environment = kit.environment()
    agent = kit.agent(environment_id=environment["id"])
    kit.post(f"/environments/{environment['id']}/archive", expect=200)
    assert detail(http, "/sessions", agent_id=agent["id"], prompt="x")[0] == 409


def stored_agent(fresh_service, agent, **columns):
    marks = ", ".join(f"{name} = ?" for name in columns)
    fresh_service._service.database.submit(
        lambda connection: connection.execute(
            f"UPDATE agent SET {marks} WHERE id = ?", (*columns.values(), agent["id"])
        )
    ).result()


@pytest.mark.parametrize(
    ("columns", "status", "text"),
    [
        (
            {"runtime": "old"},
            400,
            "Unknown runtime: old. Must be one of: ['claude', 'codex', 'gemini', 'opencode']",
        ),
        ({"model": "anthropic/gone"}, 422, "Unknown model: anthropic/gone"),
        (
            {"model": "openai/o3"},
            422,
            "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']",
        ),
        (
            {"generation": "provider", "provider": "old"},
            422,
            "Unknown provider: old. Must be one of: ['anthropic', 'openai']",
        ),
    ],
)
def test_a_stored_agent_that_no_longer_fits_is_refused(
    fresh_service, fresh_kit, columns, status, text
):
    agent = fresh_kit.agent(runtime="claude", model="anthropic/claude-sonnet-4-6")
    stored_agent(fresh_service, agent, **columns)
    answer = detail(fresh_kit.client, "/sessions", agent_id=agent["id"], prompt="x")
    assert answer == (status, text)


def test_without_a_backend_create_and_prompt_are_refused(fresh_service, fresh_kit, monkeypatch):
    session = fresh_kit.session("true")
    fresh_kit.finish(session)
    agent = fresh_kit.agent()
    monkeypatch.setattr("aod_notebook.local.worker.Worker.available", lambda _: False)
    http = fresh_kit.client
    assert detail(http, "/sessions", agent_id=agent["id"], prompt="x") == (
        503,
        "Session backend is not configured",
    )
    assert detail(http, f"/sessions/{session['id']}/prompt", prompt="x") == (
        503,
        "Session backend token is not configured",
    )


def test_the_limit_is_counted_where_the_session_is_made():
    with (
        LocalService(max_active_sessions=3) as service,
        connect(service.url, service.aod_token) as http,
    ):
        kit = Kit(http)
        agent = kit.agent()
        body = {"agent_id": agent["id"], "prompt": "sleep 600"}
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: http.post("/sessions", json=body), range(12)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [202] * 3 + [429] * 9
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json() == {
            "detail": "Concurrent session limit reached (3/3). "
            "Terminate an active session before starting a new one.",
            "limit": 3,
            "active": 3,
        }
        assert "retry-after" not in refused.headers
        one = next(answer.json() for answer in answers if answer.status_code == 202)
        kit.post(f"/sessions/{one['id']}/terminate", expect=200)
        assert http.post("/sessions", json=body).status_code == 202


def test_a_prompt_is_not_limited():
    with (
        LocalService(max_active_sessions=1) as service,
        connect(service.url, service.aod_token) as http,
    ):
        kit = Kit(http)
        first = kit.session("true")
        kit.finish(first)
        kit.session(WAIT)
        assert post(http, f"/sessions/{first['id']}/prompt", prompt="true")[0] == 202


def test_another_owners_sessions_do_not_count():
    with (
        LocalService(max_active_sessions=1) as service,
        connect(service.url, service.aod_token) as http,
    ):
        Kit(http).session(WAIT)
        with connect(service.url, service.issue_token("other")) as other:
            Kit(other).session(WAIT)


def test_sessions_are_listed_newest_first_in_every_status(fresh_kit):
    made = [fresh_kit.session(prompt) for prompt in ("true", "false", WAIT)]
    fresh_kit.finish(made[0])
    fresh_kit.finish(made[1])
    fresh_kit.wait_for_output(made[2])
    listed = fresh_kit.get("/sessions")["data"]
    assert [(s["id"], s["status"]) for s in listed] == [
        (made[2]["id"], "running"),
        (made[1]["id"], "failed"),
        (made[0]["id"], "completed"),
    ]


def test_turns_share_the_workspace_and_the_environment(kit):
    environment = kit.environment(env_vars={"B": "1", "A": "env"})
    session = kit.session(
        'echo "$A $B $C" > f',
        environment_id=environment["id"],
        secret_env_vars={"A": "sec", "C": "2"},
    )
    kit.finish(session)
    ack = kit.post(f"/sessions/{session['id']}/prompt", {"prompt": 'cat f; echo "$C"'}, 202)
    assert ack == {
        "id": session["id"],
        "status": "pending",
        "stream_url": f"/sessions/{session['id']}/stream",
        "current_turn": 2,
    }
    said = "".join(e["data"] for e in kit.stream(session) if e["type"] == "output")
    assert said == "sec 1 2\n2\n"
    assert [turn["turn_number"] for turn in kit.turns(session)] == [1, 2]
    session = kit.get(f"/sessions/{session['id']}")
    assert (session["turn_count"], session["current_turn"]) == (2, 2)


@pytest.mark.parametrize(
    ("prompt", "end", "text"),
    [
        (WAIT, None, "Session is already running"),
        ("true", "terminate", "Session has been terminated"),
        ("false", None, "Session has failed and cannot be resumed. Start a new session."),
    ],
)
def test_the_state_of_a_session_is_checked_before_the_prompts_body(http, kit, prompt, end, text):
    session = kit.session(prompt)
    if prompt == WAIT:
        kit.wait_for_output(session)
    else:
        kit.finish(session)
    if end is not None:
        kit.post(f"/sessions/{session['id']}/{end}", expect=200)
    response = http.post(f"/sessions/{session['id']}/prompt", content=b"{")
    assert (response.status_code, response.json()["detail"]) == (409, text)


def test_a_pending_sessions_prompt_body_is_checked_before_its_pending_turn(http, kit):
    environment = kit.environment(setup_script="sleep 600")
    session = kit.session("true", environment_id=environment["id"])
    path = f"/sessions/{session['id']}/prompt"
    response = http.post(path, content=b"{")
    assert (response.status_code, response.json()["detail"]) == (400, "Invalid JSON")
    assert detail(http, path, prompt="x") == (409, "Session already has a pending turn")
    kit.post(f"/sessions/{session['id']}/terminate", expect=200)


def test_a_session_whose_directory_is_gone_can_not_go_on(fresh_service, fresh_kit):
    session = fresh_kit.session("true")
    fresh_kit.finish(session)
    shutil.rmtree(fresh_service.data_dir / "sessions" / session["id"])
    assert detail(fresh_kit.client, f"/sessions/{session['id']}/prompt", prompt="x") == (
        409,
        "Session backend is no longer available; start a new session.",
    )


def test_of_many_prompts_at_once_one_is_taken(http, kit):
    session = kit.session("true")
    kit.finish(session)
    path = f"/sessions/{session['id']}/prompt"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(http, path, prompt="sleep 0.5"), range(8)))
    assert sorted(status for status, _ in answers) == [202] + [409] * 7


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


def test_a_terminated_sessions_directory_is_removed(fresh_service, fresh_kit):
    session = fresh_kit.session(WAIT)
    fresh_kit.wait_for_output(session)
    folder = fresh_service.data_dir / "sessions" / session["id"]
    assert folder.is_dir()
    fresh_kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    until(lambda: not folder.exists())


def test_a_directory_of_a_session_is_private(fresh_service, fresh_kit):
    session = fresh_kit.session("true")
    fresh_kit.finish(session)
    folder = fresh_service.data_dir / "sessions" / session["id"]
    for path in (folder, folder / "workspace", folder / "home", fresh_service.data_dir):
        assert path.stat().st_mode & 0o777 == 0o700


def test_an_interrupted_session_is_completed_and_goes_on(kit):
    session = kit.session("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
    kit.wait_for_output(session)
    ack = kit.post(f"/sessions/{session['id']}/interrupt", expect=202)
    assert ack == {"id": session["id"], "status": "running"}
    now = kit.finish(session)
    assert (now["status"], now["exit_code"]) == ("completed", 9)
    assert kit.turns(session)[0]["status"] == "interrupted"
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "true"}, 202)
    assert kit.finish(session)["status"] == "completed"


def test_a_session_interrupted_before_its_turn_can_go_on(fresh_service, fresh_kit):
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


def test_an_empty_prompt_is_accepted(kit):
    assert kit.finish(kit.session(""))["status"] == "completed"


def test_a_turn_is_ended_at_its_time_limit(kit):
    session = kit.session("echo up; sleep 600", timeout=10)
    now = kit.finish(session)
    assert (now["status"], now["exit_code"]) == ("failed", None)
    events = kit.stream(session)
    assert (events[-2]["stream"], events[-2]["data"]) == (
        "stderr",
        "turn failed: timed out after 10 s\n",
    )
    assert events[-1]["type"] == "error"
    assert kit.turns(session)[0]["status"] == "failed"


def test_archiving_an_agent_leaves_its_sessions_alone(kit):
    agent = kit.agent()
    session = kit.session("true", agent)
    kit.finish(session)
    kit.post(f"/agents/{agent['id']}/archive", expect=200)
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "true"}, 202)
    assert kit.finish(session)["status"] == "completed"
