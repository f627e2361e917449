"""Invoke, its stream, pauses, conversations, and the control plane's live methods (B.6, B.7, B.9)."""

import json
import stat
import sys
import threading
import uuid

import pytest
from service_kit import Rpc, connect, until

from aod_notebook.local import LocalService
from aod_notebook.local.agentos.control.rpc import ELSEWHERE, LIVE

ASK = {"ask": "Which region?", "options": ["eu", "us"], "context": {"n": 1}}
APPROVE = {"approve": "Delete three files"}


@pytest.fixture
def agent_id(rpc):
    made = rpc.call("agents_create", name="r", system_prompt="", provider_type="replay")
    return made["agent_id"]


def script(*pauses, **more):
    return {"replay": {"pauses": list(pauses), **more}}


def stream(rpc, agent_id, **fields):
    body = {"stream": True, **fields}
    response = rpc.post(f"/api/v1/agents/{agent_id}/invoke", body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    return [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]


def test_the_built_in_agent_completes_at_once_with_a_summary(service, rpc):
    data = rpc.invoke(service.agent_id, input={"query": "x"})
    assert set(data) == {"run_id", "output", "duration_ms"}
    assert data["output"]["summary"]
    again = rpc.invoke(service.agent_id, input={"query": "x"})
    assert again["output"] == data["output"]


def test_an_agent_key_invokes_its_own_agent_only(service, reporter, agent_id):
    assert reporter.invoke(service.agent_id)["output"]["summary"]
    assert reporter.error(f"/api/v1/agents/{agent_id}/invoke") == (403, "FORBIDDEN")


def test_a_run_records_what_its_agent_did(rpc, agent_id):
    data = rpc.invoke(agent_id, input={"a": 1}, test=True, parent_run_id="p")
    run = rpc.call("runs_get", run_id=data["run_id"])
    assert (run["status"], run["input"], run["output"]) == ("completed", {"a": 1}, data["output"])
    assert (run["test"], run["parent_run_id"]) == (True, "p")
    assert run["input_tokens"] > 0
    assert run["output_tokens"] > 0
    events = rpc.call("runs_get_events", run_id=data["run_id"])
    kinds = {event["type"] for event in events}
    assert {"tool.called", "tool.returned", "tool.failed", "llm.response"} <= kinds
    assert len(events) == run["event_count"]


def test_the_stream_starts_brings_chunks_and_tools_and_is_done(rpc, agent_id):
    events = stream(rpc, agent_id)
    assert events[0]["type"] == "start"
    kinds = {event["type"] for event in events}
    assert kinds == {"start", "chunk", "tool", "done"}
    assert {e["status"] for e in events if e["type"] == "tool"} == {"calling", "returned", "failed"}
    assert events[-1]["type"] == "done"
    assert set(events[-1]) == {"type", "run_id", "duration_ms"}
    assert events[-1]["run_id"] == events[0]["run_id"]
    run = rpc.call("runs_get", run_id=events[0]["run_id"])
    assert run["status"] == "completed"


def test_a_run_that_fails_is_an_error_with_its_words(rpc, agent_id):
    path = f"/api/v1/agents/{agent_id}/invoke"
    response = rpc.post(path, {"input": script(fail="no luck")})
    assert response.status_code == 422
    assert response.json()["error"] == {"code": "RUN_FAILED", "message": "no luck"}
    (run,) = rpc.call("runs_list", agent_id=agent_id)
    assert (run["status"], run["error_message"]) == ("failed", "no luck")
    last = stream(rpc, agent_id, input=script(fail="no luck"))[-1]
    assert last == {"type": "error", "message": "no luck", "code": "RUN_FAILED"}


@pytest.mark.parametrize(
    "fields",
    [
        {"session_id": "x", "start_session": True},
        {"session_id": "x", "history": []},
        {"start_session": True, "history": [{"role": "user", "content": "x"}]},
        {"input": []},
        {"prompt_variables": {"a": 1}},
        {"history": "x"},
        {"input": {"replay": 1}},
        {"input": script(fail="")},
        {"input": script({})},
        {"input": script({"ask": "x", "approve": "y"})},
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_wrong_invoke_is_a_validation_error_streamed_or_not(rpc, agent_id, fields, streamed):
    body = {**fields, "stream": streamed}
    path = f"/api/v1/agents/{agent_id}/invoke"
    assert rpc.error(path, body) == (400, "VALIDATION_ERROR")


def test_an_unknown_agent_or_session_is_not_found(rpc, agent_id):
    assert rpc.error("/api/v1/agents/none/invoke") == (404, "NOT_FOUND")
    body = {"session_id": str(uuid.uuid4())}
    assert rpc.error(f"/api/v1/agents/{agent_id}/invoke", body) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("provider", "program"), [("anthropic", "claude"), ("openai", "codex"), (None, "claude")]
)
def test_without_its_cli_an_agent_fails_with_what_to_install(
    fresh_service, monkeypatch, provider, program
):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        given = {} if provider is None else {"provider_type": provider}
        agent_id = rpc.call("agents_create", name="x", system_prompt="", **given)["id"]
        for streamed in (False, True):
            path = f"/api/v1/agents/{agent_id}/invoke"
            response = rpc.post(path, {"stream": streamed})
            assert response.status_code == 422
            error = response.json()["error"]
            assert error["code"] == "RUNTIME_NOT_INSTALLED"
            assert error["message"].startswith(f"'{program}' was not found on PATH")
        runs = rpc.call("runs_list", agent_id=agent_id)
        assert [run["status"] for run in runs] == ["failed", "failed"]


CLAUDE = """#!{python}
import json, sys
prompt = sys.stdin.read()
if "fail" in prompt:
    sys.stderr.write("it broke")
    sys.exit(3)
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False,
    "result": json.dumps({{"prompt": prompt}}), "session_id": "s", "num_turns": 1,
    "usage": {{"input_tokens": 5, "output_tokens": 7}}}}))
"""


@pytest.fixture
def claude(fresh_service, tmp_path, monkeypatch):
    """A service with a stand-in `claude` on PATH, and an agent that runs on it."""
    program = tmp_path / "claude"
    program.write_text(CLAUDE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        rpc.agent_id = rpc.call(
            "agents_create",
            name="c",
            system_prompt="Answer {{WHOM}} in {{TONE}}.",
            prompt_variables={"WHOM": "me", "TONE": "verse"},
            output_schema={"type": "object"},
        )["id"]
        yield rpc


def test_a_hosted_agent_runs_on_its_providers_cli(claude):
    data = claude.invoke(claude.agent_id, input={"q": "why?"}, prompt_variables={"TONE": "prose"})
    assert data["output"]["prompt"] == 'Answer me in prose.\n\n{\n  "q": "why?"\n}'
    run = claude.call("runs_get", run_id=data["run_id"])
    assert (run["input_tokens"], run["output_tokens"]) == (5, 7)


def test_a_conversation_is_told_to_the_agent_and_kept(claude):
    first = claude.invoke(claude.agent_id, input={"q": 1}, start_session=True, external_user_id="u")
    second = claude.invoke(claude.agent_id, input={"q": 2}, session_id=first["session_id"])
    assert second["session_id"] == first["session_id"]
    assert '"q": 1' in second["output"]["prompt"]
    (listed,) = claude.call("conversations_list", external_user_id="u")
    assert listed["id"] == first["session_id"]
    conversation = claude.call("conversations_get", conversation_id=listed["id"])
    said = [(message["role"], message["run_id"]) for message in conversation["messages"]]
    assert said == [
        ("user", first["run_id"]),
        ("assistant", first["run_id"]),
        ("user", second["run_id"]),
        ("assistant", second["run_id"]),
    ]
    newest = claude.call("conversations_get", conversation_id=listed["id"], message_limit=1)
    assert [message["run_id"] for message in newest["messages"]] == [second["run_id"]]


def test_a_given_history_is_told_to_the_agent(claude):
    history = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    data = claude.invoke(claude.agent_id, input={"q": 1}, history=history)
    assert "user: hello\n\nassistant: hi\n\n" in data["output"]["prompt"]


def test_a_cli_that_fails_fails_the_run_with_its_stderr(claude):
    response = claude.post(f"/api/v1/agents/{claude.agent_id}/invoke", {"input": {"q": "fail"}})
    assert response.status_code == 422
    message = "the agent ended with exit code 3: it broke"
    assert response.json()["error"] == {"code": "RUN_FAILED", "message": message}


SLOW = "#!/bin/sh\necho up > ../../../started\nsleep 600\n"


def slow_agent(rpc, tmp_path, monkeypatch):
    """Make an agent whose CLI does not come to an end."""
    program = tmp_path / "claude"
    program.write_text(SLOW)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return rpc.call("agents_create", name="slow", system_prompt="")["id"]


def test_a_run_at_work_can_be_cancelled(fresh_service, tmp_path, monkeypatch):
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        agent_id = slow_agent(rpc, tmp_path, monkeypatch)
        answers = []
        path = f"/api/v1/agents/{agent_id}/invoke"
        calling = threading.Thread(target=lambda: answers.append(rpc.error(path)))
        calling.start()
        until((fresh_service.data_dir / "started").exists)
        (run,) = rpc.call("runs_list", agent_id=agent_id)
        assert rpc.call("runs_cancel", run_id=run["id"])["status"] == "cancelled"
        calling.join(10)
        assert answers == [(409, "CONFLICT")]
        assert rpc.call("runs_get", run_id=run["id"])["status"] == "cancelled"


def test_a_run_over_its_limit_is_a_timeout_and_its_stream_beats(tmp_path, monkeypatch):
    with (
        LocalService(invoke_limit_s=0.4, heartbeat_s=0.1) as service,
        connect(service.url, service.agentos_key) as client,
    ):
        rpc = Rpc(client)
        agent_id = slow_agent(rpc, tmp_path, monkeypatch)
        assert rpc.error(f"/api/v1/agents/{agent_id}/invoke") == (408, "TIMEOUT")
        (run,) = rpc.call("runs_list", agent_id=agent_id)
        message = "the run was not done after 0.4 s"
        assert (run["status"], run["error_message"]) == ("failed", message)
        response = rpc.post(f"/api/v1/agents/{agent_id}/invoke", {"stream": True})
        assert response.text.count(": heartbeat") >= 2
        assert stream(rpc, agent_id)[-1]["code"] == "TIMEOUT"


def test_a_client_that_leaves_its_stream_does_not_end_the_run(rpc, agent_id):
    path = f"/api/v1/agents/{agent_id}/invoke"
    with rpc.client.stream("POST", path, json={"stream": True}) as response:
        line = next(response.iter_lines())
    run_id = json.loads(line[6:])["run_id"]
    assert until(lambda: _ended(rpc, run_id))["status"] == "completed"


def test_a_run_pauses_for_an_answer_then_for_an_approval_and_completes(rpc, agent_id):
    paused = rpc.invoke(agent_id, expect=202, input=script(ASK, APPROVE))
    run_id = paused["run_id"]
    asked = paused["awaiting_input"]
    assert asked == {
        "request_id": asked["request_id"],
        "question": "Which region?",
        "options": ["eu", "us"],
        "context": {"n": 1},
    }
    assert rpc.call("runs_get", run_id=run_id)["status"] == "awaiting_input"
    path = f"/api/v1/runs/{run_id}/human-input"
    waiting = rpc.data(path, {"response": "eu"}, 202)
    approval_id = waiting["awaiting_approval"]["approval_id"]
    assert rpc.call("runs_get", run_id=run_id)["status"] == "awaiting_approval"
    approval = rpc.call("approvals_list", agent_id=agent_id)[0]
    assert (approval["id"], approval["status"]) == (approval_id, "pending")
    decided = rpc.call("approvals_decide", approval_id=approval_id, decision="approved")
    assert decided["status"] == "approved"
    run = until(lambda: _ended(rpc, run_id))
    assert run["status"] == "completed"
    assert run["output"]["answers"] == ["eu"]


def _ended(rpc, run_id):
    run = rpc.call("runs_get", run_id=run_id)
    return run if run["ended_at"] else None


def test_rejecting_fails_the_run(rpc, agent_id):
    paused = rpc.invoke(agent_id, expect=202, input=script(APPROVE))
    approval_id = paused["awaiting_approval"]["approval_id"]
    decision = {"decision": "rejected", "decision_note": "too many"}
    rpc.call("approvals_decide", approval_id=approval_id, **decision)
    run = rpc.call("runs_get", run_id=paused["run_id"])
    assert (run["status"], run["error_message"]) == ("failed", "approval rejected: too many")
    again = rpc.refused("approvals_decide", approval_id=approval_id, decision="approved")
    assert again == (409, "CONFLICT")


def test_a_streamed_run_ends_its_stream_at_a_pause(rpc, agent_id):
    start, asked = stream(rpc, agent_id, input=script(ASK))
    assert asked["type"] == "awaiting_input"
    assert (asked["run_id"], asked["question"]) == (start["run_id"], "Which region?")
    start, waiting = stream(rpc, agent_id, input=script(APPROVE))
    assert waiting["type"] == "awaiting_approval"
    assert waiting["approval_id"]


def test_a_paused_run_can_be_cancelled(rpc, agent_id):
    run_id = rpc.invoke(agent_id, expect=202, input=script(ASK))["run_id"]
    assert rpc.call("runs_cancel", run_id=run_id)["status"] == "cancelled"
    path = f"/api/v1/runs/{run_id}/human-input"
    assert rpc.error(path, {"response": "x"}) == (409, "CONFLICT")
    assert rpc.error("/api/ingest/v1/run/complete", {"run_id": run_id}) == (409, "CONFLICT")


# the control plane


def test_every_method_of_the_contract_is_live_or_named_as_elsewhere():
    assert len(LIVE) + len(ELSEWHERE) == 56
    assert not set(LIVE) & ELSEWHERE


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_method_of_the_hosted_service_says_so(rpc, name):
    response = rpc.post(f"/api/v1/rpc/{name}")
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["code"] == "NOT_AVAILABLE_LOCALLY"
    assert "needs the hosted AgentOS" in error["message"]


def test_an_unknown_method_is_not_found(rpc):
    assert rpc.refused("agents_fly") == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", sorted(LIVE))
def test_an_agent_key_can_not_use_the_control_plane(reporter, name):
    assert reporter.refused(name) == (403, "FORBIDDEN")


def test_a_personal_key_names_its_workspace(service):
    with connect(service.url, service.issue_key("user")) as client:
        rpc = Rpc(client)
        assert rpc.refused("agents_list") == (400, "VALIDATION_ERROR")
        (workspace,) = rpc.call("workspaces_list")
        assert workspace["role"] == "owner"
        assert rpc.call("agents_list", workspace=workspace["slug"])
        assert rpc.refused("agents_list", workspace="other") == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("agents_create", {"name": "x"}),
        ("agents_create", {"name": "x", "system_prompt": "", "provider_type": "kimi"}),
        ("agents_get", {}),
        ("agents_update", {"agent_id": "x", "name": None}),
        ("agents_set_status", {"agent_id": "x", "status": "odd"}),
        ("agents_list", {"status": "odd"}),
        ("approvals_decide", {"approval_id": "x", "decision": "maybe"}),
        ("runs_list", {"limit": 0}),
        ("runs_get_events", {"run_id": "x", "limit": "all"}),
        ("runs_get_events", {"run_id": "x", "after": 2**63}),
        ("runs_get_events", {"run_id": "x", "after": -1}),
        ("fleet_health", {"days": 0}),
        ("folders_create", {"name": ""}),
        ("api_keys_create", {"agent_id": "x"}),
    ],
)
def test_wrong_parameters_are_a_validation_error(rpc, name, params):
    assert rpc.refused(name, **params) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("agents_get", {"agent_id": "x"}),
        ("agents_update", {"agent_id": "x"}),
        ("agents_delete", {"agent_id": "x"}),
        ("agents_set_status", {"agent_id": "x", "status": "paused"}),
        ("agents_create", {"name": "x", "system_prompt": "", "folder_id": "x"}),
        ("runs_get", {"run_id": "x"}),
        ("runs_get_events", {"run_id": "x"}),
        ("runs_cancel", {"run_id": "x"}),
        ("runs_invoke", {"agent_id": "x"}),
        ("approvals_decide", {"approval_id": "x", "decision": "approved"}),
        ("api_keys_create", {"agent_id": "x", "name": "n"}),
        ("api_keys_revoke", {"key_id": "x"}),
        ("conversations_get", {"conversation_id": "x"}),
        ("conversations_delete", {"conversation_id": "x"}),
        ("folders_delete", {"folder_id": "x"}),
    ],
)
def test_what_is_not_there_is_not_found(rpc, name, params):
    assert rpc.refused(name, **params) == (404, "NOT_FOUND")


