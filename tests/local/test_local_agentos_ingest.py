"""`/api/ingest/v1`: keys, validation, idempotency, events, tasks, ends."""

import json
import uuid

import pytest
from service_kit import connect

INGEST = "/api/ingest/v1"
EVENT = {
    "type": "step.completed",
    "level": "info",
    "payload": {"a": 1},
    "occurred_at": "2026-01-01T00:00:00.000001Z",
}
SPAN = {
    **EVENT,
    "span_id": "s1",
    "started_at": EVENT["occurred_at"],
    "ended_at": "2026-01-01T00:00:01.000000Z",
    "duration_ms": 999,
    "kind": "llm",
    "parent_span_id": "s0",
}
CALLS = [
    "/api/ingest/v1/run/start",
    "/api/ingest/v1/events",
    "/api/ingest/v1/tasks",
    "/api/ingest/v1/run/complete",
    "/api/ingest/v1/run/fail",
    "/api/ingest/v1/run/cancel",
    "/api/ingest/v1/human-input/request",
    "/api/v1/agents/x/invoke",
    "/api/v1/runs/x/human-input",
    "/api/v1/runs/x/reply",
    "/api/v1/rpc/agents_list",
]


def send(reporter, run_id, *events):
    return reporter.data(f"{INGEST}/events", {"run_id": run_id, "events": list(events)})


def stored(rpc, run_id, **params):
    return rpc.call("runs_get_events", run_id=run_id, **params)


NO_HEADER = "Missing or invalid authorization header"
WRONG_KEY = "Invalid or revoked API key"


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, NO_HEADER),
        ("Basic x", NO_HEADER),
        ("bearer x", NO_HEADER),
        ("Bearer aos_ws_wrong", WRONG_KEY),
    ],
)
def test_every_call_needs_a_key(anonymous, path, header, message):
    headers = {} if header is None else {"Authorization": header}
    response = anonymous.post(path, json={}, headers=headers)
    assert response.status_code == 401
    error = {"code": "UNAUTHENTICATED", "message": message}
    assert response.json() == {"data": None, "error": error}


@pytest.mark.parametrize("path", CALLS)
def test_every_call_is_a_post(rpc, path):
    response = rpc.client.get(path)
    error = {"code": "METHOD_NOT_ALLOWED", "message": "Every call is a POST"}
    assert (response.status_code, response.json()) == (405, {"data": None, "error": error})


def test_an_aod_token_opens_nothing_here(service, anonymous):
    headers = {"Authorization": f"Bearer {service.aod_token}"}
    assert anonymous.post("/api/v1/rpc/agents_list", headers=headers).status_code == 401


def test_an_unknown_path_is_a_404_in_the_envelope(rpc):
    refused = rpc.error("/api/v2/anything")
    assert refused == (404, "NOT_FOUND", "There is no endpoint /api/v2/anything")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("run/start", {}),
        ("run/start", {"agent_id": 1, "trigger_type": "sdk", "input": {}}),
        ("run/start", {"agent_id": "x", "trigger_type": "sdk", "input": []}),
        ("run/start", {"agent_id": "", "trigger_type": "sdk", "input": {}}),
        ("events", {"run_id": "x"}),
        ("events", {"run_id": "x", "events": []}),
        ("events", {"run_id": "x", "events": [EVENT] * 1001}),
        ("tasks", {"run_id": "x", "task": {"id": "t"}}),
        ("tasks", {"run_id": "x", "task": {"id": "t", "name": "n", "status": "odd"}}),
        ("run/complete", {"run_id": "x", "input_tokens": "many"}),
        ("run/complete", {"run_id": "x", "input_tokens": -1}),
        ("run/fail", {"run_id": "x"}),
        ("run/cancel", {"run_id": None}),
        ("human-input/request", {"run_id": "x", "prompt": 1}),
        ("human-input/request", {"run_id": "x", "prompt": "p", "timeout_seconds": 0}),
    ],
)
def test_a_wrong_body_is_a_validation_error(rpc, path, body):
    status, code, message = rpc.error(f"{INGEST}/{path}", body)
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert message.startswith("Invalid request body: ")


def test_a_refusal_names_the_field(rpc):
    refused = rpc.error(f"{INGEST}/run/complete", {"run_id": "x", "input_tokens": "many"})
    message = "Invalid request body: Expected `int | null`, got `str` - at `$.input_tokens`"
    assert refused == (400, "VALIDATION_ERROR", message)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": NaN}', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("path", ["run/start", "events"])
