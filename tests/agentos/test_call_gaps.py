"""Faults of pyagentos-sdk 0.3.0 and 0.4.0 in direct calls, and what this client does."""

import inspect
import json
import subprocess
import sys
import threading
import time
import typing
import uuid

import anyio
import httpx
import pytest
from collector import Collector, until
from scripted import answer, hang, reset, stream

import aod_notebook.agentos as sdk
from aod_notebook.agentos import (
    AgentOS,
    AgentOSConfigError,
    AgentOSConflictError,
    AgentOSDecodeError,
    AgentOSForbiddenError,
    AgentOSNotFoundError,
    AgentOSRateLimitError,
    AgentOSRunError,
    AgentOSStreamInterrupted,
    AgentOSTimeoutError,
    AgentOSTransientError,
    AgentOSValidationError,
    AsyncAgentOS,
)
from aod_notebook.agentos._sync import control_work
from aod_notebook.agentos.langchain import AgentOSCallbackHandler, AsyncAgentOSCallbackHandler


def refusal(status, code, **fields):
    return answer(status, {"error": {"code": code, "message": "no", **fields}})


def data(value):
    return answer(200, {"data": value})


def frames(*events):
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


START = {"type": "start", "run_id": "r1"}
CHUNK = {"type": "chunk", "text": "Well"}
DONE = {"type": "done", "run_id": "r1"}


def asking(poll):
    """A reporting service whose human-input answers come from `poll(body)`."""

    def respond(path, body):
        return poll(body) if path.endswith("human-input/request") else (200, {"data": {}})

    return Collector(respond)


def ask(server, seconds=60.0):
    with AgentOS(api_key="aos_agent_x", agent_id="a", base_url=server.url) as client:
        return client.start_run().request_human_input("Go?", timeout_seconds=seconds)


def test_an_empty_answer_of_a_person_is_an_answer():
    """The official SDK: an empty answer is an error."""
    with asking(lambda _body: (200, {"data": {"input": "", "request_id": "q"}})) as server:
        assert ask(server) == {"input": "", "request_id": "q"}


def test_a_question_respects_its_deadline():
    """The official SDK: overshoots its deadline by up to 285 s."""
    gate, overshot = threading.Event(), []

    def poll(body):
        if "request_id" in body and not gate.wait(60):
            overshot.append(body)
        return 200, {"data": {"status": "pending", "request_id": "q"}}

    with asking(poll) as server:
        with pytest.raises(AgentOSTimeoutError, match="q of run"):
            ask(server, 0.5)
        gate.set()
    assert overshot == []


def test_a_question_with_a_lost_first_answer_is_found_again():
    """The official SDK: a network error on the first call leaves an orphan
    question whose id is lost
    """

    def respond(path, body):
        if path.endswith("runs_get"):
            asked = {"request_id": "q7", "question": "Go?"}
            return 200, {"data": {"id": body["run_id"], "awaiting_input": asked}}
        if path.endswith("human-input/request"):
            if "request_id" not in body:
                return None
            return 200, {"data": {"input": "yes", "request_id": body["request_id"]}}
        return 200, {"data": {}}

    with Collector(respond) as server:
        assert ask(server) == {"input": "yes", "request_id": "q7"}


def test_a_question_that_cannot_be_found_says_where_to_look():
    """The official SDK: a network error on the first call leaves an orphan
    question whose id is lost
    """

    def respond(path, _body):
        if path.endswith("runs_get"):
            return 403, {"error": {"code": "FORBIDDEN", "message": "no"}}
        return None if path.endswith("human-input/request") else (200, {"data": {}})

    with (
        Collector(respond) as server,
        pytest.raises(AgentOSTransientError, match=r"runs\.get\(run_id='run-") as caught,
    ):
        ask(server)
    assert caught.value.run_id


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (stream(frames(START) + b"data: {broken\n\n"), AgentOSDecodeError, "r1"),
        (stream(frames(START) + b"data: [1]\n\n"), AgentOSDecodeError, "r1"),
        (stream(frames(START, CHUNK), then="reset"), AgentOSStreamInterrupted, "r1"),
        (stream(frames(START, CHUNK)), AgentOSStreamInterrupted, "before a last event"),
        (stream(b""), AgentOSStreamInterrupted, "runs.list"),
        (stream(frames(START, {"type": "error", "code": "X", "message": "m"})), AgentOSRunError, "m"),
    ],
)  # fmt: skip
def test_a_stream_that_goes_wrong_says_so_with_its_run(scripted, connect, reply, error, says):
    """The official SDK: raw `JSONDecodeError` and httpx errors in mid-stream;
    EOF without `done` looks like success
    """
    client = connect(scripted(reply))
    with pytest.raises(error, match=says.replace(".", r"\.")) as caught:
        list(client.invoke_stream({"q": 1}, timeout_seconds=60))
    if says != "runs.list":
        assert caught.value.run_id == "r1"


