"""`aod-notebook sessions`, `show`, `export` and `import`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from aod_notebook import cli, frames, live
from aod_notebook.aod import Client
from aod_notebook.cli.redaction import redactor
from aod_notebook.cli.source import chosen
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import SessionRequest, start

LOGS = Path(__file__).parents[1] / "logs" / "samples" / "home"
ESCAPE = "\x1b["


pytestmark = pytest.mark.usefixtures("connected")


def run(capsys, *words):
    """Run a command that succeeds; return what it prints."""
    assert cli.main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def failed(capsys, *words):
    """Run a command that fails; return the line that says why."""
    assert cli.main([str(word) for word in words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def shell(script):
    return start(SessionRequest(prompt=script, runtime="shell")).wait()


@pytest.fixture
def store(tmp_path, capsys):
    run(capsys, "import", LOGS, "--into", tmp_path / "imported")
    return tmp_path / "imported"


def test_sessions_are_listed_with_prompt_agent_cost_and_age(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    replay = start(SessionRequest(prompt="Fix the report", runtime="replay")).wait()
    head, first, *_ = run(capsys, "sessions").splitlines()
    assert head.split() == ["Status", "Prompt", "Agent", "Model", "Cost", "Age", "Id"]
    status, prompt, agent, _, cost, _, shown_id = re.split(r"  +", first)
    assert (status, prompt, agent, cost) == ("Completed", "Fix the report", "replay", "$0.17")
    assert replay.id.startswith(shown_id)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, ["Fix the report f…", "the agent th…", "claude-sonne…"]),
        (120, ["Fix the report for March", "the agent that mend…", "claude-sonnet-4-6"]),
    ],
)
def test_long_names_of_agents_leave_room_for_prompts(
    width, shown, fresh_service, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("AOD_API_URL", fresh_service.url)
    monkeypatch.setenv("AOD_API_TOKEN", fresh_service.aod_token)
    name = f"the agent that mends {'every ' * 12}report"
    with Client(base_url=fresh_service.url, token=fresh_service.aod_token) as client:
        agent = client.agents.create(name=name, model="any", runtime="replay")
        client.sessions.run(agent_id=agent.id, prompt="Fix the report for March")
    _, first = run(capsys, "sessions").splitlines()
    assert re.split(r"  +", first)[1:4] == shown
    assert len(first) <= width


def test_only_the_newest_twenty_are_listed_unless_all_are_wanted(store, capsys, monkeypatch):
    monkeypatch.setattr("aod_notebook.cli.sessions.NEWEST", 3)
    lines = run(capsys, "sessions", "--store", store).splitlines()
    assert len(lines) == 1 + 3 + 1
    assert re.match(r"3 of \d+ sessions; --all lists the others\.", lines[-1])
    assert len(run(capsys, "sessions", "--all", "--store", store).splitlines()) > 5


def test_a_session_is_shown_with_its_prompt_and_without_colours_in_a_pipe(capsys):
    session = shell("echo one\necho two")
    told = run(capsys, "show", session.id)
    assert "> echo one\n  echo two\n" in told
    assert "\none\ntwo\n" in told
    assert ESCAPE not in told


def test_a_reader_that_leaves_early_is_no_error():
    start(SessionRequest(prompt="seq 100", runtime="shell")).wait()
    command = [sys.executable, "-m", "aod_notebook.cli", "sessions"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as begun:
        begun.stdout.close()
        assert begun.stderr.read() == b""
    assert begun.returncode == 141


def test_a_terminal_gets_colours_unless_it_wants_none(capsys, monkeypatch):
    session = shell("false")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert ESCAPE in run(capsys, "show", session.id)
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in run(capsys, "show", session.id)


def test_escapes_of_an_agent_reach_no_terminal(capsys):
    session = shell(r"printf '\033]0;owned\007\033[2Jx\n'")
    told = run(capsys, "show", session.id)
    assert "\x1b" not in told
    assert "\x07" not in told


def test_the_beginning_of_an_id_is_an_id(capsys):
    session = shell("echo found")
    assert "found" in run(capsys, "show", session.id[:13])


def test_an_ambiguous_prefix_lists_its_candidates():
    with pytest.raises(AodNotebookError, match="abcd1, abcd2"):
        chosen("abcd", ["abcd1", "abcd2", "e"], "the service")


@pytest.mark.parametrize("given", ["abc", "zzzz-nothing"])
def test_an_invalid_id_is_a_one_line_error(capsys, given):
    assert f"`{given}`" in failed(capsys, "show", given)


def test_an_imported_session_is_shown_from_its_store(store, capsys):
    (session_id, *_) = frames.scan(store).session_ids
    told = run(capsys, "show", session_id, "--store", store)
    assert "> " in told
    assert session_id in told
    assert "completed" in told.splitlines()[1]
    assert "Exit code" not in told  # which no log holds


def test_the_default_store_is_searched_for_sessions_of_no_service(capsys):
    run(capsys, "import", LOGS)
    (session_id, *_) = frames.scan(live.journal.home() / "imported").session_ids
    assert session_id in run(capsys, "show", session_id)


def test_import_reads_the_agents_that_are_named(tmp_path, capsys):
    run(capsys, "import", LOGS, "--into", tmp_path / "one", "--agents", "gemini")
    runtimes = frames.scan(tmp_path / "one").frame("sessions")["runtime"]
    assert set(runtimes) == {"gemini"}


def test_export_writes_redacted_pages(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "quite-a-secret-thing")
    one, two = shell("echo quite-a-secret-thing"), shell("echo fine")
    told = run(capsys, "export", one.id, two.id[:12], "--html", tmp_path / "pages")
    assert "known secret" in told
    pages = [path.read_text() for path in (tmp_path / "pages").glob("*.html")]
    assert len(pages) == 3
    assert not any("quite-a-secret-thing" in page for page in pages)


def test_export_without_redaction_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "quite-a-secret-thing")
    one = shell("echo quite-a-secret-thing")
    told = run(capsys, "export", one.id, "--html", tmp_path, "--no-redact")
    assert "Not redacted" in told
    page = (tmp_path / f"{one.id}.html").read_text()
    assert "quite-a-secret-thing" in page
    assert "Not redacted" in page


def test_export_writes_a_store_of_tables(capsys, tmp_path):
    one = shell("echo one")
    run(capsys, "export", one.id, "--parquet", tmp_path / "kept")
    assert frames.scan(tmp_path / "kept").session_ids == [one.id]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["export", "--all"], "--html DIR"),
        (["export", "--html", "x"], "Give the ids"),
        (["sessions", "--store", "nowhere"], "nowhere"),
        (["import", "/nowhere/at/all"], "nowhere"),
    ],
)
def test_a_missing_object_is_a_one_line_error(capsys, words, text):
    assert text in failed(capsys, *words)


def test_variables_that_a_clis_settings_name_are_secret(tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text('[model_providers.x]\nenv_key = "ODD_NAME"\n')
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    monkeypatch.setenv("ODD_NAME", "an odd value")
    assert redactor().text("it is an odd value") == "it is [hidden]"


def test_the_html_of_a_live_session_is_a_whole_page():
    page = shell("echo hello").to_html()
    assert page.startswith("<!doctype html>")
    assert "hello" in page
    assert "<script" not in page
