"""The decoder of server-sent events, against the standard and against any chunking."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aod_notebook.core.sse import BlockCutter, SSEDecoder


def decode(*chunks):
    decoder = SSEDecoder()
    batches = [decoder.feed(chunk) for chunk in chunks]
    return [event for b in batches for event in zip(b.data, b.ids, b.names, strict=True)]


def cut(body, places):
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\n", [(b"a", b"", b"")]),
        (b"data:a\n\n", [(b"a", b"", b"")]),
        (b"data:  a\n\n", [(b" a", b"", b"")]),
        (b"id: 1\ndata: a\n\n", [(b"a", b"1", b"")]),
        (b"data: a\nid: 1\n\n", [(b"a", b"1", b"")]),
        (b"event: e\nid: 1\ndata: a\n\n", [(b"a", b"1", b"e")]),
        (b"id: 1\nevent: e\n\nid: 2\ndata: a\n\n", [(b"a", b"2", b"")]),
        (b"data: a\ndata: b\n\n", [(b"a\nb", b"", b"")]),
        (b"data: a\ndata:\n\n", [(b"a\n", b"", b"")]),
        (b"id: 1\nid: 2\ndata: a\n\n", [(b"a", b"2", b"")]),
        (b"id: 1\nfoo: bar\n\nid: 2\ndata: a\n\n", [(b"a", b"2", b"")]),
        (b"retry: 5\ndata: a\n\n", [(b"a", b"", b"")]),
        (b"data: a\nnonsense\n\n", [(b"a", b"", b"")]),
        (b": heartbeat\n\ndata: a\n\n", [(b"a", b"", b"")]),
        (b"\n\n\n\ndata: a\n\n\n\n", [(b"a", b"", b"")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"a", b"", b"")]),
        (b"data: a\r\n\r\n", [(b"a", b"", b"")]),
        (b"data: a\r\r", [(b"a", b"", b"")]),
        (b"data: a\r\n\ndata: b\r\n\r\n", [(b"a", b"", b""), (b"b", b"", b"")]),
        (b"data: a\xe2\x80\xa8b\x0b\x0c\n\n", [(b"a\xe2\x80\xa8b\x0b\x0c", b"", b"")]),
    ],
)
def test_events_follow_the_standard(body, events):
    assert decode(body) == events


@pytest.mark.parametrize(
    "body",
    [b"", b"data: a", b"data: a\n", b": heartbeat\n\n", b"id: 3\n\n", b"data:\n\n", b"data: \n\n"],
)
def test_what_is_incomplete_or_empty_is_not_an_event(body):
    assert decode(body) == []


def test_an_id_belongs_to_its_own_event_only():
    assert decode(b"id: 1\ndata: a\n\ndata: b\n\n") == [(b"a", b"1", b""), (b"b", b"", b"")]


def test_an_event_is_returned_as_soon_as_its_blank_line_arrives():
    decoder = SSEDecoder()
    assert decoder.feed(b"id: 1\ndata: a\n").data == []
    assert decoder.feed(b"\n").data == [b"a"]


def test_a_carriage_return_completes_an_event_without_waiting_for_a_line_feed():
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r\n\r").data == [b"a"]
    assert decoder.feed(b"\ndata: b\r\n\r").data == [b"b"]


LINES = st.sampled_from(
    [
        b"data: {}", b"data:x", b"data", b"data:", b"id: 12", b"id: x", b"id:", b"event: e",
        b": heartbeat", b"", b"", b"", b"retry: 1", b"\xef\xbb\xbfdata: a", b"foo",
    ]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
BODIES = st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@settings(deadline=None)
@given(BODIES | st.binary(max_size=200), CUTS)
@example(b"data: a\r\n\r\ndata: b\n\n", [9, 10])
def test_any_chunking_gives_the_same_events(body, places):
    assert decode(*cut(body, places)) == decode(body)


@settings(deadline=None)
@given(BODIES | st.binary(max_size=200), CUTS)
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
@example(b"data: a\n\ndata: b\n\n", [8, 8, 9])
@example(b"data: a\r\n\r\ndata: b\r\r", [8, 9, 10, 20])
def test_blocks_of_any_chunking_hold_the_same_events(body, places):
    cutter = BlockCutter()
    blocks = [cutter.feed(chunk) for chunk in cut(body, places)]
    assert all(block.endswith(b"\n\n") or block in {b"", b"\n"} for block in blocks)
    assert decode(*blocks) == decode(body)


@settings(deadline=None)
@given(BODIES)
def test_one_byte_at_a_time_gives_the_same_events(body):
    assert decode(*[body[at : at + 1] for at in range(len(body))]) == decode(body)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda d: not {10, 13} & {*d})))
def test_regular_events_come_through_unchanged(payloads):
    body = b"".join(b"id: %d\ndata: %s\n\n" % (at, data) for at, data in enumerate(payloads))
    assert decode(body) == [(data, b"%d" % at, b"") for at, data in enumerate(payloads)]


def test_one_long_event_in_many_chunks_takes_linear_time():
    decoder = SSEDecoder()
    chunk = b"x" * 65536
    decoder.feed(b"data: ")
    for _ in range(256):
        assert decoder.feed(chunk).data == []
    assert len(decoder._torn) == 257  # parts are kept apart, not joined for each chunk
    assert len(decoder.feed(b"\n\n").data[0]) == 256 * 65536
