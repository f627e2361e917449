import stat
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aod_notebook import live
from aod_notebook.aod import AodConnectionError, Client, NotFoundError, StreamEvent
from aod_notebook.core import bridge
from aod_notebook.live import LiveSession, ServiceGoneWarning, SessionRequest, attach, journal
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AOD
from aod_notebook.live.journal import EventLog
from aod_notebook.local import LocalService

WAITS = "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    live.disconnect()
    bridge.stop()


@pytest.fixture
def on(service):
    """A function that makes connections to the service, one for each kernel that is played."""
    made = []

    def connect():
        made.append(Connection(AOD, service.url, service.aod_token, {}))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def shell(script, on):
    return live.start(SessionRequest(prompt=script, runtime="shell"), on)


def logs(home):
    return list(home.glob("events/*/*.jsonl"))


def told(session):
    return [(event.type, event.id, event.extra) for event, _ in session.received()]


def told_by(service, session_id):
    with (
        Client(base_url=service.url, token=service.aod_token) as client,
        client.sessions.stream(session_id) as events,
    ):
        return [(event.type, event.id, event.extra) for event in events]


def begun(session):
    for batch in session.batches():
        if any("begun" in str(event.extra.get("data")) for event in batch):
            return
    raise AssertionError("the script did not begin")


def kept(log):
    return [event for event, _ in log.read().events]


def test_a_session_survives_the_kernel_and_the_service():
    with LocalService() as lost:
        on = Connection(AOD, lost.url, lost.aod_token, {})
        first = shell("echo one; exit 3", on).wait()
        on.close()
    gone = Connection(AOD, lost.url, lost.aod_token, {})
    gone._client = Client(lost.url, lost.aod_token, max_retries=0)
    with pytest.warns(
        ServiceGoneWarning, match=rf"Session {first.id} is shown as far as"
    ) as warned:
        again = LiveSession(gone, first.id).catch_up()
    assert "cannot reach the service" in str(warned[0].message)
    assert again.received() == first.received()
    assert (again.text, again.status, again.exit_code) == ("one", "failed", 3)
    assert (again.runtime, again.model) == ("shell", "sh")
    gone.client.close()


def test_a_session_that_was_never_received_needs_its_service(unused_port):
    gone = Connection(AOD, f"http://127.0.0.1:{unused_port}", "aod_x", {})
    gone._client = Client(gone.base_url, "aod_x", max_retries=0)
    with pytest.raises(AodConnectionError):
        attach("0-0", gone)
    gone.client.close()


def test_a_new_kernel_continues_where_the_old_one_was(service, on):
    old = shell(WAITS, on())
    begun(old)
    old.close()
    old.pause(5)
    workspace = service.data_dir / "sessions" / old.id / "workspace"
    new = LiveSession(on(), old.id)
    assert told(new) == told(old)
    new.follow()
    (workspace / "go").touch()
    new.wait()
    assert new.text == "begun\ndone"
    assert told(new) == told_by(service, old.id)
    assert told(LiveSession(on(), old.id)) == told(new)


def test_a_turn_that_another_kernel_followed_is_taken_from_its_log(service, on):
    mine = shell("echo mine", on()).wait()
    LiveSession(on(), mine.id).sync().prompt("echo theirs").wait()
    mine.wait()
    ends = [event for event in told(mine) if event[0] == "exit"]
    assert len(ends) == 2
    assert [event for event in told(mine) if event != ends[0]] == told_by(service, mine.id)
    assert told(LiveSession(on(), mine.id)) == told(mine)


def test_two_kernels_that_follow_at_once_keep_one_log(service, on):
    first = shell(WAITS, on())
    second = attach(first.id, on())
    begun(second)
    (service.data_dir / "sessions" / first.id / "workspace" / "go").touch()
    first.wait()
    second.wait()
    assert told(LiveSession(on(), first.id)) == told(first) == told(second)


def test_a_log_that_reached_its_size_is_completed_by_the_service(service, on, monkeypatch):
    monkeypatch.setattr(journal, "MAX_BYTES", 2_000)
    session = shell("seq 1000; sleep 0.1; seq 1000", on()).wait()
    again = LiveSession(on(), session.id)
    assert 0 < len(again.received()) < len(session.received())
    assert told(again.wait()) == told(session)


def test_the_oldest_logs_go_when_all_are_too_large(home, on, monkeypatch):
    for number in range(3):
        session = shell(f"echo {number}", on()).wait()
    oldest = min(logs(home), key=lambda file: file.stat().st_mtime)
    sizes = sum(file.stat().st_size for file in logs(home))
    monkeypatch.setattr(journal, "MAX_FOLDER_BYTES", sizes - 1)
    session = shell("echo new", on()).wait()
    assert not oldest.exists()
    assert session.id in {file.stem for file in logs(home)}
    assert len(logs(home)) == 3


def test_a_log_is_its_users_alone_and_holds_no_token(home, on, service):
    shell("echo words", on()).wait()
    (file,) = logs(home)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for folder in (file.parent, home / "events", home):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert service.aod_token not in file.read_text()


def test_deleting_a_session_deletes_its_log(home, on):
    connection = on()
    session = shell("true", connection).wait()
    session.delete()
    assert logs(home) == []
    with pytest.raises(NotFoundError):
        attach(session.id, connection)


def test_a_session_is_followed_also_where_no_log_can_be_kept(home, on, caplog):
    home.mkdir()
    (home / "events").touch()
    assert shell("echo words", on()).wait().text == "words"
    assert "is not kept: [Errno 17] File exists" in caplog.text


def test_a_torn_line_is_cut_off():
    log = EventLog("http://one", "s-1")
    log.open({})
    log.write(StreamEvent("output", 1, {"data": "whole"}), 1.0, 1)
    log.close()
    with log._path.open("ab") as file:
        file.write(b'[2.0,2,"outp')
    again = EventLog("http://one", "s-1")
    assert len(again.open({}).events) == 1
    again.write(StreamEvent("exit", 1, {"code": 0}), 2.0, 1)
    again.close()
    assert [event.type for event in kept(EventLog("http://one", "s-1"))] == ["output", "exit"]


@pytest.mark.parametrize("session_id", ["../../escape", "", "a/b", "x" * 65])
def test_an_id_that_is_not_a_file_name_has_no_log(home, session_id):
    log = EventLog("http://one", session_id)
    log.open({})
    log.write(StreamEvent("exit"), 1.0, None)
    log.close()
    assert not home.exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            StreamEvent,
            st.text(min_size=1),
            st.none() | st.integers(0, 2**62),
            st.dictionaries(st.text(), json_values, max_size=3),
        ),
        max_size=4,
    )
)
def test_events_read_back_as_they_were(events):
    log = EventLog("http://one", f"s-{uuid.uuid4()}")
    log.open({})
    for event in events:
        log.write(event, 1.5, event.id)
    log.close()
    assert kept(EventLog("http://one", log._path.stem)) == events


def test_half_of_a_surrogate_pair_is_kept():
    log = EventLog("http://one", "s-3")
    log.open({})
    event = StreamEvent("output", 1, {"data": "\ud83d", "big": 10**30})
    log.write(event, 1.0, 1)
    log.close()
    assert kept(EventLog("http://one", "s-3")) == [event]
