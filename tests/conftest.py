"""Fixtures of the whole suite: a home of its own, the embedded service over a real socket."""

import atexit
import os
import shutil
import signal
import sys
import tempfile

import ports
import pytest
from hypothesis import HealthCheck, settings
from scripted import Scripted

from aod_notebook.local import LocalService

# How long an example takes says more of a busy machine than of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure():
    """Let no test write into the home of the person who runs it, not even as the process ends."""
    scratch = tempfile.mkdtemp(prefix="aod-notebook-tests-")
    # Where the suite runs in the background of a shell, interrupts would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["AOD_NOTEBOOK_HOME"] = scratch
    os.environ["AOD_NOTEBOOK_REPLAY_PACE"] = "0"  # no test watches a replay's rhythm but its own
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Set a limit of half an hour for long forms without a limit of their own."""
    for item in items:
        if item.get_closest_marker("faults") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def unconnected():
    """No module begins with a connection that another one has left."""
    if live := sys.modules.get("aod_notebook.live"):
        live.disconnect()


@pytest.fixture(scope="module", autouse=True)
def own_main():
    """Put `__main__` back: an IPython shell replaces it, and multiprocessing needs its `__spec__`."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def service():
    """A service that the whole run shares; tests make agents and sessions of their own."""
    with LocalService() as running:
        yield running


@pytest.fixture
def fresh_service():
    """A service of this test alone, with nothing in it."""
    with LocalService() as running:
        yield running


@pytest.fixture
def unused_port():
    """A port of this machine on which nobody answers."""
    return ports.unused_port()


@pytest.fixture
def scripted():
    """Start a scripted service: `scripted(answer, ...)`."""
    running = []

    def start(*answers):
        running.append(Scripted(list(answers)).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def connected(service, tmp_path, monkeypatch):
    """A client of the service, to which the environment and the current connection lead, too."""
    from aod_notebook import live
    from aod_notebook.aod import Client
    from aod_notebook.core import bridge

    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    with Client(base_url=service.url, token=service.aod_token) as client:
        yield client
    live.disconnect()
    bridge.stop()
