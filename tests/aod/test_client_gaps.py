"""Faults of aod-sdk 0.1.0 outside its printers, and what this client does instead."""

import importlib.resources
import json
import threading
import uuid

import pytest
from scripted import (
    AGENT,
    SESSION,
    answer,
    frame,
    hang,
    output,
    reset,
    start,
    stream,
    terminal,
    turn_start,
)

from aod_notebook.aod import (
    AodConnectionError,
    AodDecodeError,
    AodHTTPError,
    AodTimeoutError,
    AuthError,
    GithubRepoResource,
    GithubSkill,
    InlineSkill,
    McpServerStdio,
    McpServerUrl,
    RateLimitError,
    ServerError,
    StreamInterrupted,
    Timeouts,
    ValidationError,
    iter_events,
)

SID = SESSION["id"]


def types(events):
    return [event.type for event in events]


def test_all_fields_of_server_sent_events_are_read(scripted, connect):
    """The official SDK: one `data:` line = one event; multi-line data, `id:`,
    `event:`, `retry:` are ignored.
    """
    body = (
        b'retry: 5\nid: 8\nevent: note\ndata: {"type": "output",\ndata: "id": 8}\n\n'
        b'event: note\ndata: {"text": "no type"}\n\n'
    )
    events = list(iter_events([body]))
    assert [(event.type, event.id) for event in events] == [("output", 8), ("note", None)]
    service = scripted(stream(body + terminal(8)))
    with connect(service).sessions.stream(SID) as live:
        assert types(live) == ["output", "note", "exit"]
        assert live.last_event_id == 8


@pytest.mark.parametrize("payload", ["{broken", "123", "[]", "null", '"text"', "\xff"])
def test_a_malformed_payload_is_passed_on_as_malformed(payload):
    """The official SDK: malformed JSON and non-object JSON are dropped without a
    trace.
    """
    body = output(1) + b"id: 2\ndata: " + payload.encode() + b"\n\n" + output(3)
    first, odd, last = iter_events([body])
    assert (odd.type, odd.extra) == ("malformed", {"raw": payload})
    assert (first.id, last.id) == (1, 3)


def test_new_event_types_pass_through_and_a_missing_one_is_not_output():
    """The official SDK: a new event type raises a pydantic error inside
    the iterator and ends the stream; a payload without `type` silently becomes `output`.
    """
    new = {"type": "checkpoint", "id": 4, "size": 9}
    body = output(3) + frame(new, mark=True) + frame({"id": 5}, mark=True) + output(6)
    events = list(iter_events([body]))
    assert types(events) == ["output", "checkpoint", "message", "output"]
    assert (events[1].id, events[1].extra) == (4, {"size": 9})


def test_a_broken_stream_resumes_with_both_cursors_and_reports_the_last_id(scripted, connect):
    """The official SDK: no reconnect; no `Last-Event-ID`; last id is
    not tracked for the caller.
    """
    service = scripted(
        stream(start(), turn_start(1), output(1), output(2), then="reset"),
        stream(start(), turn_start(3), output(3), terminal(3)),
    )
    with connect(service).sessions.stream(SID) as events:
        seen = [(event.type, event.id, events.last_event_id) for event in events]
    assert seen == [
        ("start", None, None),
        ("turn_start", 1, None),
        ("output", 1, 1),
        ("output", 2, 2),
        ("output", 3, 3),
        ("exit", 3, 3),
    ]
    first, second = service.requests
    assert (first.query, "last-event-id" in first.headers) == ("", False)
    assert (second.query, second.headers["last-event-id"]) == ("since=2", "2")


def test_an_end_without_a_terminal_event_is_an_interruption(scripted, connect):
    """The official SDK: body ending without a terminal event looks
    like normal completion; nothing tells `stale` from finished.
    """
    service = scripted(stream(start(), output(7)))
    with (
        connect(service).sessions.stream(SID, resume=False) as events,
        pytest.raises(StreamInterrupted, match=rf"{SID}.*since=7") as caught,
    ):
        list(events)
    assert caught.value.last_event_id == 7