def test_a_stream_that_hangs_says_so_with_its_run(scripted, connect):
    service = scripted(stream(frames(START), then="hang"))
    with pytest.raises(AgentOSStreamInterrupted, match="r1") as caught:
        list(connect(service).invoke_stream({"q": 1}, timeout_seconds=1.5))
    assert caught.value.run_id == "r1"


def test_blanks_of_the_data_lines_are_kept_and_a_last_event_needs_no_blank_line(scripted, connect):
    """The official SDK: all leading blanks of data lines stripped"""
    body = frames(START) + b'data:  {"type": "chunk",\ndata:  "text": "x"}\n\n'
    body += f"data: {json.dumps(DONE)}".encode()
    service = scripted(stream(body))
    events = list(connect(service).invoke_stream())
    assert [event["type"] for event in events] == ["start", "chunk", "done"]


def test_the_time_of_a_stream_is_that_of_the_whole(scripted, connect):
    """The official SDK: no resume; the timeout is per read, not total"""

    def drip(connection):
        stream(frames(START))(connection)
        while True:  # until the client hangs up
            time.sleep(0.05)
            connection.sendall(frames(CHUNK))

    with pytest.raises(AgentOSTransientError, match=r"within 1\.5 s") as caught:
        list(connect(scripted(drip)).invoke_stream(timeout_seconds=1.5))
    assert (caught.value.code, caught.value.run_id) == ("REQUEST_TIMEOUT", "r1")


def test_what_was_received_before_an_interruption_is_kept(scripted, connect):
    """The official SDK: EOF without `done` looks like success"""
    live = connect(scripted(stream(frames(START, CHUNK)))).invoke_stream()
    with pytest.raises(AgentOSStreamInterrupted) as caught:
        list(live)
    assert (live.run_id, live.text, caught.value.text) == ("r1", "Well", "Well")


def test_an_invoke_without_an_answer_says_how_to_find_the_run(scripted, connect):
    """The official SDK: a timeout after 310 s loses the run id"""
    service = scripted(hang())
    with pytest.raises(AgentOSTransientError, match=r"runs\.list\(agent_id='a1'"):
        connect(service).invoke({"q": 1}, timeout_seconds=0.3)
    until(lambda: service.requests)
    assert len(service.requests) == 1


@pytest.mark.parametrize("body", [b"", b"OK", b"<html>", b"[1]", b'"x"', b'{"no": "data"}'])
def test_a_success_without_an_answer_raises_an_sdk_error(scripted, connect, body):
    """The official SDK: a 2xx answer without JSON raises a bare error"""
    with pytest.raises(AgentOSDecodeError):
        connect(scripted(answer(200, body))).runs.get(run_id="r")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "FORBIDDEN", AgentOSForbiddenError),
        (404, "NOT_FOUND", AgentOSNotFoundError),
        (409, "CONFLICT", AgentOSConflictError),
    ],
)
def test_every_usual_status_has_a_class_and_nothing_of_the_body_is_lost(
    scripted, connect, status, code, error
):
    """The official SDK: no classes for 403, 404, 409; request id and details
    of the body are thrown away
    """
    service = scripted(refusal(status, code, request_id="req-1", field="name"))
    with pytest.raises(error) as caught:
        connect(service).agents.get(agent_id="a")
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.request_id == "req-1"
    assert caught.value.details == {"request_id": "req-1", "field": "name"}


def test_a_refused_body_is_not_sent_again_whatever_the_status(scripted, connect):
    """The official SDK: 5xx with `VALIDATION_ERROR` is retried"""
    service = scripted(refusal(500, "VALIDATION_ERROR"))
    with pytest.raises(AgentOSValidationError):
        connect(service).agents.list()
    assert len(service.requests) == 1


def test_a_long_retry_after_is_never_cut_short(scripted, connect):
    """The official SDK: `Retry-After` above 60 s is cut, so the client comes back too
    early; ignored on 503; no total deadline; sleep cannot be cancelled
    """
    service = scripted(answer(429, {"error": {"code": "RATE_LIMITED"}}, Retry_After="90"))
    with pytest.raises(AgentOSRateLimitError) as caught:
        connect(service).agents.list()
    assert caught.value.retry_after == 90
    assert len(service.requests) == 1


