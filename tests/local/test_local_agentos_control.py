"""The control plane: every live method is seen to work through another call."""

import json
import uuid

import pytest
from service_kit import Rpc, connect, script, until

from aod_notebook.agentos import AgentOS
from aod_notebook.agentos.control import methods_of
from aod_notebook.local.agentos.control.rpc import ELSEWHERE, LIVE

APPROVE = {"approve": "Delete three files"}
CALLS = {"invoke", "run/start", "events", "run/complete"}
"""What may show a method beside another method, by the ends of their paths."""
SHOWN = {}
"""The call through which a test here sees that a live method works."""


def shows(method, *, through):
    """Note that a test sees the method work through another call."""

    def note(test):
        assert method not in SHOWN
        SHOWN[method] = through
        return test

    return note


def ids(rows):
    return [row["id"] for row in rows]


def test_every_live_method_is_seen_through_another_call():
    assert set(SHOWN) == set(LIVE)
    for method, through in SHOWN.items():
        assert through in (set(LIVE) | CALLS) - {method}


def test_the_methods_are_the_56_of_the_client():
    namespaces = map(type, vars(AgentOS(disabled=True)).values())
    methods = [method.rpc for space in namespaces for method in methods_of(space).values()]
    assert len(methods) == 56
    assert sorted([*LIVE, *ELSEWHERE]) == sorted(methods)


# ---- agents ----


@shows("agents_create", through="agents_list")
def test_a_made_agent_is_the_newest_of_the_list(rpc):
    made = rpc.call("agents_create", name="a", system_prompt="s")
    assert made["id"] == made["agent_id"]
    assert ids(rpc.call("agents_list"))[0] == made["agent_id"]


@shows("agents_get", through="agents_create")
def test_an_agent_is_returned_as_it_was_created(rpc):
    fields = {"name": "a", "system_prompt": "s", "tools": ["t"], "temperature": 0.5}
    made = rpc.call("agents_create", **fields)
    got = rpc.call("agents_get", agent_id=made.pop("agent_id"))
    assert got == made
    assert {key: got[key] for key in fields} == fields


@shows("agents_update", through="agents_get")
def test_an_update_changes_the_named_fields_only(rpc):
    agent_id = rpc.call("agents_create", name="a", system_prompt="s", tools=["t"])["agent_id"]
    rpc.call("agents_update", agent_id=agent_id, name="b", tags=["x"], tools=[])
    got = rpc.call("agents_get", agent_id=agent_id)
    assert [got[key] for key in ("name", "tags", "tools", "system_prompt")] == ["b", ["x"], [], "s"]


@shows("agents_delete", through="agents_get")
def test_a_deleted_agent_is_gone(rpc, agent_id):
    rpc.call("agents_delete", agent_id=agent_id)
    refused = rpc.refused("agents_get", agent_id=agent_id)
    assert refused == (404, "NOT_FOUND", f"Agent {agent_id} not found")


def test_a_deleted_agents_runs_stay(rpc, agent_id):
    run_id = rpc.invoke(agent_id)["run_id"]
    rpc.call("agents_delete", agent_id=agent_id)
    assert rpc.call("runs_get", run_id=run_id)["agent_id"] == agent_id


@shows("agents_list", through="agents_set_status")
def test_archived_agents_are_listed_when_they_are_asked_for(rpc, agent_id):
    rpc.call("agents_set_status", agent_id=agent_id, status="archived")
    assert agent_id not in ids(rpc.call("agents_list"))
    assert agent_id in ids(rpc.call("agents_list", status="archived"))
    assert agent_id not in ids(rpc.call("agents_list", status="active"))


@shows("agents_set_status", through="invoke")
@pytest.mark.parametrize("status", ["paused", "archived"])
def test_only_an_active_agent_can_be_invoked(rpc, agent_id, status):
    rpc.call("agents_set_status", agent_id=agent_id, status=status)
    refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke")
    assert refused == (409, "CONFLICT", f"Agent {agent_id} is {status}")
    rpc.call("agents_set_status", agent_id=agent_id, status="active")
    assert rpc.invoke(agent_id)["output"]


