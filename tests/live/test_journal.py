import threading

import pytest

from aod_notebook.live import journal


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))


def test_the_last_session_is_the_one_followed_last_on_that_service():
    journal.remember("a", "http://one", "shell")
    journal.remember("b", "http://one", "shell")
    journal.remember("c", "http://two", None)
    journal.remember("a", "http://one", "shell")
    assert journal.last_session("http://one") == "a"
    assert journal.last_session("http://two") == "c"


def test_nothing_followed_is_none():
    assert journal.last_session("http://one") is None


def test_several_writers_share_the_file():
    def write(number):
        for step in range(10):
            journal.remember(f"{number}-{step}", f"http://{number}", None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [journal.last_session(f"http://{number}") for number in range(4)] == [
        f"{number}-9" for number in range(4)
    ]
