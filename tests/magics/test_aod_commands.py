import json
import re
from pathlib import Path

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.magics.commands import AOD as COMMANDS


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


def test_sessions_shows_what_was_asked_and_what_it_took(shell):
    shell.run("%%aod --runtime replay -o r --quiet\nWhat went wrong?")
    frame = shell.run("%aod sessions --limit 1")
    (row,) = frame.to_dict("records")
    assert row["session_id"] == shell.names["r"].id
    assert row["prompt"] == "What went wrong?\n"
    assert (row["agent"], row["tool_call_count"]) == ("notebook replay recording", 14)
    assert row["cost_usd"] == shell.names["r"].cost
    assert frame.attrs["of"] >= 1


def test_sessions_does_not_wait_for_one_that_runs_and_is_followed(shell):
    shell.run("%%aod --runtime shell --background -o s\nwhile [ ! -e go ]; do sleep 0.05; done")
    frame = shell.run("%aod sessions --limit 3").set_index("session_id")
    assert frame.loc[shell.names["s"].id, "status"] in ("pending", "running")
    assert frame.loc[shell.names["s"].id, "tool_call_count"] == 0
    shell.run("%aod stop s")


def test_agents_and_environments_are_dataframes(shell, session):
    assert "notebook shell sh" in set(shell.run("%aod agents")["name"])
    assert list(shell.run("%aod envs").columns) == ["id", "name", "version", "created_at"]


def test_a_session_is_named_by_the_beginning_of_its_id(shell, session):
    assert set(shell.run(f"%aod turns {session.id[:13]}")["session_id"]) == {session.id}
    shell.run(f"%%aod -s {session.id[:13]} --quiet\necho more")
    assert session.wait().text == "out\nmore"


def test_prompt_continues_a_session(shell, session, capsys):
    shell.run("%aod prompt last echo more")
    assert session.text == "out\nmore"
    assert "more" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["echo 'a   b'  c", "echo --help", "echo don\\'t", "-n foo || echo x"]
)
def test_prompt_sends_its_text_verbatim(shell, session, text):
    shell.run(f"%aod prompt s {text}")
    assert session.turns["prompt"].iloc[-1] == text


def test_tables_of_a_running_session_give_what_is_there(shell):
    script = "echo so far; while [ ! -e go ]; do sleep 0.05; done"
    shell.run(f"%%aod --runtime shell --background -o s\n{script}")
    while "so far" not in shell.names["s"].text:  # the cell does not wait for it
        assert shell.names["s"].status in ("pending", "running")
    messages = shell.run("%aod messages s")
    assert "so far" in set(messages["text"])
    assert shell.names["s"].status == "running"
    shell.run("%aod stop s")


def test_attach_shows_a_session_from_its_start(shell, session, capsys):
    capsys.readouterr()
    shell.run("%aod attach last")
    assert "\nout\n" in capsys.readouterr().out


def test_attach_only_says_how_a_session_failed(shell, capsys):
    shell.run("%%aod --runtime shell --no-raise -o bad\necho no disk >&2; exit 3")
    capsys.readouterr()
    shell.run("%aod attach bad")
    failed = f"Session {shell.names['bad'].id} failed: its shell exited with code 3 (no disk)."
    assert failed in capsys.readouterr().out


def test_attach_only_says_that_a_session_failed_while_it_was_looked_at(shell, capsys):
    shell.run("%%aod --runtime shell --background -o bad\nsleep 0.3; exit 3")
    shell.run("%aod attach bad -o again")
    assert shell.names["again"].status == "failed"
    assert "exited with code 3" in capsys.readouterr().out


def test_stop_says_that_a_session_had_finished(shell, session, capsys):
    shell.run("%aod stop last")
    assert capsys.readouterr().out.endswith(f"Session {session.id} had already finished.\n")
    assert shell.run("%aod sessions").set_index("session_id")["status"][session.id] == "completed"


def test_rm_deletes_a_session(shell, session):
    shell.run("%aod rm s")
    assert session.id not in set(shell.run("%aod sessions")["session_id"])


def test_status_says_where_the_settings_came_from_and_no_token(shell, service, capsys):
    shell.run("%aod status")
    shown = capsys.readouterr().out
    assert f"{service.url}  (AOD_API_URL)" in shown
    assert service.aod_token not in shown


def test_status_of_a_service_that_does_not_answer_says_what_is_known(
    shell, monkeypatch, unused_port, capsys
):
    monkeypatch.setenv("AOD_API_URL", f"http://127.0.0.1:{unused_port}")
    shell.run("%reload_ext aod_notebook")
    capsys.readouterr()
    shell.run("%aod status")
    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{unused_port}  (AOD_API_URL)" in said
    assert "health   not reachable: " in said
    assert "%aod connect --local" in said


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


def test_an_agent_is_made_changed_shown_and_archived(shell, capsys):
    shell.run("%aod agent create 'life of an agent' --runtime shell --model sh --system 'be brief'")
    shell.run("%aod agent update 'life of an agent' --model sh2 --description new")
    versions = shell.run("%aod agent versions 'life of an agent'")
    assert list(versions["model"]) == ["sh2", "sh"]
    capsys.readouterr()
    shell.run("%aod agent show 'life of an agent'")
    shown = json.loads(capsys.readouterr().out)
    assert (shown["system"], shown["description"], shown["version"]) == ("be brief", "new", 2)
    shell.run("%aod agent archive 'life of an agent'")
    assert "life of an agent" not in set(shell.run("%aod agents")["name"])