@pytest.mark.parametrize("kind", ["exit", "error", "terminated", "stale"])
def test_the_stream_reports_how_it_ended(scripted, connect, kind):
    """The official SDK: body ending without a terminal event looks
    like normal completion; nothing tells `stale` from finished.
    """
    service = scripted(stream(start(), output(7), terminal(7, kind)))
    with connect(service).sessions.stream(SID) as events:
        assert events.terminal is None
        assert types(events) == ["start", "output", kind]
    assert events.terminal.type == kind
    assert len(service.requests) == 1


def test_a_short_timeout_for_calls_does_not_break_a_quiet_stream(scripted, connect):
    """The official SDK: one 30 s read timeout for all calls, stream included; two
    lost heartbeats (15 s) end a live stream; a shorter user timeout (under 15 s) breaks every
    quiet stream.
    """
    go_on = threading.Event()
    service = scripted(stream(start(), go_on, output(1), terminal(1)))
    client = connect(service, timeout=0.05)
    assert client._transport.timeouts.no_bytes > 3 * 15
    with client.sessions.stream(SID) as events:
        assert next(events).type == "start"
        threading.Timer(0.2, go_on.set).start()  # four times the timeout of a call
        assert types(events) == ["output", "exit"]
    assert len(service.requests) == 1


def test_a_stream_without_a_byte_is_reconnected_by_its_own_clock(scripted, connect):
    """The official SDK: one 30 s read timeout for all calls, stream included; two
    lost heartbeats (15 s) end a live stream; a shorter user timeout (under 15 s) breaks every
    quiet stream.
    """
    service = scripted(
        stream(start(), output(1), then="hang"), stream(start(), output(2), terminal(2))
    )
    client = connect(service, timeout=Timeouts(no_bytes=1))
    with client.sessions.stream(SID) as events:
        assert [event.id for event in events] == [None, 1, 2, 2]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(401, {"detail": "Invalid API key"}), AuthError),
        (answer(302, b"", location="http://elsewhere/"), AodHTTPError),
        (answer(200, b"<html>Sign in</html>", "text/html"), AodDecodeError),
    ],
)
def test_a_body_that_is_not_a_stream_is_refused_on_entering(scripted, connect, reply, error):
    """The official SDK: HTTP status is checked at the first iteration, not on entering
    the context; a 3xx or a 200 HTML page gives an empty stream.
    """
    stream_of = connect(scripted(reply)).sessions.stream(SID)
    with pytest.raises(error):
        stream_of.__enter__()


def test_a_get_is_retried_over_503_429_and_broken_connections(scripted, connect):
    """The official SDK: no retries anywhere, not even for GET, 429 or 503; httpx
    exceptions reach the caller unwrapped (not `AodError`).
    """
    rows = answer(200, {"data": [AGENT]})
    service = scripted(answer(503, {"detail": "down"}), answer(429, {}), reset(), rows)
    assert len(connect(service).agents.list()) == 1
    assert len(service.requests) == 4


def test_after_the_retries_the_mapped_error_is_raised(scripted, connect):
    """The official SDK: no retries anywhere, not even for GET, 429 or 503; httpx
    exceptions reach the caller unwrapped (not `AodError`).
    """
    service = scripted(answer(503, {"detail": "down"}))
    with pytest.raises(ServerError, match=r"503 .*down"):
        connect(service).agents.list()
    assert len(service.requests) == 4
    with pytest.raises(ServerError):
        connect(service, max_retries=0).agents.list()
    assert len(service.requests) == 5


