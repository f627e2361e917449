"""Questions to a person: the long poll of a reporting client, and the reply."""

import threading

import pytest
from service_kit import Rpc, connect, until

from aod_notebook.local import LocalService

INGEST = "/api/ingest/v1"


@pytest.fixture
def brief():
    """A service that holds a question's poll for 0.2 s."""
    with LocalService(human_input_hold_s=0.2) as service:
        yield service


def ask(client, run_id, **fields):
    return client.data(f"{INGEST}/human-input/request", {"run_id": run_id, "prompt": "p", **fields})


def assert_answered(rpc, reporter, run_id):
    """Ask, answer while that is waited for, and see the answer arrive."""
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(ask(reporter, run_id)))
    waiting.start()
    question = until(lambda: rpc.call("runs_get", run_id=run_id).get("awaiting_input"))
    rpc.data(f"/api/v1/runs/{run_id}/human-input", {"response": "yes"})
    waiting.join(60)
    assert answers == [{"input": "yes", "request_id": question["request_id"]}]


def test_an_answer_releases_the_poll_at_once(rpc, reporter, run_id):
    assert_answered(rpc, reporter, run_id)


def test_a_poll_without_an_answer_is_pending_and_can_be_repeated(brief):
    with connect(brief.url, brief.agentos_key) as client:
        rpc = Rpc(client)
        run_id = rpc.start(brief.agent_id)
        first = ask(rpc, run_id)
        assert first["status"] == "pending"
        again = ask(rpc, run_id, request_id=first["request_id"])
        assert again == first
        path = f"/api/v1/runs/{run_id}/reply"
        rpc.data(path, {"request_id": first["request_id"], "response": "late"})
        assert ask(rpc, run_id, request_id=first["request_id"])["input"] == "late"


def test_an_expired_question_does_not_block_the_next(rpc, reporter, run_id):
    body = {"run_id": run_id, "prompt": "first", "timeout_seconds": 0.05}
    assert rpc.error(f"{INGEST}/human-input/request", body)[1] == "TIMEOUT"
    assert "awaiting_input" not in rpc.call("runs_get", run_id=run_id)
    assert_answered(rpc, reporter, run_id)


def test_a_question_that_is_not_answered_in_time_is_a_timeout(rpc, run_id):
    body = {"run_id": run_id, "prompt": "p", "timeout_seconds": 0.1}
    status, code, message = rpc.error(f"{INGEST}/human-input/request", body)
    request_id = message.split()[1]
    late = f"Question {request_id} was not answered in time"
    assert (status, code, message) == (408, "TIMEOUT", late)
    again = rpc.error(f"{INGEST}/human-input/request", {**body, "request_id": request_id})
    assert again == (408, "TIMEOUT", late)
    asks_nothing = f"Run {run_id} asks nothing that could be answered"
    refused = rpc.error(f"/api/v1/runs/{run_id}/human-input", {"response": "x"})
    assert refused == (409, "CONFLICT", asks_nothing)


@pytest.mark.parametrize("by", ["ingest", "control plane"])
def test_cancelling_the_run_cancels_its_question(rpc, reporter, run_id, by):
    answers = []
    body = {"run_id": run_id, "prompt": "p"}
    waiting = threading.Thread(
        target=lambda: answers.append(reporter.error(f"{INGEST}/human-input/request", body))
    )
    waiting.start()
    question = until(lambda: rpc.call("runs_get", run_id=run_id).get("awaiting_input"))
    if by == "ingest":
        rpc.data(f"{INGEST}/run/cancel", {"run_id": run_id})
    else:
        rpc.call("runs_cancel", run_id=run_id)
    waiting.join(60)
    message = f"Question {question['request_id']} was cancelled with its run"
    assert answers == [(409, "CONFLICT", message)]


def test_an_ended_run_asks_no_more(rpc, run_id):
    rpc.data(f"{INGEST}/run/complete", {"run_id": run_id})
    refused = rpc.error(f"{INGEST}/human-input/request", {"run_id": run_id, "prompt": "p"})
    assert refused == (409, "CONFLICT", f"Run {run_id} has already ended: completed")


@pytest.mark.parametrize("call", ["poll", "reply"])
def test_an_unknown_question_is_not_found(rpc, run_id, call):
    path, body = {
        "poll": (
            f"{INGEST}/human-input/request",
            {"run_id": run_id, "prompt": "p", "request_id": "none"},
        ),
        "reply": (f"/api/v1/runs/{run_id}/reply", {"request_id": "none", "response": "x"}),
    }[call]
    assert rpc.error(path, body) == (404, "NOT_FOUND", "Question none not found")


def test_answering_when_nothing_is_asked_is_a_conflict(rpc, run_id):
    refused = rpc.error(f"/api/v1/runs/{run_id}/human-input", {"response": "x"})
    message = f"Run {run_id} asks nothing that could be answered"
    assert refused == (409, "CONFLICT", message)


@pytest.mark.parametrize("path", ["human-input", "reply"])
def test_answering_an_unknown_run_is_not_found(rpc, path):
    refused = rpc.error(f"/api/v1/runs/none/{path}", {"response": "x", "request_id": "y"})
    assert refused == (404, "NOT_FOUND", "Run none not found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Object missing required field `response`"),
        ({"response": ""}, "Expected `str` of length >= 1 - at `$.response`"),
        ({"response": 1}, "Expected `str`, got `int` - at `$.response`"),
    ],
)
def test_an_answer_is_a_text_that_is_not_empty(rpc, run_id, body, message):
    refused = rpc.error(f"/api/v1/runs/{run_id}/human-input", body)
    assert refused == (400, "VALIDATION_ERROR", f"Invalid request body: {message}")


@pytest.mark.parametrize("path", ["human-input", "reply"])
def test_a_reply_needs_a_workspace_key(reporter, run_id, path):
    refused = reporter.error(f"/api/v1/runs/{run_id}/{path}", {"response": "x"})
    message = "An agent key can't do this: use a workspace key"
    assert refused == (403, "FORBIDDEN", message)
