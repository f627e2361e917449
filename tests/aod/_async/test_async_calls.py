"""Calls of the client over real sockets; the sync twin of this file is generated."""

import httpx
import pytest
from pydantic import SecretStr
from scripted import AGENT, SESSION, answer, hang, reset

from aod_notebook.aod import (
    AodConnectionError,
    AodUsageError,
    AsyncClient,
    ConflictError,
    NotFoundError,
    ServerError,
    Timeouts,
    ValidationError,
)

SID = SESSION["id"]
ACK = {"id": SID, "status": "terminated"}


@pytest.mark.anyio
async def test_the_whole_life_of_a_session(service):
    async with AsyncClient(base_url=service.url, token=service.aod_token) as client:
        agent = await client.agents.create(name="life", model="any", provider="shell")
        assert (agent.runtime, agent.provider) == ("shell", "shell")
        result = await client.sessions.run(agent_id=agent.id, prompt="echo one > f; cat f")
        session = result.session
        assert (session.status, session.exit_code) == ("completed", 0)
        ack = await client.sessions.prompt(session.id, "cat f; exit 3")
        async with client.sessions.stream(session.id, turn=ack.current_turn) as events:
            texts = [event.extra["data"] async for event in events if event.type == "output"]
        assert texts == ["one\n"]
        turns = await client.sessions.turns(session.id)
        assert [turn.exit_code for turn in turns] == [0, 3]
        with pytest.raises(ConflictError, match=r"Start a new session\.$"):
            await client.sessions.prompt(session.id, "more")
        await client.sessions.delete(session.id)
        with pytest.raises(NotFoundError):
            await client.sessions.get(session.id)


@pytest.mark.anyio
async def test_the_whole_life_of_an_environment_and_its_agent(fresh_service):
    async with AsyncClient(fresh_service.url, fresh_service.aod_token) as client:
        env = await client.environments.create(name="life", env_vars={"A": "1"})
        assert (await client.environments.get(env.id)).version == 1
        env = await client.environments.update(env.id, version=1, env_vars={})
        assert [v.version for v in await client.environments.versions(env.id)] == [2, 1]
        assert [each.id for each in await client.environments.list()] == [env.id]
        agent = await client.agents.create(
            name="life", model="m", runtime="shell", environment_id=env.id
        )
        agent = await client.agents.update(agent.id, version=1, environment_id=None)
        assert (agent.environment_id, agent.version) == (None, 2)
        assert [v.version for v in await client.agents.versions(agent.id)] == [2, 1]
        assert [each.id for each in await client.agents.list()] == [agent.id]
        assert (await client.agents.archive(agent.id)).archived_at is not None
        assert await client.agents.list() == []
        assert (await client.environments.archive(env.id)).archived_at is not None
        assert await client.environments.list() == []
        await client.environments.delete(env.id)
        with pytest.raises(NotFoundError, match=r"environments\.list\(\) shows"):
            await client.environments.get(env.id)


@pytest.mark.anyio
async def test_an_httpx_timeout_is_taken(scripted, aconnect):
    client = aconnect(scripted(hang()), timeout=httpx.Timeout(0.05, connect=3), max_retries=0)
    with pytest.raises(AodConnectionError, match="no answer in time"):
        await client.agents.list()
    limits = client._transport.timeouts
    assert (limits.connect, limits.call, limits.no_bytes) == (3, 0.05, Timeouts().no_bytes)


@pytest.mark.anyio
async def test_a_bad_base_url_is_refused_with_the_next_step():
    with pytest.raises(AodUsageError, match=r"http://host:port.*AOD_API_URL"):
        AsyncClient("localhost:8777", "t")


@pytest.mark.anyio
async def test_a_key_that_no_header_can_carry_is_refused(scripted, aconnect):
    client = aconnect(scripted(answer(500, {})))
    for key in ("", "é", "a\nb"):
        with pytest.raises(AodUsageError, match="idempotency_key"):
            await client.sessions.prompt(SID, "p", idempotency_key=key)