@pytest.mark.parametrize(
    ("reply", "timeout", "error"),
    [(reset(), 60, AodConnectionError), (hang(), 0.1, AodTimeoutError)],
)
def test_no_httpx_exception_reaches_the_caller(scripted, connect, reply, timeout, error):
    """The official SDK: no retries anywhere, not even for GET, 429 or 503; httpx
    exceptions reach the caller unwrapped (not `AodError`).
    """
    client = connect(scripted(reply), timeout=timeout, max_retries=0)
    with pytest.raises(error, match=f"GET {client.base_url}/agents") as caught:
        client.agents.list()
    assert (caught.value.method, caught.value.url) == ("GET", f"{client.base_url}/agents")


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"<html>", "text/html"),
        answer(200, b"{broken"),
        answer(200, b"[" * 100_000),
        answer(200, []),
        answer(200, {"data": {}}),
        answer(200, b""),
    ],
)
def test_a_success_without_a_valid_answer_raises_an_sdk_error(scripted, connect, reply):
    """The official SDK: a 2xx answer that is not JSON is returned as text; list calls
    then fail with a bare `TypeError`.
    """
    client = connect(scripted(reply))
    with pytest.raises(AodDecodeError, match="AOD_API_URL"):
        client.agents.list()
    with pytest.raises(AodDecodeError):
        client.sessions.get(SID)


@pytest.mark.parametrize(
    "fields",
    [{"runtime": "claude"}, {"provider": "anthropic"}, {"runtime": "c", "provider": "p"}, {}],
)
def test_rows_of_both_api_generations_are_read(scripted, connect, fields):
    """The official SDK: `runtime` is required: every read fails against the
    provider API, although only one field changed.
    """
    row = {key: value for key, value in AGENT.items() if key != "runtime"} | fields
    agent = connect(scripted(answer(200, row))).agents.get(AGENT["id"])
    assert (agent.runtime, agent.provider) == (fields.get("runtime"), fields.get("provider"))
    row = {key: value for key, value in SESSION.items() if key != "runtime"} | fields
    session = connect(scripted(answer(200, row))).sessions.get(SID)
    assert (session.runtime, session.provider) == (fields.get("runtime"), fields.get("provider"))


def test_new_states_do_not_break_a_list(scripted, connect):
    """The official SDK: closed literals: one new status (`interrupted`)
    makes whole list calls fail.
    """
    rows = {"data": [SESSION, {**SESSION, "status": "hibernating"}]}
    found = connect(scripted(answer(200, rows))).sessions.list()
    assert [session.status for session in found] == ["completed", "hibernating"]
    turn = {"turn_number": 1, "prompt": "p", "created_at": SESSION["created_at"]}
    rows = {"data": [{**turn, "status": "interrupted", "exit_code": 143}]}
    assert connect(scripted(answer(200, rows))).sessions.turns(SID)[0].status == "interrupted"


def test_one_odd_row_does_not_break_a_list(scripted, connect):
    """The official SDK: closed literals: one new status (`interrupted`)
    makes whole list calls fail.
    """
    odd = {"id": "not-a-uuid", "version": "three", "mcp_servers": {"no": "list"}, "extra": [1]}
    found = connect(scripted(answer(200, {"data": [AGENT, odd, "no row", AGENT]}))).agents.list()
    assert [agent.name for agent in found] == ["demo", None, "demo"]
    assert (found[1].id, found[1].version, found[1].model_extra) == (
        "not-a-uuid",
        "three",
        {"extra": [1]},
    )


def test_an_mcp_server_without_a_type_is_read(client):
    """The official SDK: `type` is required, but the server accepts and returns entries
    without it: one such agent breaks `agents.list()` for all.
    """
    server = {"name": "docs", "url": "https://example.org/mcp"}
    made = client.agents.create(name="m", model="m", runtime="shell", mcp_servers=[server])
    found = next(agent for agent in client.agents.list() if agent.id == made.id)
    assert (found.mcp_servers[0].name, found.mcp_servers[0].type) == ("docs", None)


def test_read_modify_write_of_mcp_servers_loses_nothing(client):
    """The official SDK: `headers`, `args`, `env` and extra networking keys
    are lost on read, so read-modify-write deletes them.
    """
    servers = [
        {"name": "u", "url": "https://example.org", "headers": {"X": "1"}, "later": {"a": [1]}},
        {"name": "s", "type": "stdio", "command": "c", "args": ["-v"], "env": {"K": "v"}},
    ]
    agent = client.agents.create(name="m", model="m", runtime="shell", mcp_servers=servers)
    agent = client.agents.update(agent.id, version=1, name="renamed", mcp_servers=agent.mcp_servers)
    assert [each.model_dump(exclude_unset=True) for each in agent.mcp_servers] == servers


