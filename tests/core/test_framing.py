"""Parts of HTTP answers: any plain chunks, cut anywhere, are the same body."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aod_notebook.core.framing import Chunks, FramingError, LengthBody, Lines, without_length

LARGE = 1 << 21
LAST = b"0\r\n\r\n"


def fed(part, data, places=()):
    """Feed the data cut at these places; return what belongs to the part, and the rest."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    taken, rest = b"", b""
    for a, b in pairwise(edges):
        if part.has_ended:
            rest += data[a:b]
        elif a < b:
            more, rest = part.take(data[a:b])
            taken += more
    return taken, rest


@given(
    st.lists(st.sampled_from([b"a", b"\r\n", b"5\r\nabcde\r\n", LAST, b"id: 1\n\n" * 700])),
    st.lists(st.integers(0, 1 << 20), max_size=8),
    st.sampled_from([b"%x\r\n%s\r\n", b"%X\r\n%s\r\n", b"00%x\r\n%s\r\n"]),
    st.sampled_from([LAST, b"0\r\nExpires: 0\r\n\r\n", LAST + b"HTTP/1.1"]),
)
@example([b"a", b"b"], range(40), b"%x\r\n%s\r\n", LAST)
def test_plain_chunks_cut_anywhere_are_the_same_body(parts, places, form, end):
    chunks = Chunks()
    data = b"".join(form % (len(part), part) for part in parts) + end
    assert fed(chunks, data, places) == (b"".join(parts), end)
    assert chunks.is_last


def test_a_chunk_is_returned_as_far_as_it_has_come():
    chunks = Chunks()
    assert chunks.take(b"5\r\nab") == (b"ab", b"")
    assert chunks.take(b"cde") == (b"cde", b"")
    assert not chunks.has_ended


@pytest.mark.parametrize(
    "other",
    [b"+1", b"-1", b"0x1", b"0_1", b" 1", b"1 ", b"\v1", b"1\n", b"1;a=b", b"g", b"1" * 16, b""],
)
def test_chunks_end_before_one_whose_size_is_not_plain(other):
    rest = other + b"\r\nb\r\n" + b"1\r\nc\r\n" * 2
    chunks = Chunks()
    assert chunks.take(b"1\r\na\r\n" * 3 + rest) == (b"aaa", rest)
    assert chunks.has_ended
    assert not chunks.is_last


def test_a_size_that_does_not_end_is_not_kept():
    chunks = Chunks()
    assert chunks.take(b"1" * 15) == (b"", b"")
    assert chunks.take(b"1") == (b"", b"1" * 16)


@pytest.mark.parametrize("data", [b"2\r\nabcd", b"2\r\nab\n", b"2\r\nab\rX", b"1\r\na\r\n2\r\nabX"])
@pytest.mark.parametrize("places", [(), range(12)], ids=["whole", "bytes"])
def test_a_chunk_that_is_longer_than_announced_is_refused(data, places):
    with pytest.raises(FramingError):
        fed(Chunks(), data, places)


def test_bytes_behind_a_body_are_no_part_of_it():
    body = LengthBody(3)
    assert body.take(b"abcHTTP") == (b"abc", b"HTTP")
    assert body.has_ended


@pytest.mark.parametrize("blank", [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n"])
@given(places=st.lists(st.integers(0, 1 << 10), max_size=4))
def test_lines_end_at_the_first_blank_one(blank, places):
    head = b"HTTP/1.1 200 OK\r\nA: 1" + blank
    assert fed(Lines(), head + b"a\n\nb", places) == (head, b"a\n\nb")


def head(*lines):
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "line", ["Content-Length: {}", "content-length:{} ", "CONTENT-LENGTH:\t{}"]
)
def test_a_large_length_is_read_as_none(line):
    given = head("A: 1", line.format(LARGE), "B: 2")
    assert without_length(given) == (head("A: 1", line.format(0), "B: 2"), LARGE)


@pytest.mark.parametrize(
    "given",
    [
        head(),
        head("Content-Length: 12"),
        head(f"X-Content-Length: {LARGE}"),
        head(f"Content-Length: {LARGE}", f"Content-Length: {LARGE}"),
        head(f"Content-Length: {LARGE}", "A: 1\nContent-Length: 0"),
        head(f"Content-Length: {LARGE}, {LARGE}"),
        head(f"Content-Length: +{LARGE}"),
        head(f"Content-Length : {LARGE}"),
        head(f"A: 1\r\n Content-Length: {LARGE}"),
    ],
)
def test_other_heads_are_left_as_they_are(given):
    assert without_length(given) == (given, 0)