def test_retry_after_holds_for_503_too_and_waits_can_be_cancelled(scripted):
    """The official SDK: `Retry-After` above 60 s is cut, so the client comes back too
    early; ignored on 503; no total deadline; sleep cannot be cancelled
    """
    service = scripted(answer(503, {"error": {"code": "X"}}, Retry_After="30"))

    async def main():
        async with (
            AsyncAgentOS(api_key="aos_ws_k", base_url=service.url) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(client.agents.list)
            while not service.requests:  # noqa: ASYNC110 - the server is a thread
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    anyio.run(main)
    assert len(service.requests) == 1  # the wait of 30 s was not sat out
    service = scripted(answer(503, {"error": {"code": "X"}}, Retry_After="0.4"), data([]))
    with AgentOS(api_key="aos_ws_k", base_url=service.url) as client:
        begun = time.monotonic()
        assert client.agents.list() == []
        assert time.monotonic() - begun >= 0.4


def test_nan_is_sent_as_null(scripted, connect):
    service = scripted(data({"run_id": "r"}))
    connect(service).invoke({"deep": {"x": float("nan")}})
    assert json.loads(service.requests[0].body)["input"] == {"deep": {"x": None}}


def test_what_json_cannot_hold_is_not_sent(scripted, connect):
    """The official SDK: NaN payloads are sent as invalid JSON; `default=str` silently
    turns any object into text
    """
    service = scripted(data({"run_id": "r"}))
    with pytest.raises(AgentOSValidationError, match=r"input\.deep\.x \(object\)"):
        connect(service).invoke({"deep": {"x": object()}})
    assert service.requests == []


def test_in_events_what_json_cannot_hold_is_marked_and_counted():
    """The official SDK: NaN payloads are sent as invalid JSON; `default=str` silently
    turns any object into text
    """

    class Odd:
        def __str__(self):
            return "odd"

    with (
        Collector() as server,
        AgentOS(api_key="aos_agent_x", agent_id="a", base_url=server.url) as client,
    ):
        run = client.start_run()
        run.emit("x", {"i": 1, "odd": Odd(), "n": [float("inf")]})
        run.flush()
        assert server.events[0]["payload"] == {
            "i": 1, "odd": "odd", "n": [None], "_as_text": ["odd"], "_as_null": ["n.0"],
        }  # fmt: skip
        assert run.stats.changed == 2


def test_a_broken_error_answer_of_a_stream_stays_in_the_tree(scripted, connect):
    """The official SDK: on a streamed error answer the body is read unguarded: a
    broken error body surfaces as a raw httpx error
    """

    def cut(connection):
        connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\n{")

    with pytest.raises(AgentOSTransientError):
        list(connect(scripted(cut)).invoke_stream())


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_of_nothing_is_refused(scripted, connect, seconds):
    """The official SDK: `timeout_seconds=0` is treated as unset"""
    service = scripted(data([]))
    with pytest.raises(AgentOSConfigError, match="timeout_seconds"):
        connect(service).agents.list(timeout_seconds=seconds)
    assert service.requests == []


def test_disabled_lists_are_lists():
    """The official SDK: disabled mode returns None where lists are expected"""
    with AgentOS(disabled=True) as client:
        assert client.runs.list() == []
        assert [*client.runs.events(run_id="x")] == []
        assert client.agents.get(agent_id="x") == {}


def test_results_are_typed():
    """The official SDK: results are untyped; no wait or poll helpers"""
    hints = inspect.get_annotations(control_work.Runs.list.__wrapped__, eval_str=False)
    assert hints["return"] == "Listing[RunRow]"
    assert typing.get_type_hints(sdk.rows.RunRow)["status"] is str


def test_long_lists_come_whole(client, control):
    """The official SDK: `limit` without cursor: long lists and long event logs
    cannot be paged
    """
    run = client.start_run()
    for number in range(1200):
        run.emit("step", {"i": number})
    run.complete()
    assert len(control.runs.events(run_id=run.run_id, limit=500)) == 500
    assert control.runs.events(run_id=run.run_id, limit=500).is_cut
    everything = control.runs.all_events(run_id=run.run_id)
    assert [event["payload"]["i"] for event in everything] == list(range(1200))
    assert not everything.is_cut


def test_a_run_can_be_waited_for(client, control):
    """The official SDK: no wait or poll helpers"""
    run = client.start_run()
    threading.Timer(0.2, run.complete).start()
    assert control.runs.wait(run_id=run.run_id)["status"] == "completed"
    other = client.start_run()
    with pytest.raises(AgentOSTransientError, match="still running"):
        control.runs.wait(run_id=other.run_id, timeout_seconds=0.2)
    other.complete()


def spans_of(server):
    return {event["type"]: event for event in server.events}


def test_langchain_is_not_needed_to_import_the_handler():
    """The official SDK: importing it without langchain-core fails at import time"""
    code = """
import sys
sys.modules["langchain_core"] = None
sys.modules["langchain_core.callbacks"] = None
from aod_notebook.agentos.langchain import AgentOSCallbackHandler
try:
    AgentOSCallbackHandler(None)
except Exception as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "aod-notebook[langchain]" in told


def test_langchain_spans_carry_cache_tokens_and_unfinished_ones_are_closed():
    """The official SDK: cache tokens not passed on; spans without an end callback
    are never sent nor freed; no async handler class
    """
    messages = pytest.importorskip("langchain_core.messages")
    outputs = pytest.importorskip("langchain_core.outputs")
    message = messages.AIMessage(
        content="hi",
        usage_metadata={
            "input_tokens": 9,
            "output_tokens": 2,
            "total_tokens": 11,
            "input_token_details": {"cache_read": 5, "cache_creation": 1},
        },
    )
    result = outputs.LLMResult(generations=[[outputs.ChatGeneration(message=message)]])
    chain, llm, tool = (uuid.uuid4() for _ in range(3))
    with (
        Collector() as server,
        AgentOS(api_key="aos_agent_x", agent_id="a", base_url=server.url) as client,
    ):
        run = client.start_run()
        handler = AgentOSCallbackHandler(run)
        handler.on_chain_start(None, {"q": 1}, run_id=chain)
        handler.on_chat_model_start(
            None, [[message]], run_id=llm, parent_run_id=chain, invocation_params={"model": "m"}
        )
        handler.on_llm_end(result, run_id=llm)
        handler.on_tool_start({"name": "search"}, "x", run_id=tool, parent_run_id=chain)
        handler.on_chain_end({"a": 1}, run_id=chain)
        assert handler.open_spans == 0
        run.complete()
        spans = spans_of(server)
    tokens = {key: spans["m"]["payload"][key] for key in spans["m"]["payload"] if "tokens" in key}
    assert tokens == {
        "input_tokens": 9, "output_tokens": 2, "cache_read_tokens": 5, "cache_creation_tokens": 1,
    }  # fmt: skip
    assert spans["m"]["parent_span_id"] == spans["chain"]["span_id"]
    assert spans["search"]["payload"]["error"] == "no end was reported"


@pytest.mark.anyio
async def test_langchain_chains_on_a_loop_have_a_handler():
    """The official SDK: no async handler class"""
    runnables = pytest.importorskip("langchain_core.runnables")
    with Collector() as server:
        async with AsyncAgentOS(api_key="aos_agent_x", agent_id="a", base_url=server.url) as client:
            run = await client.start_run()
            chain = runnables.RunnableLambda(lambda value: value + 1)
            config = {"callbacks": [AsyncAgentOSCallbackHandler(run)]}
            assert await chain.ainvoke(1, config=config) == 2
            await run.complete()
        (span,) = server.events
        assert (span["kind"], span["payload"]["outputs"]) == ("step", 2)


@pytest.mark.anyio
async def test_the_async_client_has_the_same_names(service):
    """The official SDK: no async client at all"""
    public = {name for name in dir(AgentOS) if not name.startswith("_")}
    theirs = {name for name in dir(AsyncAgentOS) if not name.startswith("_")}
    assert public - {"close"} == theirs - {"aclose"}
    async with AsyncAgentOS(
        api_key=service.agent_key, agent_id=service.agent_id, base_url=service.url
    ) as client:
        async with await client.start_run() as run:
            run.emit("x", {"i": 1})
            run.start_task("t").complete()
        assert run.stats.sent == 4
        receipt = await (await client.start_run()).complete()
        assert receipt.is_complete
        result = await client.invoke({"q": 1})
        assert result["output"]["summary"]
        types = [event["type"] async for event in client.invoke_stream({"q": 1})]
        assert (types[0], types[-1]) == ("start", "done")


def test_a_reset_is_not_a_httpx_error(scripted, connect):
    """The official SDK: raw `JSONDecodeError` and httpx errors in mid-stream"""
    with pytest.raises(AgentOSTransientError) as caught:
        list(connect(scripted(reset())).invoke_stream())
    assert not isinstance(caught.value, httpx.HTTPError)