def test_a_body_that_is_not_a_json_object_is_a_validation_error(rpc, path, content):
    response = rpc.client.post(f"{INGEST}/{path}", content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert response.json()["error"]["message"].startswith("Invalid request body: ")


def test_a_body_over_the_limit_is_too_large(fresh_service):
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        limit = fresh_service._service.config.max_body_bytes
        response = client.post(f"{INGEST}/events", content=b" " * (limit + 1))
    message = f"Request body is larger than {limit} bytes"
    error = {"code": "PAYLOAD_TOO_LARGE", "message": message}
    assert (response.status_code, response.json()) == (413, {"data": None, "error": error})


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": None},
        {"type": ""},
        {"level": "fatal"},
        {"payload": []},
        {"payload": "x"},
        {"payload": None},
        {"occurred_at": "yesterday"},
        {"occurred_at": 5},
        {"parent_span_id": None},
        {"span_id": None},
        {"kind": None},
        {"duration_ms": 1.5},
        {"started_at": "x"},
        {"ended_at": None},
    ],
)
def test_one_wrong_event_refuses_its_whole_batch(reporter, rpc, run_id, wrong):
    body = {"run_id": run_id, "events": [EVENT, {**SPAN, **wrong}]}
    status, code, message = reporter.error(f"{INGEST}/events", body)
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert message.startswith("Invalid request body: ")
    assert "- at `$.events[1]" in message
    assert stored(rpc, run_id) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"occurred_at": "yesterday"}, "Expected an ISO 8601 time - at `$.events[1].occurred_at`"),
        ({"payload": 1}, "Expected `object`, got `int` - at `$.events[1].payload`"),
    ],
)
def test_the_refusal_of_an_event_names_the_place(reporter, run_id, wrong, message):
    body = {"run_id": run_id, "events": [EVENT, {**EVENT, **wrong}]}
    refused = reporter.error(f"{INGEST}/events", body)
    assert refused == (400, "VALIDATION_ERROR", f"Invalid request body: {message}")