def test_read_modify_write_of_networking_loses_nothing(client):
    """The official SDK: `headers`, `args`, `env` and extra networking keys
    are lost on read, so read-modify-write deletes them.
    """
    rules = {"type": "limited", "allowed_hosts": ["*.example.org"], "allow_package_managers": True}
    made = client.environments.create(name=f"n-{uuid.uuid4()}", networking=rules)
    found = client.environments.update(
        made.id, version=1, setup_script="true", networking=made.networking
    )
    assert found.networking.model_dump() == rules
    assert found.networking.model_extra == {"allow_package_managers": True}


def test_an_environment_can_be_detached(client):
    """The official SDK: None means "not sent", so an environment can never
    be detached.
    """
    env = client.environments.create(name=f"d-{uuid.uuid4()}")
    agent = client.agents.create(name="d", model="m", runtime="shell", environment_id=env.id)
    assert client.agents.update(agent.id, version=1, name="kept").environment_id == env.id
    assert client.agents.update(agent.id, version=2, environment_id=None).environment_id is None


@pytest.mark.parametrize("as_dicts", [False, True])
def test_inputs_are_typed_and_checked_before_sending(scripted, connect, as_dicts):
    """The official SDK: no client-side
    validation; inputs are plain dicts.
    """
    service = scripted(answer(500, {}))
    client = connect(service)
    skills = [InlineSkill(name="Bad Name", description="d", content="c")]
    servers = [McpServerUrl(name="a", url="")]
    repos = [GithubRepoResource(url="https://gitlab.com/a/b")]
    if as_dicts:
        skills = [{"name": "Bad Name", "description": "d", "content": "c"}]
        servers = [{"name": "a", "url": ""}]
        repos = [{"type": "github_repository", "url": "https://gitlab.com/a/b"}]
    with pytest.raises(ValidationError) as caught:
        client.agents.create(
            name="x", model="m", runtime="shell", skills=skills, mcp_servers=servers
        )
    assert [(item["type"], item["loc"], item["msg"]) for item in caught.value.detail] == [
        (
            "value_error",
            ["skills"],
            "Value error, skills[0].name 'Bad Name' must match [a-z0-9][a-z0-9-]{0,63}",
        ),
        (
            "value_error",
            ["mcp_servers"],
            "Value error, mcp_servers[0] (url): missing required field: url",
        ),
    ]
    with pytest.raises(ValidationError) as caught:
        client.sessions.create(agent_id=AGENT["id"], prompt="p", resources=repos, timeout=5)
    assert [item["loc"] for item in caught.value.detail] == [["timeout"], ["resources", 0, "url"]]
    assert service.requests == []


def test_typed_inputs_go_out_as_the_service_wants_them(scripted, connect):
    """The official SDK: no client-side
    validation; inputs are plain dicts.
    """
    service = scripted(answer(201, AGENT))
    connect(service).agents.create(
        name="x",
        model="m",
        runtime="claude",
        skills=[
            InlineSkill(name="tidy", description="d", content="c"),
            GithubSkill(source="o/r", description="d"),
            {"type": "github", "source": "o/r2", "description": "d", "name": "n"},
        ],
        mcp_servers=[
            McpServerUrl(name="a", url="https://example.org", headers={"X": "1"}),
            McpServerStdio(name="b", command="run", args=["-v"], env={"K": "v"}),
        ],
    )
    body = service.requests[0].json()
    assert body["skills"] == [
        {"name": "tidy", "description": "d", "content": "c"},
        {"source": "o/r", "description": "d", "type": "github"},
        {"type": "github", "source": "o/r2", "description": "d", "name": "n"},
    ]
    assert body["mcp_servers"] == [
        {"name": "a", "url": "https://example.org", "headers": {"X": "1"}, "type": "url"},
        {"name": "b", "command": "run", "args": ["-v"], "env": {"K": "v"}, "type": "stdio"},
    ]