@pytest.mark.anyio
async def test_a_session_can_be_terminated_while_it_is_followed(service):
    async with AsyncClient(base_url=service.url, token=service.aod_token) as client:
        agent = await client.agents.create(name="stop", model="any", runtime="shell")
        ack = await client.sessions.create(agent_id=agent.id, prompt="echo up; sleep 60")
        async with client.sessions.stream(ack.id) as events:
            async for event in events:
                if event.type == "output" and event.extra["stream"] == "stdout":
                    assert (await client.sessions.terminate(ack.id)).status == "terminated"
        assert events.terminal.type == "terminated"
        with pytest.raises(ConflictError, match="already terminated"):
            await client.sessions.terminate(ack.id)


@pytest.mark.anyio
async def test_secret_variables_reach_the_agent(service):
    async with AsyncClient(base_url=service.url, token=service.aod_token) as client:
        agent = await client.agents.create(name="env", model="any", runtime="shell")
        result = await client.sessions.run(
            agent_id=agent.id, prompt='echo "$MY_KEY"', secret_env_vars={"MY_KEY": "v-1"}
        )
        assert [e.extra["data"] for e in result.events if e.type == "output"] == ["v-1\n"]


@pytest.mark.anyio
async def test_a_write_with_a_lost_answer_is_not_sent_again(scripted, aconnect):
    service = scripted(reset())
    client = aconnect(service)
    for call in (
        lambda: client.agents.create(name="a", model="m", runtime="r"),
        lambda: client.agents.update(SID, version=1),
        lambda: client.sessions.prompt(SID, "p"),
    ):
        with pytest.raises(AodConnectionError, match="may have succeeded"):
            await call()
    assert len(service.requests) == 3


@pytest.mark.anyio
async def test_a_write_that_was_refused_by_429_is_sent_again_with_the_same_key(scripted, aconnect):
    service = scripted(answer(429, {}), answer(202, ACK))
    await aconnect(service).sessions.prompt(SID, "p")
    first, second = (each.headers["idempotency-key"] for each in service.requests)
    assert first == second


@pytest.mark.anyio
async def test_a_termination_with_a_lost_answer_is_repeated_to_success(scripted, aconnect):
    gone = answer(409, {"detail": "Session is already terminated"})
    client = aconnect(scripted(reset(), gone))
    assert (await client.sessions.terminate(SID)).status == "terminated"
    with pytest.raises(ConflictError):
        await aconnect(scripted(gone)).sessions.terminate(SID)


@pytest.mark.anyio
async def test_a_deletion_with_a_lost_answer_is_repeated_to_success(scripted, aconnect):
    gone = answer(404, {"detail": "Session not found"})
    client = aconnect(scripted(reset(), gone))
    assert await client.sessions.delete(SID) is None
    with pytest.raises(NotFoundError):
        await aconnect(scripted(gone)).sessions.delete(SID)


@pytest.mark.anyio
async def test_a_repeat_after_a_mere_429_proves_nothing(scripted, aconnect):
    gone = answer(404, {"detail": "Session not found"})
    with pytest.raises(NotFoundError):
        await aconnect(scripted(answer(429, {}), gone)).sessions.delete(SID)


@pytest.mark.anyio
async def test_retry_after_beyond_the_deadline_raises_at_once(scripted, aconnect):
    service = scripted(answer(503, {"detail": "later"}, Retry_After="3600"))
    with pytest.raises(ServerError, match="later"):
        await aconnect(service).agents.list()
    assert len(service.requests) == 1


@pytest.mark.anyio
async def test_a_degraded_service_is_reported_at_once(scripted, aconnect):
    body = {"status": "degraded", "checks": {"db": "fail: OperationalError", "crypto": "ok"}}
    service = scripted(answer(503, body))
    with pytest.raises(ServerError, match="OperationalError") as caught:
        await aconnect(service).health()
    assert caught.value.detail == body
    assert len(service.requests) == 1


@pytest.mark.anyio
async def test_a_redirect_is_not_followed_and_carries_no_token_away(scripted, aconnect):
    elsewhere = scripted(answer(200, {"data": []}))
    service = scripted(answer(307, b"", Location=elsewhere.url))
    with pytest.raises(Exception, match=f"redirected to {elsewhere.url}.*base_url="):
        await aconnect(service).agents.list()
    assert elsewhere.requests == []