def test_an_agent_is_made_changed_listed_and_deleted(rpc):
    made = rpc.call("agents_create", name="a", system_prompt="s", tools=["t"], temperature=0.5)
    agent_id = made["agent_id"]
    assert made["id"] == agent_id
    assert rpc.call("agents_list")[0]["id"] == agent_id
    rpc.call("agents_update", agent_id=agent_id, name="b", tags=["x"])
    got = rpc.call("agents_get", agent_id=agent_id)
    assert (got["name"], got["tags"], got["tools"], got["system_prompt"]) == (
        "b",
        ["x"],
        ["t"],
        "s",
    )
    rpc.call("agents_delete", agent_id=agent_id)
    assert rpc.refused("agents_get", agent_id=agent_id) == (404, "NOT_FOUND")


def test_the_built_in_agent_can_be_neither_deleted_nor_filed(service, rpc):
    folder = rpc.call("folders_create", name=str(uuid.uuid4()))["folder_id"]
    assert rpc.refused("agents_delete", agent_id=service.agent_id) == (409, "CONFLICT")
    refused = rpc.refused("agents_update", agent_id=service.agent_id, folder_id=folder)
    assert refused == (409, "CONFLICT")


def test_only_an_active_agent_can_be_invoked(rpc, agent_id):
    rpc.call("agents_set_status", agent_id=agent_id, status="archived")
    assert agent_id not in {agent["id"] for agent in rpc.call("agents_list")}
    archived = rpc.call("agents_list", status="archived")
    assert agent_id in {agent["id"] for agent in archived}
    assert rpc.error(f"/api/v1/agents/{agent_id}/invoke") == (409, "CONFLICT")
    rpc.call("agents_set_status", agent_id=agent_id, status="active")
    assert rpc.invoke(agent_id)["output"]


