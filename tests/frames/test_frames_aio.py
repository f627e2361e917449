"""The frames, awaited."""

import inspect
import threading
import time

import anyio
import pandas as pd
import pytest
from anyio import to_thread

from aod_notebook import frames
from aod_notebook.agentos import AgentOS, AsyncAgentOS
from aod_notebook.aod import AsyncClient, Client, NotFoundError
from aod_notebook.core import current
from aod_notebook.frames import aio, fetch

pytestmark = pytest.mark.anyio

OF_SESSIONS = [
    "sessions_df",
    "turns_df",
    "events_df",
    "messages_df",
    "tool_calls_df",
    "results_df",
    "model_usage_df",
]
OF_RUNS = ["runs_df", "run_events_df", "spans_df", "tasks_df"]
GONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as made:
        yield made


@pytest.fixture
async def async_client(service):
    async with AsyncClient(base_url=service.url, token=service.aod_token) as made:
        yield made


@pytest.fixture(scope="module")
def ids(client):
    agent = client.agents.create(name="awaited", model="any", runtime="replay")
    return [client.sessions.run(agent_id=agent.id, prompt="go").session.id for _ in range(2)]


@pytest.fixture
def running(client):
    """A session that said one line and goes on."""
    agent = client.agents.create(name="slow", model="any", runtime="shell")
    ack = client.sessions.create(agent_id=agent.id, prompt="echo first; sleep 300")
    with client.sessions.stream(ack.id) as events:
        next(event for event in events if event.type == "output")
    yield ack.id
    client.sessions.terminate(ack.id)


@pytest.mark.parametrize("name", OF_SESSIONS)
async def test_sessions_give_the_same_frames_awaited(name, client, async_client, ids):
    awaited = await getattr(aio, name)(ids, client=async_client)
    expected = getattr(frames, name)(ids, client=client)
    pd.testing.assert_frame_equal(awaited, expected)
    assert awaited.attrs["schema"] == expected.attrs["schema"]


async def test_a_client_alone_means_all_its_sessions(client, async_client, ids):
    awaited = await aio.turns_df(async_client, results=True)
    pd.testing.assert_frame_equal(awaited, frames.turns_df(client, results=True))


@pytest.mark.parametrize("name", OF_RUNS)
async def test_runs_give_the_same_frames_awaited(name, service, tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path))
    given = {
        "api_key": service.agentos_key,
        "agent_id": service.agent_id,
        "base_url": service.url,
    }
    with AgentOS(**given) as client:
        run = client.start_run(input={"n": 1})
        run.start_span("plan", kind="step").end()
        run.start_task("look").complete()
        run.complete({"summary": "ok"})
        expected = getattr(frames, name)(run.run_id, client=client)
    async with AsyncAgentOS(**given) as client:
        awaited = await getattr(aio, name)(run.run_id, client=client)
    assert len(awaited) == 1
    pd.testing.assert_frame_equal(awaited, expected)


async def test_a_store_is_filled_awaited(client, async_client, ids, tmp_path):
    store = await aio.collect(ids, into=tmp_path, client=async_client)
    expected = frames.messages_df(sorted(map(str, ids)), client=client)
    pd.testing.assert_frame_equal(store.frame("messages"), expected)


async def test_the_current_connection_is_asked_by_default(client, ids):
    current.set_provider(lambda: client)
    try:
        assert len(await aio.sessions_df()) == len(frames.sessions_df())
    finally:
        current.set_provider(None)


async def test_what_is_missing_is_warned_of_once_or_listed(async_client, ids, tmp_path):
    with pytest.warns(frames.FrameWarning, match="a session could not be read") as warned:
        await aio.results_df([ids[0], GONE], client=async_client)
    assert [warning.filename for warning in warned] == [__file__]
    _, problems = await aio.results_df([ids[0], GONE], client=async_client, strict=False)
    assert len(problems) == 1
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        await aio.collect([ids[0], GONE], into=tmp_path, client=async_client)


async def test_a_failed_call_raises_the_error_itself(async_client, tmp_path):
    with pytest.raises(NotFoundError):
        await aio.messages_df(GONE, client=async_client)
    with pytest.raises(NotFoundError):
        await aio.collect(GONE, into=tmp_path, client=async_client)


async def test_the_loop_goes_on_while_a_running_session_is_read(async_client, running, monkeypatch):
    monkeypatch.setattr(fetch, "QUIET_S", 0.3)
    ticks = []

    async def tick():
        while True:
            await anyio.sleep(0.01)
            ticks.append(time.monotonic())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        frame = await aio.events_df(running, client=async_client)
        tasks.cancel_scope.cancel()
    assert "".join(frame["data"].dropna()) == "first\n"
    assert frame.attrs["complete"] is False
    assert len(ticks) > 10


async def test_a_cancelled_call_ends_its_requests_and_its_thread(
    async_client, running, monkeypatch
):
    monkeypatch.setattr(fetch, "QUIET_S", 600)
    left = threading.Event()
    read = fetch.OnLoop.read_events

    def watched(*args):
        try:
            return read(*args)
        finally:
            left.set()

    monkeypatch.setattr(fetch.OnLoop, "read_events", watched)
    with anyio.move_on_after(0.5) as scope:
        await aio.events_df(running, client=async_client)
    assert scope.cancelled_caught
    assert await to_thread.run_sync(left.wait, 10)
    assert (await async_client.sessions.get(running)).status == "running"


@pytest.mark.parametrize("name", [*OF_SESSIONS, *OF_RUNS, "collect"])
def test_twins_take_the_same_arguments(name):
    here, there = inspect.signature(getattr(aio, name)), inspect.signature(getattr(frames, name))
    assert list(here.parameters) == list(there.parameters)
    assert [p.default for p in here.parameters.values()] == [
        p.default for p in there.parameters.values()
    ]
