"""`/sessions`: create, prompt, turns, and the checks before them."""

import contextlib
import shutil
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_kit import Kit, connect, detail

from aod_notebook.local import LocalService
from aod_notebook.local.runtimes import AgentTurn
from aod_notebook.local.turns import worker

MISSING = str(uuid.uuid4())
WAIT = "echo up; exec sleep 600"


def post(http, path, **body):
    response = http.post(path, json=body)
    return response.status_code, response.json()


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
        "idempotency_key": None,
        "last_event_id": kit.stream(session)[-1]["id"],
    }


def test_repeated_create_with_the_same_key_makes_one_session(http, kit):
    body = {"agent_id": kit.agent()["id"], "prompt": "true"}
    headers = {"Idempotency-Key": f"key-{uuid.uuid4()}"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: http.post("/sessions", json=body, headers=headers), range(4))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    session = kit.finish(answers[0].json())
    assert (session["idempotency_key"], session["turn_count"]) == (headers["Idempotency-Key"], 1)


def test_key_of_another_session_is_refused(http, kit):
    agent, headers = kit.agent(), {"Idempotency-Key": f"key-{uuid.uuid4()}"}
    for prompt, status in (("true", 202), ("false", 409)):
        body = {"agent_id": agent["id"], "prompt": prompt}
        answer = http.post("/sessions", json=body, headers=headers)
        assert answer.status_code == status
    assert answer.json() == {"detail": "This Idempotency-Key has made another session"}


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
    for given in (MISSING, ""):  # the agent's is taken for null alone
        assert detail(
            http, "/sessions", agent_id=agent["id"], prompt="x", environment_id=given
        ) == (404, "Environment not found")


def test_an_agents_environment_that_was_archived_blocks_its_sessions(http, kit):
    environment = kit.environment()
    agent = kit.agent(environment_id=environment["id"])
    kit.post(f"/environments/{environment['id']}/archive", expect=200)
    assert detail(http, "/sessions", agent_id=agent["id"], prompt="x") == (
        409,
        "Cannot create session with archived environment",
    )


OLD_AGENTS = [
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
]


def test_agents_of_another_versions_catalog_are_refused(tmp_path):
    fitting = {"runtime": "claude", "model": "anthropic/claude-sonnet-4-6"}
    with LocalService(tmp_path) as service, connect(service.url, service.aod_token) as http:
        made = [Kit(http).agent(**fitting)["id"] for _ in OLD_AGENTS]
    with contextlib.closing(sqlite3.connect(tmp_path / "service.db")) as database, database:
        for agent_id, (columns, _, _) in zip(made, OLD_AGENTS, strict=True):
            marks = ", ".join(f"{name} = ?" for name in columns)
            database.execute(
                f"UPDATE agent SET {marks} WHERE id = ?", (*columns.values(), agent_id)
            )
    with (
        LocalService(tmp_path, strict_models=True) as service,
        connect(service.url, service.aod_token) as http,
    ):
        for agent_id, (_, status, text) in zip(made, OLD_AGENTS, strict=True):
            assert detail(http, "/sessions", agent_id=agent_id, prompt="x") == (status, text)


KEYLESS = """#!/bin/sh
test -n "$ANTHROPIC_API_KEY$CLAUDE_CODE_OAUTH_TOKEN" && exit 0
echo "Invalid API key" >&2
exit 1
"""


@pytest.mark.parametrize(
    "kind",
    [
        {"runtime": "claude", "model": "anthropic/claude-sonnet-4-6"},
        {"provider": "anthropic", "model": "claude-sonnet-4-6"},
    ],
)
def test_without_a_key_the_cli_says_so(fresh_kit, tmp_path, monkeypatch, kind):
    program = tmp_path / "claude"
    program.write_text(KEYLESS)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    session = fresh_kit.session("hi", fresh_kit.agent(**kind))
    *_, said, last = fresh_kit.stream(session)
    assert (said["stream"], said["data"]) == ("stderr", "Invalid API key\n")
    assert (last["type"], last["code"]) == ("exit", 1)
    given = {"ANTHROPIC_API_KEY": "key"}
    session = fresh_kit.session("hi", fresh_kit.agent(**kind), secret_env_vars=given)
    assert fresh_kit.finish(session)["status"] == "completed"


def test_without_a_backend_create_and_prompt_are_refused(fresh_service, fresh_kit, monkeypatch):
    session = fresh_kit.session("true")
    fresh_kit.finish(session)
    agent = fresh_kit.agent()
    monkeypatch.setattr("aod_notebook.local.turns.worker.TurnWorker.available", lambda _: False)
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


def test_a_session_without_its_directory_can_not_continue(fresh_service, fresh_kit):
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


def test_a_directory_of_a_session_is_private(fresh_service, fresh_kit):
    session = fresh_kit.session("true")
    fresh_kit.finish(session)
    folder = fresh_service.data_dir / "sessions" / session["id"]
    for path in (folder, folder / "workspace", folder / "home", fresh_service.data_dir):
        assert path.stat().st_mode & 0o777 == 0o700


def test_an_empty_prompt_is_accepted(kit):
    assert kit.finish(kit.session(""))["status"] == "completed"


def ended_at_its_limit(kit, limit, **fields):
    session = kit.session("echo up; sleep 600", **fields)
    now = kit.finish(session)
    assert (now["status"], now["exit_code"]) == ("failed", None)
    events = kit.stream(session)
    assert (events[-2]["stream"], events[-2]["data"]) == (
        "stderr",
        f"turn failed: timed out after {limit} s\n",
    )
    assert events[-1]["type"] == "error"
    assert kit.turns(session)[0]["status"] == "failed"


def test_a_turn_is_ended_at_its_time_limit(kit, monkeypatch):
    monkeypatch.setattr(
        worker, "AgentTurn", lambda **fields: AgentTurn(**{**fields, "timeout": 0.3})
    )
    ended_at_its_limit(kit, 0.3)


@pytest.mark.faults
def test_a_turn_ends_at_its_time_limit(kit):
    ended_at_its_limit(kit, 10, timeout=10)


def test_archiving_an_agent_leaves_its_sessions_only(kit):
    agent = kit.agent()
    session = kit.session("true", agent)
    kit.finish(session)
    kit.post(f"/agents/{agent['id']}/archive", expect=200)
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "true"}, 202)
    assert kit.finish(session)["status"] == "completed"
