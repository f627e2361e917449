"""Every example of the SDK page, as it stands there: imports and placeholders apart."""

import os

import pytest

from aod_notebook.agentos import (
    AgentOS,
    AgentOSAuthError,
    AgentOSError,
    AgentOSRateLimitError,
    AgentOSValidationError,
)


def events_of(control, run):
    return control.runs.events(run_id=run.run_id)


@pytest.fixture
def run(client):
    return client.start_run()


@pytest.mark.anyio
async def test_the_context_manager_example(service):
    with AgentOS(
        api_key=service.agent_key, agent_id=service.agent_id, base_url=service.url
    ) as client:
        run = client.start_run()
        await run.complete()
    assert run.is_ended
    assert run.run_id


def test_the_first_example_and_its_options(service):
    client = AgentOS(
        api_key=service.agent_key,
        agent_id=service.agent_id,
        base_url=service.url,
        batch_interval_ms=500,
        batch_size=50,
        disabled=False,
        timeout_seconds=10.0,
    )
    assert client.start_run().run_id
    client.close()


def test_start_run(client, control):
    run = client.start_run(
        input={"invoice_id": "INV-001"},
        trigger_type="sdk",  # "manual" | "scheduled" | "webhook" | "sdk"
        external_run_id="my-job-123",  # optional correlation ID
    )
    row = control.runs.get(run_id=run.run_id)
    assert row["input"] == {"invoice_id": "INV-001"}
    assert (row["trigger_type"], row["external_run_id"]) == ("sdk", "my-job-123")


def test_invoke(client, capsys):
    result = client.invoke({"query": "Summarise the Q1 report"})
    print(result["output"]["summary"])  # noqa: T201 - as on the page
    assert capsys.readouterr().out.strip()
    assert result.output["summary"] == result["output"]["summary"]


def test_emit_and_its_helpers(run, control):
    run.emit("step.completed", {"step": "fetch-data", "rows": 42})
    run.emit("warning.detected", {"message": "Low confidence"}, level="warn")
    run.emit_llm_request("claude-sonnet-4-6", "Summarise this...")
    run.emit_llm_response(
        "claude-sonnet-4-6",
        "The document...",
        token_usage={"input_tokens": 512, "output_tokens": 128},
    )
    run.emit_tool_call("search_web", {"query": "AI news"})
    run.emit_tool_return("search_web", {"results": [...]})
    run.emit_tool_error("search_web", "Timeout after 5s")
    run.flush()
    events = events_of(control, run)
    assert [(event["type"], event["level"]) for event in events] == [
        ("step.completed", "info"),
        ("warning.detected", "warn"),
        ("llm.request", "info"),
        ("llm.response", "info"),
        ("tool.called", "info"),
        ("tool.returned", "info"),
        ("tool.failed", "error"),
    ]
    assert events[3]["payload"] == {
        "model": "claude-sonnet-4-6",
        "response": "The document...",
        "input_tokens": 512,
        "output_tokens": 128,
    }


def test_start_task(run, control):
    def parse_pdf(name):
        return [name, name]

    task = run.start_task("parse-pdf", input={"file": "report.pdf"})
    pages = parse_pdf("report.pdf")
    task.complete(output={"pages": len(pages)})
    run.flush()
    (row,) = control.runs.get(run_id=run.run_id)["tasks"]
    assert (row["name"], row["status"], row["output"]) == ("parse-pdf", "completed", {"pages": 2})


def test_complete(run, control):
    run.complete(output={"summary": "..."})
    row = control.runs.get(run_id=run.run_id)
    assert (row["status"], row["output"]) == ("completed", {"summary": "..."})


def test_fail(run, control):
    run.fail(
        error_message="API timeout after 3 retries",
        error_detail={"endpoint": "/payments", "attempts": 3},
    )
    row = control.runs.get(run_id=run.run_id)
    assert (row["status"], row["error_message"]) == ("failed", "API timeout after 3 retries")
    assert row["error_detail"] == {"endpoint": "/payments", "attempts": 3}


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda task: task.complete(output={"valid": 98, "invalid": 2}), "completed"),
        (lambda task: task.fail(error_message="Schema mismatch on row 14"), "failed"),
        (lambda task: task.skip(), "skipped"),
    ],
)
def test_the_three_ends_of_a_task(run, control, end, status):
    task = run.start_task("validate", input={"rows": 100})
    end(task)
    run.flush()
    (row,) = control.runs.get(run_id=run.run_id)["tasks"]
    assert row["status"] == status


def test_the_whole_program(service, control, monkeypatch):
    monkeypatch.setitem(os.environ, "AGENTOS_BASE_URL", service.url)

    def fetch_daily_data():
        return [1, 2, 3]

    def call_llm(data):
        return f"{len(data)} rows"

    with AgentOS(api_key=service.agent_key, agent_id=service.agent_id) as client:
        run = client.start_run(input={"date": "2026-05-11"})
        fetch = run.start_task("fetch-data")
        data = fetch_daily_data()
        fetch.complete(output={"rows": len(data)})
        run.emit_llm_request("claude-sonnet-4-6", "Analyse this data...")
        summary = call_llm(data)
        run.emit_llm_response("claude-sonnet-4-6", summary)
        run.complete(output={"summary": summary})
    row = control.runs.get(run_id=run.run_id)
    assert (row["status"], row["output"]) == ("completed", {"summary": "3 rows"})
    assert [event["type"] for event in events_of(control, run)] == ["llm.request", "llm.response"]


def test_the_four_classes_of_errors(service):
    assert issubclass(AgentOSAuthError, AgentOSError)
    assert issubclass(AgentOSValidationError, AgentOSError)
    assert issubclass(AgentOSRateLimitError, AgentOSError)
    with (
        AgentOS(api_key="aos_agent_wrong", agent_id="x", base_url=service.url) as client,
        pytest.raises(AgentOSAuthError),
    ):
        client.start_run()