def test_the_built_in_agent_can_not_be_deleted(service, rpc):
    refused = rpc.refused("agents_delete", agent_id=service.agent_id)
    assert refused == (409, "CONFLICT", "The built-in agent can't be deleted")


def test_the_built_in_agent_can_not_be_filed(service, rpc):
    folder = rpc.call("folders_create", name=str(uuid.uuid4()))["folder_id"]
    refused = rpc.refused("agents_update", agent_id=service.agent_id, folder_id=folder)
    assert refused == (409, "CONFLICT", "A built-in agent can't be filed in a folder")


# ---- runs ----


@shows("runs_invoke", through="runs_get")
def test_runs_invoke_is_an_invoke(rpc, agent_id):
    data = rpc.call("runs_invoke", agent_id=agent_id, input={"a": 1}, start_session=True)
    run = rpc.call("runs_get", run_id=data["run_id"])
    assert (run["input"], run["output"], run["status"]) == ({"a": 1}, data["output"], "completed")
    assert run["session_id"] == data["session_id"]


@shows("runs_get", through="run/complete")
def test_a_run_is_shown_as_it_was_reported(rpc, agent_id):
    run_id = rpc.start(agent_id, input={"a": 1})
    assert rpc.call("runs_get", run_id=run_id)["status"] == "running"
    body = {"run_id": run_id, "output": {"b": 2}, "input_tokens": 3}
    rpc.data("/api/ingest/v1/run/complete", body)
    run = rpc.call("runs_get", run_id=run_id)
    assert (run["status"], run["output"], run["input_tokens"]) == ("completed", {"b": 2}, 3)


@shows("runs_get_events", through="events")
def test_a_runs_events_are_those_that_were_reported(rpc, agent_id):
    run_id = rpc.start(agent_id)
    event = {"type": "x", "level": "warn", "payload": {"a": 1}, "occurred_at": "2026-01-01T00:00Z"}
    rpc.data("/api/ingest/v1/events", {"run_id": run_id, "events": [event]})
    (stored,) = rpc.call("runs_get_events", run_id=run_id)
    assert stored == {"id": f"{run_id}:1", "sequence_number": 1, **event}


@shows("runs_cancel", through="runs_get")
def test_a_cancelled_run_has_ended(rpc, agent_id):
    run_id = rpc.start(agent_id)
    rpc.call("runs_cancel", run_id=run_id)
    run = rpc.call("runs_get", run_id=run_id)
    assert run["status"] == "cancelled"
    assert run["ended_at"] is not None


@shows("runs_list", through="run/start")
def test_runs_are_listed_newest_first_by_agent_and_status(rpc, agent_id):
    made = [rpc.invoke(agent_id)["run_id"] for _ in range(3)]
    reported = rpc.start(agent_id)
    assert ids(rpc.call("runs_list", agent_id=agent_id)) == [reported, *reversed(made)]
    assert ids(rpc.call("runs_list", agent_id=agent_id, status="running")) == [reported]
    assert ids(rpc.call("runs_list", agent_id=agent_id, limit=2)) == [reported, made[2]]


# ---- approvals ----


@shows("approvals_list", through="invoke")
def test_what_a_run_waits_for_is_listed(rpc, agent_id):
    paused = rpc.invoke(agent_id, expect=202, input=script(APPROVE))
    (approval,) = rpc.call("approvals_list", agent_id=agent_id)
    assert approval["id"] == paused["awaiting_approval"]["approval_id"]
    assert (approval["status"], approval["run_id"]) == ("pending", paused["run_id"])
    assert approval["request"] == {"action": "Delete three files"}


