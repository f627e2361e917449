"""What `attach` returns is whole, and what a service's death leaves is said."""

import os
import signal
import time
import uuid

import pytest

from aod_notebook import frames, live
from aod_notebook.aod import AsyncClient
from aod_notebook.core import bridge
from aod_notebook.live import (
    SessionRequest,
    attach,
    follow,
    start,
)
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AOD
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.live.errors import ServiceGoneWarning
from aod_notebook.live.registry import registry
from aod_notebook.local import LocalService, find_service, stop_service


def replays(client, count, **options):
    """Ids of finished sessions that this process does not follow."""
    agent = client.agents.create(
        name=f"r-{uuid.uuid4()}", model="any", runtime="replay", metadata={"replay": options}
    )
    made = [client.sessions.create(agent_id=agent.id, prompt="x") for _ in range(count)]
    for each in made:
        for _ in client.sessions.stream(each.id):
            pass
    return [str(each.id) for each in made]


def is_whole(session):
    calls = len(session.tool_calls)
    return (calls, bool(session.text), session.status) == (14, True, "completed")


def test_an_attached_session_is_whole_at_once(connected):
    ids = replays(connected, 20, pace=0)
    assert [is_whole(attach(each)) for each in ids] == [True] * 20


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_two_hundred_attached_sessions_are_whole(connected):
    ids = replays(connected, 200, pace=0)
    assert [each for each in ids if not is_whole(attach(each))] == []


def running(client, lines):
    """A session that has printed so many lines and waits."""
    agent = client.agents.create(name=f"s-{uuid.uuid4()}", model="any", runtime="shell")
    script = f"seq {lines}; while [ ! -e go ]; do sleep 0.02; done"
    made = client.sessions.create(agent_id=agent.id, prompt=script)
    text = ""
    for event in client.sessions.stream(made.id):
        text += event.extra.get("data") or ""
        if text.endswith(f"\n{lines}\n"):
            return str(made.id)
    raise AssertionError("the script ended")


def test_an_attached_running_session_has_the_events_of_the_service(connected):
    session_id = running(connected, 5000)
    session = attach(session_id)
    assert session.status == "running"
    assert session.text.splitlines() == [str(number) for number in range(1, 5001)]
    session.stop()


def test_a_service_that_says_no_last_id_is_read_until_it_is_silent(connected, monkeypatch):
    get = type(connected.sessions).get

    def without(self, session_id):
        row = get(self, session_id)
        row.model_extra.pop("last_event_id", None)
        return row

    session_id = running(connected, 5000)
    monkeypatch.setattr(type(connected.sessions), "get", without)
    session = attach(session_id)
    assert len(session.text.splitlines()) == 5000
    session.stop()


def test_an_id_of_a_followed_session_has_its_times(connected):
    session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
    rows = frames.events_df(session.id, client=connected)
    assert rows["received_at"].notna()[rows["type"] == "output"].all()
    own = session.events.set_index("event_id")["received_at"]
    output = rows[rows["type"] == "output"].iloc[0]
    assert output["received_at"] == own[session.events["type"].eq("output").to_numpy()].iloc[0]
    other = replays(connected, 1, pace=0)[0]
    assert frames.events_df(other, client=connected)["received_at"].isna().all()


def lost(service, monkeypatch):
    """A session that the service had when it went away."""
    monkeypatch.setattr(follow, "PATIENCE_S", 0)
    on = Connection(AOD, service.url, service.aod_token, {})
    on.background_client = AsyncClient(service.url, service.aod_token, max_retries=0)
    registry.open.add(on)  # so that it is closed at the end
    session = start(SessionRequest(prompt="echo up; exec sleep 600", runtime="shell"), on)
    next(batch for batch in session.batches() if any(e.type == "output" for e in batch))
    return session


def test_the_status_of_a_lost_session_is_unknown_until_its_service_is_back(
    connected, tmp_path, monkeypatch
):
    with LocalService(data_dir=tmp_path / "d") as first:
        port = int(first.url.rsplit(":", 1)[1])
        session = lost(first, monkeypatch)
        assert session.status == "running"
    session._follower.wait_for_end(20)
    if session.row is None:  # a service that leaves may still find the time to say so
        assert session.status == "unknown"
        assert "unknown" in repr(session)
        with pytest.warns(ServiceGoneWarning, match="as far as it was received"):
            assert len(session.events)
    with LocalService(data_dir=tmp_path / "d", port=port):
        assert session.status == "failed"
        assert session.wait().status == "failed"


def test_a_session_is_followed_through_a_restart_of_its_service(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("AOD_API_TOKEN", raising=False)
    try:
        session = start(SessionRequest(prompt="echo up; exec sleep 600", runtime="shell"))
        next(batch for batch in session.batches() if any(e.type == "output" for e in batch))
        os.kill(find_service(embedded_data_dir()).pid, signal.SIGKILL)
        session.wait(60)  # nobody but the session itself asks for the service
        assert session.status == "failed"
        with pytest.raises(live.SessionFailedError, match="the service ended before the turn did"):
            session.raise_for_status()
        assert session._follower.notice == ""
    finally:
        live.disconnect()
        bridge.stop()
        stop_service(embedded_data_dir())


def test_the_reason_why_a_session_can_not_continue_is_reported(connected, tmp_path, monkeypatch):
    with LocalService(data_dir=tmp_path / "d") as first:
        session = lost(first, monkeypatch)
        monkeypatch.setattr(follow, "PATIENCE_S", 60)
    deadline = time.monotonic() + 60
    while not session.notice and session.row is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert session.row is not None or "does not answer" in session.notice
    session.close()
