"""The database, the event log in blocks, the vault, the private files; and maintenance."""

import base64
import contextlib
import json
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_kit import Kit, Rpc, connect

from aod_notebook.local import LocalService, maintenance
from aod_notebook.local.credentials import load_credentials, make_private, write_private
from aod_notebook.local.processes import orphans
from aod_notebook.local.storage import Database, log
from aod_notebook.local.storage.migrations import STEPS
from aod_notebook.local.storage.vault import Vault


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "x.db")
    yield made
    made.close()


def test_a_write_is_seen_once_its_future_is_done(database):
    database.submit(lambda c: c.execute("INSERT INTO counter VALUES ('a', 5)")).result()
    row = database.read().execute("SELECT value FROM counter WHERE name = 'a'").fetchone()
    assert row["value"] == 5


def test_a_job_that_raises_changes_nothing_and_harms_no_other(database):
    def bad(connection):
        connection.execute("INSERT INTO counter VALUES ('bad', 1)")
        raise RuntimeError("no")

    release = threading.Event()
    blocker = database.submit(lambda _: release.wait(60))
    jobs = [
        database.submit(lambda c: c.execute("INSERT INTO counter VALUES ('one', 1)")),
        database.submit(bad),
        database.submit(lambda c: c.execute("INSERT INTO counter VALUES ('two', 1)")),
    ]
    release.set()
    blocker.result()
    jobs[0].result()
    jobs[2].result()
    with pytest.raises(RuntimeError, match="no"):
        jobs[1].result()
    names = {row["name"] for row in database.read().execute("SELECT name FROM counter")}
    assert names == {"log", "one", "two"}


def test_jobs_that_share_a_commit_with_one_that_fills_the_disk_are_all_taken_back(database):
    """SQLite takes the whole transaction back: what is told of a job is what became of it."""

    def full(connection):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        try:
            connection.execute("INSERT INTO counter VALUES (?, 1)", ("x" * 500_000,))
        finally:
            connection.execute("PRAGMA max_page_count = 1000000")

    begun, release = threading.Event(), threading.Event()
    blocker = database.submit(lambda _: begun.set() or release.wait(60))
    assert begun.wait(60)  # alone: what comes now shares the next commit
    jobs = [
        database.submit(lambda c: c.execute("INSERT INTO counter VALUES ('one', 1)")),
        database.submit(full),
        database.submit(lambda c: c.execute("INSERT INTO counter VALUES ('two', 1)")),
    ]
    release.set()
    blocker.result()
    for job in jobs:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            job.result(60)
    names = {row["name"] for row in database.read().execute("SELECT name FROM counter")}
    assert names == {"log"}


def test_a_closed_database_takes_no_more(tmp_path):
    closed = Database(tmp_path / "closed.db")
    closed.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        closed.submit(lambda _: None)


def test_a_cancelled_job_is_not_run(database):
    release = threading.Event()
    blocker = database.submit(lambda _: release.wait(60))
    job = database.submit(lambda c: c.execute("INSERT INTO counter VALUES ('a', 1)"))
    assert job.cancel()
    release.set()
    blocker.result()
    database.submit(lambda _: None).result()
    assert len(database.read().execute("SELECT * FROM counter").fetchall()) == 1


def test_readers_can_not_write(database):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.read().execute("DELETE FROM counter")


