import subprocess
import sys

import pytest

from aod_notebook import cli, live
from aod_notebook.agentos import AgentOS
from aod_notebook.agentos.outbox import waiting
from aod_notebook.live import agentos_connection
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.live.outbox import send
from aod_notebook.local import LocalService, stop_service
from aod_notebook.local.credentials import load_credentials, make_private

DIES = """
import os
from aod_notebook.agentos import AgentOS
run = AgentOS().start_run(external_run_id="left")
for n in range(3):
    run.emit("step", {"n": n})
os._exit(9)
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGENTOS_AGENT_ID", "set-below")
    monkeypatch.delenv("AOD_API_TOKEN", raising=False)
    yield
    live.disconnect()


def leave_records(monkeypatch, url, key, agent_id):
    """Let a process report to a service that is away, and die."""
    monkeypatch.setenv("AGENTOS_BASE_URL", url)
    monkeypatch.setenv("AGENTOS_API_KEY", key)
    monkeypatch.setenv("AGENTOS_AGENT_ID", agent_id)
    assert subprocess.run([sys.executable, "-c", DIES], check=False).returncode == 9
    assert sum(spool.records for spool in waiting()) > 3


def test_the_command_sends_what_a_dead_process_left(monkeypatch, unused_port, tmp_path, capsys):
    url = f"http://127.0.0.1:{unused_port}"
    data = tmp_path / "data"
    with LocalService(data_dir=data) as service:
        key, agent_id = service.agentos_key, service.agent_id
    leave_records(monkeypatch, url, key, agent_id)
    assert cli.main(["outbox"]) == 0
    assert f"{url}: " in capsys.readouterr().out
    with LocalService(data_dir=data, port=unused_port):
        assert cli.main(["outbox", "--send"]) == 0
        with AgentOS() as client:
            (run,) = client.runs.list()
            assert (run["external_run_id"], run["status"]) == ("left", "failed")
            assert len(client.runs.events(run_id=run["id"])) == 3
    assert "nothing waits" in capsys.readouterr().out


def test_records_of_an_unknown_key_are_kept_and_reported(monkeypatch, unused_port, capsys):
    leave_records(monkeypatch, f"http://127.0.0.1:{unused_port}", "aos_ws_theirs", "a")
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_ws_another")
    assert cli.main(["outbox", "--send"]) == 1
    said = capsys.readouterr().out
    assert "no key that is known here matches; set AGENTOS_API_KEY" in said
    assert "aos_ws" not in said
    assert sum(spool.records for spool in waiting()) > 3


def test_what_was_left_for_the_embedded_service_follows_it_to_its_new_port(
    monkeypatch, unused_port
):
    monkeypatch.delenv("AGENTOS_BASE_URL", raising=False)
    monkeypatch.delenv("AGENTOS_API_KEY", raising=False)
    make_private(embedded_data_dir())
    own, url = load_credentials(embedded_data_dir()), f"http://127.0.0.1:{unused_port}"
    leave_records(monkeypatch, url, own.agentos_key, own.agent_id)
    monkeypatch.delenv("AGENTOS_BASE_URL")
    monkeypatch.delenv("AGENTOS_API_KEY")
    (sent,) = send()
    assert (sent.left, sent.base_url == url) == (0, False)
    (run,) = agentos_connection().client.runs.list()
    assert run["external_run_id"] == "left"
    stop_service(embedded_data_dir())


def test_doctor_finds_no_problem_and_shows_no_secret(monkeypatch, service, capsys):
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    monkeypatch.setenv("AGENTOS_BASE_URL", service.url)
    monkeypatch.setenv("AGENTOS_API_KEY", service.agentos_key)
    assert cli.main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert f"ok       agentos   {service.url} (AGENTOS_BASE_URL): it answers" in shown
    assert service.aod_token not in shown
    assert service.agentos_key not in shown


def test_doctor_fails_when_a_service_does_not_answer(monkeypatch, service, unused_port, capsys):
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    monkeypatch.setenv("AGENTOS_BASE_URL", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_ws_x")
    assert cli.main(["doctor"]) == 1
    problems = [line for line in capsys.readouterr().out.splitlines() if line[:7] == "problem"]
    assert [line.split()[1] for line in problems] == ["agentos"]


def test_records_of_a_renewed_key_are_sent_with_the_key_at_hand(
    monkeypatch, unused_port, tmp_path, capsys, caplog
):
    url = f"http://127.0.0.1:{unused_port}"
    with LocalService(data_dir=tmp_path / "data", port=unused_port) as service:
        agent_id = service.agent_id
        key = service.agentos_key
    leave_records(monkeypatch, url, "aos_ws_" + "revoked", agent_id)
    monkeypatch.setenv("AGENTOS_API_KEY", key)
    with LocalService(data_dir=tmp_path / "data", port=unused_port):
        with AgentOS():
            assert f"outbox --send --agent {agent_id}" in caplog.text
        assert cli.main(["outbox", "--send"]) == 1
        assert f"outbox --send --agent {agent_id}" in capsys.readouterr().out
        assert cli.main(["outbox", "--send", "--agent", "another"]) == 1
        assert cli.main(["outbox", "--send", "--agent", agent_id]) == 0
        with AgentOS() as client:
            (run,) = client.runs.list()
            assert (run["external_run_id"], run["event_count"]) == ("left", 3)
    assert waiting() == []
