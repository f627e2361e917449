"""Server-sent events: bytes of a body in, complete events out, in batches."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Batch", "SSEDecoder"]

_BOM = b"\xef\xbb\xbf"
_BLANK = b"\n\n"
_ID, _DATA = b"id: ", b"data: "


class Batch(NamedTuple):
    """The events that one chunk completed, as parallel lists."""

    data: list[bytes]
    """Payloads; several `data:` lines of one event are joined by a line feed."""
    ids: list[bytes]
    """Values of the events' own `id:` lines, ``b""`` where there was none."""
    names: list[bytes]
    """Values of the `event:` lines, ``b""`` where there was none."""


_NOTHING = Batch([], [], [])


class SSEDecoder:
    r"""Decodes one body of server-sent events; any chunking gives the same events.

    Follows the HTML standard (LF, CR and CRLF, comments, a byte order mark, several
    `data:` lines), and gives only events with data, so a heartbeat is never an event.
    An `id:` stays with its own event; an event cut off by the end of the body is none.

    Example:
        >>> decoder = SSEDecoder()
        >>> decoder.feed(b"id: 7\nda")
        Batch(data=[], ids=[], names=[])
        >>> decoder.feed(b"ta: {}\n\n")
        Batch(data=[b'{}'], ids=[b'7'], names=[b''])
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # what follows the last blank line, in parts
        self._started = False
        self._after_cr = False

    def feed(self, chunk: bytes) -> Batch:
        """Take the next bytes; return the events that they completed."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._line_feeds_only(chunk)
        end = chunk.rfind(_BLANK) + 2
        if end == 1:
            # The blank line may straddle the seam between two chunks.
            seam = chunk[:1] == b"\n" and self._tail and self._tail[-1][-1:] == b"\n"
            if not seam:
                if chunk:
                    self._tail.append(chunk)
                return _NOTHING
        block = b"".join([*self._tail, chunk[:end]])
        rest = chunk[end:]
        self._tail = [rest] if rest else []
        if not self._started:
            self._started = True
            block = block.removeprefix(_BOM)
        lines = block.split(b"\n")
        return _read_regular(lines) or _read_any(lines)

    def _line_feeds_only(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk[-1:] == b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _read_regular(lines: list[bytes]) -> Batch | None:
    """Read events of exactly an id, a data and a blank line: nearly all there are."""
    ids, data = lines[0:-2:3], lines[1:-1:3]
    count = len(ids)
    if len(lines) != 3 * count + 1 or any(lines[2::3]):
        return None
    values = [line[6:] for line in data if line[:6] == _DATA]
    marks = [line[4:] for line in ids if line[:4] == _ID]
    if len(values) != count or len(marks) != count or not all(values):
        return None
    return Batch(values, marks, [b""] * count)


def _read_any(lines: list[bytes]) -> Batch:
    """Read events of any form; the lines end with the blank line of the last one."""
    batch = Batch([], [], [])
    parts: list[bytes] = []
    mark = name = b""
    for line in lines:
        if not line:
            if any(parts):
                batch.data.append(b"\n".join(parts))
                batch.ids.append(mark)
                batch.names.append(name)
            parts, mark, name = [], b"", b""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            parts.append(value)
        elif field == b"id":
            mark = value
        elif field == b"event":
            name = value
    return batch