@shows("approvals_decide", through="runs_get")
def test_approving_lets_the_run_continue_and_rejecting_fails_it(rpc, agent_id):
    approved, rejected = (rpc.invoke(agent_id, expect=202, input=script(APPROVE)) for _ in range(2))
    decided = rpc.call("approvals_decide", decision="approved", **approved["awaiting_approval"])
    assert decided["status"] == "approved"
    no = {"decision": "rejected", "decision_note": "too many"}
    rpc.call("approvals_decide", **no, **rejected["awaiting_approval"])
    assert until(lambda: rpc.ended(approved["run_id"]))["status"] == "completed"
    run = rpc.call("runs_get", run_id=rejected["run_id"])
    assert (run["status"], run["error_message"]) == ("failed", "approval rejected: too many")


# ---- conversations ----


@shows("conversations_list", through="invoke")
def test_conversations_are_listed_by_agent_and_user(rpc, agent_id):
    made = [
        rpc.invoke(agent_id, start_session=True, external_user_id=user)["session_id"]
        for user in ("u", "v")
    ]
    assert ids(rpc.call("conversations_list", agent_id=agent_id)) == made[::-1]
    assert ids(rpc.call("conversations_list", agent_id=agent_id, external_user_id="u")) == made[:1]
    assert ids(rpc.call("conversations_list", agent_id=agent_id, limit=1)) == made[1:]


@shows("conversations_get", through="runs_invoke")
def test_a_conversation_holds_its_messages(rpc, agent_id):
    data = rpc.call("runs_invoke", agent_id=agent_id, input={"a": 1}, start_session=True)
    got = rpc.call("conversations_get", conversation_id=data["session_id"])
    assert [(said["role"], said["content"]) for said in got["messages"]] == [
        ("user", {"a": 1}),
        ("assistant", data["output"]),
    ]


@shows("conversations_delete", through="conversations_get")
def test_a_deleted_conversation_is_gone_and_can_not_be_continued(rpc, agent_id):
    session_id = rpc.invoke(agent_id, start_session=True)["session_id"]
    rpc.call("conversations_delete", conversation_id=session_id)
    refused = rpc.refused("conversations_get", conversation_id=session_id)
    assert refused == (404, "NOT_FOUND", f"Conversation {session_id} not found")
    refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke", {"session_id": session_id})
    assert refused == (404, "NOT_FOUND", f"Session {session_id} not found")


# ---- keys ----


@shows("api_keys_create", through="invoke")
def test_a_made_key_opens_its_agent_and_no_other(service, rpc, agent_id):
    text = rpc.call("api_keys_create", agent_id=agent_id, name="k")["api_key"]
    assert text.startswith("aos_agent_")
    with connect(service.url, text) as client:
        own = Rpc(client)
        assert own.invoke(agent_id)["output"]
        assert own.error(f"/api/v1/agents/{service.agent_id}/invoke")[1] == "FORBIDDEN"


@shows("api_keys_list", through="api_keys_create")
def test_keys_are_listed_without_their_text(service, rpc, agent_id):
    made = rpc.call("api_keys_create", agent_id=agent_id, name="k")
    (unused,) = rpc.call("api_keys_list", agent_id=agent_id)
    assert (unused["id"], unused["name"], unused["revoked"]) == (made["key_id"], "k", False)
    assert made["api_key"].startswith(unused["prefix"])
    assert made["api_key"] not in json.dumps(unused)
    assert unused["last_used_at"] is None
    with connect(service.url, made["api_key"]) as client:
        Rpc(client).invoke(agent_id)
    (used,) = rpc.call("api_keys_list", agent_id=agent_id)
    assert used["last_used_at"] is not None


@shows("api_keys_revoke", through="invoke")
def test_a_revoked_key_is_refused_and_listed_on_request(service, rpc, agent_id):
    made = rpc.call("api_keys_create", agent_id=agent_id, name="k")
    rpc.call("api_keys_revoke", key_id=made["key_id"])
    with connect(service.url, made["api_key"]) as client:
        refused = Rpc(client).error(f"/api/v1/agents/{agent_id}/invoke")
    assert refused == (401, "UNAUTHENTICATED", "Invalid or revoked API key")
    assert rpc.call("api_keys_list", agent_id=agent_id) == []
    (revoked,) = rpc.call("api_keys_list", agent_id=agent_id, include_revoked=True)
    assert revoked["revoked"]


