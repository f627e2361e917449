"""The logs that the real CLIs write, imported: equal to what the model served, to the token."""

import json
import os
import sqlite3
import subprocess
import time

import bill
import pytest
from agent_tools import shell, subagent, wait_for_subagents

from aod_notebook import frames
from aod_notebook.testing import ModelServer, ToolCall

pytestmark = [pytest.mark.clis, pytest.mark.timeout(400)]
CLIS = ("claude", "claude-before", "codex", "gemini", "opencode")
SESSION = "11111111-1111-4111-8111-111111111111"
CLAUDE = [
    "-p",
    "--output-format",
    "json",
    "--model",
    "claude-sonnet-4-6",
    "--dangerously-skip-permissions",
]
CODEX = [
    "--json",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    "-m",
    "gpt-4.1",
]
GEMINI = ["--yolo", "--skip-trust", "--output-format", "stream-json", "-m", "gemini-2.5-pro"]
OPENCODE = ["run", "--format", "json", "--auto", "-m", "anthropic/claude-sonnet-4-6"]
STEPS = {
    "claude": [
        ("Write the note", [*CLAUDE, "--session-id", SESSION]),
        ("Hand it over", [*CLAUDE, "--resume", SESSION]),
        ("Try it otherwise", [*CLAUDE, "--resume", SESSION, "--fork-session"]),
        ("/compact", [*CLAUDE, "--resume", SESSION]),
        ("Go on", [*CLAUDE, "--resume", SESSION]),
    ],
    "codex": [
        ("Write the note", ["exec", *CODEX, "-"]),
        ("Hand it over", ["exec", *CODEX, "resume", "--last", "-"]),
        ("Try it otherwise", ["exec", *CODEX, "fork", "SESSION", "-"]),
        ("Go on", ["exec", *CODEX, "resume", "SESSION", "-"]),
    ],
    "gemini": [
        ("Write the note", GEMINI),
        ("Hand it over", [*GEMINI, "--resume", "latest"]),
    ],
    "opencode": [
        ("Write the note", OPENCODE),
        ("Hand it over", [*OPENCODE, "--continue"]),
        ("Try it otherwise", [*OPENCODE, "--session", "SESSION", "--fork"]),
        ("Go on", [*OPENCODE, "--session", "SESSION"]),
    ],
}
"""For each CLI, prompts and arguments: a session, its resume, a fork, a compaction."""


def script(cli):
    done = [ToolCall("complete_task", {"result": "None."})] if cli == "gemini" else ["None."]
    answers = {
        "Write the note": [shell(cli, "echo one"), "Written."],
        "Hand it over": [subagent(cli, bill.TASK), "It has answered."],
        bill.TASK: [shell(cli, "ls"), *done],
        "Try it otherwise": ["Tried."],
        "Respond with TEXT ONLY": ["<summary>A note was written.</summary>"],
        "Go on": ["Gone on."],
    }
    return wait_for_subagents(answers) if cli == "codex" else answers


@pytest.fixture(params=CLIS)
def worked(request, use, tmp_path):
    """A home with the logs of one CLI, and the ledger of the model that it talked to."""
    cli = use(request.param)
    home, folder = tmp_path / "worker", tmp_path / "work"
    folder.mkdir()
    with ModelServer(script(cli)) as server:
        variables = {"PATH": os.environ["PATH"], **server.environment(cli).write(home)}
        for prompt, arguments in STEPS[cli]:
            argv = [first_session(cli, home) if one == "SESSION" else one for one in arguments]
            subprocess.run(
                [cli, *argv], input=prompt, env=variables, cwd=folder, text=True, timeout=150,
                check=True, capture_output=True,
            )  # fmt: skip
            settle(server)
        yield request.param, home, server.ledger


def settle(server):
    """Wait until a subagent that runs on by itself has answered."""
    served, since = len(server.ledger), time.monotonic()
    while time.monotonic() - since < 1.5:
        time.sleep(0.1)
        if len(server.ledger) != served:
            served, since = len(server.ledger), time.monotonic()


def first_session(cli, home):
    sessions = frames.sessions_df(home)
    own = sessions[sessions["parent_session_id"].isna()]
    return own.sort_values("created_at")["session_id"].iloc[0]


def naive_input(cli, home):
    """Add up every count of input tokens that stands in a line or a row of the logs."""
    if cli == "opencode":
        with sqlite3.connect(home / ".local/share/opencode/opencode.db") as database:
            rows = [json.loads(data) for (data,) in database.execute("SELECT data FROM message")]
        return sum(row["tokens"]["input"] for row in rows if "tokens" in row)
    found = 0
    for path in home.rglob("*.jsonl"):
        for line in path.read_text().splitlines():
            found += sum(counts(json.loads(line)))
    return found


def counts(value):
    """Yield each count of input tokens in a line, however deep it stands."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name in ("input_tokens", "input") and isinstance(one, int):
                yield one
            else:
                yield from counts(one)
    elif isinstance(value, list):
        for one in value:
            yield from counts(one)


def is_logged(version, row):
    """Check whether the CLI writes a request to its log: some of its own it does not."""
    if version == "opencode":
        return not row.is_side
    return not row.prompt.startswith("CRITICAL: Respond with TEXT ONLY")


@pytest.mark.filterwarnings("ignore:.*problem.s. in the imported logs")
def test_imported_logs_equal_what_was_served(worked, tmp_path):
    cli, home, ledger = worked
    store = frames.import_logs(home, into=tmp_path / "store")
    models, results = store.frame("model_usage"), store.frame("results")
    logged = [row for row in ledger if is_logged(cli, row)]

    found = bill.from_table(models, results)
    assert found == bill.from_ledger(logged, found)
    assert naive_input(cli, home) > models["input_tokens"].sum()
    if cli == "claude":
        assert models["computed_cost_usd"].sum() == pytest.approx(bill.cost(logged), abs=1e-9)
    # What a compaction used is only in Claude's own sum: the difference is reported.
    unlogged = sum(row.input_tokens for row in ledger if not is_logged(cli, row))
    differences = {problem.what for problem in store.problems}
    assert bool(differences) == (cli == "claude")
    if cli == "claude":
        assert unlogged > 0
        assert all("the log's own sum" in one for one in differences)


def test_imported_sessions_name_their_origin(worked):
    version, home, _ = worked
    cli = version.partition("-")[0]
    sessions = frames.sessions_df(home)
    forks = sum(prompt == "Try it otherwise" for prompt, _ in STEPS[cli])

    assert sessions["forked_from_id"].notna().sum() == forks
    assert sessions["parent_session_id"].notna().sum() == (0 if cli == "claude" else 1)