def test_what_an_agents_tool_servers_are_given_is_not_shown(shell, service, capsys):
    server = {"name": "n", "type": "url", "url": "https://x.y", "headers": {"X-Key": "hunter22"}}
    with Client(base_url=service.url, token=service.aod_token) as client:
        made = client.agents.create(
            name="red \x9b31m", model="sh", runtime="shell", mcp_servers=[server]
        )
    shell.run(f"%aod agent show {made.id}")
    shown = capsys.readouterr().out
    assert json.loads(shown)["mcp_servers"][0]["headers"] == "[hidden]"
    assert "hunter22" not in shown
    assert "\x9b" not in shown


def test_an_environment_is_made_used_and_deleted(shell):
    shell.run("%aod env create scratch-env --setup 'echo prepared > prepared.txt'")
    shell.run("%%aod --runtime shell --env scratch-env --quiet -o s\ncat prepared.txt")
    assert shell.names["s"].text == "prepared"
    shell.run("%aod rm s")
    shell.run("%aod env delete scratch-env")
    assert "scratch-env" not in set(shell.run("%aod envs")["name"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("agent", "'agent' is not a command; there are agent create"),
        ("agent mkae x", "'agent mkae' is not a command; there are agent create, agent show"),
        ("agent create x --model m", "name either --runtime or --provider"),
        ("agent create --name mine", "there is no option --name; its value is written without it"),
        ("env create --name=mine", "without it: %aod env create NAME."),
        ("env show --name mine", "without it: %aod env show NAME."),
        ("agent create x", "the following arguments are required: --model"),
        ("agent update 'notebook shell sh'", "nothing to change"),
        ("agent show nobody", "There is no agent with the id or name 'nobody'"),
        ("sessions --limit 0", "--limit takes a whole number from 1 on, not '0'"),
        ("export last", "the following arguments are required: --to"),
    ],
)
def test_a_wrong_command_says_what_is_right(shell, session, line, message):
    with pytest.raises(AodNotebookError, match=re.escape(message)):
        shell.run(f"%aod {line}")


def test_export_writes_tables_that_read_back_the_same(shell, session, tmp_path):
    shell.run(f"%aod export last --to {tmp_path}")
    for name in ("turns", "events", "messages", "tool_calls"):
        stored = frames.read_parquet(tmp_path / session.id / f"{name}.parquet")
        pd.testing.assert_frame_equal(stored, getattr(session, name))


def test_a_session_that_is_named_twice_is_counted_once(shell, session, tmp_path, capsys):
    shell.run(f"%aod export last {{{{s}}}} --to {tmp_path}")
    assert capsys.readouterr().out.endswith(f"1 session written to {tmp_path}\n")


def test_an_empty_system_prompt_says_something_and_an_empty_name_does_not(shell, capsys):
    shell.run("%aod agent create emptied --runtime shell --model sh --system 'be brief'")
    shell.run("%aod agent update emptied --system ''")
    shell.run("%aod agent update emptied --system ''")
    said = capsys.readouterr().out
    assert "'emptied' is now at version 2." in said
    assert said.endswith("'emptied' is as it was, at version 2.\n")
    with pytest.raises(AodNotebookError, match="argument --name: its value is empty"):
        shell.run("%aod agent update emptied --name ''")


def test_doctor_finds_the_service_and_shows_no_token(shell, service):
    findings = shell.run("%aod doctor")
    by_check = findings.groupby("check")["state"].agg(set)
    assert by_check["service"] == {"ok"}
    assert by_check["token"] == {"ok"}
    assert "problem" not in set(findings["state"])
    assert service.aod_token not in findings.to_string()


def test_doctor_names_a_service_that_does_not_answer(shell, monkeypatch, unused_port):
    monkeypatch.setenv("AOD_API_URL", f"http://127.0.0.1:{unused_port}")
    shell.run("%reload_ext aod_notebook")
    findings = shell.run("%aod doctor").set_index("check")
    assert findings.loc["service", "state"] == "problem"
    assert "cannot reach the service" in findings.loc["service", "finding"]


def test_compare_shows_two_sessions_side_by_side(shell):
    for name in ("one", "two"):
        shell.run(f"%%aod --runtime replay -o {name} --quiet\nWhat went wrong?")
    shown = shell.run("%aod compare one last")
    assert [row["session_id"] for row in shown.totals.to_dict("records")] == [
        shell.names["one"].id,
        shell.names["two"].id,
    ]
    assert shown.first_difference is None
    assert "What went wrong?" in shown._repr_html_()


def test_compare_takes_the_paths_of_logs(shell):
    home = Path(__file__).parents[1] / "logs" / "samples" / "home"
    log = next((home / ".codex").rglob("rollout-*.jsonl"))
    shown = shell.run(f"%aod compare {log} {log}")
    assert set(shown.df["state"]) == {"same"}
