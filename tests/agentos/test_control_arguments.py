"""What the methods of the control plane refuse before anything is sent."""

import pytest

from aod_notebook.agentos import AgentOS, AgentOSArgumentError


@pytest.fixture
def client():
    with AgentOS(base_url="http://127.0.0.1:9", api_key="aos_k", agent_id="a") as client:
        yield client


@pytest.mark.parametrize("wrong", [3, None, ["x"], object()])
def test_an_id_that_is_not_text_is_refused_by_its_type(client, wrong):
    with pytest.raises(AgentOSArgumentError) as raised:
        client.evals.list_cases(agent_id=wrong)
    name = type(wrong).__name__
    assert str(raised.value) == f"evals.list_cases(): agent_id is text, not {name}."


def test_missing_unknown_or_unnamed_arguments_are_a_one_line_error(client):
    for call in (
        client.evals.list_cases,
        lambda: client.evals.list_cases("x"),
        lambda: client.evals.list_cases(agent_id="x", agent="y"),
    ):
        with pytest.raises(TypeError, match=r"^evals\.list_cases\(agent_id=…\): ") as raised:
            call()
        assert len(raised.value._render_traceback_()) == 1
