"""Faults of pyagentos-sdk 0.2.0, and what this client does instead."""

import datetime as dt
import threading
import uuid

import pytest
from collector import Collector, until
from scripted import answer

from aod_notebook.agentos import AgentOS, AgentOSAuthError, AgentOSError
from aod_notebook.agentos.langchain import AgentOSCallbackHandler


def client_of(server, **options):
    return AgentOS(api_key="aos_agent_x", agent_id="a1", base_url=server.url, **options)


def failing(times):
    left = [times]

    def respond(path, _body):
        if path.endswith("/events") and left[0]:
            left[0] -= 1
            return 500, {"error": {"code": "INTERNAL_ERROR"}}
        return 200, {"data": {}}

    return respond


def test_a_failed_batch_is_sent_again():
    """The official SDK: the batch leaves the buffer before the POST: any failure loses it;
    recursion once per batch
    """
    with Collector(failing(2)) as server, client_of(server) as client:
        run = client.start_run()
        for number in range(3000):  # as many batches as would have recursed
            run.emit("step", {"i": number})
        assert run.complete().is_complete
        assert server.numbers == list(range(3000))


def test_failures_in_the_background_are_reported():
    """The official SDK: swallows every error, no report"""
    told = []
    with Collector(failing(1)) as server, client_of(server, on_error=told.append) as client:
        run = client.start_run()
        run.emit("step", {"i": 1})
        until(lambda: told)
        assert isinstance(told[0], AgentOSError)
        assert run.flush().is_complete


def test_a_full_batch_is_not_sent_by_the_caller():
    """The official SDK: releases the lock by hand and posts on the caller's
    thread: `emit` blocks and raises
    """
    gate, waited_for = threading.Event(), []
    posted_by = []

    def respond(_path, _body):
        posted_by.append(threading.current_thread().name)
        if not gate.wait(60):
            waited_for.append(_path)
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server, batch_size=10) as client:
        run = client.start_run()
        for number in range(100):
            run.emit("step", {"i": number})
        assert waited_for == []
        gate.set()
        assert run.flush().is_complete
        assert max(len(body["events"]) for body in server.bodies("/events")) <= 10


def test_leaving_the_context_delivers_what_was_recorded():
    """The official SDK: no flush: the SDK page's context-manager form loses trailing
    events
    """
    with Collector() as server:
        with client_of(server, batch_interval_ms=60_000) as client:
            run = client.start_run()
            for number in range(5):
                run.emit("step", {"i": number})
        assert server.numbers == list(range(5))


def test_an_invoke_has_the_time_of_an_agent(scripted, connect):
    """The official SDK: 10 s limit for agents that may run 300 s; a paused run looks
    like an empty output
    """
    paused = {"run_id": "r", "awaiting_input": {"request_id": "q", "question": "Which?"}}
    service = scripted(answer(202, {"data": paused}))
    client = connect(service)
    assert client._api.transport(310).timeouts.call == 310
    result = client.invoke({"q": 1})
    assert (result.status, result.output) == ("awaiting_input", None)
    assert result.input_request.question == "Which?"


def test_post_retries_maps_by_status_and_takes_dates(scripted, connect):
    """The official SDK: no retries; `code` decides, so a 401 without a body is a plain
    `AgentOSError`; httpx JSON encoding raises on datetimes
    """
    with pytest.raises(AgentOSAuthError):
        connect(scripted(answer(401, b""))).agents.list()
    service = scripted(answer(503, b""), answer(200, {"data": []}))
    assert connect(service).agents.list() == []
    service = scripted(answer(200, {"data": {"run_id": "r", "output": 1}}))
    connect(service).invoke({"at": dt.datetime(2026, 5, 11, tzinfo=dt.UTC)})
    assert service.requests[0].json()["input"] == {"at": "2026-05-11T00:00:00Z"}


def test_callbacks_never_wait_and_take_any_serialized():
    """The official SDK: HTTP call inside callbacks;
    `serialized` None raises
    """
    pytest.importorskip("langchain_core")
    gate, waited_for = threading.Event(), []

    def respond(_path, _body):
        if not gate.wait(60):
            waited_for.append(_path)
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server) as client:
        handler = AgentOSCallbackHandler(client.start_run())
        chain, llm = uuid.uuid4(), uuid.uuid4()
        handler.on_chain_start(None, None, run_id=chain)
        handler.on_llm_start(None, ["p"], run_id=llm, parent_run_id=chain)
        handler.on_llm_error(ValueError("no"), run_id=llm)
        handler.on_chain_end(None, run_id=chain)
        assert waited_for == []
        gate.set()
