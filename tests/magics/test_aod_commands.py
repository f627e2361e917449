import pandas as pd
import pytest

from aod_notebook.core import bridge
from aod_notebook.magics.aod_commands import COMMANDS


@pytest.fixture
def session(shell):
    shell.run("%%aod --runtime shell -o s\necho out; echo err >&2")
    return shell.names["s"]


@pytest.mark.parametrize("command", ["turns", "events", "messages", "tools"])
@pytest.mark.parametrize("reference", ["", " last", " s"])
def test_a_sessions_tables_are_dataframes(shell, session, command, reference):
    frame = shell.run(f"%aod {command}{reference}")
    assert isinstance(frame, pd.DataFrame)
    assert set(frame["session_id"]) <= {session.id}
    assert len(frame) or command == "tools"


def test_sessions_lists_them_and_filters_by_status(shell, session):
    shell.run("%%aod --runtime shell --no-raise -o bad\nexit 1")
    assert {session.id, shell.names["bad"].id} <= set(shell.run("%aod sessions")["session_id"])
    failed = shell.run("%aod sessions --status failed")
    assert shell.names["bad"].id in set(failed["session_id"])
    assert session.id not in set(failed["session_id"])


def test_agents_and_environments_are_dataframes(shell, session):
    assert "notebook shell" in set(shell.run("%aod agents")["name"])
    assert list(shell.run("%aod envs").columns) == ["id", "name", "version", "created_at"]


def test_prompt_continues_a_session(shell, session, capsys):
    shell.run("%aod prompt last echo more")
    assert session.text == "out\nmore"
    assert "more" in capsys.readouterr().out


def test_attach_shows_a_session_from_its_start(shell, session, capsys):
    capsys.readouterr()
    shell.run("%aod attach last")
    assert "\nout\n" in capsys.readouterr().out


def test_stop_says_that_a_session_had_finished(shell, session, capsys):
    shell.run("%aod stop last")
    assert capsys.readouterr().out.endswith(f"Session {session.id}: already finished.\n")
    assert shell.run("%aod sessions").set_index("session_id")["status"][session.id] == "completed"


def test_rm_deletes_a_session(shell, session):
    shell.run("%aod rm s")
    assert session.id not in set(shell.run("%aod sessions")["session_id"])


def test_status_says_where_the_settings_came_from_and_no_token(shell, service, capsys):
    shell.run("%aod status")
    shown = capsys.readouterr().out
    assert f"{service.url}  (AOD_API_URL)" in shown
    assert service.aod_token not in shown


def test_connect_to_a_url_takes_the_token_of_the_environment(shell, service, capsys):
    shell.run(f"%aod connect --url {service.url}/")
    assert f"<Connection to the service at {service.url}>" in capsys.readouterr().out


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_has_help(shell, command, capsys):
    assert shell.run(f"%aod {command or ''} --help") is None
    shown = capsys.readouterr().out
    assert (COMMANDS[command].help if command else "sessions") in shown


def test_unloading_leaves_no_thread(shell, session):
    shell.run("%unload_ext aod_notebook")
    assert not bridge.is_running()
    with pytest.raises(Exception, match="%aod"):
        shell.ip.run_line_magic("aod", "status")
    shell.run("%load_ext aod_notebook")
