"""`%%aod` with an agent CLI on the embedded service: what is sent, refused and said."""

import json
import os

import pytest

from aod_notebook.aod import Client
from aod_notebook.live.connections import connection
from aod_notebook.live.embedded import RuntimeMissingError, allow_root

GEMINI = """#!/bin/sh
echo '{"type":"init","session_id":"s","model":"gemini-x"}'
echo '{"type":"error","severity":"error","message":"The stream broke off."}'
echo '{"type":"result","status":"error","stats":{}}'
echo 'YOLO mode is enabled. All tool calls will be automatically approved.' >&2
"""
CLAUDE = """#!/bin/sh
echo '{"type":"system","subtype":"init","session_id":"s"}'
printf '{"type":"result","subtype":"success","is_error":true,"result":"%s"}\\n' "$CLAUDE_SAYS"
exit 1
"""
ENV = """#!/bin/sh
printf '{"type":"result","subtype":"success","is_error":false,"result":"%s %s %s"}\\n' \
  "$ANTHROPIC_API_KEY" "$IS_SANDBOX" "$OTHER"
"""


@pytest.fixture
def embedded(home, tmp_path, monkeypatch, new_shell):
    """A shell on an embedded service of its own; `install` puts a stand-in on the kernel's PATH."""
    for name in ("AOD_API_URL", "AOD_API_TOKEN", "ANTHROPIC_API_KEY", "IS_SANDBOX"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def install(name, script):
        program = folder / name
        program.write_text(script)
        program.chmod(0o755)

    shell = new_shell()
    shell.install = install
    yield shell
    shell.close()
    allow_root(False)


def test_a_missing_cli_is_refused_in_one_line_before_a_session_is_made(embedded):
    with pytest.raises(RuntimeMissingError) as caught:
        embedded.run("%%aod --runtime codex\nhi")
    assert str(caught.value) == (
        "No session was started: 'codex' was not found on PATH: install it "
        "(npm install -g @openai/codex), or use the runtime shell or replay."
    )
    client = connection().client
    assert client.sessions.list() == []
    assert client.agents.list() == []


def test_a_turn_that_failed_with_exit_code_0_is_reported_and_stops_nothing(embedded, capsys):
    embedded.install("gemini", GEMINI)
    embedded.run("%%aod --runtime gemini -o s\nhi")
    session, shown = embedded.names["s"], capsys.readouterr().out
    assert (session.status, list(session.results["is_error"])) == ("completed", [True])
    assert "The turn failed, though gemini exited with code 0: The stream broke off." in shown
    assert "YOLO" not in shown  # every good run says that


def test_an_error_has_the_clis_own_reason_and_where_to_log_in(embedded, monkeypatch):
    embedded.install("claude", CLAUDE)
    embedded.run("%env CLAUDE_SAYS=x")  # a name that no CLI reads is not sent
    environment = connection().client.environments.create(
        name="e", env_vars={"CLAUDE_SAYS": "Not logged in"}
    )
    with pytest.raises(Exception, match="failed") as caught:
        embedded.run(f"%%aod --runtime claude --env {environment.id}\nhi")
    assert " failed: Not logged in. Log in with `claude` in a terminal" in str(caught.value)
    assert "code 1" not in str(caught.value)


def test_the_kernels_keys_of_the_moment_reach_the_cli_with_each_prompt(embedded):
    embedded.install("claude", ENV)
    connection()  # the service is started without the variables
    embedded.run("%env ANTHROPIC_API_KEY=one")
    embedded.run("%env OTHER=x")
    embedded.run("%%aod --runtime claude -o s\nhi")
    embedded.run("%env ANTHROPIC_API_KEY=two")
    embedded.run("%config AodMagics.allow_root = True")
    embedded.run("%%aod -s last\nhi")
    said = [text.split() for text in embedded.names["s"].results["result"]]
    del os.environ["ANTHROPIC_API_KEY"], os.environ["OTHER"]
    assert said == [["one"], ["two", "1"]]


def test_no_other_service_is_sent_the_kernels_variables(monkeypatch):
    import httpx

    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")
    bodies = []

    def answer(request):
        bodies.append(json.loads(request.content))
        ack = {"id": "x", "status": "pending", "stream_url": "/", "current_turn": 1}
        return httpx.Response(202, json=ack)

    client = Client("http://127.0.0.1:1", "t", transport=httpx.MockTransport(answer))
    client.sessions.create(agent_id="a", prompt="p")
    client.sessions.prompt("x", "p")
    assert bodies == [{"agent_id": "a", "prompt": "p"}, {"prompt": "p"}]
