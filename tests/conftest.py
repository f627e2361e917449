"""Fixtures of the whole suite: the embedded service over a real socket."""

import ports
import pytest

from aod_notebook.local import LocalService


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


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
