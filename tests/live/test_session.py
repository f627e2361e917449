import doctest
import importlib
import os
import threading

import anyio
import pytest
from chaos import ChaosProxy

import aod_notebook
from aod_notebook import live
from aod_notebook.aod import AodError, AsyncClient, Client, NotFoundError, StreamInterrupted
from aod_notebook.core import bridge
from aod_notebook.live import (
    LiveSession,
    NotFollowedError,
    SessionFailedError,
    SessionRequest,
    SessionStoppedError,
    StopOutcome,
    WaitTimeoutError,
    attach,
    follow,
    start,
)
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AOD
from aod_notebook.local import LocalService

WAITS = "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done"


pytestmark = pytest.mark.usefixtures("connected")


@pytest.fixture
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        yield client


def shell(script):
    return start(SessionRequest(prompt=script, runtime="shell"))


def test_a_session_is_started_again_with_its_first_prompt_and_agent(client):
    first = shell("echo one").wait()
    first.prompt("echo two").wait()
    again = live.start_again(first.id).wait()
    assert again.id != first.id
    assert again.text == "one"
    assert client.sessions.get(again.id).agent_id == client.sessions.get(first.id).agent_id


def test_a_session_that_does_not_exist_is_not_started_again():
    with pytest.raises(NotFoundError):
        live.start_again("2bc7f561-935d-44ed-92d0-4a435721ed3f")


def begun(script=WAITS):
    """A session whose script has begun."""
    session = shell(script)
    for batch in session.batches():
        if any("begun" in str(event.extra.get("data")) for event in batch):
            return session
    raise AssertionError("the script did not begin")


class InterruptedFuture:
    """A future whose first waiting is interrupted, as by the stop button."""

    def __init__(self, future):
        self._future = future
        self._pressed = False

    def result(self, timeout=None):
        if not self._pressed:
            self._pressed = True
            raise KeyboardInterrupt
        return self._future.result(timeout)


@pytest.fixture
def stop_button(monkeypatch):
    """Presses Stop while the next call to the service is under way."""

    def press():
        submit = bridge.submit

        def once(function, *arguments):
            monkeypatch.setattr(bridge, "submit", submit)
            return InterruptedFuture(submit(function, *arguments))

        monkeypatch.setattr(bridge, "submit", once)

    return press


def test_a_session_is_followed_to_its_end():
    session = shell("echo one; echo two >&2; exit 4").wait()
    assert (session.status, session.exit_code, session.text) == ("failed", 4, "one")
    assert [event.type for event, _ in session.received()][-1] == "exit"


def test_waiting_has_a_limit_and_the_session_continues():
    session = begun()
    with pytest.raises(WaitTimeoutError, match=r"has not ended after 0\.1 s; it continues"):
        session.wait(0.1)
    assert session.stop() is StopOutcome.STOPPED


@pytest.mark.parametrize("name", ["handle", "start"])
def test_the_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"aod_notebook.live.{name}")
    tried = doctest.testmod(module)
    assert (tried.failed, tried.attempted > 0) == (0, True)


def test_a_session_can_be_awaited():
    async def cell():
        return await shell("echo awaited")

    assert anyio.run(cell).text == "awaited"


def test_following_continues_when_the_process_connects_again():
    session = begun()
    aod_notebook.connect()
    assert session.stop() is StopOutcome.STOPPED
    assert session.wait(60).status == "terminated"


def test_following_continues_when_the_process_connects_elsewhere(service):
    session = begun()
    with LocalService() as other:
        live.connect(other.url, ask_token=lambda _: other.aod_token)
        assert live.connection().base_url == other.url
        assert session.stop() is StopOutcome.STOPPED
        assert session.wait(60).status == "terminated"


def test_disconnecting_ends_the_following_and_says_so(client):
    session = begun()
    live.disconnect()
    assert session.is_final
    with pytest.raises(NotFollowedError, match=f"Session {session.id} is not followed any more"):
        session.raise_for_status()
    assert attach(session.id).stop() is StopOutcome.STOPPED


def test_following_that_was_interrupted_as_it_began_can_be_taken_up(monkeypatch):
    session = begun()
    live.disconnect()

    def pressed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bridge, "submit", pressed)
        with pytest.raises(KeyboardInterrupt):
            session.follow()
    assert session.is_final
    session.follow()
    assert session.stop() is StopOutcome.STOPPED
    assert session.wait(60).status == "terminated"


