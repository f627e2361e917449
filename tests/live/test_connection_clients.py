"""The clients that a connection gives: closed ones are replaced, async ones belong to a loop."""

import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

import aod_notebook
from aod_notebook import frames, live
from aod_notebook.agentos import AgentOS
from aod_notebook.aod import AodUsageError, Client
from aod_notebook.core import bridge, current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import SessionRequest, start


@pytest.fixture(autouse=True)
def connected(service, tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    monkeypatch.setenv("AGENTOS_BASE_URL", service.url)
    monkeypatch.setenv("AGENTOS_API_KEY", service.agentos_key)
    monkeypatch.setenv("AGENTOS_AGENT_ID", service.agent_id)
    yield
    live.disconnect()
    bridge.stop()


def done(script="echo hi"):
    return start(SessionRequest(prompt=script, runtime="shell")).wait()


def test_a_closed_client_is_replaced_when_it_is_next_asked_for():
    with aod_notebook.connect().client as closed:
        assert closed.health()["status"] == "ok"
    assert closed.is_closed
    assert aod_notebook.connect().client.health()["status"] == "ok"
    session = done()
    assert list(frames.messages_df(session.id)["session_id"].unique()) == [session.id]
    assert aod_notebook.connect().client is current.client()


def test_threads_that_ask_at_once_get_the_same_client(monkeypatch):
    connection, second = aod_notebook.connect(), threading.Event()
    made = []

    def make(of):
        made.append(Client(base_url=of.base_url, token="t"))
        second.wait(0.2) if len(made) == 1 else second.set()  # time for another to come
        return made[-1]

    monkeypatch.setattr(type(connection), "_make_client", make)
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: connection.client, range(4)))
    for client in made:
        client.close()
    assert {id(client) for client in given} == {id(made[0])}


def test_closing_a_connection_ends_what_it_does_in_the_background():
    began, ended = threading.Event(), threading.Event()

    async def work(client):
        began.set()
        try:
            await client.sessions.list()
            await anyio.sleep_forever()
        finally:
            ended.set()

    working = aod_notebook.connect().in_background(work)
    assert began.wait(60)
    live.disconnect()
    assert ended.is_set()
    assert working.cancelled()


def test_a_closed_client_of_agentos_is_replaced_and_reports():
    with aod_notebook.connect().agentos as closed:
        closed.runs.list(limit=1)
    assert closed.is_closed
    with current.agentos().start_run() as run:
        run.emit("step.completed", {"rows": 1})
    assert live.attach_run(run.run_id).wait(60).status == "completed"


def test_a_handle_outlives_the_closing_of_the_client():
    session = done()
    aod_notebook.connect().client.close()
    assert session.prompt("echo again").wait().text == "hi\nagain"
    assert len(session.turns) == 2


def test_the_async_client_is_the_callers_loops_own():
    session = done()

    async def cell():
        client = aod_notebook.connect().async_client
        assert client is aod_notebook.connect().async_client
        assert (await client.sessions.get(session.id)).status == "completed"
        assert done().status == "completed"  # on the background loop
        await client.aclose()
        assert not aod_notebook.connect().async_client.is_closed
        return client

    assert anyio.run(cell) is not anyio.run(cell)
    assert done().status == "completed"


def test_an_async_client_made_outside_of_a_loop_is_used_on_one():
    client = aod_notebook.connect().async_client

    async def ask():
        async with client:
            return await client.health()

    assert anyio.run(ask)["status"] == "ok"
    assert done().status == "completed"


def test_disconnecting_closes_the_async_client_of_a_running_loop():
    async def cell():
        client = aod_notebook.connect().async_client
        await client.health()
        live.disconnect()
        await anyio.wait_all_tasks_blocked()
        assert client.is_closed

    anyio.run(cell)


def test_without_credentials_the_sdks_name_the_way_that_needs_none(monkeypatch):
    monkeypatch.delenv("AOD_API_TOKEN")
    monkeypatch.delenv("AGENTOS_API_KEY")
    with pytest.raises(AodUsageError, match=r"aod_notebook\.connect\(\)\.client is"):
        Client()
    with pytest.raises(AodNotebookError, match=r"aod_notebook\.connect\(\)\.agentos is"):
        AgentOS()


def test_an_invalid_request_is_refused_in_a_line():
    with pytest.raises(AodNotebookError, match=r"takes a SessionRequest, not str: start\("):
        start("echo hi")


@pytest.mark.parametrize("text", ["", " \n", None])
def test_an_empty_prompt_is_refused_before_anything_is_sent(text):
    with pytest.raises(AodNotebookError, match="so no session was started"):
        start(SessionRequest(prompt=text, runtime="shell"))
    session = done()
    with pytest.raises(AodNotebookError, match=f"so session {session.id} was not prompted"):
        session.prompt(text)
    assert len(session.turns) == 1
