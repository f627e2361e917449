"""Tables of a session that grows: a look reads what is new, and shows what a fresh one would."""

import gc
import json
import weakref

import pandas as pd
import pytest
from bodies import body_of
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.aod import StreamEvent
from aod_notebook.frames import followed
from aod_notebook.frames.decode import events as decode
from aod_notebook.transcripts import Reader

TABLES = ("events", "messages", "tool_calls", "results", "model_usage")


class Growing:
    """A followed session that has received the first `count` of these events."""

    id, client, is_final, model = "s1", None, False, "a-model"

    def __init__(self, events, count=0):
        self.events, self.count = events, count

    def received(self):
        return self.events[: self.count]


def received(runtime, seed):
    """The events of a made-up session, each with the time of its receipt."""
    body = body_of(known_session(runtime, seed), "s1", seed)
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data:")]
    read = [StreamEvent.from_payload(json.loads(line)) for line in lines]
    return [(event, 1.7e9 + number) for number, event in enumerate(read)]


def looks(events, count):
    """The numbers of events that are there at so many looks."""
    return [len(events) * look // count for look in range(1, count + 1)]


def tables(session):
    return [getattr(frames, f"{name}_df")(session) for name in TABLES]


def same(tables, others):
    for table, other in zip(tables, others, strict=True):
        pd.testing.assert_frame_equal(table, other)
        assert table.attrs == other.attrs


@pytest.fixture
def work(monkeypatch):
    """How many events were decoded and how many lines were read."""
    done = {"events": 0, "lines": 0}
    wire_event, read = decode.wire_event, Reader._read

    def counted_event(fields):
        done["events"] += 1
        return wire_event(fields)

    def counted_read(self, raw):
        done["lines"] += 1
        return read(self, raw)

    monkeypatch.setattr(decode, "wire_event", counted_event)
    monkeypatch.setattr(Reader, "_read", counted_read)
    return done


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("runtime", ["claude", "codex", "gemini", "opencode"])
def test_every_look_at_a_growing_session_shows_what_a_fresh_one_would(runtime, seed):
    events = received(runtime, seed)
    session = Growing(events)
    for session.count in (0, *looks(events, 9)):
        same(tables(session), tables(Growing(events, session.count)))
    assert len(frames.messages_df(session)) > 0


def test_a_look_decodes_only_what_came_since_the_last_one(work):
    events = received("claude", 1)
    frames.messages_df(Growing(events, len(events)))
    assert work["events"] == len(events)
    lines = work["lines"]
    work.update(events=0, lines=0)
    session = Growing(events)
    for session.count in looks(events, 40):
        tables(session)
    assert work["events"] == len(events)
    assert lines <= work["lines"] <= lines + 40  # the line that a look ends in is read again


def test_other_events_than_before_are_read_from_the_first_one_on():
    session = Growing(received("claude", 2), 60)
    tables(session)
    session.events = received("codex", 3)
    for session.count in (30, 70):
        same(tables(session), tables(Growing(session.events, session.count)))


def test_what_a_user_changes_in_a_table_is_not_seen_at_the_next_look():
    session = Growing(received("claude", 1), 90)
    before = tables(session)
    changed = frames.events_df(session)
    for column in changed:
        changed.loc[:, column] = changed[column].iloc[::-1].array
    changed.attrs["problems"].append("mine")
    same(tables(session), before)


def test_many_looks_leave_few_chunks_behind(monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.native._LOOSE_CHUNKS", 5)
    events = received("claude", 1)
    session = Growing(events)
    for session.count in range(len(events)):
        frames.events_df(session)
    table = followed._kept[session]._decoded.table
    assert all(len(chunks) <= 6 for chunks in table._chunks.values())
    same(tables(session), tables(Growing(events, session.count)))


def test_a_session_that_nobody_holds_is_not_kept():
    session = Growing(received("claude", 1), 50)
    frames.messages_df(session)
    kept = weakref.ref(followed._kept[session])
    del session
    gc.collect()
    assert kept() is None