def test_a_handle_that_lost_its_service_says_so_and_recovers(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "PATIENCE_S", 0)
    data = tmp_path / "data"
    with LocalService(data_dir=data) as first:
        port = int(first.url.rsplit(":", 1)[1])
        on = Connection(AOD, first.url, first.aod_token, {})
        on.background_client = AsyncClient(first.url, first.aod_token, max_retries=0)
        session = start(SessionRequest(prompt=WAITS, runtime="shell"), on)
    for _ in session.batches():
        pass
    # A service that leaves may still find the time to say so.
    with pytest.raises(
        (AodError, SessionFailedError), match=r"cannot reach|broke|interrupted|ended"
    ):
        session.raise_for_status()
    with LocalService(data_dir=data, port=port):
        assert session.wait().status == "failed"
        assert [event.type for event, _ in session.received()].count("start") == 1
        on.close()


def test_a_lost_stream_says_how_a_cell_continues(service, monkeypatch):
    monkeypatch.setattr(follow, "PATIENCE_S", 0)
    with ChaosProxy(service.url) as proxy:
        token = service.issue_token(proved=False)
        on = Connection(AOD, proxy.url, token, {})
        on.background_client = AsyncClient(proxy.url, token, max_retries=0)
        session = start(SessionRequest(prompt=WAITS, runtime="shell"), on)
        next(session.batches())
    for _ in session.batches():
        pass
    with pytest.raises(StreamInterrupted, match=rf"%aod attach {session.id} continues"):
        session.raise_for_status()
    on.close()
    with Client(service.url, service.aod_token) as client:
        client.sessions.terminate(session.id)


def test_a_turn_prompted_elsewhere_is_seen(client):
    session = shell("echo mine").wait()
    client.sessions.prompt(session.id, "echo theirs")
    assert session.wait().text == "mine\ntheirs"


def test_nothing_is_repeated_when_a_finished_session_is_followed_again():
    session = shell("echo once").wait()
    before = len(session.received())
    session.follow()
    session.wait()
    assert len(session.received()) == before


def test_a_deleted_session_can_not_be_attached():
    session = shell("true").wait()
    session.delete()
    with pytest.raises(NotFoundError):
        attach(session.id)


def test_an_interrupt_while_a_session_is_being_made_stops_it(client, stop_button):
    before = {row.id for row in client.sessions.list()}
    live.connection()
    stop_button()
    with pytest.raises(SessionStoppedError, match="was terminated on the service") as caught:
        shell("sleep 60")
    (made,) = [row for row in client.sessions.list() if row.id not in before]
    assert (str(made.id) in str(caught.value), made.status) == (True, "terminated")


def test_an_interrupt_while_a_prompt_is_being_sent_stops_its_turn(client, stop_button):
    session = shell("true").wait()
    stop_button()
    with pytest.raises(SessionStoppedError, match="was terminated on the service"):
        session.prompt("sleep 60")
    assert client.sessions.get(session.id).status == "terminated"
    assert session.status == "terminated"


def test_an_interrupt_of_a_refused_start_says_why_nothing_began(stop_button):
    session = shell("exit 1").wait()
    stop_button()
    with pytest.raises(SessionStoppedError, match=r"the prompt had been refused\. 409"):
        session.prompt("echo more")


def test_stopping_reports_each_of_the_three_ends(client, monkeypatch, unused_port):
    assert shell("true").wait().stop() is StopOutcome.ALREADY_FINISHED
    running = begun()
    assert running.stop() is StopOutcome.STOPPED
    gone = LiveSession(Connection(AOD, f"http://127.0.0.1:{unused_port}", "aod_x", {}), "0-0", None)
    assert gone.stop() is StopOutcome.UNCONFIRMED


def test_listeners_hear_events_and_the_end_until_they_stop():
    session, heard = shell("true").wait(), threading.Event()
    stop = session.listen(heard.set)
    session.prompt("echo more").wait()
    assert heard.wait(60)
    stop()
    heard.clear()
    session.prompt("echo more").wait()
    assert not heard.is_set()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_and_continues_sessions_of_its_own():
    session = begun()
    child = os.fork()
    if child == 0:
        try:
            mine = shell("echo child").wait(60)
            followed = session.is_final  # the parent follows it, the child does not
            os._exit(0 if mine.text == "child" and followed else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.stop() is StopOutcome.STOPPED
