"""Any bytes for an answer, cut anywhere: what our transport makes of them, httpx does too."""

from itertools import pairwise

import httpcore
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aod_notebook.core import framing
from aod_notebook.core._sync.passing import PassingStream, passing

BODIES = [
    b"",
    b"a",
    b"\r\n",
    b"\n\n",
    b"0\r\n\r\n",
    b"3\r\nabc\r\n",
    b"id: 1\ndata: {}\n\n",
    b"x" * 40,
]
STARTS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\n",
    b"HTTP/1.1 200\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 401 Unauthorized\r\n",
    b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/2 200\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n",
]
INTERIM = [
    b"",
    b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n",
    b"HTTP/1.1 100 C\nContent-Length: 0000009\n\n",
]
LINES = [
    b"Content-Length: 0000003\r\n",
    b"content-LENGTH:\t00000040 \r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0000003\n",
    b"Content-Length : 0000003\r\n",
    b"Content-Length: +000003\r\n",
    b"Content-Length: 0000003, 0000003\r\n",
    b"Content-Length: 0000003\r\n 0\r\n",
    b"Content-Length: 0000000\r\n",
    b"X: a\r\n Content-Length: 0000003\r\n",
    b"X-Content-Length: 0000003\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"TRANSFER-encoding:ChunkeD\t\r\n",
    b"Transfer-Encoding: chunked\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Connection: close\r\n",
    b"X: \xe9\x01\r\n",
    b"no colon\r\n",
]
ENDS = [b"0\r\n\r\n"] * 8 + [
    b"",
    b"0\r\n",
    b"0\r\n\n",
    b"0\n\n",
    b"000\r\n\r\n",
    b"0;last\r\n\r\n",
    b"0 \r\n\r\n",
    b"0\r\nExpires: 0\r\n\r\n",
    b"0\r\nExpires: 0\n\n",
    b"0\r\n bad\r\n\r\n",
    b"\r\n",
]
AFTER = [b""] * 4 + [b"\r\n", b"0", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX"]
PLAIN = b"%x\r\n%b\r\n"
FORMS = [PLAIN] * 12 + [
    b"%X\r\n%b\r\n",
    b"000%x\r\n%b\r\n",
    b"%x;a=b\r\n%b\r\n",
    b"%x ;a\r\n%b\r\n",
    b"%x \t\r\n%b\r\n",
    b"+%x\r\n%b\r\n",
    b"-%x\r\n%b\r\n",
    b" %x\r\n%b\r\n",
    b"0_%x\r\n%b\r\n",
    b"0x%x\r\n%b\r\n",
    b"%x\n%b\r\n",
    b"%x\r\n%b\n",
    b"%x\r\n%b\rX",
    b"%x\r\n%bX\r\n",
    b"%x\r\n%b",
    b"0000000000000000000%x\r\n%b\r\n",
    b"00000000000000000000%x\r\n%b\r\n",
    b"8000000000000000%x\r\n%b\r\n",
    b"\r\n%x\r\n%b\r\n",
    b"%x;\x00\xff\r\r\n%b\r\n",
]


@st.composite
def bodies(draw):
    if draw(st.booleans()):
        return b"".join(draw(st.lists(st.sampled_from(BODIES), max_size=6)))
    chunks = draw(st.lists(st.tuples(st.sampled_from(FORMS), st.sampled_from(BODIES)), max_size=6))
    parts = [form % (len(body), body) for form, body in chunks if body]
    return b"".join(parts) + draw(st.sampled_from(ENDS))


@st.composite
def answers(draw):
    lines = draw(st.lists(st.sampled_from(LINES), max_size=3))
    usual = draw(st.sampled_from(["", "chunked", "length"]))
    body = draw(bodies())
    if usual == "chunked":
        lines = [line for line in lines if b"close" in line or b"X:" in line]
        lines.insert(0, b"Transfer-Encoding: chunked\r\n")
    elif usual == "length":
        lines.insert(0, b"Content-Length: %07d\r\n" % draw(st.sampled_from([len(body)] * 4 + [9])))
    start = draw(st.sampled_from(STARTS[:1] * 20 + STARTS))
    blank = draw(st.sampled_from([b"\r\n"] * 9 + [b"\n"]))
    interim = draw(st.sampled_from(INTERIM[:1] * 4 + INTERIM))
    return interim + start + b"".join(lines) + blank + body + draw(st.sampled_from(AFTER))


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


class Backend(httpcore.MockBackend):
    def __init__(self, pieces, wrap):
        super().__init__(pieces)
        self.wrap = wrap

    def connect_tcp(self, *_, **__):
        return self.wrap(httpcore.MockStream(list(self._buffer)))


class Transport(httpx.HTTPTransport):
    def __init__(self, pieces, passes):
        super().__init__(verify=False)
        self.passes = passes
        self._pool = httpcore.ConnectionPool(
            network_backend=Backend(pieces, PassingStream if passes else lambda stream: stream)
        )

    def handle_request(self, request):
        response = super().handle_request(request)
        return passing(request, response) if self.passes else response

    @property
    def is_reusable(self):
        """Whether a next request could get the connection."""
        return any(c.is_idle() and not c.has_expired() for c in self._pool.connections)

    @property
    def unread(self):
        """What h11 would take for the beginning of the next answer."""
        return b"".join(c._connection._h11_state.trailing_data[0] for c in self._pool.connections)


def received(transport, method):
    """What a client receives: the answer's fields, or the class of an error; and what is left."""
    with httpx.Client(transport=transport) as client:
        try:
            response = client.request(method, "http://a.example")
        except httpx.HTTPError as error:
            return type(error), transport.is_reusable, b""
        headers = [(name.lower(), as_number(name, value)) for name, value in response.headers.raw]
        seen = response.status_code, response.reason_phrase, headers, response.content
        return (*seen, response.num_bytes_downloaded), transport.is_reusable, transport.unread


def as_number(name, value):
    return int(value) if name.lower() == b"content-length" else value


@pytest.fixture(autouse=True, scope="module")
def every_length_is_large():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "LARGE", 1)
        yield


METHODS = st.sampled_from(["GET"] * 5 + ["HEAD"])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


@given(answers(), st.lists(st.integers(0, 1 << 16), max_size=6), METHODS)
@settings(max_examples=500, deadline=None)
@example(CHUNKED + b"1\r\na\r\n+1\r\nb\r\n1\r\nc\r\n" + LAST, [-6], "GET")
@example(CHUNKED + b"1\r\na\r\n0_1\r\nb\r\n1\r\nc\r\n" + LAST, [-6], "GET")
@example(CHUNKED + b"1 ;a\r\nb\r\n" + LAST, [], "GET")
@example(CHUNKED + b"1\r\na\r\n0\r\n no name\r\n\r\n", [], "GET")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 0000005\r\nX: a\n" + CHUNKED[17:] + LAST, [], "GET")
@example(CHUNKED, [], "HEAD")
def test_an_answer_is_what_httpx_makes_of_it(answer, places, method):
    pieces = cut(answer, places)
    theirs, _, left = received(Transport(pieces, passes=False), method)
    ours, is_reusable, unread = received(Transport(pieces, passes=True), method)
    assert ours == theirs
    assert not (is_reusable and (left or unread))