def test_a_made_key_works_until_it_is_revoked(service, rpc, agent_id):
    made = rpc.call("api_keys_create", agent_id=agent_id, name="k")
    text = made["api_key"]
    assert text.startswith("aos_agent_")
    with connect(service.url, text) as client:
        own = Rpc(client)
        assert own.invoke(agent_id)["output"]
        listed = rpc.call("api_keys_list", agent_id=agent_id)
        assert text not in json.dumps(listed)
        assert (listed[0]["id"], listed[0]["name"]) == (made["key_id"], "k")
        assert text.startswith(listed[0]["prefix"])
        assert listed[0]["last_used_at"] is not None
        rpc.call("api_keys_revoke", key_id=made["key_id"])
        refused = own.error(f"/api/v1/agents/{agent_id}/invoke")
        assert refused == (401, "UNAUTHENTICATED")
    assert rpc.call("api_keys_list", agent_id=agent_id) == []
    (revoked,) = rpc.call("api_keys_list", agent_id=agent_id, include_revoked=True)
    assert revoked["revoked"]


def test_a_deleted_agents_keys_are_refused(service, rpc, agent_id):
    text = rpc.call("api_keys_create", agent_id=agent_id, name="k")["api_key"]
    rpc.call("agents_delete", agent_id=agent_id)
    with connect(service.url, text) as client:
        assert Rpc(client).error("/api/v1/rpc/x") == (401, "UNAUTHENTICATED")


