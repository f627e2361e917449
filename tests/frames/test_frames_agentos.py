"""The frames of runs that were really reported to a service."""

import pytest

from aod_notebook import frames
from aod_notebook.agentos import AgentOS


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """State of this package, away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def agentos(service):
    with AgentOS(
        api_key=service.agentos_key, agent_id=service.agent_id, base_url=service.url
    ) as client:
        yield client


@pytest.fixture(scope="module")
def run(agentos):
    run = agentos.start_run(input={"question": 1})
    plan = run.start_span("plan", kind="step")
    plan.child("ask", kind="llm").end({"model": "m", "input_tokens": 3, "output_tokens": 2})
    plan.end()
    run.emit_tool_call("search", {"q": "x"})
    run.start_task("look", {"a": 1}).complete({"b": 2})
    run.complete({"summary": "ok"})
    return run


def test_the_run_and_its_tasks(agentos, run):
    runs = frames.runs_df(run, client=agentos)
    assert list(zip(runs["run_id"], runs["status"], strict=True)) == [(run.run_id, "completed")]
    assert list(runs["output"]) == ['{"summary":"ok"}']
    assert run.run_id in set(frames.runs_df(client=agentos)["run_id"])
    assert list(frames.tasks_df(run.run_id, client=agentos)["output"]) == ['{"b":2}']


def test_a_run_named_twice_is_there_once(agentos, run):
    for make in (frames.runs_df, frames.tasks_df, frames.run_events_df):
        assert len(make([run.run_id, run], client=agentos)) == len(make(run, client=agentos))


def test_the_events_and_the_tree_of_spans(agentos, run):
    events = frames.run_events_df(run.run_id, client=agentos)
    assert list(events["order"]) == [1, 2, 3]
    assert list(events["tool"].dropna()) == ["search"]
    spans = frames.spans_df(run.run_id, client=agentos)
    assert list(spans["path"]) == ["plan", "plan/ask"]
    assert spans["input_tokens"].sum() == 3
