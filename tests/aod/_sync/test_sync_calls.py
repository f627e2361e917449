# Generated from tests/aod/_async/test_async_calls.py by tests/tools/unasync.py; edit that file instead.
"""Calls of the client over real sockets; the sync twin of this file is generated."""

import httpx
import pytest
from pydantic import SecretStr
from scripted import AGENT, SESSION, answer, hang, reset

from aod_notebook.aod import (
    AodConnectionError,
    AodUsageError,
    Client,
    ConflictError,
    NotFoundError,
    ServerError,
    Timeouts,
    ValidationError,
)

SID = SESSION["id"]
ACK = {"id": SID, "status": "terminated"}


def test_the_whole_life_of_a_session(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="life", model="any", provider="shell")
        assert (agent.runtime, agent.provider) == ("shell", "shell")
        result = client.sessions.run(agent_id=agent.id, prompt="echo one > f; cat f")
        session = result.session
        assert (session.status, session.exit_code) == ("completed", 0)
        ack = client.sessions.prompt(session.id, "cat f; exit 3")
        with client.sessions.stream(session.id, turn=ack.current_turn) as events:
            texts = [event.extra["data"] for event in events if event.type == "output"]
        assert texts == ["one\n"]
        turns = client.sessions.turns(session.id)
        assert [turn.exit_code for turn in turns] == [0, 3]
        with pytest.raises(ConflictError, match=r"Start a new session\.$"):
            client.sessions.prompt(session.id, "more")
        client.sessions.delete(session.id)
        with pytest.raises(NotFoundError):
            client.sessions.get(session.id)


def test_the_whole_life_of_an_environment_and_its_agent(fresh_service):
    with Client(fresh_service.url, fresh_service.aod_token) as client:
        env = client.environments.create(name="life", env_vars={"A": "1"})
        assert (client.environments.get(env.id)).version == 1
        env = client.environments.update(env.id, version=1, env_vars={})
        assert [v.version for v in client.environments.versions(env.id)] == [2, 1]
        assert [each.id for each in client.environments.list()] == [env.id]
        agent = client.agents.create(name="life", model="m", runtime="shell", environment_id=env.id)
        agent = client.agents.update(agent.id, version=1, environment_id=None)
        assert (agent.environment_id, agent.version) == (None, 2)
        assert [v.version for v in client.agents.versions(agent.id)] == [2, 1]
        assert [each.id for each in client.agents.list()] == [agent.id]
        assert (client.agents.archive(agent.id)).archived_at is not None
        assert client.agents.list() == []
        assert (client.environments.archive(env.id)).archived_at is not None
        assert client.environments.list() == []
        client.environments.delete(env.id)
        with pytest.raises(NotFoundError, match=r"environments\.list\(\) shows"):
            client.environments.get(env.id)


def test_an_httpx_timeout_is_taken(scripted, connect):
    client = connect(scripted(hang()), timeout=httpx.Timeout(0.05, connect=3), max_retries=0)
    with pytest.raises(AodConnectionError, match="no answer in time"):
        client.agents.list()
    limits = client._transport.timeouts
    assert (limits.connect, limits.call, limits.no_bytes) == (3, 0.05, Timeouts().no_bytes)


def test_a_bad_base_url_is_refused_with_the_next_step():
    with pytest.raises(AodUsageError, match=r"http://host:port.*AOD_API_URL"):
        Client("localhost:8777", "t")


def test_a_key_that_no_header_can_carry_is_refused(scripted, connect):
    client = connect(scripted(answer(500, {})))
    for key in ("", "é", "a\nb"):
        with pytest.raises(AodUsageError, match="idempotency_key"):
            client.sessions.prompt(SID, "p", idempotency_key=key)


def test_a_session_can_be_terminated_while_it_is_followed(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="stop", model="any", runtime="shell")
        ack = client.sessions.create(agent_id=agent.id, prompt="echo up; sleep 60")
        with client.sessions.stream(ack.id) as events:
            for event in events:
                if event.type == "output" and event.extra["stream"] == "stdout":
                    assert (client.sessions.terminate(ack.id)).status == "terminated"
        assert events.terminal.type == "terminated"
        with pytest.raises(ConflictError, match="already terminated"):
            client.sessions.terminate(ack.id)


def test_secret_variables_reach_the_agent(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="env", model="any", runtime="shell")
        result = client.sessions.run(
            agent_id=agent.id, prompt='echo "$MY_KEY"', secret_env_vars={"MY_KEY": "v-1"}
        )
        assert [e.extra["data"] for e in result.events if e.type == "output"] == ["v-1\n"]


def test_a_write_with_a_lost_answer_is_not_sent_again(scripted, connect):
    service = scripted(reset())
    client = connect(service)
    for call in (
        lambda: client.agents.create(name="a", model="m", runtime="r"),
        lambda: client.agents.update(SID, version=1),
        lambda: client.sessions.prompt(SID, "p"),
    ):
        with pytest.raises(AodConnectionError, match="may have succeeded"):
            call()
    assert len(service.requests) == 3


def test_a_write_that_was_refused_by_429_is_sent_again_with_the_same_key(scripted, connect):
    service = scripted(answer(429, {}), answer(202, ACK))
    connect(service).sessions.prompt(SID, "p")
    first, second = (each.headers["idempotency-key"] for each in service.requests)
    assert first == second


