"""Odd arguments and odd answers: what they come to in the AgentOS SDK."""

import math
import sys
import threading
import time
import uuid

import pytest
from collector import Collector
from scripted import answer, stream

from aod_notebook.agentos import (
    AgentOS,
    AgentOSConfigError,
    AgentOSDecodeError,
    AgentOSNotFoundError,
)
from aod_notebook.agentos._sync import run as sync_run
from aod_notebook.agentos.langchain import AgentOSCallbackHandler

START = b'data: {"type": "start", "run_id": "r1"}\n\n'
DONE = b'data: {"type": "done", "run_id": "r1"}\n\n'
PENDING = 200, {"data": {"status": "pending", "request_id": "q", "input": None}}
ANSWERED = 200, {"data": {"input": "yes", "request_id": "q"}}


def client_of(server, **options):
    return AgentOS(**{"api_key": "aos_agent_x", "agent_id": "a", "base_url": server.url, **options})


@pytest.mark.parametrize(
    "option",
    [
        {"api_key": 5},
        {"base_url": 5},
        {"max_retries": -1},
        {"max_retries": "3"},
        {"batch_size": 2.5},
        {"max_queue_size": 0},
        {"timeout_seconds": 10**400},
        {"on_error": "print"},
    ],
)
def test_an_option_that_cannot_be_is_named(option):
    (name,) = option
    with pytest.raises(AgentOSConfigError, match=name):
        AgentOS(**{"api_key": "aos_agent_x", **option})


def test_a_key_that_is_not_text_is_not_echoed():
    with pytest.raises(AgentOSConfigError) as caught:
        AgentOS(api_key=["aos-secret"])
    assert "secret" not in str(caught.value)


def test_half_of_a_surrogate_pair_is_not_an_id(scripted, connect):
    server = scripted(answer(200, {"data": {}}))
    with pytest.raises(AgentOSConfigError, match="is not a valid id"):
        connect(server).reply("\ud800", "yes")
    assert server.requests == []


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 0, None, "soon"])
def test_a_question_needs_a_number_of_seconds(seconds):
    with Collector() as server, client_of(server) as client, client.start_run() as run:
        with pytest.raises(AgentOSConfigError, match="timeout_seconds="):
            run.request_human_input("Go?", timeout_seconds=seconds)
        assert not any("human" in path for path in server.asked)


@pytest.mark.parametrize("between", [PENDING, (504, {}), (524, {})])
def test_a_question_stands_until_there_is_an_answer(connect, between):
    answers = iter([PENDING, *[between] * 5, ANSWERED])

    def respond(path, _body):
        return next(answers) if "human" in path else (200, {"data": {}})

    with Collector(respond) as server:
        run = connect(server).start_run()
        assert run.request_human_input("Go?", timeout_seconds=20)["input"] == "yes"
        run.complete()


def test_a_question_of_a_run_that_was_refused_says_so(monkeypatch):
    monkeypatch.setattr(sync_run, "START_S", 0.05)

    def respond(path, _body):
        go.wait(60)
        return 404, {"error": {"code": "NOT_FOUND", "message": f"no such agent: {path}"}}

    go, respond.starts = threading.Event(), True
    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()  # goes on offline
        go.set()
        with pytest.raises(AgentOSNotFoundError, match="no such agent"):
            run.request_human_input("Go?", timeout_seconds=10)


def test_all_rows_of_an_answer_that_is_not_a_list_is_a_decode_error(scripted, connect):
    client = connect(scripted(answer(200, {"data": {"runs": []}})))
    with pytest.raises(AgentOSDecodeError, match="not a list"):
        client.runs.all()


def test_a_stream_has_its_time_from_its_beginning(scripted, connect):
    gate = threading.Event()
    events = connect(scripted(stream(START, gate, DONE))).invoke_stream(timeout_seconds=1.5)
    time.sleep(1.6)  # the caller does something else first
    first = next(events)
    gate.set()
    assert [event["type"] for event in (first, *events)] == ["start", "done"]


def test_an_event_with_a_type_that_is_not_text_is_passed_on(scripted, connect):
    odd = b'data: {"type": ["x"]}\n\n'
    events = connect(scripted(stream(START, odd, DONE))).invoke_stream()
    assert [event["type"] for event in events] == ["start", ["x"], "done"]


class Mute(Exception):  # noqa: N818 - it stands for any object, too
    """Has no text."""

    def __str__(self):
        raise RuntimeError("no text")


def test_a_task_or_span_does_not_hide_the_exception():
    with Collector() as server, client_of(server) as client, client.start_run() as run:
        with pytest.raises(Mute), run.start_span("s"):
            raise Mute
        with pytest.raises(Mute), run.start_task("t"):
            raise Mute
        run.flush()
        assert server.events[0]["payload"] == {"error": "<Mute without a text>"}
        assert server.bodies("/tasks")[1]["task"]["error_message"] == "<Mute without a text>"


def test_a_task_or_span_takes_any_value():
    with Collector() as server, client_of(server) as client, client.start_run() as run:
        run.start_span(Mute(), payload="text").end(["more"])
        run.start_task(Mute()).fail(Mute())
        assert run.flush().is_complete
        (event,) = server.events
        assert (event["type"], event["payload"]) == ("<Mute without a text>", {"value": ["more"]})


def test_a_run_does_not_hide_the_exception():
    with Collector() as server, client_of(server) as client:
        with pytest.raises(Mute), client.start_run():
            raise Mute
        (end,) = server.bodies("/run/fail")
    assert end["error_message"] == "<Mute without a text>"


def test_options_of_a_model_and_parents_of_a_span_may_be_texts():
    with Collector() as server, client_of(server) as client, client.start_run() as run:
        run.emit_llm_request("m", "Go?", options="fast")
        run.start_span("below", parent="span-1").end()
    asked, span = server.events
    assert asked["payload"] == {"model": "m", "prompt": "Go?", "value": "fast"}
    assert span["parent_span_id"] == "span-1"


def test_chains_in_threads_keep_all_their_spans():
    pytest.importorskip("langchain_core")
    failed = []

    def chains():
        try:
            for _ in range(100):
                run_id = uuid.uuid4()
                handler.on_chain_start({}, {}, run_id=run_id)
                handler.on_chain_end({}, run_id=run_id)
        except RuntimeError as error:
            failed.append(error)

    handler = AgentOSCallbackHandler(AgentOS(disabled=True).start_run())
    for _ in range(1000):
        handler.on_chain_start({}, {}, run_id=uuid.uuid4())
    threads = [threading.Thread(target=chains) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
    assert handler.open_spans == 1000
