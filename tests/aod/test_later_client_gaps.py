"""Faults of the later Agent on Demand SDK, and what this client does instead."""

import pytest
from scripted import (
    AGENT,
    SESSION,
    answer,
    output,
    reset,
    start,
    stream,
    terminal,
    turn_start,
)

import aod_notebook
from aod_notebook.aod import TERMINAL_TYPES, AuthError, StreamInterrupted

SID = SESSION["id"]


def ids(events):
    return [(event.type, event.id) for event in events]


def test_a_drop_right_after_turn_start_loses_no_output(scripted, connect):
    """The official SDK: takes the cursor from every event's `id`, also
    from `turn_start`, whose id equals the output that follows: a drop between the two loses that
    output.
    """
    service = scripted(
        stream(start(), output(5), turn_start(6, turn=2), then="reset"),
        stream(start(), turn_start(6, turn=2), output(6, turn=2), terminal(6)),
    )
    with connect(service).sessions.stream(SID) as events:
        assert ids(events) == [
            ("start", None),
            ("output", 5),
            ("turn_start", 6),
            ("output", 6),
            ("exit", 6),
        ]
    assert service.requests[1].query == "since=5"


def test_start_is_returned_once_over_all_connections(scripted, connect):
    """The official SDK: `start` is given again after each reconnect; 5xx
    or 429 on reconnect is not retried; clean EOF without a terminal event counts as finished.
    """
    service = scripted(
        stream(start(), output(1), then="reset"),
        stream(start(), output(2), then="reset"),
        stream(start(), output(2), output(3), terminal(3)),
    )
    with connect(service).sessions.stream(SID) as events:
        found = ids(events)
    assert found == [("start", None), ("output", 1), ("output", 2), ("output", 3), ("exit", 3)]


@pytest.mark.parametrize("refusal", [answer(503, {}), answer(429, {}), answer(502, b"x"), reset()])
def test_a_reconnect_that_is_refused_is_tried_again(scripted, connect, refusal):
    """The official SDK: `start` is given again after each reconnect; 5xx
    or 429 on reconnect is not retried; clean EOF without a terminal event counts as finished.
    """
    rest = stream(start(), output(2), terminal(2))
    service = scripted(stream(start(), output(1), then="reset"), refusal, refusal, rest)
    with connect(service).sessions.stream(SID) as events:
        assert [number for _, number in ids(events)] == [None, 1, 2, 2]


def test_a_reconnect_that_is_forbidden_raises_why(scripted, connect):
    """The official SDK: `start` is given again after each reconnect; 5xx
    or 429 on reconnect is not retried; clean EOF without a terminal event counts as finished.
    """
    gone = answer(401, {"detail": "API key has expired"})
    service = scripted(stream(start(), output(1), then="reset"), gone)
    with (
        connect(service).sessions.stream(SID) as events,
        pytest.raises(AuthError, match="expired"),
    ):
        list(events)


def test_a_clean_end_of_the_body_is_resumed_and_then_given_up(scripted, connect):
    """The official SDK: `start` is given again after each reconnect; 5xx
    or 429 on reconnect is not retried; clean EOF without a terminal event counts as finished.
    """
    service = scripted(stream(start(), output(1)), stream(start()))
    found = []
    with (
        connect(service, max_retries=3).sessions.stream(SID) as events,
        pytest.raises(StreamInterrupted) as caught,
    ):
        found += events
    assert ids(found) == [("start", None), ("output", 1)]
    assert caught.value.last_event_id == 1
    assert len(service.requests) == 4  # the first one and three reconnects without a new row


def test_run_passes_secret_variables_on(scripted, connect):
    """The official SDK: does not pass `secret_env_vars` on, so bring-your-own-key
    sessions cannot use it.
    """
    service = scripted(
        answer(202, {"id": SID, "status": "pending"}),
        stream(start(), terminal(0)),
        answer(200, SESSION),
    )
    connect(service).sessions.run(
        agent_id=AGENT["id"], prompt="p", secret_env_vars={"API_KEY": "mine"}
    )
    assert service.requests[0].json()["secret_env_vars"] == {"API_KEY": "mine"}


def test_stale_is_terminal_for_the_stream(scripted, connect):
    """The official SDK: lacks `stale`."""
    assert "stale" in TERMINAL_TYPES
    service = scripted(stream(start(), output(1), terminal(1, "stale"), output(2), then="hang"))
    with connect(service).sessions.stream(SID) as events:
        assert ids(events)[-1] == ("stale", 1)
    assert len(service.requests) == 1


def test_waiting_continues_over_breaks_and_stale_until_the_session_is_final(scripted, connect):
    """The official SDK: uses the plain stream, no resume; returns
    normally on EOF while the session still runs.
    """
    service = scripted(
        stream(start(), output(1), then="reset"),
        stream(start(), output(2), terminal(2, "stale")),
        answer(200, {**SESSION, "status": "running", "exit_code": None}),
        stream(start(), output(3), terminal(3)),
        answer(200, {**SESSION, "status": "running", "exit_code": None}),  # the next turn
        stream(start(), output(4, turn=2)),
        stream(start(), terminal(4)),
        answer(200, SESSION),
    )
    result = connect(service).sessions.wait_for_completion(SID)
    assert ids(result.events) == [
        ("start", None),
        ("output", 1),
        ("output", 2),
        ("stale", 2),
        ("output", 3),
        ("exit", 3),
        ("output", 4),
        ("exit", 4),
    ]
    assert result.session.status == "completed"


def test_a_session_that_ended_while_stale_is_still_read_to_its_end(scripted, connect):
    """The official SDK: uses the plain stream, no resume; returns
    normally on EOF while the session still runs.
    """
    service = scripted(
        stream(start(), output(1), terminal(1, "stale")),
        answer(200, SESSION),
        stream(start(), output(2), terminal(2)),
        answer(200, SESSION),
    )
    result = connect(service).sessions.wait_for_completion(SID)
    assert ids(result.events)[-2:] == [("output", 2), ("exit", 2)]


@pytest.mark.parametrize("rules", [{"type": "limited"}, {"type": "limited", "allowed_hosts": []}])
def test_limited_networking_without_hosts_is_read(scripted, connect, rules):
    """The official SDK: refuses a `limited` object without hosts, which the server can
    return: read models fail.
    """
    env = {**AGENT, "type": "environment", "packages": {}, "networking": rules}
    found = connect(scripted(answer(200, env))).environments.get(AGENT["id"])
    assert (found.networking.type, found.networking.allowed_hosts) == ("limited", [])


def test_the_user_agent_names_this_version(scripted, connect):
    """The official SDK: still 0.1.0."""
    service = scripted(answer(200, {"data": []}))
    connect(service).agents.list()
    sent = service.requests[0].headers["user-agent"]
    assert sent == f"aod-notebook/{aod_notebook.__version__}"
