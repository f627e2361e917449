"""What each real CLI does in the situations of its life; `make clis` runs it and shows the table."""

import itertools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import bill
import cli_sessions
import pytest
from agent_tools import mcp, shell, skill, subagent, wait_for_subagents
from bill import TASK

from aod_notebook.testing import Cut, Failure, ModelServer, ToolCall, WebSearch

pytestmark = [pytest.mark.clis, pytest.mark.timeout(400)]
ALL = ("claude", "claude-before", "codex", "gemini", "opencode")
CLAUDES = ("claude", "claude-before")
PROMPT = "Please do it"
SUMS = {
    "name": "sums", "type": "stdio", "command": sys.executable,
    "args": [str(Path(__file__).with_name("tiny_mcp.py"))],
}  # fmt: skip
TIDY = {
    "name": "tidy", "description": "Tidy things up",
    "content": "---\nname: tidy\ndescription: Tidy things up.\n---\nSweep twice.\n",
}  # fmt: skip


def hand_on(cli):
    """Hand a task to a subagent and answer when it is done."""
    task = [shell(cli, "ls | wc -l"), "No files."]
    if cli == "gemini":
        task = [task[0], *[ToolCall("complete_task", {"result": "No files."})] * 2]
    script = {PROMPT: [subagent(cli, TASK), "It has answered."], TASK: task}
    return wait_for_subagents(script) if cli == "codex" else script


@dataclass(frozen=True)
class Case:
    """One turn: what the model answers, and what the tables have to say about it."""

    script: object
    agent: dict = field(default_factory=dict)
    clis: tuple = ALL
    calls: tuple = (0, 0)
    is_error: bool = False
    says: str | None = None
    sent: str | None = None


CASES = {
    "hello": Case(lambda _: ["Hello."], says="Hello."),
    "subagent": Case(hand_on, says="It has answered.", calls=None),
    "MCP server": Case(
        lambda cli: [
            mcp(cli, "sums", "add", {"a": 2, "b": 3}),
            mcp(cli, "sums", "divide", {"a": 1, "b": 0}),
            "The sum is 5.",
        ],
        {"mcp_servers": [SUMS]}, calls=(2, 1), says="The sum is 5.", sent="division by zero",
    ),
    "skill": Case(
        lambda cli: [skill(cli, "tidy"), "Tidied."],
        {"skills": [TIDY]}, calls=(1, 0), says="Tidied.", sent="Sweep twice.",
    ),
    "system prompt": Case(
        lambda _: ["Aye."], {"system": "You are the harbour master."},
        says="Aye.", sent="You are the harbour master.",
    ),
    "web search": Case(
        lambda cli: [[WebSearch("nights in March"), "31 nights."]] if cli == "codex"
        else [WebSearch("nights in March"), "31 nights."],
        clis=(*CLAUDES, "codex", "gemini"), calls=(1, 0), says="31 nights.",
    ),
    "429 once": Case(lambda _: [Failure(429, "Too fast.", 1), "After it."], says="After it."),
    "429 for good": Case(lambda _: itertools.repeat(Failure(429, "Too fast.", 1)), is_error=True),
    "500 once": Case(lambda _: [Failure(500, "Broken."), "After it."], says="After it."),
    "500 for good": Case(lambda _: itertools.repeat(Failure(500, "Broken.")), is_error=True),
    "stream cut": Case(lambda _: [[bill.CUT_TEXT, Cut()], "After it."], says="After it."),
    "wrong model": Case(
        lambda _: itertools.repeat(Failure(404, "model: no-such-model")), is_error=True
    ),
}  # fmt: skip
SAYS = {("stream cut", "claude-before"): bill.CUT_TEXT}
"""Claude 2.1.276 takes what came before a cut for the answer, and reports no tokens at all."""
CELLS = [(case, cli) for case, made in CASES.items() for cli in made.clis]


@pytest.mark.parametrize(("name", "version"), CELLS)
def test_tables_agree_with_the_ledger(name, version, use, client, record_property):
    cli, case = use(version), CASES[name]
    with ModelServer(case.script(cli)) as server:
        session = cli_sessions.start(client, server, cli, **case.agent)
        session.turn(PROMPT, timeout=300)
        row = bill.compare(version, session, server.ledger)
        bodies = [json.dumps(request.body) for request in server.requests]
    record_property("row", {"cli": version, "case": name, **row})
    assert row["error"] == case.is_error
    if case.is_error:
        assert row["requests"] >= 1
    else:
        assert (row["status"], row["exit"]) == ("completed", 0)
        says = SAYS.get((name, version), case.says)
        assert says in session.results["result"].iloc[-1]
    if case.calls is not None:
        assert (row["calls"], row["failed calls"]) == case.calls
    if case.sent is not None:
        assert any(case.sent in body for body in bodies)