@pytest.mark.anyio
async def test_options_are_changed_over_the_same_connections(scripted, aconnect):
    service = scripted(hang())
    client = aconnect(service, max_retries=0)
    hasty = client.with_options(timeout=0.05)
    with pytest.raises(AodConnectionError, match="no answer in time"):
        await hasty.agents.list()
    assert hasty._transport._http is client._transport._http
    assert hasty._transport.retry.max_retries == 0
    assert client.with_options(max_retries=7)._transport.retry.max_retries == 7
    await hasty.aclose()
    assert not client._transport._http.is_closed


@pytest.mark.anyio
async def test_a_lent_http_client_is_used_and_left_open(scripted):
    service = scripted(answer(200, {"data": [AGENT]}))
    async with httpx.AsyncClient(headers={"X-Mine": "1"}) as http:
        async with AsyncClient(base_url=service.url, token="t", http_client=http) as client:
            assert len(await client.agents.list()) == 1
        assert not http.is_closed
    assert service.requests[0].headers["x-mine"] == "1"
    assert service.requests[0].headers["authorization"] == "Bearer t"


@pytest.mark.anyio
async def test_a_transport_can_be_given():
    seen = []

    def handle(request):
        seen.append(request)
        return httpx.Response(200, json={"data": []})

    transport = httpx.MockTransport(handle)
    async with AsyncClient("http://x", "t", 5, transport) as client:
        assert await client.agents.list() == []
    assert str(seen[0].url) == "http://x/agents"
    assert seen[0].extensions["timeout"] == {"connect": 5, "read": 5, "write": 5, "pool": 5}


@pytest.mark.anyio
async def test_a_client_and_a_transport_exclude_each_other():
    http, transport = httpx.AsyncClient(), httpx.MockTransport(print)
    with pytest.raises(AodUsageError, match="not both"):
        AsyncClient(token="t", http_client=http, transport=transport)


@pytest.mark.anyio
async def test_a_closed_client_says_so():
    client = AsyncClient(base_url="http://x", token="t")
    await client.aclose()
    with pytest.raises(AodUsageError, match="this client is closed"):
        await client.agents.list()
    with pytest.raises(AodUsageError, match="this client is closed"):
        await client.sessions.stream(SID).__aenter__()


@pytest.mark.anyio
async def test_ids_are_escaped_and_empty_ones_refused(scripted, aconnect):
    service = scripted(answer(404, {"detail": "Agent not found"}))
    client = aconnect(service)
    with pytest.raises(NotFoundError):
        await client.agents.get("a/../b?c")
    assert service.requests[0].path == "/agents/a%2F..%2Fb%3Fc"
    for no_id in ("", " ", "..", None):
        with pytest.raises(AodUsageError, match="not a valid agent id"):
            await client.agents.get(no_id)
    assert len(service.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2} | {object()}])
async def test_metadata_that_is_not_json_is_refused_before_sending(scripted, aconnect, value):
    service = scripted(answer(500, {}))
    with pytest.raises(ValidationError):
        await aconnect(service).agents.create(name="a", model="m", metadata={"k": value})
    assert service.requests == []


@pytest.mark.anyio
async def test_timeouts_by_kind_of_call_reach_the_wire():
    seen = []

    def handle(request):
        seen.append(request.extensions["timeout"])
        return httpx.Response(401, json={"detail": "no"})

    client = AsyncClient(
        base_url="http://x",
        token=SecretStr("t"),
        timeout=Timeouts(connect=1, call=2, no_bytes=3),
        transport=httpx.MockTransport(handle),
    )
    for call in (client.agents.list, client.sessions.stream(SID).__aenter__):
        with pytest.raises(Exception, match="401"):
            await call()
    assert seen == [
        {"connect": 1, "read": 2, "write": 2, "pool": 2},
        {"connect": 1, "read": 3, "write": 2, "pool": 2},
    ]
