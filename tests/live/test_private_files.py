"""What this package writes into its home is its owner's alone, whatever the home's mode."""

import json
import os
import uuid

import pytest

import aod_notebook
from aod_notebook import frames, live
from aod_notebook.agentos import AgentOS
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import SessionRequest, connect_agentos, journal, start
from aod_notebook.live.agents import record
from aod_notebook.live.batch.journal import BatchJournal
from aod_notebook.live.doctor import _disk
from aod_notebook.local import LocalService, stop_service
from aod_notebook.local.maintenance import backup


@pytest.fixture
def open_home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(folder))
    before = os.umask(0o022)
    yield folder
    os.umask(before)
    live.disconnect()
    stop_service(folder / "service")


def report():
    """Record an event that no service takes: it stays in a spool, of a key of its own."""
    client = AgentOS(base_url="http://127.0.0.1:9", api_key=f"aos_{uuid.uuid4()}", agent_id="a")
    client.start_run().emit("x", {"a": 1})
    client.close(1)


def open_to_others(folder):
    """What others could read; in a session's folder, which is closed, an agent writes as it likes."""
    sessions = folder / "service" / "sessions"
    entries = [path for path in folder.rglob("*") if sessions not in path.parent.parents]
    return [str(path.relative_to(folder)) for path in entries if path.stat().st_mode & 0o077]


def test_in_an_open_home_journal_connections_logs_and_spools_are_private(open_home):
    aod_notebook.connect(local=True)
    start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
    connect_agentos("https://agentos.example", name="prod", ask_key=lambda _: "aos_ws_fake")
    report()
    names = {path.name for path in open_home.rglob("*")}
    assert {"journal.db", "connections.json", "header.json", "credentials.json"} <= names
    assert open_to_others(open_home) == []
    assert open_home.stat().st_mode & 0o777 == 0o755  # it may be shared on purpose


def test_a_home_that_is_made_by_the_first_connection_is_private(open_home, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(open_home / "fresh"))
    try:
        aod_notebook.connect(local=True)
        assert (open_home / "fresh").stat().st_mode & 0o777 == 0o700
    finally:
        stop_service(open_home / "fresh" / "service")


def test_files_of_an_earlier_version_are_narrowed(open_home):
    (open_home / "journal.db").touch(mode=0o644)
    (open_home / "agentos" / "spools").mkdir(parents=True)
    report()
    journal.remember("s", "service", None)
    assert open_to_others(open_home) == []


def test_the_doctor_names_an_open_home(open_home):
    notes = [text for _, state, text in _disk() if state == "note"]
    assert len(notes) == 1
    assert "$AOD_NOTEBOOK_HOME is open to other users (mode 755): chmod 700 closes it" in notes[0]
    open_home.chmod(0o700)
    assert not [text for _, state, text in _disk() if state == "note"]


@pytest.fixture
def planted(open_home):
    """A home in which another user has made what this package would make; root could use it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    open_home.chmod(0o777)
    (open_home / "agentos" / "spools").mkdir(parents=True)
    (open_home / "connections.json").write_text('{"prod": {"aod": {"url": "http://127.0.0.1:9"}}}')
    (open_home / "journal.db").touch()
    for path in open_home.rglob("*"):
        os.chown(path, 65534, 65534)
        path.chmod(0o777)
    return open_home


def test_no_spool_is_kept_in_a_folder_of_another_user(planted, caplog):
    report()
    assert "agentos belongs to another user (uid 65534): remove it" in caplog.text
    assert list((planted / "agentos" / "spools").iterdir()) == []


def test_a_journal_of_another_user_is_not_written(planted):
    with pytest.warns(journal.JournalWarning, match="belongs to another user"):
        journal.remember("s", "service", None)
    assert (planted / "journal.db").stat().st_size == 0


def test_another_user_does_not_choose_where_a_named_connection_goes(planted):
    with pytest.raises(AodNotebookError, match=r"connections.json belongs to another user"):
        aod_notebook.connect(name="prod")


def test_a_backup_is_written_through_no_link(tmp_path):
    with LocalService(tmp_path / "d"):
        (tmp_path / "backup.db").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FileExistsError):
            backup(tmp_path / "d", tmp_path / "backup.db")
    assert not (tmp_path / "elsewhere").exists()


def test_imported_logs_in_an_open_home_can_be_opened_by_nobody_else(open_home, tmp_path):
    line = {"type": "user", "uuid": "u", "sessionId": "s", "timestamp": "2026-03-01T09:00:00Z"}
    log = tmp_path / ".claude" / "projects" / "-x" / "s.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({**line, "message": {"content": "my plan"}}) + "\n")
    frames.import_logs(tmp_path)
    assert (open_home / "imported").stat().st_mode & 0o777 == 0o700


def test_a_recording_is_private(open_home):
    aod_notebook.connect(local=True)
    session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
    record(session.id, open_home / "service" / "recordings", session.client)
    assert open_to_others(open_home) == []


def test_the_lock_of_a_batch_is_private(open_home):
    with BatchJournal("b1").owned():
        assert (open_home / "batches" / "b1.lock").exists()
        assert open_to_others(open_home) == []


@pytest.fixture
def linked(open_home, tmp_path):
    """A home in which another user has made links to what belongs to this one."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a link away")
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    (mine / "notes.db").touch()
    for name, target in (
        ("journal.db", mine / "notes.db"),
        ("connections.json", mine / "notes.db"),
        *((name, mine) for name in ("service", "batches", "agentos", "events", "imported")),
    ):
        (open_home / name).symlink_to(target)
        os.chown(open_home / name, 65534, 65534, follow_symlinks=False)
    yield mine
    assert mine.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in mine.iterdir()] == ["notes.db"]
    assert (mine / "notes.db").stat().st_size == 0


def test_the_journal_is_not_written_through_a_link_of_another_user(linked):
    with pytest.warns(journal.JournalWarning, match="journal.db belongs to another user"):
        journal.remember("s", "service", None)


def test_no_service_is_started_behind_a_link_of_another_user(linked):
    with pytest.raises(AodNotebookError, match="service belongs to another user"):
        aod_notebook.connect(local=True)


def test_no_spool_batch_import_and_name_goes_through_a_link_of_another_user(linked, caplog):
    report()
    assert "agentos belongs to another user" in caplog.text
    with pytest.raises(PermissionError, match="batches belongs to another user"):
        BatchJournal("b1").owned().__enter__()
    with pytest.raises(frames.FrameError, match="imported belongs to another user"):
        frames.import_logs(linked)
    with pytest.raises(AodNotebookError, match=r"connections.json belongs to another user"):
        aod_notebook.connect(name="prod")


def test_a_dangling_link_of_another_user_creates_nothing(linked, open_home):
    (open_home / "journal.db").unlink()
    (open_home / "journal.db").symlink_to(linked / "authorized_keys")
    os.chown(open_home / "journal.db", 65534, 65534, follow_symlinks=False)
    with pytest.warns(journal.JournalWarning, match="journal.db belongs to another user"):
        journal.remember("s", "service", None)


def test_links_of_ones_own_are_followed(open_home, tmp_path):
    (open_home / "journal.db").symlink_to(tmp_path / "kept.db")
    (tmp_path / "kept.db").touch()
    journal.remember("s", "service", None)
    assert (tmp_path / "kept.db").stat().st_size > 0
