"""Fixtures of the service's tests: clients of both halves."""

import httpx
import pytest
from service_kit import Kit, Rpc, connect


@pytest.fixture
def http(service):
    """The AoD half of the shared service, as the directory's owner."""
    with connect(service.url, service.aod_token) as client:
        yield client


@pytest.fixture
def fresh_http(fresh_service):
    with connect(fresh_service.url, fresh_service.aod_token) as client:
        yield client


@pytest.fixture
def kit(http):
    return Kit(http)


@pytest.fixture
def fresh_kit(fresh_http):
    return Kit(fresh_http)


@pytest.fixture
def rpc(service):
    """The AgentOS half of the shared service, with the workspace key."""
    with connect(service.url, service.agentos_key) as client:
        yield Rpc(client)


@pytest.fixture
def reporter(service):
    """The AgentOS half with the built-in agent's key."""
    with connect(service.url, service.agent_key) as client:
        yield Rpc(client)


@pytest.fixture
def anonymous(service):
    with httpx.Client(base_url=service.url) as client:
        yield client