def test_a_deleted_agents_keys_are_refused(service, rpc, agent_id):
    text = rpc.call("api_keys_create", agent_id=agent_id, name="k")["api_key"]
    rpc.call("agents_delete", agent_id=agent_id)
    with connect(service.url, text) as client:
        assert Rpc(client).error("/api/v1/rpc/x")[:2] == (401, "UNAUTHENTICATED")


# ---- folders, fleet, workspaces ----


@pytest.fixture
def folder(rpc):
    name = str(uuid.uuid4())
    return {"id": rpc.call("folders_create", name=name)["folder_id"], "name": name}


@shows("folders_create", through="folders_list")
def test_a_made_folder_is_the_newest_of_the_list(rpc, folder):
    newest = rpc.call("folders_list")[0]
    assert (newest["id"], newest["name"], newest["agent_count"]) == (*folder.values(), 0)


def test_a_folders_name_is_unique(rpc, folder):
    refused = rpc.refused("folders_create", name=folder["name"])
    assert refused == (409, "CONFLICT", f"A folder named '{folder['name']}' already exists")


@shows("folders_list", through="agents_update")
def test_a_folder_counts_the_agents_that_were_filed_in_it(rpc, agent_id, folder):
    rpc.call("agents_update", agent_id=agent_id, folder_id=folder["id"])
    assert ids(rpc.call("agents_list", folder_id=folder["id"])) == [agent_id]
    assert agent_id not in ids(rpc.call("agents_list", folder_id="none"))
    counts = {row["id"]: row["agent_count"] for row in rpc.call("folders_list")}
    assert counts[folder["id"]] == 1
    rpc.call("agents_update", agent_id=agent_id, folder_id=None)
    assert rpc.call("agents_get", agent_id=agent_id)["folder_id"] is None


@shows("folders_delete", through="agents_get")
def test_a_deleted_folders_agents_stay_not_filed(rpc, agent_id, folder):
    rpc.call("agents_update", agent_id=agent_id, folder_id=folder["id"])
    rpc.call("folders_delete", folder_id=folder["id"])
    assert rpc.call("agents_get", agent_id=agent_id)["folder_id"] is None
    assert folder["id"] not in ids(rpc.call("folders_list"))


@shows("fleet_health", through="invoke")
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


@shows("workspaces_list", through="agents_list")
@pytest.mark.parametrize("name", ["id", "slug"])
def test_a_listed_workspace_can_be_named_in_every_call(service, name):
    with connect(service.url, service.issue_key("user")) as client:
        rpc = Rpc(client)
        (workspace,) = rpc.call("workspaces_list")
        assert workspace["role"] == "owner"
        assert service.agent_id in ids(rpc.call("agents_list", workspace=workspace[name]))


# ---- refusals ----


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_method_of_the_hosted_service_says_so(rpc, name):
    message = f"{name} is not part of the local service: it needs the hosted AgentOS"
    assert rpc.refused(name) == (404, "NOT_AVAILABLE_LOCALLY", message)


def test_an_unknown_method_is_not_found(rpc):
    refused = rpc.refused("agents_fly")
    assert refused == (404, "NOT_FOUND", "There is no method agents_fly")


@pytest.mark.parametrize("name", sorted({*LIVE, *ELSEWHERE}))
def test_an_agent_key_can_not_use_the_control_plane(reporter, name):
    message = "An agent key can't do this: use a workspace key"
    assert reporter.refused(name) == (403, "FORBIDDEN", message)


def test_a_personal_key_names_its_workspace(service):
    with connect(service.url, service.issue_key("user")) as client:
        refused = Rpc(client).refused("agents_list")
    message = "A personal key needs the parameter 'workspace'"
    assert refused == (400, "VALIDATION_ERROR", message)


