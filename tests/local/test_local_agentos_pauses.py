"""Hosted runs that wait: for an answer, for an approval, and who ends the wait."""

import pytest
from service_kit import Rpc, connect, script, until

from aod_notebook.local.agentos import runs

ASK = {"ask": "Which region?", "options": ["eu", "us"], "context": {"n": 1}}
APPROVE = {"approve": "Delete three files"}


def test_a_run_pauses_for_an_answer_then_for_an_approval_and_completes(rpc, agent_id):
    paused = rpc.invoke(agent_id, expect=202, input=script(ASK, APPROVE))
    run_id = paused["run_id"]
    asked = paused["awaiting_input"]
    assert asked == {
        "request_id": asked["request_id"],
        "question": "Which region?",
        "options": ["eu", "us"],
        "context": {"n": 1},
    }
    assert rpc.call("runs_get", run_id=run_id)["status"] == "awaiting_input"
    path = f"/api/v1/runs/{run_id}/human-input"
    waiting = rpc.data(path, {"response": "eu"}, 202)
    approval_id = waiting["awaiting_approval"]["approval_id"]
    assert rpc.call("runs_get", run_id=run_id)["status"] == "awaiting_approval"
    rpc.call("approvals_decide", approval_id=approval_id, decision="approved")
    run = until(lambda: rpc.ended(run_id))
    assert run["status"] == "completed"
    assert run["output"]["answers"] == ["eu"]


def test_a_run_is_shown_as_it_was_at_one_moment(service, rpc, agent_id, monkeypatch):
    run_id = rpc.invoke(agent_id, expect=202, input=script(ASK))["run_id"]
    find_run, database = runs.find_run, service._service.database

    def answered_meanwhile(connection, wanted):
        run = find_run(connection, wanted)
        answer = "UPDATE question SET status = 'answered' WHERE run_id = ?"
        database.submit(lambda writer: writer.execute(answer, (run_id,))).result(60)
        return run

    monkeypatch.setattr(runs, "find_run", answered_meanwhile)
    run = rpc.call("runs_get", run_id=run_id)
    assert (run["status"], run["awaiting_input"]["question"]) == ("awaiting_input", ASK["ask"])


def test_an_approval_is_decided_once(rpc, agent_id):
    paused = rpc.invoke(agent_id, expect=202, input=script(APPROVE))
    approval_id = paused["awaiting_approval"]["approval_id"]
    rpc.call("approvals_decide", approval_id=approval_id, decision="rejected")
    again = rpc.refused("approvals_decide", approval_id=approval_id, decision="approved")
    assert again == (409, "CONFLICT", f"Approval {approval_id} is already rejected")


def test_a_streamed_run_ends_its_stream_at_a_pause(rpc, agent_id):
    start, asked = rpc.stream(agent_id, input=script(ASK))
    assert asked["type"] == "awaiting_input"
    assert (asked["run_id"], asked["question"]) == (start["run_id"], "Which region?")
    start, waiting = rpc.stream(agent_id, input=script(APPROVE))
    assert waiting["type"] == "awaiting_approval"
    assert waiting["approval_id"]


def test_a_cancelled_run_takes_no_answer_and_no_other_end(rpc, agent_id):
    run_id = rpc.invoke(agent_id, expect=202, input=script(ASK))["run_id"]
    assert rpc.call("runs_cancel", run_id=run_id)["status"] == "cancelled"
    path = f"/api/v1/runs/{run_id}/human-input"
    asks_nothing = f"Run {run_id} asks nothing that could be answered"
    assert rpc.error(path, {"response": "x"}) == (409, "CONFLICT", asks_nothing)
    ended = f"Run {run_id} has already ended: cancelled"
    refused = rpc.error("/api/ingest/v1/run/complete", {"run_id": run_id})
    assert refused == (409, "CONFLICT", ended)


@pytest.mark.parametrize("pause", [ASK, APPROVE])
def test_a_paused_run_of_a_deleted_agent_fails_when_it_should_continue(rpc, agent_id, pause):
    paused = rpc.invoke(agent_id, expect=202, input=script(pause))
    run_id = paused["run_id"]
    rpc.call("agents_delete", agent_id=agent_id)
    gone = f"Agent {agent_id} not found"
    if pause is ASK:
        refused = rpc.error(f"/api/v1/runs/{run_id}/human-input", {"response": "eu"})
        assert refused == (404, "NOT_FOUND", gone)
    else:
        approval_id = paused["awaiting_approval"]["approval_id"]
        rpc.call("approvals_decide", approval_id=approval_id, decision="approved")
    run = until(lambda: rpc.ended(run_id))
    assert (run["status"], run["error_message"]) == ("failed", gone)


def test_a_paused_run_of_a_deleted_conversation_continues_without_it(service, rpc, agent_id):
    paused = rpc.invoke(agent_id, expect=202, input=script(ASK), start_session=True)
    session_id = paused["session_id"]
    rpc.call("conversations_delete", conversation_id=session_id)
    data = rpc.data(f"/api/v1/runs/{paused['run_id']}/human-input", {"response": "eu"})
    assert data["output"]["answers"] == ["eu"]
    messages = service._service.database.submit(
        lambda connection: connection.execute(
            "SELECT 1 FROM message WHERE conversation_id = ?", (session_id,)
        ).fetchall()
    )
    assert messages.result() == []


def test_a_run_that_is_cancelled_before_it_continues_does_nothing(fresh_service, monkeypatch):
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        paused = rpc.invoke(fresh_service.agent_id, expect=202, input=script(APPROVE))
        run_id, approval = paused["run_id"], paused["awaiting_approval"]
        hosted = fresh_service._service._state.hosted
        advance = hosted.advance
        monkeypatch.setattr(type(hosted), "advance", lambda *_: None)
        rpc.call("approvals_decide", decision="approved", **approval)
        rpc.call("runs_cancel", run_id=run_id)
        ended = []
        fresh_service._loop.call_soon_threadsafe(
            lambda: advance(run_id).add_done_callback(ended.append)
        )
        until(lambda: ended)
        run = rpc.call("runs_get", run_id=run_id)
    assert (run["status"], run["event_count"]) == ("cancelled", 0)
