import json
import signal
import sqlite3
import subprocess
import sys

import pytest

from aod_notebook import cli
from aod_notebook.aod import Client
from aod_notebook.live import SessionRequest, disconnect, start
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AOD_API_TOKEN", raising=False)
    yield tmp_path / "home"
    disconnect()
    stop_service(embedded_data_dir())


def test_serve_says_first_where_it_is_and_leaves_on_sigterm():
    command = [sys.executable, "-m", "aod_notebook.cli", "serve", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        told = json.loads(serving.stdout.readline())
        assert set(told) == {"url", "aod_token", "agentos_key", "agent_key", "agent_id"}
        with Client(base_url=told["url"], token=told["aod_token"]) as client:
            assert client.health()["status"] == "ok"
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == 0


def test_the_service_is_examined_backed_up_cleaned_and_stopped(tmp_path, capsys):
    start(SessionRequest(prompt="true", runtime="shell")).wait()
    assert cli.main(["service", "status"]) == 0
    assert "sessions: 1 completed" in capsys.readouterr().out
    copy = tmp_path / "copy.db"
    assert cli.main(["service", "backup", str(copy)]) == 0
    connection = sqlite3.connect(copy)
    assert connection.execute("select count(*) from session").fetchone() == (1,)
    connection.close()
    assert cli.main(["service", "clean", "--older-than", "0"]) == 0
    assert "deleted: 1 session, 0 runs" in capsys.readouterr().out
    assert cli.main(["service", "vacuum"]) == 0
    assert cli.main(["service", "stop"]) == 0
    assert cli.main(["service", "stop"]) == 1


@pytest.mark.parametrize("action", [["status"], ["vacuum"], ["backup", "x.db"]])
def test_a_service_that_never_ran_is_reported_in_a_line(action, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["service", *action]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("aod-notebook: ")
