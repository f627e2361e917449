"""Bodies that nobody would write: no endpoint of either half answers anything undocumented."""

import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

AOD_FIELDS = [
    *("name", "model", "runtime", "provider", "system", "description", "environment_id", "skills"),
    *("mcp_servers", "metadata", "version", "packages", "env_vars", "setup_script", "networking"),
    *("agent_id", "prompt", "timeout", "resources", "secret_env_vars", "type", "url", "mount_path"),
    *("authorization_token", "allowed_hosts", "content", "source", "command", "headers"),
]
AGENTOS_FIELDS = [
    *("agent_id", "trigger_type", "input", "external_run_id", "parent_run_id", "run_id", "events"),
    *("type", "level", "payload", "occurred_at", "span_id", "started_at", "ended_at", "task", "id"),
    *("duration_ms", "kind", "name", "status", "output", "error_message", "input_tokens", "prompt"),
    *("timeout_seconds", "context", "request_id", "response", "replay", "pauses", "ask", "fail"),
    *("prompt_variables", "session_id", "start_session", "history", "stream", "system_prompt"),
    *("folder_id", "limit", "days", "approval_id", "decision", "key_id", "conversation_id"),
    *("workspace", "provider_type", "tools", "tags", "after", "event_id", "message_limit"),
]
KNOWN = [
    "",
    "shell",
    "replay",
    "any",
    "1",
    str(uuid.UUID(int=0)),
    "/x",
    "running",
    "replay",
    "info",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(), max_size=8),
    st.sampled_from(KNOWN),
)


def bodies(names):
    values = st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(names) | st.text(max_size=3), inner, max_size=4)
        ),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(names), values, max_size=6)


MISSING = str(uuid.UUID(int=1))
FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def paths(kit):
    agent, environment = kit.agent(), kit.environment()
    session = kit.session("true", agent)
    kit.finish(session)
    return [
        ("POST", "/agents"),
        ("PUT", f"/agents/{agent['id']}"),
        ("POST", "/environments"),
        ("PUT", f"/environments/{environment['id']}"),
        ("POST", "/sessions"),
        ("POST", f"/sessions/{session['id']}/prompt"),
    ]


@FUZZ
@given(body=bodies(AOD_FIELDS), data=st.data())
def test_the_aod_half_answers_as_documented(http, paths, body, data):
    method, path = data.draw(st.sampled_from(paths))
    response = http.request(method, path, content=json.dumps(body))
    assert response.status_code in {200, 201, 202, 400, 404, 409, 422, 429}, response.text
    if response.status_code >= 400:
        assert set(response.json()) <= {"detail", "limit", "active"}


@FUZZ
@given(since=st.text(max_size=6), header=st.text(st.characters(codec="ascii"), max_size=6))
def test_any_cursor_is_taken_or_refused(http, kit, paths, since, header):
    path = f"/sessions/{paths[-1][1].split('/')[2]}/stream"
    clean = "".join(character for character in header if character.isprintable()).strip()
    response = http.get(path, params={"since": since}, headers={"Last-Event-ID": clean})
    assert response.status_code in {200, 400}


CALLS = [
    *(f"/api/ingest/v1/{name}" for name in ("run/start", "events", "tasks", "run/complete")),
    *(f"/api/ingest/v1/{name}" for name in ("run/fail", "run/cancel")),
    *(f"/api/v1/runs/{MISSING}/{name}" for name in ("reply", "human-input")),
    *(
        f"/api/v1/rpc/{name}"
        for name in (
            *("agents_create", "agents_update", "agents_set_status", "agents_list", "runs_list"),
            *("runs_get", "runs_get_events", "runs_invoke", "approvals_decide", "approvals_list"),
            *("api_keys_create", "api_keys_list", "api_keys_revoke", "conversations_get"),
            *("conversations_list", "folders_create", "folders_delete", "fleet_health"),
        )
    ),
]


@FUZZ
@given(body=bodies(AGENTOS_FIELDS), path=st.sampled_from(CALLS))
def test_the_agentos_half_answers_as_documented(rpc, body, path):
    response = rpc.client.post(path, content=json.dumps(body))
    assert response.status_code in {200, 400, 404, 409}, response.text
    assert set(response.json()) == {"data", "error"}


@settings(FUZZ, max_examples=20)
@given(body=bodies(AGENTOS_FIELDS))
def test_an_invoke_answers_as_documented(service, rpc, body):
    path = f"/api/v1/agents/{service.agent_id}/invoke"
    response = rpc.client.post(path, content=json.dumps(body))
    assert response.status_code in {200, 202, 400, 404, 422}, response.text
