"""Sessions of the real CLIs, mirrored into AgentOS: the run has what the model served."""

import json
from types import SimpleNamespace

import bill
import pytest
from agent_tools import shell
from cli_sessions import start

from aod_notebook import frames
from aod_notebook.agentos import AgentOS
from aod_notebook.aod import Client
from aod_notebook.live import mirror
from aod_notebook.local import LocalService
from aod_notebook.testing import ModelServer

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]


@pytest.fixture
def service(home):
    with LocalService() as running:
        yield running


@pytest.mark.parametrize("cli", ["claude", "codex"])
def test_a_mirrored_session_equals_what_was_served(use, service, cli):
    program = use(cli)
    script = {
        "Look around": [shell(cli, "echo one"), shell(cli, "exit 3"), "Done."],
        "Go on": [shell(cli, "echo two"), "Gone on."],
    }
    agentos = AgentOS(base_url=service.url, api_key=service.agentos_key, agent_id=service.agent_id)
    with ModelServer(script) as server, Client(service.url, service.aod_token) as client, agentos:
        session = start(client, server, program).turn("Look around").turn("Go on")
        mirrored = mirror(session.id, client=client, on=SimpleNamespace(client=agentos))
        run = frames.runs_df(mirrored.run_id, client=agentos).iloc[0]
        spans = frames.spans_df(mirrored.run_id, client=agentos)
        models, results = session.models, session.results
        found = bill.from_table(models, results)
        assert found == bill.from_ledger([r for r in server.ledger if bill.reported(cli, r)], found)
        llm = spans[spans["kind"] == "llm"]
        for name in ("input_tokens", "output_tokens", "cache_read_tokens"):
            assert llm[name].sum() == models[name].sum()
            assert run[name] == results[name].sum()
        cost = json.loads(run["output"]).get("cost_usd")
        if cli == "claude":
            assert cost == pytest.approx(bill.cost(server.ledger), abs=1e-9)
        else:
            assert cost is None
        tools = spans[spans["kind"] == "tool"]
        assert (len(tools), int(tools["is_error"].sum())) == (3, 1)
