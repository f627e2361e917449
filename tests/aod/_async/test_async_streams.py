"""Following sessions over real sockets; the sync twin of this file is generated."""

import threading

import pytest
from scripted import (
    SESSION,
    Scripted,
    answer,
    output,
    read_request,
    runtime_start,
    start,
    stream,
    terminal,
    turn_start,
)

from aod_notebook.aod import (
    AodUsageError,
    NotFoundError,
    NotSupportedError,
    StreamInterrupted,
    Timeouts,
    iter_events,
)

SID = SESSION["id"]

TWO_TURNS = (
    start()
    + runtime_start(1)
    + turn_start(2, 1)
    + output(2, "one", turn=1)
    + runtime_start(3)
    + turn_start(4, 2)
    + output(4, "two", turn=2)
    + terminal(4)
)


class Pause(threading.Event):
    """A short pause of the scripted service; nobody sets it."""

    def wait(self, timeout=None):
        return super().wait(0.01)


async def collect(events):
    return [(event.type, event.id) async for event in events]


@pytest.mark.anyio
async def test_a_stream_works_without_the_context_manager(scripted, aconnect):
    service = scripted(stream(TWO_TURNS))
    events = aconnect(service).sessions.stream(SID)
    assert len(await collect(events)) == 8
    assert events.last_event_id == 4


@pytest.mark.anyio
async def test_events_can_be_taken_one_by_one(scripted, aconnect):
    service = scripted(stream(TWO_TURNS))
    async with aconnect(service).sessions.stream(SID) as events:
        assert (await anext(events)).type == "start"
        assert (await anext(events)).type == "stage"
        assert events.last_event_id == 1
        assert len(await collect(events)) == 6


@pytest.mark.anyio
async def test_the_end_of_a_finished_stream_frees_its_connection(aconnect):
    chunk = b"%x\r\n%s\r\n" % (len(TWO_TURNS), TWO_TURNS)
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    def give(connection):
        for _ in range(3):
            connection.sendall(head + chunk)
            connection.sendall(b"0\r\n\r\n")
            if read_request(connection) is None:
                return

    with Scripted([give]) as service:
        sessions = aconnect(service).sessions
        for _ in range(3):
            assert len(await collect(sessions.stream(SID))) == 8
        assert len(service.requests) == 1  # a connection


@pytest.mark.anyio
async def test_leaving_early_keeps_the_cursor_at_the_last_returned_event(scripted, aconnect):
    service = scripted(stream(TWO_TURNS, then="hang"))
    async with aconnect(service).sessions.stream(SID) as events:
        async for event in events:
            if event.type == "output":
                break
    assert events.last_event_id == 2


@pytest.mark.anyio
async def test_one_turn_is_followed_and_ends_where_the_next_begins(scripted, aconnect):
    service = scripted(stream(TWO_TURNS, then="hang"))
    async with aconnect(service).sessions.stream(SID, turn=1) as events:
        found = await collect(events)
    assert found == [("start", None), ("stage", 1), ("turn_start", 2), ("output", 2)]


@pytest.mark.anyio
async def test_the_last_turn_ends_with_the_terminal_event(scripted, aconnect):
    service = scripted(stream(TWO_TURNS))
    async with aconnect(service).sessions.stream(SID, turn=2) as events:
        found = await collect(events)
    assert found == [("start", None), ("stage", 3), ("turn_start", 4), ("output", 4), ("exit", 4)]


@pytest.mark.anyio
async def test_after_a_cursor_the_next_turn_starts_at_its_first_stage(scripted, aconnect):
    rest = start() + runtime_start(3) + turn_start(4, 2) + output(4, turn=2) + terminal(4)
    service = scripted(stream(rest))
    async with aconnect(service).sessions.stream(SID, since=2, turn=2) as events:
        found = await collect(events)
    assert found == [("start", None), ("stage", 3), ("turn_start", 4), ("output", 4), ("exit", 4)]


@pytest.mark.anyio
async def test_one_turn_survives_a_broken_connection(scripted, aconnect):
    first = start() + runtime_start(1) + turn_start(2, 1) + output(2) + runtime_start(3)
    rest = start() + turn_start(4, 2) + output(4, turn=2) + terminal(4)
    service = scripted(stream(first, then="reset"), stream(rest))
    async with aconnect(service).sessions.stream(SID, turn=2) as events:
        found = await collect(events)
    assert found == [("start", None), ("stage", 3), ("turn_start", 4), ("output", 4), ("exit", 4)]


@pytest.mark.anyio
async def test_terminal_events_without_a_row_are_returned(scripted, aconnect):
    service = scripted(stream(start(), terminal(0, "terminated")))
    async with aconnect(service).sessions.stream(SID) as events:
        assert await collect(events) == [("start", None), ("terminated", 0)]
    assert events.last_event_id is None


@pytest.mark.anyio
async def test_a_terminal_event_after_the_cursor_is_returned(scripted, aconnect):
    service = scripted(stream(start(), terminal(9)))
    async with aconnect(service).sessions.stream(SID, since=9) as events:
        assert await collect(events) == [("start", None), ("exit", 9)]
    assert service.requests[0].query == "since=9"


