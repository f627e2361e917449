"""The doctor on agent CLIs: each line comes from an actual check, and no secret is in any."""

import json
import os
from pathlib import Path

import pytest

from aod_notebook.live.doctor import examine_clis, summary
from aod_notebook.live.registry import registry
from aod_notebook.local.variables import CLI_VARIABLES, PLACES

SECRET = "not-a-real-key"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, a PATH with stand-ins of claude and codex, and no variable of any CLI."""
    for name in {name for names in CLI_VARIABLES.values() for name in names} | set(PLACES):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(registry, "allows_root", True)
    install("claude", "echo '2.1.332 (Claude Code)'")
    install("codex", "echo codex-cli 0.171.0")
    return tmp_path / "home"


def install(name, script):
    program = Path(os.environ["PATH"].partition(":")[0]) / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def told(cli):
    return next((state, text) for name, state, text in examine_clis() if name == cli)


def test_a_cli_that_is_missing_is_named_with_what_installs_it(home):
    assert told("gemini") == ("note", "not installed here: npm install -g @google/gemini-cli")


def test_a_version_is_that_of_the_program(home):
    assert told("codex")[1].startswith("0.171.0; ")


def test_a_program_that_does_not_start_is_a_problem(home):
    install("codex", "exit 3")
    state, text = told("codex")
    assert state == "problem"
    assert text.endswith("codex is there, but `codex --version` does not work")


def test_without_a_login_or_a_key_the_error_says_how_to_get_one(home):
    assert told("codex") == (
        "note",
        "0.171.0; neither logged in nor a key: run `codex login`, or set OPENAI_API_KEY",
    )


def test_a_key_is_named_and_not_shown(home, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert told("codex") == ("ok", "0.171.0; key in OPENAI_API_KEY")


def test_a_login_is_found_where_the_cli_keeps_it(home, monkeypatch, tmp_path):
    write(tmp_path / "elsewhere" / "auth.json", {"tokens": {"x": SECRET}})
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere"))
    state, text = told("codex")
    assert (state, SECRET in text) == ("ok", False)
    assert "logged in" in text


def test_an_expired_login_is_reported_as_renewed(home):
    login = {"claudeAiOauth": {"accessToken": SECRET, "expiresAt": 1000}}
    write(home / ".claude/.credentials.json", login)
    assert "logged in (~/.claude/.credentials.json), to be renewed" in told("claude")[1]


def test_a_gateway_is_shown_by_its_host_only(home, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"https://me:{SECRET}@gate.example:8443/x?k={SECRET}")
    state, text = told("claude")
    assert (state, SECRET in text) == ("ok", False)
    assert "gateway gate.example:8443 (ANTHROPIC_BASE_URL)" in text


def test_a_gateway_from_codexs_settings_is_shown(home, monkeypatch):
    monkeypatch.setenv("HOUSE_KEY", SECRET)
    provider = 'base_url = "https://gate.example/v1"\nenv_key = "HOUSE_KEY"\n'
    write(home / ".codex/config.toml", f'model_provider = "h"\n[model_providers.h]\n{provider}')
    assert told("codex") == (
        "ok",
        "0.171.0; key in HOUSE_KEY; gateway gate.example (model_provider h)",
    )


def test_settings_that_can_not_be_read_are_a_problem(home):
    write(home / ".codex/config.toml", "model = ")
    state, text = told("codex")
    assert state == "problem"
    assert "config.toml can't be read as TOML" in text


def test_root_is_warned_where_claude_would_refuse(home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(registry, "allows_root", False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    state, text = told("claude")
    assert state == "note"
    assert "refuses to run as root: %env IS_SANDBOX=1" in text
    monkeypatch.setenv("IS_SANDBOX", "1")
    assert told("claude") == ("ok", "2.1.332; key in ANTHROPIC_API_KEY; root allowed")


def test_gemini_says_that_it_trusts_the_sessions_folder(home):
    install("gemini", "echo 0.61.0")
    assert "trusts the session's folder" in told("gemini")[1]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ([("claude", "ok", "")], ("ok", "ready: claude; no problems")),
        (
            [("claude", "note", "")],
            ("note", "no agent CLI is ready: use shell or replay; no problems"),
        ),
        (
            [("claude", "ok", ""), ("disk", "problem", ""), ("disk", "problem", "")],
            ("note", "ready: claude; problems: disk"),
        ),
    ],
)
def test_the_summary_counts_what_is_ready_and_what_is_not(found, line):
    assert summary(found)[1:] == line
