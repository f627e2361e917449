import contextlib
import sqlite3
import subprocess
import sys
import threading

import pytest

from aod_notebook.live import journal
from aod_notebook.live.registry import registry


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(registry, "last", {})


@pytest.fixture
def restarted(monkeypatch):
    """Forgets what only the process knows, as a restart of the kernel does."""
    return lambda: monkeypatch.setattr(registry, "last", {})


def test_the_last_session_is_the_one_worked_with_last_on_that_service(restarted):
    journal.remember("a", "http://one", "shell")
    journal.remember("b", "http://one", "shell")
    journal.remember("c", "http://two", None)
    journal.remember("a", "http://one", "shell")
    restarted()
    assert journal.last_followed("http://one") == "a"
    assert journal.last_followed("http://two") == "c"


def test_nothing_followed_is_none():
    assert journal.last_followed("http://one") is None


def test_another_kernels_session_is_not_the_last_one_here():
    journal.remember("mine", "http://one", "shell")
    code = "from aod_notebook.live import journal; journal.remember('other', 'http://one', None)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert journal.last_followed("http://one") == "mine"


def test_a_deleted_session_is_not_the_last_one(restarted):
    journal.remember("older", "http://one", "shell")
    journal.remember("deleted", "http://one", "shell")
    journal.forget("deleted", "http://one")
    assert journal.last_followed("http://one") == "older"


def test_a_home_that_can_not_be_written_is_warned_of_and_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "file" / "home"))
    with pytest.warns(journal.JournalWarning, match="Not a directory"):
        journal.remember("a", "http://one", "shell")
    assert journal.last_followed("http://one") == "a"


def test_several_writers_share_the_file():
    def write(number):
        for step in range(10):
            journal.remember(f"{number}-{step}", f"http://{number}", None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [journal.last_followed(f"http://{number}") for number in range(4)] == [
        f"{number}-9" for number in range(4)
    ]


def rows(folder):
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as connection:
        return sorted(connection.execute("select session_id from followed").fetchall())


def test_the_first_use_by_several_threads_keeps_every_row(tmp_path, monkeypatch):
    for attempt in range(20):
        home = tmp_path / str(attempt)
        monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(home))
        start = threading.Barrier(4)

        def write(name, start=start):
            start.wait()
            journal.remember(name, "http://one", "shell")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rows(home) == [("a",), ("b",), ("c",), ("d",)]


def test_a_newer_journals_rows_are_kept_and_reported(tmp_path, restarted):
    journal.remember("a", "http://one", "shell")
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as connection:
        connection.execute("pragma user_version = 1000")
    with pytest.warns(journal.JournalWarning, match="newer version"):
        journal.remember("b", "http://one", "shell")
    assert rows(tmp_path / "home") == [("a",)]
    assert journal.last_followed("http://one") == "b"
