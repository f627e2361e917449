"""Bodies of event streams for made-up sessions, as a service would send them."""

import json
import random

from known_sessions import KnownSession, chunked

from aod_notebook import frames
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.frames.sessions.turns import turns_of


def event(number, /, *, has_id=True, **fields):
    """One event of the stream, framed as on the wire."""
    mark = f"id: {number}\n" if has_id else ""
    return f"{mark}data: {json.dumps(fields)}\n\n"


def output(number, data, turn=1, stream="stdout"):
    return event(number, type="output", id=number, stream=stream, data=data, turn=turn)


def body_of(session: KnownSession, session_id: str, seed: int) -> bytes:
    """The whole stream of a session: its lines in chunks cut anywhere, with noise on stderr."""
    dice = random.Random(seed)
    number = 100
    parts = [event(0, has_id=False, type="start", runtime=session.runtime, session_id=session_id)]
    for turn in session.turns:
        number += dice.randint(1, 3)
        stage = {"stage": "runtime_start", "state": "started"}
        parts.append(event(number, type="stage", id=number, **stage))
        parts.append(event(0, has_id=False, type="turn_start", id=number + 1, turn=turn.number))
        text = "\n".join(turn.lines) + ("" if dice.random() < 0.3 else "\n")
        for chunk in chunked(text, seed, largest=400):
            number += 1
            parts.append(output(number, chunk, turn.number))
            if dice.random() < 0.1:
                number += 1
                parts.append(output(number, '{"type":"result"}\n', turn.number, "stderr"))
            if dice.random() < 0.05:
                parts.append(": heartbeat\n\n")
    parts.append(event(number, type="exit", id=number, code=0))
    return "".join(parts).encode()


def frames_of(session: KnownSession, session_id: str):
    """Sessions, turns, tool calls and results of a session, as a service would tell of it."""
    at = "2026-01-01T00:0{}:00Z".format
    told = {"id": session_id, "agent_id": "a1", "provider": "anthropic", "status": "completed"}
    turns = [
        {"turn_number": turn.number, "started_at": at(turn.number), "ended_at": at(turn.number + 1)}
        for turn in session.turns
    ]
    events = frames.decode_events(body_of(session, session_id, 1))
    return (
        sessions_of([{**told, "created_at": at(0), "updated_at": at(9)}]),
        turns_of([(session_id, turns)]),
        frames.tool_calls_from_events(events),
        frames.results_from_events(events),
    )
