"""Fixtures of the AgentOS tests: a home of each test's own, clients, scripted services."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aod_notebook.agentos import AgentOS

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

KEY = "aos_agent_for-tests"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Spools of this test stay in its own folder; no option comes from the environment."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(folder))
    for name in ("API_KEY", "AGENT_ID", "BASE_URL", "WORKSPACE", "DISABLED"):
        monkeypatch.delenv(f"AGENTOS_{name}", raising=False)
    return folder


@pytest.fixture
def client(service):
    """A client that reports, with an agent key."""
    with AgentOS(
        api_key=service.agent_key, agent_id=service.agent_id, base_url=service.url
    ) as client:
        yield client


@pytest.fixture
def control(service):
    """A client with a workspace key."""
    with AgentOS(
        api_key=service.agentos_key, agent_id=service.agent_id, base_url=service.url
    ) as client:
        yield client


@pytest.fixture
def connect():
    """Make a client of a scripted service that hardly waits: `connect(server, **options)`."""
    clients = []

    def make(server, **options):
        fields = {"api_key": KEY, "agent_id": "a1", "base_url": server.url, **options}
        client = AgentOS(**fields)
        quick = replace(client._api.options.retry, base=0.001, cap=0.01)
        client._api.options = replace(client._api.options, retry=quick)
        if client._reporter is not None:
            client._reporter.delivery.options = client._api.options
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close(timeout=0.1)
