"""A stream that waits for its next event can be ended from elsewhere."""

import threading
import time

import anyio
import pytest
from scripted import SESSION, answer, output, start, stream, terminal

SID = SESSION["id"]


@pytest.fixture
def quiet(scripted):
    """A service whose stream goes quiet after two events, and answers another call."""
    return scripted(stream(start(), output(1), then="hang"), answer(200, SESSION))


def test_closing_from_another_thread_ends_a_sync_stream(quiet, connect):
    client = connect(quiet)
    events = client.sessions.stream(SID)
    found = []

    def follow():
        found.extend(event.type for event in events)

    follower = threading.Thread(target=follow)
    follower.start()
    until(lambda: events.last_event_id == 1 and events._reading)
    events.close()
    follower.join(60)
    assert not follower.is_alive()
    assert found == ["start", "output"]
    assert client.sessions.get(SID).status == "completed"  # the client itself goes on


@pytest.mark.anyio
async def test_closing_from_another_task_ends_an_async_stream(quiet, aconnect):
    client = aconnect(quiet)
    events = client.sessions.stream(SID)
    found = []

    async def follow():
        async for event in events:
            found.append(event.type)  # noqa: PERF401 - it is ended half-way

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            while not (events.last_event_id == 1 and events._reading):
                await anyio.lowlevel.checkpoint()
            await events.aclose()
    assert found == ["start", "output"]
    assert (await client.sessions.get(SID)).status == "completed"


@pytest.mark.anyio
async def test_cancelling_the_task_leaves_the_client_usable(quiet, aconnect):
    client = aconnect(quiet)
    with anyio.CancelScope() as scope:
        async with client.sessions.stream(SID) as events:
            async for event in events:
                if event.id == 1:  # nothing comes after it
                    scope.deadline = anyio.current_time() + 0.1
    assert scope.cancelled_caught
    assert events.last_event_id == 1
    assert (await client.sessions.get(SID)).status == "completed"


def test_closing_a_finished_stream_leaves_its_connection_to_others(service, client):
    agent = client.agents.create(name="c", model="m", runtime="shell")
    ack = client.sessions.create(agent_id=agent.id, prompt="true")
    events = client.sessions.stream(ack.id)
    assert [event.type for event in events][-1] == "exit"
    events.close()
    events.close()
    assert client.sessions.get(ack.id).status == "completed"


def test_an_error_in_the_loop_closes_the_stream(scripted, connect):
    service = scripted(stream(start(), output(1), terminal(1), then="hang"))
    events = connect(service).sessions.stream(SID)
    with pytest.raises(ZeroDivisionError), events:
        assert [1 / (event.id or 0) for event in events]
    assert events._body.response.is_closed


def until(condition, deadline=60.0):
    limit = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < limit, "it never came to that"
        time.sleep(0.001)
