"""A service that takes five sessions at once, and a home of its own for each test."""

import pandas as pd
import pytest

from aod_notebook import live
from aod_notebook.core import bridge
from aod_notebook.local import LocalService

LIMIT = 5


@pytest.fixture(scope="module")
def narrow_service():
    with LocalService(max_active_sessions=LIMIT) as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def connected(narrow_service, home, monkeypatch):
    monkeypatch.setenv("AOD_API_URL", narrow_service.url)
    monkeypatch.setenv("AOD_API_TOKEN", narrow_service.aod_token)
    yield live.connection()
    live.disconnect()
    bridge.stop()


@pytest.fixture
def count(connected):
    """Count the sessions that were made since the test began."""
    before = len(connected.client.sessions.list())
    return lambda: len(connected.client.sessions.list()) - before


@pytest.fixture
def numbers():
    return pd.DataFrame({"n": range(12)}, index=[f"row {n}" for n in range(12)])
