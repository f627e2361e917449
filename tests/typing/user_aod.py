"""A user's code over the Agent on Demand client, for mypy only: what the public surface gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, assert_type
from uuid import UUID

from aod_notebook.aod import (
    Agent,
    AgentVersion,
    AodHTTPError,
    AsyncClient,
    AsyncEventStream,
    Client,
    Environment,
    EnvironmentVersion,
    EventStream,
    GithubRepoResource,
    GithubSkill,
    InlineSkill,
    McpServerStdio,
    McpServerUrl,
    Networking,
    RateLimitError,
    Session,
    SessionAck,
    SessionResult,
    SessionTurn,
    StreamEvent,
    StreamInterrupted,
    Timeouts,
    iter_events,
)


def agents(client: Client) -> None:
    """Agents, with typed inputs and with dicts."""
    assert_type(client.base_url, str)
    assert_type(client.agents.list(), list[Agent])
    agent = client.agents.create(
        name="a",
        model="m",
        runtime="claude",
        skills=[
            InlineSkill(name="n", description="d", content="c"),
            GithubSkill(source="o/r", description="d"),
            {"name": "n2", "description": "d", "content": "c"},
        ],
        mcp_servers=[
            McpServerUrl(name="u", url="https://example.org"),
            McpServerStdio(name="s", command="c", args=["-v"]),
            {"name": "d", "url": "https://example.org"},
        ],
        metadata={"k": 1},
    )
    assert_type(agent, Agent)
    assert_type(agent.id, UUID)
    assert_type(agent.runtime, str | None)
    assert_type(agent.provider, str | None)
    assert_type(agent.created_at, datetime)
    assert_type(agent.archived_at, datetime | None)
    assert_type(client.agents.get(agent.id), Agent)
    assert_type(client.agents.update(str(agent.id), version=1, environment_id=None), Agent)
    client.agents.update(agent.id, version=2, mcp_servers=agent.mcp_servers, skills=agent.skills)
    assert_type(client.agents.archive(agent.id), Agent)
    assert_type(client.agents.versions(agent.id), list[AgentVersion])


def environments(client: Client) -> None:
    """Environments."""
    env = client.environments.create(
        name="e", packages={"pip": ["pandas"]}, networking=Networking(type="limited")
    )
    assert_type(env, Environment)
    assert_type(env.networking.allowed_hosts, list[str])
    assert_type(client.environments.list(), list[Environment])
    assert_type(client.environments.get(env.id), Environment)
    client.environments.update(env.id, version=1, networking={"type": "unrestricted"})
    assert_type(client.environments.versions(env.id), list[EnvironmentVersion])
    assert_type(client.environments.archive(env.id), Environment)
    client.environments.delete(env.id)


def sessions(client: Client, agent: Agent) -> None:
    """Sessions, their turns and their streams."""
    ack = client.sessions.create(
        agent_id=agent.id,
        prompt="p",
        resources=[GithubRepoResource(url="https://github.com/o/r")],
        secret_env_vars={"KEY": "v"},
    )
    assert_type(ack, SessionAck)
    assert_type(ack.current_turn, int | None)
    assert_type(client.sessions.get(ack.id), Session)
    assert_type(client.sessions.prompt(ack.id, "more", timeout=60), SessionAck)
    assert_type(client.sessions.turns(ack.id), list[SessionTurn])
    assert_type(client.sessions.terminate(ack.id), SessionAck)
    assert_type(client.sessions.interrupt(ack.id), SessionAck)
    client.sessions.delete(ack.id)
    with client.sessions.stream(ack.id, since=1, turn=2) as events:
        assert_type(events, EventStream)
        assert_type(events.last_event_id, int | None)
        assert_type(events.terminal, StreamEvent | None)
        for event in events:
            assert_type(event, StreamEvent)
            assert_type(event.type, str)
            assert_type(event.id, int | None)
            assert_type(event.extra, dict[str, Any])
            assert_type(event.model_dump(), dict[str, Any])
    result = client.sessions.run(agent_id=agent.id, prompt="p", on_event=print)
    assert_type(result, SessionResult)
    assert_type(result.session, Session)
    assert_type(result.events, list[StreamEvent])
    assert_type(client.sessions.wait_for_completion(ack.id), SessionResult)


def errors(client: Client) -> None:
    """Errors and options."""
    try:
        assert_type(client.health(), dict[str, Any])
    except RateLimitError as error:
        assert_type(error.limit, int | None)
    except AodHTTPError as error:
        assert_type(error.status_code, int)
        assert_type(error.url, str)
    except StreamInterrupted as error:
        assert_type(error.last_event_id, int | None)
    assert_type(client.with_options(timeout=Timeouts(call=1), max_retries=0), Client)
    assert_type(iter_events([b""]), Iterator[StreamEvent])


async def in_async_code(client: AsyncClient, agent: Agent) -> None:
    """The async twin gives the same."""
    assert_type(await client.agents.list(), list[Agent])
    assert_type(await client.sessions.create(agent_id=agent.id, prompt="p"), SessionAck)
    async with client.sessions.stream(agent.id) as events:
        assert_type(events, AsyncEventStream)
        async for event in events:
            assert_type(event, StreamEvent)
    assert_type(await client.sessions.run(agent_id=agent.id, prompt="p"), SessionResult)
    async with client.with_options(max_retries=0) as patient:
        assert_type(patient, AsyncClient)