def test_another_workspace_is_not_found(rpc):
    refused = rpc.refused("agents_list", workspace="other")
    assert refused == (404, "NOT_FOUND", "Workspace other not found")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("agents_create", {"name": "x"}, "Object missing required field `system_prompt`"),
        (
            "agents_create",
            {"name": "x", "system_prompt": "", "provider_type": "kimi"},
            "Invalid enum value 'kimi' - at `$.provider_type`",
        ),
        ("agents_get", {}, "Object missing required field `agent_id`"),
        (
            "agents_update",
            {"agent_id": "x", "name": None},
            "Expected `str`, got `null` - at `$.name`",
        ),
        (
            "agents_set_status",
            {"agent_id": "x", "status": "odd"},
            "Invalid enum value 'odd' - at `$.status`",
        ),
        ("agents_list", {"status": "odd"}, "Invalid enum value 'odd' - at `$.status`"),
        (
            "approvals_decide",
            {"approval_id": "x", "decision": "maybe"},
            "Invalid enum value 'maybe' - at `$.decision`",
        ),
        ("runs_list", {"limit": 0}, "Expected `int` >= 1 - at `$.limit`"),
        (
            "runs_get_events",
            {"run_id": "x", "limit": "all"},
            "Expected `int | null`, got `str` - at `$.limit`",
        ),
        ("runs_get_events", {"run_id": "x", "after": 2**63}, "Expected `int` <= "),
        (
            "runs_get_events",
            {"run_id": "x", "after": -1},
            "Expected `int` >= 0 - at `$.after`",
        ),
        ("fleet_health", {"days": 0}, "Expected `int` >= 1 - at `$.days`"),
        ("folders_create", {"name": ""}, "Expected `str` of length >= 1 - at `$.name`"),
        ("api_keys_create", {"agent_id": "x"}, "Object missing required field `name`"),
        ("workspaces_list", {"workspace": 1}, "Expected `str | null`, got `int`"),
    ],
)
def test_wrong_parameters_are_a_validation_error(rpc, name, params, message):
    status, code, said = rpc.refused(name, **params)
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert said.startswith(f"Invalid request body: {message}")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("agents_get", {"agent_id": "x"}, "Agent x not found"),
        ("agents_update", {"agent_id": "x"}, "Agent x not found"),
        ("agents_delete", {"agent_id": "x"}, "Agent x not found"),
        ("agents_set_status", {"agent_id": "x", "status": "paused"}, "Agent x not found"),
        (
            "agents_create",
            {"name": "x", "system_prompt": "", "folder_id": "x"},
            "Folder x not found",
        ),
        ("runs_get", {"run_id": "x"}, "Run x not found"),
        ("runs_get_events", {"run_id": "x"}, "Run x not found"),
        ("runs_cancel", {"run_id": "x"}, "Run x not found"),
        ("runs_invoke", {"agent_id": "x"}, "Agent x not found"),
        ("approvals_decide", {"approval_id": "x", "decision": "approved"}, "Approval x not found"),
        ("api_keys_create", {"agent_id": "x", "name": "n"}, "Agent x not found"),
        ("api_keys_revoke", {"key_id": "x"}, "Key x not found"),
        ("conversations_get", {"conversation_id": "x"}, "Conversation x not found"),
        ("conversations_delete", {"conversation_id": "x"}, "Conversation x not found"),
        ("folders_delete", {"folder_id": "x"}, "Folder x not found"),
    ],
)
def test_a_missing_object_is_not_found(rpc, name, params, message):
    assert rpc.refused(name, **params) == (404, "NOT_FOUND", message)


def test_an_ended_run_can_not_be_cancelled(rpc, agent_id):
    run_id = rpc.invoke(agent_id)["run_id"]
    ended = f"Run {run_id} has already ended: completed"
    assert rpc.refused("runs_cancel", run_id=run_id) == (409, "CONFLICT", ended)
