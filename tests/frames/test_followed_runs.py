"""Tables of a run that grows: a look decodes what is new, and shows what a fresh one would."""

import gc
import json
import warnings
import weakref

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames import followed
from aod_notebook.frames.decode import run_events

SHAPES = {
    "bare": '{"data":[%s]}',
    "pretty": '{\n "data": [\n%s\n ]\n}',
    "wrapped": '{"data": {"data": [%s], "total": 9}}',
    "with another list": '{"data": [%s], "more": [{"type": "no event"}]}',
}
LOOKS = (0, 1, 2, 2, 9, 30, 31, 60)


def event(number):
    payload = {"tool": "ls", "input_tokens": number} if number % 3 else {"text": "ü, ]}"}
    return {
        "id": f"e{number}",
        "sequence_number": number,
        "type": "tool.called",
        "occurred_at": f"2026-01-01T00:00:{number % 60:02}Z",
        "span_id": f"s{number}" if number % 2 else None,
        "parent_span_id": f"s{number // 4 * 2 + 1}",
        "payload": payload,
    }


class Runs:
    """The part of a service that frames ask for events; it counts the bytes that it sends."""

    def __init__(self, events, shape="bare"):
        self.events, self.shape, self.sent = events, shape, 0

    def events_body(self, *, run_id, limit, after=0):
        rows = [row for number, row in enumerate(self.events[:limit], 1) if number > after]
        body = (SHAPES[self.shape] % ", ".join(map(json.dumps, rows))).encode()
        self.sent += len(body)
        return body


class Growing:
    """A followed run that is its own client, with the first `count` of these events."""

    id = run_id = "r1"
    base_url, is_final = "http://127.0.0.1:1", False

    def __init__(self, events, count=0, shape="bare", *, is_embedded=False):
        self.all, self.is_embedded, self.runs = events, is_embedded, Runs([], shape)
        self.count = count

    @property
    def count(self):
        return len(self.runs.events)

    @count.setter
    def count(self, count):
        self.runs.events = self.all[:count]

    @property
    def client(self):
        return self

    def received(self):
        return []


def tables(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", frames.FrameWarning)
        return (
            frames.run_events_df(run),
            frames.spans_df(run),
            frames.run_events_df(run.id, client=run),
        )


def same(run):
    """Compare the tables of looks with those of a run that nobody looked at before."""
    for table, fresh in zip(
        tables(run), tables(Growing(run.all, run.count, run.runs.shape)), strict=True
    ):
        pd.testing.assert_frame_equal(table, fresh)
        assert {**table.attrs, "fetched_at": 0} == {**fresh.attrs, "fetched_at": 0}


@pytest.fixture
def decoded(monkeypatch):
    """The numbers of events that were decoded, batch by batch."""
    counts = []
    values = run_events._values

    def counted(events, *rest):
        counts.append(len(events))
        return values(events, *rest)

    monkeypatch.setattr(run_events, "_values", counted)
    return counts


@pytest.mark.parametrize("is_embedded", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_look_at_a_growing_run_shows_what_a_fresh_one_would(shape, is_embedded):
    if is_embedded and shape != "bare":
        shape = "pretty"
    run = Growing([event(number) for number in range(1, 61)], 0, shape, is_embedded=is_embedded)
    for run.count in LOOKS:
        same(run)
    assert len(frames.spans_df(run)) == 30


@pytest.mark.parametrize("is_embedded", [True, False])
def test_forty_looks_decode_each_event_once(decoded, is_embedded):
    run = Growing([event(number) for number in range(1, 401)], is_embedded=is_embedded)
    for run.count in range(10, 401, 10):
        frames.spans_df(run)
    assert sum(decoded) == 400


def test_forty_looks_ask_an_embedded_service_for_each_event_once():
    run = Growing([event(number) for number in range(1, 401)], is_embedded=True)
    whole = len(Runs(run.all).events_body(run_id="r1", limit=1000))
    for run.count in range(10, 401, 10):
        frames.run_events_df(run)
    assert run.runs.sent < 1.01 * whole


def test_events_that_cannot_be_read_are_counted_once_at_every_look():
    run = Growing([event(1), 5, event(3), "x", event(5), None, event(7)])
    for run.count in (2, 4, 4, 7):
        same(run)
    assert tables(run)[0].attrs["dropped"] == 3


@pytest.mark.parametrize("changed", [0, 4])
def test_events_that_changed_are_read_from_the_first_one_on(changed):
    run = Growing([event(number) for number in range(1, 11)], 5)
    tables(run)
    run.all = [
        {**row, "type": "tool.failed"} if n == changed else row for n, row in enumerate(run.all)
    ]
    run.count = 8
    same(run)


def test_another_service_is_asked_for_everything():
    run = Growing([event(number) for number in range(1, 11)], 8, is_embedded=True)
    tables(run)
    run.base_url, run.all, run.count = "http://127.0.0.1:2", [event(7)], 1
    table = frames.run_events_df(run)
    assert (list(table["order"]), table.attrs["base_url"]) == ([7], run.base_url)


def test_what_a_user_changes_in_a_table_is_not_seen_at_the_next_look():
    run = Growing([event(number) for number in range(1, 11)], 10, is_embedded=True)
    mine = frames.run_events_df(run)
    for column in mine:
        mine.loc[:, column] = mine[column].iloc[::-1].array
    mine.attrs["problems"].append("mine")
    same(run)


def test_many_looks_leave_few_chunks_behind(monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.native._LOOSE_CHUNKS", 5)
    run = Growing([event(number) for number in range(1, 61)], is_embedded=True)
    for run.count in range(61):
        frames.run_events_df(run)
    table = followed._kept[run]._table
    assert all(len(chunks) <= 6 for chunks in table._chunks.values())
    same(run)


def test_a_run_that_nobody_holds_is_not_kept():
    run = Growing([event(1)], 1)
    frames.run_events_df(run)
    kept = weakref.ref(followed._kept[run])
    del run
    gc.collect()
    assert kept() is None
