"""Bodies of HTTP answers, taken apart: any chunks, cut anywhere, are the same body."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aod_notebook.core.framing import ChunkedBody, FramingError, LengthBody, read_head

LARGE = 1 << 21


def chunked(parts, extension=b"", trailers=b""):
    chunks = [b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts]
    return b"".join([*chunks, b"0\r\n", trailers, b"\r\n"])


def fed(body, data, places=()):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return b"".join(body.feed(data[a:b]) for a, b in pairwise(edges) if a < b)


@given(
    st.lists(st.sampled_from([b"a", b"\r\n", b"5\r\nabcde\r\n", b"0\r\n\r\n", b"id: 1\n\n" * 700])),
    st.sampled_from([b"", b";name=value", b" "]),
    st.sampled_from([b"", b"Expires: 0\r\n"]),
    st.lists(st.integers(0, 1 << 20), max_size=8),
)
@example([b"a", b"b"], b"", b"", range(40))
def test_chunks_cut_anywhere_are_the_same_body(parts, extension, trailers, places):
    body = ChunkedBody()
    assert fed(body, chunked(parts, extension, trailers), places) == b"".join(parts)
    assert body.has_ended
    assert not body.has_excess


def test_a_chunk_is_returned_as_far_as_it_has_come():
    body = ChunkedBody()
    assert body.feed(b"5\r\nab") == b"ab"
    assert body.feed(b"cde") == b"cde"
    assert not body.has_ended


@pytest.mark.parametrize(
    "data",
    [b"zz\r\n", b"-1\r\nabc", b"2\r\nabcd", b"\r\nabc\r\n", b"1" * 5000, b"1;" + b"x" * 5000],
)
def test_bytes_that_are_no_chunks_are_refused(data):
    with pytest.raises(FramingError):
        fed(ChunkedBody(), data)


@pytest.mark.parametrize("body", [ChunkedBody(), LengthBody(3)], ids=["chunked", "length"])
def test_bytes_behind_a_body_are_noticed_and_left_out(body):
    data = chunked([b"abc"]) if isinstance(body, ChunkedBody) else b"abc"
    assert body.feed(data + b"HTTP") == b"abc"
    assert body.has_ended
    assert body.has_excess


def head(*lines, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Transfer-Encoding: chunked", ChunkedBody),
        ("transfer-encoding:CHUNKED ", ChunkedBody),
        (f"Content-Length: {LARGE}", LengthBody),
    ],
)
def test_a_head_is_given_on_with_an_empty_body(line, kind):
    found = read_head(head("A: 1", line, "B: 2"))
    assert isinstance(found.body, kind)
    assert found.as_empty == head("A: 1", "content-length: 0", "B: 2")


@pytest.mark.parametrize(
    "given",
    [
        head(),
        head("Content-Length: 12"),
        head("Transfer-Encoding: gzip, chunked"),
        head("Transfer-Encoding: chunked", f"Content-Length: {LARGE}"),
        head(f"Content-Length: {LARGE}", f"Content-Length: {LARGE}"),
        head(f"Content-Length: {LARGE}, {LARGE}"),
        head("Transfer-Encoding: chunked", status="404 Not Found"),
        head("Transfer-Encoding: chunked").replace(b"1.1", b"1.0"),
    ],
)
def test_other_heads_are_left_as_they_are(given):
    assert read_head(given) is None
