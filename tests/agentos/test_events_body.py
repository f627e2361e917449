"""The events of a run as the bytes of the service's answer."""

import json

import pytest

from aod_notebook.agentos import AgentOS, AgentOSNotFoundError


@pytest.fixture
def client(service):
    with AgentOS(
        api_key=service.agentos_key, agent_id=service.agent_id, base_url=service.url
    ) as made:
        yield made


def test_the_body_of_a_runs_events_holds_the_rows_of_the_list(client):
    with client.start_run() as run:
        for number in range(3):
            run.emit("step.completed", {"number": number})
    body = client.runs.events_body(run_id=run.run_id)
    assert json.loads(body)["data"] == list(client.runs.events(run_id=run.run_id))
    assert len(json.loads(client.runs.events_body(run_id=run.run_id, limit=2))["data"]) == 2


def test_the_body_of_a_missing_run_is_its_error(client):
    with pytest.raises(AgentOSNotFoundError):
        client.runs.events_body(run_id="00000000-0000-4000-8000-000000000000")


def test_a_disabled_client_has_the_body_of_no_events():
    with AgentOS(disabled=True) as client:
        assert client.runs.events_body(run_id="r1") == b'{"data": []}'
