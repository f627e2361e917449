"""Three turns of each real CLI, through the service, the SDK and the frames."""

import bill
import cli_sessions
import pytest
from agent_tools import read, shell

from aod_notebook.testing import ModelServer, Thinking, total

pytestmark = pytest.mark.timeout(300)
CLIS = ("claude", "claude-before", "codex", "gemini", "opencode")


def three_turns(cli):
    look, write = shell(cli, "printf 'a\\nb\\n'"), shell(cli, "printf 31 > nights.txt")
    return {
        "Write the note": [[Thinking("I look first."), "I look.", look], write, "Written."],
        "Read what is missing": [shell(cli, "echo no >&2; exit 3"), read(cli, "/none"), "Missing."],
        "Run two at once": [[shell(cli, "echo one"), shell(cli, "exit 1")], "Both ran."],
    }


@pytest.fixture(params=CLIS)
def ran(request, use, client):
    cli = use(request.param)
    with ModelServer(three_turns(cli)) as server:
        session = cli_sessions.start(client, server, cli)
        for prompt in three_turns(cli):
            session.turn(prompt)
        yield cli, session, server.ledger


def test_three_turns_agree_with_what_was_served(ran):
    cli, session, ledger = ran
    assert session.final.status == "completed"
    results, models, calls = session.results, session.models, session.calls
    # opencode does not report the call that makes its title.
    served = [row for row in ledger if not (cli == "opencode" and row.is_side)]
    for turn, prompt in enumerate(three_turns(cli), 1):
        rows = [row for row in served if prompt in row.prompt]
        told = bill.from_table(results[results["turn"] == turn])
        assert told == bill.from_ledger(rows, told), prompt
    told = bill.from_table(models, results)
    assert told == bill.from_ledger(served, told)
    assert total(served).output_tokens == told.output_tokens
    if cli == "claude":
        assert results["cost_usd"].sum() == pytest.approx(bill.cost(served), abs=1e-9)
        assert models["cost_usd"].sum() == pytest.approx(bill.cost(served), abs=1e-9)
    assert list(calls.groupby("turn").size()) == [2, 2, 2]
    failed = calls["is_error"].fillna(value=False).astype(bool)
    # Gemini calls a command a success whatever its exit code, and says no more about it.
    expected = [0, 1, 0] if cli == "gemini" else [0, 2, 1]
    assert list(failed.groupby(calls["turn"]).sum()) == expected
    assert calls["duration_s"].notna().all()
    assert (calls["duration_s"] >= 0).all()