@pytest.mark.anyio
async def test_rows_that_a_service_repeats_are_returned_once(scripted, aconnect):
    service = scripted(
        stream(start(), output(1), output(2), then="reset"),
        stream(start(), output(1), output(2), output(2), output(3), terminal(3)),
    )
    async with aconnect(service).sessions.stream(SID) as events:
        assert [number for _, number in await collect(events)] == [None, 1, 2, 3, 3]


@pytest.mark.anyio
async def test_unnumbered_events_are_never_taken_for_repetitions(scripted, aconnect):
    note = b'data: {"type": "note"}\n\n'
    service = scripted(stream(start(), note, note, output(1), note, terminal(1)))
    async with aconnect(service).sessions.stream(SID) as events:
        assert [kind for kind, _ in await collect(events)].count("note") == 3


@pytest.mark.anyio
async def test_unusable_ids_and_turns_are_passed_on_unchanged(scripted, aconnect):
    odd = b'data: {"type": "turn_start", "id": 9, "turn": [1]}\n\n'
    odd += b"id: " + b"9" * 5000 + b'\ndata: {"type": "note"}\n\n'
    odd += 'id: ²\ndata: {"type": "note"}\n\n'.encode()
    service = scripted(stream(start(), odd, terminal(0)))
    async with aconnect(service).sessions.stream(SID) as events:
        assert [kind for kind, _ in await collect(events)] == [
            "start", "turn_start", "note", "note", "exit",
        ]  # fmt: skip
    assert events.last_event_id is None


@pytest.mark.anyio
async def test_a_cursor_that_is_not_a_number_is_refused(scripted, aconnect):
    with pytest.raises(AodUsageError, match="last_event_id"):
        aconnect(scripted(answer())).sessions.stream(SID, since="7")


@pytest.mark.anyio
async def test_closing_the_client_ends_its_streams(scripted, aconnect):
    service = scripted(stream(start(), output(1), then="reset"))
    client = aconnect(service)
    events = client.sessions.stream(SID)
    assert (await anext(events)).type == "start"
    await client.aclose()
    with pytest.raises(AodUsageError, match="this client is closed"):
        await collect(events)


@pytest.mark.anyio
async def test_more_than_a_hundred_streams_can_be_open(scripted, aconnect):
    service = scripted(stream(start(), then="hang"))
    client = aconnect(service, timeout=60)
    streams = [client.sessions.stream(SID) for _ in range(110)]
    for events in streams:
        assert (await anext(events)).type == "start"
    for events in streams:
        await events.aclose()


@pytest.mark.anyio
async def test_heartbeats_alone_do_not_keep_a_dead_session_for_ever(scripted, aconnect):
    beats = [b": heartbeat\n\n", Pause()] * 50
    service = scripted(
        stream(start(), output(1), *beats, then="hang"),
        stream(start(), output(2), terminal(2)),
    )
    client = aconnect(service, timeout=Timeouts(no_data=0.05))
    async with client.sessions.stream(SID) as events:
        assert [number for _, number in await collect(events)] == [None, 1, 2, 2]


@pytest.mark.anyio
async def test_without_resume_a_break_is_raised(scripted, aconnect):
    service = scripted(stream(start(), output(5), then="reset"))
    with pytest.raises(StreamInterrupted, match="since=5"):
        await collect(aconnect(service).sessions.stream(SID, resume=False))
    assert len(service.requests) == 1


@pytest.mark.anyio
async def test_an_unknown_session_is_refused_on_entering(client, aconnect, service):
    stranger = aconnect(service).sessions.stream(SID)
    stranger._transport._auth = client._transport._auth
    with pytest.raises(NotFoundError, match=r"Session not found\. sessions\.list\(\) shows"):
        await stranger.__aenter__()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "body"), [(404, b"<h1>Not Found</h1>"), (405, b""), (404, b'{"detail":"Not Found"}')]
)
async def test_interrupt_says_when_the_service_has_none(scripted, aconnect, status, body):
    service = scripted(answer(status, body, "text/html"))
    with pytest.raises(NotSupportedError, match=r"sessions\.terminate\(\) ends the session"):
        await aconnect(service).sessions.interrupt(SID)


@pytest.mark.anyio
async def test_interrupt_of_a_missing_session_is_a_404(scripted, aconnect):
    service = scripted(answer(404, {"detail": "Session not found"}))
    with pytest.raises(NotFoundError):
        await aconnect(service).sessions.interrupt(SID)


@pytest.mark.anyio
async def test_interrupt_returns_the_acknowledgement(scripted, aconnect):
    service = scripted(answer(202, {"id": SID, "status": "running"}))
    assert (await aconnect(service).sessions.interrupt(SID)).status == "running"


@pytest.mark.anyio
async def test_a_stream_that_was_closed_before_it_was_opened_asks_for_nothing(scripted, aconnect):
    service = scripted(stream(TWO_TURNS))
    events = aconnect(service).sessions.stream(SID)
    await events.aclose()
    assert await collect(events) == []
    assert service.requests == []


