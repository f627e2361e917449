"""Batches and limits with the real CLIs."""

import contextlib
import itertools

import bill
import pandas as pd
import pytest
from agent_tools import shell
from cli_processes import of_session, until
from cli_sessions import MODELS

from aod_notebook import live
from aod_notebook.core import bridge
from aod_notebook.frames import prices
from aod_notebook.local import LocalService
from aod_notebook.testing import Counts, Delay, ModelServer, total

pytestmark = [pytest.mark.clis, pytest.mark.timeout(900)]
CLIS = ("claude", "codex", "gemini", "opencode")
PRICES = """version = "test"
[models."gpt-4.1"]
input = 2.0
output = 8.0
cache_read = 0.5
cache_creation = 2.0
cache_creation_1h = 2.0
[models."gemini-2.5-pro"]
input = 1.25
output = 10.0
cache_read = 0.31
cache_creation = 1.25
cache_creation_1h = 1.25
[models."claude-sonnet-4-6"]
input = 3.0
output = 15.0
cache_read = 0.3
cache_creation = 3.75
cache_creation_1h = 6.0
"""
GPT = (2.0, 8.0, 0.5, 2.0, 2.0)
GEMINI = (1.25, 10.0, 0.31, 1.25, 1.25)
ANSWER = Counts(input_tokens=10_000, output_tokens=1_000)


@pytest.fixture(autouse=True)
def own_prices(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    prices.use(path)
    yield
    prices.use(None)


@pytest.fixture
def connected(home, use, tmp_path, monkeypatch):
    """A service that finds all CLIs, which the process is connected to."""
    for name in CLIS:
        use(name)
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "state"))
    with LocalService(max_active_sessions=4) as service:
        monkeypatch.setenv("AOD_API_URL", service.url)
        monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
        yield live.connection()
        live.disconnect()
        bridge.stop()


def agent(connected, server, cli):
    """Make an agent of the CLI that talks to the scripted model; return its id."""
    given, client = server.environment(cli), connected.client
    environment = client.environments.create(
        name=f"{cli}-batch", env_vars=given.variables, setup_script=given.setup_script or None
    )
    made = client.agents.create(
        name=cli, model=MODELS[cli], runtime=cli, environment_id=environment.id
    )
    return str(made.id)


def dollars(rows, rates):
    """Return what ledger rows cost; Claude's have prices of their own."""
    fresh, output, read, _, _ = rates
    return (
        sum(
            fresh * row.input_tokens + output * row.output_tokens + read * row.cache_read_tokens
            for row in rows
        )
        / 1_000_000
    )


def test_batch_over_four_clis_costs_what_was_served(connected):
    counts = {n: Counts(input_tokens=1_000 + n, output_tokens=50 + n, cache_read_tokens=100)
              for n in range(10)}  # fmt: skip
    script = {f"[[row {n}]]": itertools.repeat([f"Answer {n}.", counts[n]]) for n in range(10)}
    with contextlib.ExitStack() as servers:
        models = {cli: servers.enter_context(ModelServer(dict(script))) for cli in CLIS}
        agents = [agent(connected, server, cli) for cli, server in models.items()]
        rows = pd.DataFrame({"n": range(10)})
        frame = live.batch(rows, "Say it. [[row {{n}}]]", over={"agent": agents}, jobs=4,
                           progress=False)  # fmt: skip
        ledgers = {cli: server.ledger for cli, server in models.items()}
    assert len(frame) == 40
    assert frame["status"].eq("completed").all(), frame[["status", "error"]].to_string()
    assert list(frame["text"]) == [f"Answer {n}." for n in range(10) for _ in CLIS]
    for cli, one in zip(CLIS, agents, strict=True):
        mine = [row for row in ledgers[cli] if bill.reported(cli, row)]
        served, table = total(mine), frame[frame["agent"] == one]
        read = served.input_tokens + served.cache_read_tokens + served.cache_creation_tokens
        assert (cli, table["tokens_in"].sum()) == (cli, read)
        assert (cli, table["tokens_out"].sum()) == (cli, served.output_tokens)
        expected = {"codex": dollars(mine, GPT), "gemini": dollars(mine, GEMINI)}.get(cli)
        expected = bill.cost(mine) if expected is None else expected
        assert (cli, table["cost_usd"].sum()) == (cli, pytest.approx(expected, abs=1e-9))
        source = "computed" if cli in ("codex", "gemini") else "reported"
        assert table["cost_source"].eq(source).all()


@pytest.mark.parametrize("limit", ["cost", "tokens", "repeats"])
@pytest.mark.parametrize("cli", ["claude", "codex"])
def test_loop_ends_within_two_answers_of_the_limit(connected, cli, limit):
    loop = itertools.repeat([Delay(0.3), shell(cli, "ls"), ANSWER])
    rate = GPT if cli == "codex" else bill.SONNET
    answer_usd = dollars([ANSWER], rate)
    limits = {
        "cost": {"max_cost": 4 * answer_usd},
        "tokens": {"max_tokens": 4 * 11_000},
        "repeats": {"max_repeats": 3},
    }[limit]
    with ModelServer(loop) as server:
        frame = live.batch(pd.DataFrame({"n": [1]}), "Do it {{n}}.", progress=False,
                           agent=agent(connected, server, cli), **limits)  # fmt: skip
        (row,) = frame.to_dict("records")
        until(lambda: not of_session(row["session"]), seconds=10)
        answers = [one for one in server.ledger if not one.is_side]
    assert row["status"] == "terminated", row
    assert connected.client.sessions.get(row["session"]).status == "terminated"
    assert 4 <= len(answers) <= 6
    assert "The limit of" in row["error"]
    if limit != "repeats":
        assert row["cost_usd"] >= 4 * answer_usd - 1e-9
        assert row["cost_usd"] <= dollars(answers, rate) + 1e-9


def test_claude_is_given_its_own_limit(connected):
    with ModelServer(itertools.repeat([shell("claude", "ls"), ANSWER])) as server:
        client, one = connected.client, agent(connected, server, "claude")
        budget = {"AOD_NOTEBOOK_MAX_COST_USD": f"{2.5 * dollars([ANSWER], bill.SONNET):.6f}"}
        made = client.sessions.create(agent_id=one, prompt="Do it.", secret_env_vars=budget)
        client.sessions.wait_for_completion(made.id)
        answers = [row for row in server.ledger if not row.is_side]
    assert 3 <= len(answers) <= 4
