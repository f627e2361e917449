"""Invoking an agent on `replay`, at once and as a stream; conversations."""

import asyncio
import json
import uuid
from types import SimpleNamespace

import pytest
from service_kit import script, until

from aod_notebook.local.agentos.invoke import RunStream

PAUSE_SHAPE = "Invalid input.replay: a pause has either 'ask' or 'approve'"
ONE_OF = "Give at most one of session_id, start_session and history"


def test_the_built_in_agent_completes_at_once_with_a_summary(service, rpc):
    data = rpc.invoke(service.agent_id, input={"query": "x"})
    assert set(data) == {"run_id", "output", "duration_ms"}
    assert data["output"]["summary"]
    again = rpc.invoke(service.agent_id, input={"query": "x"})
    assert again["output"] == data["output"]


def test_an_agent_key_invokes_its_own_agent_only(service, reporter, agent_id):
    assert reporter.invoke(service.agent_id)["output"]["summary"]
    refused = reporter.error(f"/api/v1/agents/{agent_id}/invoke")
    assert refused == (403, "FORBIDDEN", "This key belongs to another agent")


def test_a_run_records_what_its_agent_did(rpc, agent_id):
    data = rpc.invoke(agent_id, input={"a": 1}, test=True, parent_run_id="p")
    run = rpc.call("runs_get", run_id=data["run_id"])
    assert (run["status"], run["input"], run["output"]) == ("completed", {"a": 1}, data["output"])
    assert (run["test"], run["parent_run_id"]) == (True, "p")
    assert run["input_tokens"] > 0
    assert run["output_tokens"] > 0
    events = rpc.call("runs_get_events", run_id=data["run_id"])
    kinds = {event["type"] for event in events}
    assert {"tool.called", "tool.returned", "tool.failed", "llm.response"} <= kinds
    assert len(events) == run["event_count"]


def test_the_stream_starts_brings_chunks_and_tools_and_is_done(rpc, agent_id):
    events = rpc.stream(agent_id)
    assert events[0]["type"] == "start"
    kinds = {event["type"] for event in events}
    assert kinds == {"start", "chunk", "tool", "done"}
    assert {e["status"] for e in events if e["type"] == "tool"} == {"calling", "returned", "failed"}
    assert events[-1]["type"] == "done"
    assert set(events[-1]) == {"type", "run_id", "duration_ms"}
    assert events[-1]["run_id"] == events[0]["run_id"]
    run = rpc.call("runs_get", run_id=events[0]["run_id"])
    assert run["status"] == "completed"


def test_a_run_that_fails_is_an_error_with_its_words(rpc, agent_id):
    refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke", {"input": script(fail="no luck")})
    assert refused == (422, "RUN_FAILED", "no luck")
    (run,) = rpc.call("runs_list", agent_id=agent_id)
    assert (run["status"], run["error_message"]) == ("failed", "no luck")


def test_a_streamed_run_that_fails_ends_with_an_error_event(rpc, agent_id):
    last = rpc.stream(agent_id, input=script(fail="no luck"))[-1]
    assert last == {"type": "error", "message": "no luck", "code": "RUN_FAILED"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"session_id": "x", "start_session": True}, ONE_OF),
        ({"session_id": "x", "history": []}, ONE_OF),
        ({"start_session": True, "history": [{"role": "user", "content": "x"}]}, ONE_OF),
        ({"input": []}, "Invalid request body: Expected `object`, got `array` - at `$.input`"),
        (
            {"prompt_variables": {"a": 1}},
            "Invalid request body: Expected `str`, got `int` - at `$.prompt_variables[...]`",
        ),
        ({"history": "x"}, "Invalid request body: Expected `array | null`, got `str` - at"),
        ({"input": {"replay": 1}}, "Invalid input.replay: Expected `object`, got `int`"),
        ({"input": script(fail="")}, "Invalid input.replay: Expected `str` of length >= 1"),
        ({"input": script({})}, PAUSE_SHAPE),
        ({"input": script({"ask": "x", "approve": "y"})}, PAUSE_SHAPE),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_wrong_invoke_is_a_validation_error_streamed_or_not(
    rpc, agent_id, fields, message, streamed
):
    body = {**fields, "stream": streamed}
    status, code, said = rpc.error(f"/api/v1/agents/{agent_id}/invoke", body)
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert said.startswith(message)


def test_an_unknown_agent_is_not_found(rpc):
    refused = rpc.error("/api/v1/agents/none/invoke")
    assert refused == (404, "NOT_FOUND", "Agent none not found")


def test_an_unknown_conversation_is_not_found(rpc, agent_id):
    missing = str(uuid.uuid4())
    refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke", {"session_id": missing})
    assert refused == (404, "NOT_FOUND", f"Session {missing} not found")


def test_another_agents_conversation_is_not_found(service, rpc, agent_id):
    other = rpc.invoke(service.agent_id, start_session=True)["session_id"]
    refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke", {"session_id": other})
    assert refused == (404, "NOT_FOUND", f"Session {other} not found")


def test_a_client_that_leaves_its_stream_does_not_end_the_run(rpc, agent_id):
    path = f"/api/v1/agents/{agent_id}/invoke"
    with rpc.client.stream("POST", path, json={"stream": True}) as response:
        line = next(response.iter_lines())
    run_id = json.loads(line[6:])["run_id"]
    assert until(lambda: rpc.ended(run_id))["status"] == "completed"


@pytest.mark.anyio
async def test_what_a_run_says_at_once_is_sent_in_one_piece():
    """Else a client that has left is written to once per event, with a line in the log each."""
    sent = []

    async def send(message):
        sent.append(message.get("body"))

    async def ended():
        return {"run_id": "r"}

    def advance(_, listener):
        for event in (*({"type": "chunk", "text": str(n)} for n in range(100)), None):
            listener.put_nowait(event)
        return asyncio.ensure_future(ended())

    state = SimpleNamespace(
        hosted=SimpleNamespace(advance=advance), config=SimpleNamespace(heartbeat_s=5)
    )
    await RunStream(state, "r")({}, None, send)
    _, start, chunks, done, end = sent
    assert (b'"start"' in start, b'"done"' in done, end) == (True, True, b"")
    assert chunks.count(b"data: ") == 100