def test_a_file_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()
    with pytest.raises(sqlite3.DatabaseError, match="use the newer aod-notebook"):
        Database(path)


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(STEPS[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO counter VALUES ('kept', 7)")
    connection.close()
    database = Database(path)
    assert database.read().execute("SELECT count(*) FROM run").fetchone()[0] == 0
    kept = database.read().execute("SELECT value FROM counter WHERE name = 'kept'").fetchone()
    assert kept["value"] == 7
    database.close()


ROWS = st.lists(
    st.one_of(
        st.builds(log.output, st.sampled_from(["stdout", "stderr"]), st.text(), st.integers(1, 3)),
        st.builds(log.stage, st.text(), st.sampled_from(["started", "done"])),
    ),
    max_size=30,
)


def replay(connection, session_id, cursor):
    """Read the log to its end as a stream does."""
    events = []
    while blocks := log.after(connection, session_id, cursor, enough=1):
        for block in blocks:
            frames = block.body.split(b"\n\n")
            assert frames.pop() == b""
            for frame in frames:
                line, data = frame.split(b"\n")
                event = json.loads(data[6:])
                assert line == b"id: %d" % event["id"]
                assert event.get("turn") == block.turn
                events.append(event)
            assert (events[-1]["id"], block.first_id) == (
                block.last_id,
                events[-len(frames)]["id"],
            )
        cursor = blocks[-1].last_id
    return events


@given(batches=st.lists(ROWS, max_size=5), data=st.data())
def test_what_is_appended_is_replayed_from_every_cursor(batches, data):
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript(STEPS[0])
        rows = []
        for batch in batches:
            log.append(connection, "mine", batch)
            log.append(connection, "other", [log.output("stdout", "x", 1)])
            rows += batch
        events = replay(connection, "mine", 0)
        assert [event["id"] for event in events] == sorted({event["id"] for event in events})
        assert len(events) == len(rows)
        for row, event in zip(rows, events, strict=True):
            assert json.loads(f"{row.head}{event['id']}{row.tail}") == event
        cursor = data.draw(st.integers(0, (events[-1]["id"] if events else 0) + 3))
        assert replay(connection, "mine", cursor) == [e for e in events if e["id"] > cursor]


def test_a_long_batch_is_stored_in_blocks_of_bounded_size(database):
    rows = [log.output("stdout", "x" * 1000, 1)] * 1000
    database.submit(lambda c: log.append(c, "s", rows)).result()
    sizes = [row[0] for row in database.read().execute("SELECT length(body) FROM log_block")]
    assert len(sizes) > 2
    assert max(sizes) < 300_000


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_what_is_sealed_opens_to_the_same(value):
    vault = Vault(b"k" * 32)
    assert vault.open(vault.seal(value)) == value


def test_a_seal_hides_and_differs_every_time():
    vault = Vault(b"k" * 32)
    one, two = vault.seal("secret-text" * 10), vault.seal("secret-text" * 10)
    assert one != two
    assert b"secret" not in one


def bytes_of(seal):
    try:
        return base64.urlsafe_b64decode(seal)
    except ValueError:
        return None


@given(st.binary(min_size=1, max_size=1), st.integers(0, 200))
def test_a_changed_seal_is_refused(byte, place):
    vault = Vault(b"k" * 32)
    sealed = vault.seal("value")
    place %= len(sealed)
    changed = sealed[:place] + byte + sealed[place + 1 :]
    if bytes_of(changed) == bytes_of(sealed):  # base64 can write some bytes in several ways
        return
    with pytest.raises(ValueError, match="does not fit"):
        vault.open(changed)


def test_another_key_opens_nothing():
    with pytest.raises(ValueError, match="does not fit"):
        Vault(b"a" * 32).open(Vault(b"b" * 32).seal("x"))


def test_a_private_file_is_written_whole_for_its_owner_only(tmp_path):
    path = tmp_path / "x"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_directory_that_was_open_is_narrowed(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir(mode=0o755)
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_credentials_are_made_once_and_hidden_in_the_repr(tmp_path):
    made = load_credentials(tmp_path)
    assert load_credentials(tmp_path) == made
    assert made.aod_token.startswith("aod_")
    assert made.agentos_key.startswith("aos_ws_")
    assert made.agent_key.startswith("aos_agent_")
    for secret in (made.aod_token, made.agentos_key, made.agent_key):
        assert secret not in repr(made)


@pytest.mark.parametrize("content", ["{}", "[", "[]", '{"aod_token": "x"}'])
def test_damaged_credentials_say_what_to_do(tmp_path, content):
    (tmp_path / "credentials.json").write_text(content)
    with pytest.raises(ValueError, match="remove it to get new tokens"):
        load_credentials(tmp_path)


def test_without_proc_no_process_is_found(monkeypatch):
    monkeypatch.setattr(orphans, "_processes", list)
    assert orphans.marked("A=b") == []


# maintenance


@pytest.fixture
def used(tmp_path):
    """A directory with a finished session and an ended run, and a service that still runs."""
    folder = tmp_path / "data"
    with LocalService(folder) as service, connect(service.url, service.aod_token) as client:
        kit = Kit(client)
        session = kit.session("seq 1 20000; echo x > f")
        kit.finish(session)
        with connect(service.url, service.agentos_key) as other:
            Rpc(other).invoke(service.agent_id)
        service.kit = kit
        service.session_id = session["id"]
        yield service


def test_the_status_counts_and_measures(used):
    found = maintenance.status(used.data_dir)
    assert (found.sessions, found.runs) == ({"completed": 1}, {"completed": 1})
    assert found.database_bytes > 100_000
    assert found.workspace_bytes > 0
    assert found.service.url == used.url


def test_a_file_that_is_removed_while_it_is_measured_counts_nothing(used, monkeypatch):
    measured = Path.lstat
    gone = used.data_dir / "sessions" / used.session_id / "workspace" / "f"

    def lstat(path):
        if path == gone:
            gone.unlink()
        return measured(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert maintenance.status(used.data_dir).workspace_bytes > 0
    assert not gone.exists()


def test_a_backup_is_taken_while_serving_and_can_be_served(used, tmp_path):
    target = tmp_path / "copy.db"
    maintenance.backup(used.data_dir, target)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        maintenance.backup(used.data_dir, target)
    folder = tmp_path / "restored"
    folder.mkdir()
    target.rename(folder / "service.db")
    with LocalService(folder) as restored:
        restored._service.tokens.ensure(used.aod_token)
        with connect(restored.url, used.aod_token) as client:
            assert Kit(client).stream({"id": used.session_id})[-1]["type"] == "exit"


def test_secrets_of_a_restored_backup_are_refused_until_set_again(used, tmp_path):
    environment = used.kit.environment(env_vars={"A": "secret"})
    session = used.kit.session("true", environment_id=environment["id"])
    used.kit.finish(session)
    folder = tmp_path / "restored"
    folder.mkdir()
    maintenance.backup(used.data_dir, folder / "service.db")
    with LocalService(folder) as restored:
        restored._service.tokens.ensure(used.aod_token)
        with connect(restored.url, used.aod_token) as client:
            kit = Kit(client)
            body = {"agent_id": kit.agent()["id"], "prompt": "x"}
            body["environment_id"] = environment["id"]
            refused = client.post("/sessions", json=body)
            no_fit = "a stored secret does not fit this data directory's key"
            detail = f"Session backend is not configured: {no_fit}"
            assert (refused.status_code, refused.json()) == (503, {"detail": detail})
            given = {"version": 1, "env_vars": {"A": "secret"}}
            client.put(f"/environments/{environment['id']}", json=given).raise_for_status()
            assert client.post("/sessions", json=body).status_code == 202


def test_clean_removes_old_sessions_and_vacuum_frees_their_space(used):
    assert maintenance.clean(used.data_dir, timedelta(days=1)) == maintenance.Cleaned(0, 0)
    running = used.kit.session("echo up; sleep 600")
    used.kit.wait_for_output(running)
    assert maintenance.clean(used.data_dir, timedelta(0)) == maintenance.Cleaned(1, 1)
    assert not (used.data_dir / "sessions" / used.session_id).exists()
    assert [row["id"] for row in used.kit.get("/sessions")["data"]] == [running["id"]]
    assert maintenance.vacuum(used.data_dir) > 0
    assert used.kit.finish(used.kit.session("true"))["status"] == "completed"


def test_a_directory_without_a_database_is_named(tmp_path):
    for call in (maintenance.status, maintenance.vacuum):
        with pytest.raises(FileNotFoundError, match="no service has run on"):
            call(tmp_path)
    with pytest.raises(FileNotFoundError, match="no service has run on"):
        maintenance.backup(tmp_path, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
