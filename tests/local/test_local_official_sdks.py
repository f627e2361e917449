"""The published aod-sdk against the service over a real socket."""

import aod
import pytest


@pytest.fixture
def client(fresh_service):
    with aod.Client(base_url=fresh_service.url, token=fresh_service.aod_token) as connected:
        yield connected


def test_aod_sdk_works_with_every_resource(client):
    environment = client.environments.create(name="official", networking={"type": "limited"})
    server = {"name": "m", "type": "url", "url": "https://x"}
    agent = client.agents.create(
        name="official", model="any", runtime="shell", mcp_servers=[server]
    )
    assert agent in client.agents.list()
    changed = client.agents.update(agent.id, version=1, name="renamed")
    assert [version.name for version in client.agents.versions(agent.id)] == ["renamed", "official"]
    assert client.environments.get(environment.id).networking.type == "limited"
    ack = client.sessions.create(agent_id=changed.id, prompt="echo hello")
    with client.sessions.stream(ack.id) as events:
        text = "".join(event.extra["data"] for event in events if event.type == "output")
    assert text == "hello\n"
    assert client.sessions.get(ack.id).status == "completed"
    assert client.sessions.turns(ack.id)[0].exit_code == 0
    client.sessions.delete(ack.id)
    with pytest.raises(aod.NotFoundError, match="Session not found"):
        client.sessions.get(ack.id)
    client.environments.archive(environment.id)
    client.environments.delete(environment.id)


def test_aod_sdk_maps_every_refusal(service, client):
    agent = client.agents.create(name="official", model="any", runtime="shell")
    with pytest.raises(aod.ConflictError, match="Version mismatch: expected 1, got 2"):
        client.agents.update(agent.id, version=2, name="again")
    with pytest.raises(aod.ValidationError):
        client.agents.create(name="a", model="openai/gpt-5.5", runtime="claude")
    with (
        aod.Client(base_url=service.url, token="aod_wrong") as stranger,
        pytest.raises(aod.AuthError, match="Invalid API key"),
    ):
        stranger.agents.list()


@pytest.mark.anyio
async def test_the_async_client_of_aod_sdk_follows_a_replay(service):
    async with aod.AsyncClient(base_url=service.url, token=service.aod_token) as client:
        agent = await client.agents.create(name="r", model="any", runtime="replay")
        ack = await client.sessions.create(agent_id=agent.id, prompt="anything")
        async with client.sessions.stream(ack.id) as events:
            kinds = [event.type async for event in events]
    assert kinds[-1] == "exit"
    assert kinds.count("output") > 10
