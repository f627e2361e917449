"""Real CLIs that are stopped, run out of time, have no key, a gateway or the person's settings."""

import itertools
import json

import bill
import cli_sessions
import pytest
from agent_tools import shell, subagent
from cli_processes import WAIT, of_session, until

from aod_notebook.testing import Delay, ModelServer

pytestmark = [pytest.mark.clis, pytest.mark.timeout(400)]
CLIS = ("claude", "codex", "gemini", "opencode")
CLAUDES = ("claude", "claude-before")
PROMPT = "Please do it"
KEYS = {
    "claude": "ANTHROPIC_API_KEY", "codex": "CODEX_API_KEY", "gemini": "GEMINI_API_KEY",
    "opencode": "ANTHROPIC_API_KEY",
}  # fmt: skip
HEADERS = {
    "claude": "x-api-key", "codex": "authorization", "gemini": "x-goog-api-key",
    "opencode": "x-api-key",
}  # fmt: skip


def waiting(cli):
    """Start a tool that takes minutes; Codex asks the model again while it runs."""
    return [shell(cli, f'python3 -c "{WAIT}"'), *[[Delay(300), "Late."]] * 3]


def record(record_property, version, case, row):
    record_property("row", {"cli": version, "case": case, **row})


@pytest.mark.parametrize("version", CLIS)
def test_stop_leaves_no_process(version, use, client, record_property):
    cli = use(version)
    with ModelServer(waiting(cli)) as server:
        session = cli_sessions.start(client, server, cli)
        session.id = client.sessions.create(agent_id=session.agent, prompt=PROMPT).id
        until(lambda: any(WAIT in " ".join(line) for line in of_session(session.id)))
        client.sessions.terminate(session.id)
        session.final = client.sessions.wait_for_completion(session.id).session
        until(lambda: not of_session(session.id), seconds=5)
    assert session.final.status == "terminated"
    record(record_property, version, "stop", bill.summary(session, server.ledger))


@pytest.mark.parametrize("version", CLIS)
def test_timeout_leaves_no_process(version, use, client, record_property):
    cli = use(version)
    with ModelServer(waiting(cli)) as server:
        session = cli_sessions.start(client, server, cli).turn(PROMPT, timeout=30)
        until(lambda: not of_session(session.id), seconds=5)
    assert session.final.status == "failed"
    record(record_property, version, "timeout", bill.summary(session, server.ledger))


@pytest.mark.parametrize("version", CLIS)
def test_missing_key_fails_and_asks_nothing(version, use, client, record_property):
    cli = use(version)
    with ModelServer(itertools.repeat("Hello.")) as server:
        session = cli_sessions.start(client, server, cli, without=(KEYS[cli],))
        session.turn(PROMPT)
    assert session.final.status == "failed" or session.results["is_error"].all()
    assert server.ledger == []
    record(record_property, version, "no key", bill.summary(session, server.ledger))


@pytest.mark.parametrize("version", CLIS)
def test_gateway_gets_its_own_key(version, use, client, record_property):
    cli, key = use(version), "the-key-of-the-gateway"
    with ModelServer(["Hello."]) as server:
        session = cli_sessions.start(client, server, cli, variables={KEYS[cli]: key}).turn(PROMPT)
        row = bill.compare(version, session, server.ledger)
    sent = {request.headers[HEADERS[cli]] for request in server.requests}
    assert sent == {f"Bearer {key}" if cli == "codex" else key}
    assert session.final.status == "completed"
    record(record_property, version, "gateway", row)


def configure(cli, server, home):
    """Write the person's own configuration, with which the CLI finds the server; return its key."""
    given = server.environment(cli)
    given.write(home)
    if cli == "claude":
        folder, name = ".claude", "settings.json"
        settings = {"env": {"ANTHROPIC_BASE_URL": server.url}}
    elif cli == "opencode":
        folder, name = ".config/opencode", "opencode.json"
        options = {"baseURL": f"{server.url}/v1"}
        settings = {"provider": {"anthropic": {"options": options}}}
    else:
        return
    (home / folder).mkdir(parents=True)
    (home / folder / name).write_text(json.dumps(settings))


BASES = {
    "claude": "ANTHROPIC_BASE_URL", "codex": "", "gemini": "", "opencode": "ANTHROPIC_BASE_URL",
}  # fmt: skip


@pytest.mark.parametrize("version", CLIS)
def test_persons_configuration_is_used_and_kept(version, use, client, home, record_property):
    cli = use(version)
    with ModelServer(["Hello."]) as server:
        configure(cli, server, home)
        before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        session = cli_sessions.start(client, server, cli, without=(BASES[cli],), files=False)
        session.turn(PROMPT)
        row = bill.compare(version, session, server.ledger)
    assert session.final.status == "completed"
    assert [r.prompt for r in server.ledger if not r.is_side] != []
    assert {path: path.read_bytes() for path in before} == before
    record(record_property, version, "person's configuration", row)


@pytest.mark.parametrize("version", CLAUDES)
def test_background_subagent_is_counted_once(version, use, client, record_property):
    cli = use(version)
    call = subagent(cli, bill.TASK)
    waiting = type(call)(call.name, {**call.input, "run_in_background": True})
    script = {
        PROMPT: [waiting, "It is at work.", "It has answered."],
        bill.TASK: [shell(cli, "ls | wc -l"), "No files."],
    }
    with ModelServer(script) as server:
        session = cli_sessions.start(client, server, cli).turn(PROMPT)
        row = bill.compare(version, session, server.ledger)
    assert len(session.results) == 1
    record(record_property, version, "background subagent", row)


@pytest.mark.parametrize("version", ["claude", "claude-before", "codex", "gemini", "opencode"])
def test_each_turn_is_billed_for_itself(version, use, client, record_property):
    cli = use(version)
    with ModelServer(itertools.repeat("Hello.")) as server:
        session = cli_sessions.start(client, server, cli)
        ends = [0]
        for _ in range(3):
            session.turn(PROMPT)
            ends.append(len(server.ledger))
        row = bill.compare(version, session, server.ledger)
        turns = list(itertools.pairwise(ends))
        ledger = server.ledger
    results = session.results
    for turn, (begin, end) in enumerate(turns, 1):
        told = bill.from_table(results[results["turn"] == turn])
        rows = [one for one in ledger[begin:end] if bill.reported(version, one)]
        assert told == bill.from_ledger(rows, told)
        if cli == "claude":
            (cost,) = results[results["turn"] == turn]["cost_usd"]
            assert cost == pytest.approx(bill.cost(rows), abs=1e-9)
    record(record_property, version, "three turns", row)