def test_a_create_with_a_lost_answer_can_be_repeated_with_its_key(scripted, connect):
    """The official SDK: no idempotency key, so a timed-out create
    cannot be repeated safely.
    """
    ack = {"id": SID, "status": "pending"}
    service = scripted(hang(), answer(202, ack))
    client = connect(service)
    with pytest.raises(AodTimeoutError, match="check before repeating") as caught:
        connect(service, timeout=0.5).sessions.create(agent_id=AGENT["id"], prompt="p")
    assert len(service.requests) == 1  # it may have succeeded: never repeated unasked
    key = caught.value.idempotency_key
    client.sessions.create(agent_id=AGENT["id"], prompt="p", idempotency_key=key)
    assert [each.headers["idempotency-key"] for each in service.requests] == [key, key]
    client.sessions.create(agent_id=AGENT["id"], prompt="p")
    assert service.requests[2].headers["idempotency-key"] != key


def test_a_429_of_create_is_raised_at_once_with_its_numbers(scripted, connect):
    """The official SDK: no idempotency key, so a timed-out create
    cannot be repeated safely.
    """
    detail = "Concurrent session limit reached (3/3). Terminate an active session before …"
    service = scripted(answer(429, {"detail": detail, "limit": 3, "active": 3}))
    with pytest.raises(RateLimitError, match="limit reached") as caught:
        connect(service).sessions.create(agent_id=AGENT["id"], prompt="p")
    assert (caught.value.limit, caught.value.active) == (3, 3)
    assert len(service.requests) == 1


def test_run_starts_follows_and_fetches_in_one_call(client):
    """The official SDK: no wait/run helper: callers must write the loop
    stream → get → turns themselves.
    """
    agent = client.agents.create(name="r", model="m", runtime="shell")
    seen = []
    result = client.sessions.run(agent_id=agent.id, prompt="echo hi", on_event=seen.append)
    assert (result.session.status, result.session.exit_code) == ("completed", 0)
    assert result.events == seen
    assert "".join(e.extra["data"] for e in seen if e.type == "output") == "hi\n"
    again = client.sessions.wait_for_completion(result.session.id, collect_events=False)
    assert (again.session.id, again.events) == (result.session.id, [])


SECRET = "s3cr3t-value-of-a-person"


@pytest.mark.parametrize("as_text", [False, True])
def test_what_a_service_echoes_never_shows(scripted, connect, as_text):
    """The official SDK: puts the whole `detail` in the message; a 422 echoes
    `input`, which for a missing field is the entire body and for a bad key the whole map, so tokens
    and secrets can reach logs (the server sends them: `views/sessions` uses pydantic errors with
    `input`).
    """
    problem = {
        "type": "missing",
        "loc": ["agent_id"],
        "msg": "Field required",
        "input": {"secret_env_vars": {"KEY": SECRET}},
        "url": "https://errors.pydantic.dev/2/v/missing",
        "ctx": {"x": SECRET},
    }
    detail = json.dumps(problem) if as_text else [problem]
    service = scripted(answer(422, {"detail": detail}))
    with pytest.raises(ValidationError) as caught:
        connect(service).sessions.create(agent_id="a", prompt="p", secret_env_vars={"KEY": SECRET})
    error = caught.value
    shown = [str(error), repr(error), repr(error.detail), repr(vars(error)), repr(error.args)]
    assert SECRET not in "".join([*shown, *error._render_traceback_()])
    if not as_text:
        assert [sorted(item) for item in error.detail] == [["loc", "msg", "type", "url"]]
        assert str(error).endswith("agent_id: Field required.")


def test_the_package_is_typed_and_its_quickstart_runs(client):
    """The official SDK: no `py.typed`; README quickstart uses a runtime and a model that servers
    refuse.
    """
    assert importlib.resources.files("aod_notebook").joinpath("py.typed").is_file()
    agent = client.agents.create(name="q", model="anthropic/claude-sonnet-4-6", runtime="replay")
    assert client.sessions.run(agent_id=agent.id, prompt="Say hello.").session.exit_code == 0
