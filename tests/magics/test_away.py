"""A cell whose service goes away says so once, and once that it goes on."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import pytest

from aod_notebook import live
from aod_notebook.magics import display


class Service:
    """A service in a process of its own, which can be killed and started again."""

    def __init__(self, folder):
        self._command = [sys.executable, "-m", "aod_notebook.local", "--json", "--data-dir", folder]
        self.start()

    def start(self, *options):
        self.child = subprocess.Popen(
            [*self._command, *options], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        self.said = json.loads(self.child.stdout.readline())

    def kill(self):
        self.child.kill()
        self.child.wait(60)
        self.child.stdout.close()

    def start_again(self):
        self.start("--port", self.said["url"].rpartition(":")[2])


@pytest.fixture
def away(shell, tmp_path, monkeypatch):
    live.disconnect()
    service = Service(tmp_path / "data")
    monkeypatch.setenv("AOD_API_URL", service.said["url"])
    monkeypatch.setenv("AOD_API_TOKEN", service.said["aod_token"])
    yield service
    live.disconnect()
    with contextlib.suppress(ValueError):
        service.kill()


@pytest.mark.parametrize("option", ["", "--view html"])
def test_a_cell_says_once_that_its_service_is_away_and_once_that_it_is_back(
    shell, away, tmp_path, monkeypatch, option
):
    lines, is_told = [], threading.Event()

    def say(text):
        lines.extend(text.splitlines())
        if "does not answer" in text:
            is_told.set()

    def restart():
        while not (tmp_path / "up").exists():
            time.sleep(0.01)
        away.kill()
        is_told.wait(60)
        away.start_again()

    monkeypatch.setattr(display, "say", say)
    thread = threading.Thread(target=restart)
    thread.start()
    shell.run(f"%%aod --runtime shell --no-raise {option}\ntouch {tmp_path}/up; exec sleep 600")
    thread.join()
    told = [line for line in lines if "answer" in line]
    assert [line.partition(" and ")[0] for line in told] == [
        "The service does not answer",
        "The service answers again.",
    ]
