"""`%agentos call`: any method of the control plane."""

import pandas as pd
import pytest
from shells import reporting_shell

from aod_notebook.agentos import AgentOS
from aod_notebook.core.errors import AodNotebookError


@pytest.fixture(scope="module")
def shell(service, tmp_path_factory):
    with reporting_shell(service, tmp_path_factory.mktemp("call")) as shell:
        yield shell


@pytest.fixture(scope="module")
def agentos(shell):
    with AgentOS() as client:
        yield client


def test_call_gives_rows_as_a_dataframe(shell, service):
    agents = shell.run("%agentos call agents.list status=active")
    assert isinstance(agents, pd.DataFrame)
    assert service.agent_id in set(agents["id"])


def test_call_says_that_a_list_is_cut(shell, agentos, capsys):
    for _ in range(2):
        agentos.start_run().complete()
    assert len(shell.run("%agentos call runs.list limit=2")) == 2
    assert "runs.list: cut at limit=2; there may be more" in capsys.readouterr().out
    shell.run("%agentos call runs.list limit=100000")
    assert "cut" not in capsys.readouterr().out


def test_call_takes_text_json_and_variables(shell, agentos):
    shell.names["variables"] = {"CITY": "Oslo"}
    made = shell.run(
        "%agentos call agents.create name=123 system_prompt='be brief' provider_type=replay "
        "max_tokens=50 prompt_variables=@variables"
    )
    known = agentos.agents.get(agent_id=made["id"])
    assert (known["name"], known["max_tokens"]) == ("123", 50)
    assert known["prompt_variables"] == {"CITY": "Oslo"}


def test_tokens_in_an_answer_are_hidden(shell, agentos):
    run = agentos.start_run(input={"header": "Bearer abcdefgh"})
    row = shell.run(f"%agentos call runs.get run_id={run.run_id}")
    assert row["input"] == {"header": "[hidden]"}
    run.complete()


def test_a_key_that_is_returned_once_is_bound_and_not_shown(shell, service, capsys):
    line = f"%agentos call api_keys.create agent_id={service.agent_id} name=mine"
    with pytest.raises(AodNotebookError, match="sent once"):
        shell.run(line)
    shell.run(f"{line} -o made")
    key = shell.names["made"]["api_key"]
    assert key.startswith("aos_agent_")
    assert key not in capsys.readouterr().out