@pytest.mark.parametrize("value", [b'"\xff"', b"1e999", b"9" * 5000, b'"\\ud800"', b"NaN"])
def test_a_payload_that_readers_could_not_read_is_refused(reporter, rpc, run_id, value):
    body = json.dumps({"run_id": run_id, "events": [{**EVENT, "payload": {"a": 0}}]})
    content = body.encode().replace(b'{"a": 0}', b'{"a": %s}' % value)
    response = reporter.client.post(f"{INGEST}/events", content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert response.json()["error"]["message"].startswith("Invalid request body: ")
    assert stored(rpc, run_id) == []


def test_events_are_numbered_in_the_order_of_arrival(reporter, rpc, run_id):
    send(reporter, run_id, EVENT, SPAN)
    send(reporter, run_id, {**EVENT, "occurred_at": "2020-01-01T00:00:00Z"})
    events = stored(rpc, run_id)
    assert [event["sequence_number"] for event in events] == [1, 2, 3]
    assert {key: events[1][key] for key in SPAN} == SPAN
    assert set(events[0]) == {"id", "sequence_number", *EVENT}


def test_events_are_not_cut_and_can_be_paged(reporter, rpc, run_id):
    for _ in range(3):
        send(reporter, run_id, *[EVENT] * 400)
    assert len(stored(rpc, run_id)) == 1200
    page = stored(rpc, run_id, limit=5, after=1000)
    assert [event["sequence_number"] for event in page] == [1001, 1002, 1003, 1004, 1005]


def test_an_event_with_an_id_is_stored_once(reporter, rpc, run_id):
    assert (
        "event_id"
        in reporter.data(
            f"{INGEST}/run/start",
            {"agent_id": _agent(rpc, run_id), "trigger_type": "sdk", "input": {}},
        )["accepts"]
    )
    batch = [{**EVENT, "event_id": str(number)} for number in range(3)]
    send(reporter, run_id, *batch)
    send(reporter, run_id, *batch, {**EVENT, "event_id": "3"}, EVENT)
    events = stored(rpc, run_id)
    assert [event.get("event_id") for event in events] == ["0", "1", "2", "3", None]
    assert [event["sequence_number"] for event in events] == [1, 2, 3, 4, 5]


def _agent(rpc, run_id):
    return rpc.call("runs_get", run_id=run_id)["agent_id"]


def test_a_payload_comes_back_as_it_was_sent(reporter, rpc, run_id):
    payload = {"ü\U0001f600": [1, 2.5, None, True, {"deep": "\x00"}], "big": 2**60}
    send(reporter, run_id, {**EVENT, "payload": payload})
    assert stored(rpc, run_id)[0]["payload"] == payload


def test_a_start_is_known_by_its_external_id(reporter, rpc, service):
    external = str(uuid.uuid4())
    first = reporter.start(service.agent_id, external_run_id=external, input={"a": 1})
    assert reporter.start(service.agent_id, external_run_id=external, input={"b": 2}) == first
    run = rpc.call("runs_get", run_id=first)
    assert (run["input"], run["external_run_id"], run["status"]) == ({"a": 1}, external, "running")


def test_any_trigger_type_is_kept(reporter, rpc, service):
    run_id = reporter.start(service.agent_id, trigger_type="cron job", parent_run_id="p")
    run = rpc.call("runs_get", run_id=run_id)
    assert (run["trigger_type"], run["parent_run_id"]) == ("cron job", "p")


def test_a_missing_object_is_not_found(rpc, service):
    body = {"agent_id": "nobody", "trigger_type": "sdk", "input": {}}
    refused = rpc.error(f"{INGEST}/run/start", body)
    assert refused == (404, "NOT_FOUND", "Agent nobody not found")
    for path, extra in (
        ("events", {"events": [EVENT]}),
        ("tasks", {"task": {"id": "t", "name": "n", "status": "running"}}),
        ("run/complete", {}),
        ("run/fail", {"error_message": "x"}),
        ("run/cancel", {}),
        ("human-input/request", {"prompt": "x"}),
    ):
        refused = rpc.error(f"{INGEST}/{path}", {"run_id": "none", **extra})
        assert refused == (404, "NOT_FOUND", "Run none not found")


def test_an_agent_key_reports_for_its_own_agent_only(reporter, rpc, agent_id):
    forbidden = (403, "FORBIDDEN", "This key belongs to another agent")
    body = {"agent_id": agent_id, "trigger_type": "sdk", "input": {}}
    assert reporter.error(f"{INGEST}/run/start", body) == forbidden
    run_id = rpc.start(agent_id)
    for path, extra in (
        ("events", {"events": [EVENT]}),
        ("tasks", {"task": {"id": "t", "name": "n", "status": "running"}}),
        ("run/complete", {}),
        ("run/fail", {"error_message": "x"}),
        ("run/cancel", {}),
        ("human-input/request", {"prompt": "x"}),
    ):
        assert reporter.error(f"{INGEST}/{path}", {"run_id": run_id, **extra}) == forbidden
    assert rpc.call("runs_get", run_id=run_id)["status"] == "running"


def test_a_task_is_created_and_updated_by_its_id(reporter, rpc, run_id):
    task = {"id": str(uuid.uuid4()), "name": "parse"}
    path = f"{INGEST}/tasks"
    reporter.data(
        path, {"run_id": run_id, "task": {**task, "status": "running", "input": {"a": 1}}}
    )
    (running,) = rpc.call("runs_get", run_id=run_id)["tasks"]
    assert (running["status"], running["ended_at"]) == ("running", None)
    done = {**task, "status": "completed", "output": {"b": 2}}
    for _ in range(2):
        reporter.data(path, {"run_id": run_id, "task": done})
    (ended,) = rpc.call("runs_get", run_id=run_id)["tasks"]
    assert (ended["status"], ended["input"], ended["output"]) == ("completed", {"a": 1}, {"b": 2})
    assert ended["started_at"] == running["started_at"]
    assert ended["ended_at"] is not None


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_task_can_fail_or_be_skipped(reporter, rpc, run_id, status):
    task = {"id": "t", "name": "n", "status": status, "error_message": "why"}
    reporter.data(f"{INGEST}/tasks", {"run_id": run_id, "task": task})
    (shown,) = rpc.call("runs_get", run_id=run_id)["tasks"]
    assert (shown["status"], shown["error_message"]) == (status, "why")


ENDS = {
    "completed": ("run/complete", {"output": {"a": 1}, "input_tokens": 3, "cache_read_tokens": 0}),
    "failed": ("run/fail", {"error_message": "why", "error_detail": {"type": "E"}}),
    "cancelled": ("run/cancel", {"reason": "enough"}),
}


@pytest.mark.parametrize("status", list(ENDS))
def test_a_run_ends_once_and_the_same_end_may_come_again(reporter, rpc, run_id, status):
    path, body = ENDS[status]
    for _ in range(2):
        reporter.data(f"{INGEST}/{path}", {"run_id": run_id, **body})
    run = rpc.call("runs_get", run_id=run_id)
    assert run["status"] == status
    assert run["ended_at"] is not None
    assert run["duration_ms"] >= 0
    for other, (other_path, other_body) in ENDS.items():
        if other != status:
            answer = reporter.error(f"{INGEST}/{other_path}", {"run_id": run_id, **other_body})
            assert answer == (409, "CONFLICT", f"Run {run_id} has already ended: {status}")


def test_a_completed_run_has_output_and_tokens(reporter, rpc, run_id):
    path, body = ENDS["completed"]
    reporter.data(f"{INGEST}/{path}", {"run_id": run_id, **body})
    run = rpc.call("runs_get", run_id=run_id)
    assert run["output"] == {"a": 1}
    assert [run[f"{kind}_tokens"] for kind in ("input", "output", "cache_read")] == [3, None, 0]


def test_a_failed_run_has_message_and_detail(reporter, rpc, run_id):
    path, body = ENDS["failed"]
    reporter.data(f"{INGEST}/{path}", {"run_id": run_id, **body})
    run = rpc.call("runs_get", run_id=run_id)
    assert (run["error_message"], run["error_detail"]) == ("why", {"type": "E"})


def test_late_events_of_an_ended_run_are_kept(reporter, rpc, run_id):
    reporter.data(f"{INGEST}/run/complete", {"run_id": run_id})
    send(reporter, run_id, EVENT)
    assert len(stored(rpc, run_id)) == 1
