"""Fixtures of the service's tests: clients of both halves."""

import signal

import pytest
from cli_kit import install
from process_kit import Process
from service_kit import Kit, Rpc, connect, until

from aod_notebook.local import LocalService


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


@pytest.fixture(scope="session")
def strict_service():
    """A service that knows the hosted service's models and no others."""
    with LocalService(strict_models=True) as running:
        yield running


@pytest.fixture
def strict_http(strict_service):
    with connect(strict_service.url, strict_service.aod_token) as client:
        yield client


@pytest.fixture
def strict_kit(strict_http):
    return Kit(strict_http)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put a stand-in of every CLI, and of npx, first on PATH; the person has an empty home."""
    folder = tmp_path / "bin"
    install(folder)
    home = tmp_path / "person"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(home))
    return home


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
    with connect(service.url) as client:
        yield client


@pytest.fixture
def start(tmp_path):
    """Start services on one data directory; what is left at the end is killed."""
    made = []

    def starting(*options, **more):
        made.append(Process(tmp_path / "data", *options, **more))
        return made[-1]

    yield starting
    for process in made:
        if process.child.poll() is None:
            process.end(signal.SIGKILL)
    until(lambda: not made or not made[-1].marked())


@pytest.fixture
def agent_id(rpc):
    """A hosted agent of this test on the `replay` runtime."""
    return rpc.call("agents_create", name="r", system_prompt="", provider_type="replay")["agent_id"]


@pytest.fixture
def run_id(reporter, service):
    """A run of the built-in agent that is being reported."""
    return reporter.start(service.agent_id)
