import logging

import pytest
from chaos import ChaosProxy

from aod_notebook import live
from aod_notebook.aod import AodError, AsyncClient, Client
from aod_notebook.core import bridge
from aod_notebook.live import SessionRequest, start
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AOD


@pytest.fixture(autouse=True)
def records(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    caplog.set_level(logging.DEBUG, logger="aod_notebook")
    yield caplog
    live.disconnect()
    bridge.stop()


def said(records):
    return [record.getMessage() for record in records.records if record.name == "aod_notebook.live"]


def test_the_life_of_a_session_is_logged_without_prompt_token_and_secret(
    service, records, monkeypatch
):
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    request = SessionRequest(prompt="exit 0 # hush", runtime="shell", secrets={"A": "hunter22"})
    session = start(request).wait()
    session.prompt("true # hush").wait()
    session.stop()
    assert said(records) == [
        f"Connected: {service.url}, token from: AOD_API_TOKEN",
        f"Session {session.id} started on {service.url}: shell",
        f"Session {session.id} ended its turn: completed, exit code 0",
        f"Session {session.id} was sent a prompt of 11 characters",
        f"Session {session.id} ended its turn: completed, exit code 0",
        f"Session {session.id} was to be stopped: already finished",
    ]
    for hidden in ("hush", "hunter22", service.aod_token):
        assert hidden not in records.text


def test_a_session_that_is_lost_is_logged_as_a_warning(service, records):
    with ChaosProxy(service.url) as proxy:
        token = service.issue_token(proved=False)
        on = Connection(AOD, proxy.url, token, {})
        on.background_client = AsyncClient(proxy.url, token, max_retries=0)
        session = start(SessionRequest(prompt="sleep 60", runtime="shell"), on)
    with pytest.raises(AodError):
        session.wait()
    on.close()
    (warning,) = [r for r in records.records if r.name == "aod_notebook.live" and r.levelno > 20]
    assert f"Session {session.id} is not followed any more: " in warning.getMessage()
    with Client(service.url, service.aod_token) as client:
        client.sessions.terminate(session.id)


def test_nothing_is_printed_without_a_listener():
    assert any(
        isinstance(handler, logging.NullHandler)
        for handler in logging.getLogger("aod_notebook").handlers
    )