def test_a_termination_with_a_lost_answer_is_repeated_to_success(scripted, connect):
    gone = answer(409, {"detail": "Session is already terminated"})
    client = connect(scripted(reset(), gone))
    assert (client.sessions.terminate(SID)).status == "terminated"
    with pytest.raises(ConflictError):
        connect(scripted(gone)).sessions.terminate(SID)


def test_a_deletion_with_a_lost_answer_is_repeated_to_success(scripted, connect):
    gone = answer(404, {"detail": "Session not found"})
    client = connect(scripted(reset(), gone))
    assert client.sessions.delete(SID) is None
    with pytest.raises(NotFoundError):
        connect(scripted(gone)).sessions.delete(SID)


def test_a_repeat_after_a_mere_429_proves_nothing(scripted, connect):
    gone = answer(404, {"detail": "Session not found"})
    with pytest.raises(NotFoundError):
        connect(scripted(answer(429, {}), gone)).sessions.delete(SID)


def test_retry_after_beyond_the_deadline_raises_at_once(scripted, connect):
    service = scripted(answer(503, {"detail": "later"}, Retry_After="3600"))
    with pytest.raises(ServerError, match="later"):
        connect(service).agents.list()
    assert len(service.requests) == 1


def test_a_degraded_service_is_reported_at_once(scripted, connect):
    body = {"status": "degraded", "checks": {"db": "fail: OperationalError", "crypto": "ok"}}
    service = scripted(answer(503, body))
    with pytest.raises(ServerError, match="OperationalError") as caught:
        connect(service).health()
    assert caught.value.detail == body
    assert len(service.requests) == 1


def test_a_redirect_is_not_followed_and_carries_no_token_away(scripted, connect):
    elsewhere = scripted(answer(200, {"data": []}))
    service = scripted(answer(307, b"", Location=elsewhere.url))
    with pytest.raises(Exception, match=f"redirected to {elsewhere.url}.*base_url="):
        connect(service).agents.list()
    assert elsewhere.requests == []


def test_options_are_changed_over_the_same_connections(scripted, connect):
    service = scripted(hang())
    client = connect(service, max_retries=0)
    hasty = client.with_options(timeout=0.05)
    with pytest.raises(AodConnectionError, match="no answer in time"):
        hasty.agents.list()
    assert hasty._transport._http is client._transport._http
    assert hasty._transport.retry.max_retries == 0
    assert client.with_options(max_retries=7)._transport.retry.max_retries == 7
    hasty.close()
    assert not client._transport._http.is_closed


def test_a_lent_http_client_is_used_and_left_open(scripted):
    service = scripted(answer(200, {"data": [AGENT]}))
    with httpx.Client(headers={"X-Mine": "1"}) as http:
        with Client(base_url=service.url, token="t", http_client=http) as client:
            assert len(client.agents.list()) == 1
        assert not http.is_closed
    assert service.requests[0].headers["x-mine"] == "1"
    assert service.requests[0].headers["authorization"] == "Bearer t"


def test_a_transport_can_be_given():
    seen = []

    def handle(request):
        seen.append(request)
        return httpx.Response(200, json={"data": []})

    transport = httpx.MockTransport(handle)
    with Client("http://x", "t", 5, transport) as client:
        assert client.agents.list() == []
    assert str(seen[0].url) == "http://x/agents"
    assert seen[0].extensions["timeout"] == {"connect": 5, "read": 5, "write": 5, "pool": 5}


def test_a_client_and_a_transport_exclude_each_other():
    http, transport = httpx.Client(), httpx.MockTransport(print)
    with pytest.raises(AodUsageError, match="not both"):
        Client(token="t", http_client=http, transport=transport)


def test_a_closed_client_says_so():
    client = Client(base_url="http://x", token="t")
    client.close()
    with pytest.raises(AodUsageError, match="this client is closed"):
        client.agents.list()
    with pytest.raises(AodUsageError, match="this client is closed"):
        client.sessions.stream(SID).__enter__()


def test_ids_are_escaped_and_empty_ones_refused(scripted, connect):
    service = scripted(answer(404, {"detail": "Agent not found"}))
    client = connect(service)
    with pytest.raises(NotFoundError):
        client.agents.get("a/../b?c")
    assert service.requests[0].path == "/agents/a%2F..%2Fb%3Fc"
    for no_id in ("", " ", "..", None):
        with pytest.raises(AodUsageError, match="not a valid agent id"):
            client.agents.get(no_id)
    assert len(service.requests) == 1


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2} | {object()}])
def test_metadata_that_is_not_json_is_refused_before_sending(scripted, connect, value):
    service = scripted(answer(500, {}))
    with pytest.raises(ValidationError):
        connect(service).agents.create(name="a", model="m", metadata={"k": value})
    assert service.requests == []


def test_timeouts_by_kind_of_call_reach_the_wire():
    seen = []

    def handle(request):
        seen.append(request.extensions["timeout"])
        return httpx.Response(401, json={"detail": "no"})

    client = Client(
        base_url="http://x",
        token=SecretStr("t"),
        timeout=Timeouts(connect=1, call=2, no_bytes=3),
        transport=httpx.MockTransport(handle),
    )
    for call in (client.agents.list, client.sessions.stream(SID).__enter__):
        with pytest.raises(Exception, match="401"):
            call()
    assert seen == [
        {"connect": 1, "read": 2, "write": 2, "pool": 2},
        {"connect": 1, "read": 3, "write": 2, "pool": 2},
    ]