@pytest.mark.anyio
async def test_a_stream_that_is_closed_while_it_opens_keeps_no_connection(scripted, aconnect):
    client = aconnect(scripted(stream(TWO_TURNS)))
    events = client.sessions.stream(SID)
    connected = events._resume.connected

    def closing():
        events._closed = True
        connected()

    events._resume.connected = closing
    assert await collect(events) == []
    assert events._body.response.is_closed


@pytest.mark.anyio
async def test_a_closed_stream_yields_nothing_more(scripted, aconnect):
    service = scripted(stream(TWO_TURNS, then="hang"))
    async with aconnect(service).sessions.stream(SID) as events:
        await anext(events)
        await events.aclose()
        assert await collect(events) == []


@pytest.mark.anyio
async def test_waiting_continues_while_a_session_is_not_final(scripted, aconnect):
    running = {**SESSION, "status": "running"}
    service = scripted(
        stream(start(), terminal(0)),
        answer(200, running),
        stream(start(), terminal(0)),
        answer(200, SESSION),
    )
    result = await aconnect(service).sessions.wait_for_completion(SID)
    assert result.session.status == "completed"
    assert [event.type for event in result.events] == ["start", "exit", "exit"]


def gap(*numbers):
    return b"".join(output(number, f"text {number}\n") for number in numbers)


LONG = gap(*range(1, 1001))
NOTE = b'data: {"type": "note"}\n\n'
BODIES = {
    "rows without a gap": [stream(start() + gap(1, 2, 3) + terminal(3))],
    "rows with gaps": [stream(start() + gap(5, 9, 12) + terminal(12))],
    "a row twice, another missing": [stream(start() + gap(1, 1, 3) + gap(4) + terminal(4))],
    "rows out of order": [stream(start() + gap(7, 3, 9) + terminal(9))],
    "rows after the end": [stream(start() + gap(1) + terminal(1) + gap(2, 3))],
    "two turns": [stream(TWO_TURNS)],
    "broken and repeated": [
        stream(start() + turn_start(1, 1) + gap(1, 2), then="reset"),
        stream(start() + turn_start(1, 1) + gap(1, 2, 2, 3) + terminal(3)),
    ],
    "torn within an event": [
        stream(start() + gap(1, 2) + output(3)[:20], then="reset"),
        stream(start() + turn_start(3, 1) + gap(3, 4) + terminal(4)),
    ],
    "events without a number": [stream(start() + NOTE + NOTE + gap(1) + NOTE + terminal(1))],
    "a number of no use": [
        stream(start() + b'id: x\ndata: {"type": "output", "data": "a"}\n\n' + terminal(0))
    ],
    "carriage returns": [stream((start() + gap(1, 2) + terminal(2)).replace(b"\n\n", b"\r\n\r\n"))],
    "heartbeats": [
        stream(start() + b": heartbeat\n\n" + gap(1) + b": heartbeat\n\n" + terminal(1))
    ],
    "a long past": [stream(start() + turn_start(1, 1) + LONG + terminal(1000))],
    "a long past, broken and repeated from its start": [
        stream(start() + turn_start(1, 1) + LONG + output(1001), then="reset"),
        stream(start() + turn_start(1, 1) + LONG + gap(1001, 1002) + terminal(1002)),
    ],
    "a long past, broken and resumed in the next turn": [
        stream(start() + turn_start(1, 1) + LONG + runtime_start(1001), then="reset"),
        stream(start() + turn_start(1, 1) + turn_start(1002, 2) + gap(1002) + terminal(1002)),
    ],
    "an output that looks like an end": [
        stream(start() + output(1, '{"type": "exit"}\n') + gap(2) + terminal(2))
    ],
}


@pytest.mark.anyio
@pytest.mark.parametrize("turn", [None, 1])
@pytest.mark.parametrize("case", BODIES)
async def test_chunks_hold_the_events_of_the_iteration(scripted, aconnect, case, turn):
    async with aconnect(scripted(*BODIES[case])).sessions.stream(SID, turn=turn) as events:
        expected = [event.model_dump() async for event in events]
    async with aconnect(scripted(*BODIES[case])).sessions.stream(SID, turn=turn) as raw:
        chunks = []
        async for chunk in raw.chunks():
            chunks += [chunk]
    assert all(chunk.endswith(b"\n\n") for chunk in chunks)
    assert [event.model_dump() for event in iter_events(chunks)] == expected
    assert raw.last_event_id == events.last_event_id
    assert raw.terminal == events.terminal


@pytest.mark.anyio
async def test_chunks_of_a_stream_that_breaks_for_good_end_with_the_error(scripted, aconnect):
    service = scripted(stream(start() + gap(1, 2), then="reset"))
    async with aconnect(service).sessions.stream(SID, resume=False) as events:
        chunks = events.chunks()
        assert len(list(iter_events(await anext(chunks)))) == 1
        assert len(list(iter_events(await anext(chunks)))) == 2
        with pytest.raises(StreamInterrupted) as caught:
            await anext(chunks)
    assert caught.value.last_event_id == 2
