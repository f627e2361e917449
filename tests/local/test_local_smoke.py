"""The official SDK against the service, from agent to exit."""

import aod
import pytest


@pytest.fixture
def client(service):
    with aod.Client(base_url=service.url, token=service.aod_token) as connected:
        yield connected


def follow(client, session_id, since=None):
    with client.sessions.stream(session_id, since=since) as events:
        return list(events)


def test_a_shell_session_runs_its_prompt_and_keeps_its_workspace(client):
    agent = client.agents.create(name="sh", model="any", runtime="shell")
    ack = client.sessions.create(agent_id=agent.id, prompt="echo one > f; echo oops >&2")
    first = follow(client, ack.id)
    assert [event.type for event in first[-3:]] == ["turn_start", "output", "exit"]
    client.sessions.prompt(ack.id, prompt="cat f; exit 3")
    second = follow(client, ack.id, since=first[-1].id)
    assert [event.extra.get("data") for event in second if event.type == "output"] == ["one\n"]
    assert second[-1].extra["code"] == 3
    assert [turn.status for turn in client.sessions.turns(ack.id)] == ["completed", "failed"]


def test_a_running_session_can_be_terminated(client):
    agent = client.agents.create(name="sh", model="any", runtime="shell")
    ack = client.sessions.create(agent_id=agent.id, prompt="echo up; sleep 600")
    with client.sessions.stream(ack.id) as events:
        for event in events:
            if event.type == "output":
                client.sessions.terminate(ack.id)
    assert event.type == "terminated"