def test_folders_hold_agents(rpc, agent_id):
    name = str(uuid.uuid4())
    folder_id = rpc.call("folders_create", name=name)["folder_id"]
    assert rpc.refused("folders_create", name=name) == (409, "CONFLICT")
    rpc.call("agents_update", agent_id=agent_id, folder_id=folder_id)
    folder = next(f for f in rpc.call("folders_list") if f["id"] == folder_id)
    assert folder["agent_count"] == 1
    assert [a["id"] for a in rpc.call("agents_list", folder_id=folder_id)] == [agent_id]
    assert agent_id not in {a["id"] for a in rpc.call("agents_list", folder_id="none")}
    rpc.call("folders_delete", folder_id=folder_id)
    assert rpc.call("agents_get", agent_id=agent_id)["folder_id"] is None
    other = rpc.call("folders_create", name=name)["folder_id"]
    rpc.call("agents_update", agent_id=agent_id, folder_id=other)
    rpc.call("agents_update", agent_id=agent_id, folder_id=None)
    assert rpc.call("agents_get", agent_id=agent_id)["folder_id"] is None


def test_runs_are_listed_newest_first_by_agent_and_status(rpc, agent_id):
    made = [rpc.invoke(agent_id)["run_id"] for _ in range(3)]
    reported = rpc.start(agent_id)
    listed = rpc.call("runs_list", agent_id=agent_id)
    assert [run["id"] for run in listed] == [reported, *reversed(made)]
    running = rpc.call("runs_list", agent_id=agent_id, status="running")
    assert [run["id"] for run in running] == [reported]
    assert len(rpc.call("runs_list", agent_id=agent_id, limit=2)) == 2


def test_runs_invoke_is_an_invoke(rpc, agent_id):
    data = rpc.call("runs_invoke", agent_id=agent_id, input={"a": 1}, start_session=True)
    assert data["output"]["summary"]
    assert rpc.call("conversations_get", conversation_id=data["session_id"])["messages"]
    rpc.call("conversations_delete", conversation_id=data["session_id"])
    gone = rpc.refused("conversations_get", conversation_id=data["session_id"])
    assert gone == (404, "NOT_FOUND")


def test_the_fleets_health_counts_runs_worst_first(rpc, agent_id):
    rpc.invoke(agent_id)
    rpc.post(f"/api/v1/agents/{agent_id}/invoke", {"input": script(fail="x")})
    rpc.invoke(agent_id, test=True)
    fleet = rpc.call("fleet_health")
    own = next(agent for agent in fleet if agent["agent_id"] == agent_id)
    assert (own["runs"], own["completed"], own["failed"]) == (2, 1, 1)
    assert (own["failure_rate"], own["score"], own["score_at_start"]) == (0.5, 50, 100)
    scores = [agent["score"] for agent in fleet]
    assert scores == sorted(scores)
