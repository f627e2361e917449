"""Server-sent events: bytes of a body in, complete events out, in batches."""

from __future__ import annotations

from io import BytesIO

import msgspec

_BOM = b"\xef\xbb\xbf"
_ID, _DATA = b"id: ", b"data: "


class EventBatch(msgspec.Struct, frozen=True, gc=False):
    """The events that one chunk completed, as parallel lists."""

    data: list[bytes]
    """Payloads; several `data:` lines of one event are joined by a line feed."""
    ids: list[bytes]
    """Values of the events' own `id:` lines, ``b""`` where there was none."""
    names: list[bytes]
    """Values of the `event:` lines, ``b""`` where there was none."""
    is_lines: bool
    """Whether each payload came in a single `data:` line, and so has no line feed."""


_NOTHING = EventBatch([], [], [], is_lines=True)


class SSEDecoder:
    r"""Decodes one body of server-sent events; any chunking gives the same events.

    Follows the HTML standard (LF, CR and CRLF, comments, a byte order mark, several
    `data:` lines), and gives only events with data, so a heartbeat is never an event.
    An `id:` stays with its own event; an event cut off by the end of the body is none.

    Example:
        >>> decoder = SSEDecoder()
        >>> decoder.feed(b"id: 7\nda")
        EventBatch(data=[], ids=[], names=[], is_lines=True)
        >>> decoder.feed(b"ta: {}\n\n")
        EventBatch(data=[b'{}'], ids=[b'7'], names=[b''], is_lines=True)
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []  # the whole lines of an event that is not complete
        self._torn: list[bytes] = []  # the parts of a line that is not complete
        self._started = False
        self._breaks = _LineBreaks()

    def feed(self, chunk: bytes) -> EventBatch:
        """Take the next bytes; return the events that they completed."""
        chunk = self._breaks.as_line_feeds(chunk)
        lines = self._whole_lines(chunk)
        end = len(lines)
        while end and lines[end - 1] != b"\n":
            end -= 1
        if end == 0:
            self._lines += lines
            return _NOTHING
        if self._lines or end < len(lines):
            self._lines, lines = lines[end:], self._lines + lines[:end]
        return _read_regular(lines) or _read_any(lines)

    def _whole_lines(self, chunk: bytes) -> list[bytes]:
        lines = BytesIO(chunk).readlines()  # by memchr, so faster than bytes.split
        rest = lines.pop() if lines and lines[-1][-1:] != b"\n" else b""
        if self._torn and lines:
            lines[0] = b"".join([*self._torn, lines[0]])
            self._torn = []
        if rest:
            self._torn.append(rest)
        if lines and not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BOM)
        return lines


class BlockCutter:
    r"""Cuts one body of server-sent events into blocks of whole events; nothing is decoded.

    All lines of a block end with a line feed, whatever ended them in the body.

    Example:
        >>> cutter = BlockCutter()
        >>> cutter.feed(b"id: 7\ndata: {}\n\nid: 8\nda")
        b'id: 7\ndata: {}\n\n'
        >>> cutter.feed(b"ta: {}\n\n")
        b'id: 8\ndata: {}\n\n'
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []
        self._started = False
        self._breaks = _LineBreaks()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return the events that they completed, empty if none."""
        chunk = self._breaks.as_line_feeds(chunk)
        if not chunk:
            return b""
        end = chunk.rfind(b"\n\n") + 2
        if end < 2:  # noqa: PLR2004 - there is no blank line
            # unless the chunk before ended with its first line feed
            is_blank = chunk[:1] == b"\n" and self._tail and self._tail[-1][-1:] == b"\n"
            end = 1 if is_blank else 0
        if not end:
            self._tail.append(chunk)
            return b""
        is_whole = not self._tail and end == len(chunk)  # to copy it would take as long as to look
        block = chunk if is_whole else b"".join([*self._tail, memoryview(chunk)[:end]])
        self._tail = [chunk[end:]] if end < len(chunk) else []
        if not self._started:
            self._started = True
            block = block.removeprefix(_BOM)
        return block


class _LineBreaks:
    """Makes line feeds of all the line breaks of a body, also where two chunks part one."""

    def __init__(self) -> None:
        self._after_cr = False

    def as_line_feeds(self, chunk: bytes) -> bytes:
        if not self._after_cr and b"\r" not in chunk:
            return chunk
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk[-1:] == b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def framed(data: bytes, mark: bytes, name: bytes) -> bytes:
    r"""Return the lines of one event.

    Example:
        >>> framed(b"{}", b"7", b"")
        b'id: 7\ndata: {}\n\n'
    """
    lines = [b"data: " + line for line in data.split(b"\n")]
    if name:
        lines.insert(0, b"event: " + name)
    if mark:
        lines.insert(0, b"id: " + mark)
    return b"\n".join([*lines, b"\n"])


def _read_regular(lines: list[bytes]) -> EventBatch | None:
    """Read events of exactly an id, a data and a blank line, as nearly all are."""
    if len(lines) == 3:  # noqa: PLR2004 - one event, as a live session gives them
        mark, value, _ = lines
        if mark[:4] == _ID and value[:6] == _DATA and value[6:] != b"\n":
            return EventBatch([value[6:-1]], [mark[4:-1]], [b""], is_lines=True)
        return None
    ids, data, blanks = lines[0::3], lines[1::3], lines[2::3]
    count = len(blanks)
    if len(lines) != 3 * count or blanks.count(b"\n") != count:
        return None
    values = [line[6:-1] for line in data if line[:6] == _DATA]
    marks = [line[4:-1] for line in ids if line[:4] == _ID]
    if len(values) != count or len(marks) != count or not all(values):
        return None
    return EventBatch(values, marks, [b""] * count, is_lines=True)


def _read_any(lines: list[bytes]) -> EventBatch:
    """Read events of any form; the last line is the blank one of the last event."""
    payloads, marks, names = [], [], []
    is_lines = True
    parts: list[bytes] = []
    mark = name = b""
    for line in lines:
        if line == b"\n":
            if any(parts):
                payloads.append(b"\n".join(parts))
                marks.append(mark)
                names.append(name)
                is_lines = is_lines and len(parts) == 1
            parts, mark, name = [], b"", b""
            continue
        field, _, value = line[:-1].partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            parts.append(value)
        elif field == b"id":
            mark = value
        elif field == b"event":
            name = value
    return EventBatch(payloads, marks, names, is_lines)
