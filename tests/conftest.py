"""Fixtures of the whole suite: a home of its own, the embedded service over a real socket."""

import ports
import pytest
from hypothesis import HealthCheck, settings

from aod_notebook.local import LocalService

# How long an example takes says more of a busy machine than of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def scratch_home(tmp_path_factory):
    """No test writes into the home of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


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
