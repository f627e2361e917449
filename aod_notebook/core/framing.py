"""Bodies of HTTP/1.1 answers, taken apart without I/O: many chunks at once, large pieces uncopied."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LARGE: Final = 1 << 20
"""Shorter bodies of a known length are left to h11, which copies each piece four times."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)", re.IGNORECASE)
_FRAMING: Final = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_SIZE: Final = re.compile(rb"\r\n([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LONGEST_LINE: Final = 4096
_FEW_DIGITS: Final = 3
"""A chunk of so many digits is short, and more of them have come than pay one by one."""


class FramingError(ValueError):
    """The bytes are not what the head of the answer announced."""


class LengthBody:
    """A body of a known length.

    Attributes:
        has_excess: whether more bytes came than belong to it.
    """

    def __init__(self, length: int) -> None:
        self.has_excess = False
        self._left = length

    @property
    def has_ended(self) -> bool:
        """Whether the body is complete."""
        return not self._left

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes from the connection; return those of the body."""
        self.has_excess = len(data) > self._left
        part = data[: self._left]
        self._left -= len(part)
        return part


class ChunkedBody:
    r"""A body in chunks, each of which follows a line with its size.

    A service may send every event in a chunk of its own, so many are taken apart at once.

    Attributes:
        has_ended: whether the body is complete.
        has_excess: whether more bytes came than belong to it.

    Example:
        >>> body = ChunkedBody()
        >>> body.feed(b"3\r\nabc\r\n2\r\nd"), body.feed(b"e\r\n0\r\n\r\n"), body.has_ended
        (b'abcd', b'e', True)
    """

    def __init__(self) -> None:
        self.has_ended = self.has_excess = False
        self._left = 0  # bytes to come of the chunk that has begun
        self._torn = b"\r\n"  # every chunk but the first follows the line break of another one

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes from the connection; return those of the body.

        Raises:
            FramingError: they are not chunks.
        """
        data, self._torn = self._torn + data if self._torn else data, b""
        if self._left >= len(data):
            self._left -= len(data)
            return data
        parts, at = [data[: self._left]], self._left
        size = _SIZE.match(data, at)
        if size is not None and len(size[1]) <= _FEW_DIGITS:
            at = self._take_whole(data, at, parts)
        while at < len(data) and not self.has_ended:
            size = _SIZE.match(data, at)
            end = -1 if size is None else size.end()
            if size is not None and not int(size[1], 16):
                end = self._end(data, end)
            if size is None or end < 0:
                self._torn = _begun_line(data[at:])
                break
            at = end + int(size[1], 16)
            parts.append(data[end:at])
        self._left = max(0, at - len(data))
        self.has_excess = self.has_ended and at < len(data)
        return b"".join(parts)

    def _take_whole(self, data: bytes, at: int, parts: list[bytes]) -> int:
        """Take the whole chunks from there on, if no line break is within one."""
        lines = data[at:].split(b"\r\n")
        sizes, chunks = lines[1:-2:2], lines[2:-1:2]
        lengths = [*map(len, chunks)]
        try:
            if lengths != [int(size, 16) for size in sizes] or 0 in lengths:
                return at
        except ValueError:
            return at
        parts += chunks
        return at + sum(lengths) + sum(map(len, sizes)) + 4 * len(sizes)

    def _end(self, data: bytes, at: int) -> int:
        """Find the end of the lines after the last chunk; -1 if it is yet to come."""
        end = data.find(b"\r\n\r\n", at - 2)
        self.has_ended = end >= 0
        return end + 4 if self.has_ended else -1


def _begun_line(data: bytes) -> bytes:
    """Check that these bytes may begin the size of a chunk, or what follows the last one."""
    is_line = data[:2] == b"\r\n"[: len(data)]
    is_size = _SIZE.match(data) is not None or b"\r\n" not in data[2:]
    if not is_line or not is_size or len(data) > _LONGEST_LINE:
        raise FramingError("the body is not in chunks, as its head says")
    return data


class Head(NamedTuple):
    """The head of an answer, and the body that follows it."""

    as_empty: bytes
    """The head with a body of no bytes."""
    body: LengthBody | ChunkedBody
    name: str
    value: str
    """The header that says how long the body is."""


def read_head(head: bytes) -> Head | None:
    r"""Read the head of an answer with a large body, or one in chunks; None for any other.

    Example:
        >>> read_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").as_empty
        b'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
    """
    if not head.startswith(b"HTTP/1.1 200") or len(_FRAMING.findall(head)) != 1:
        return None
    body: LengthBody | ChunkedBody = ChunkedBody()
    name, value = "transfer-encoding", "chunked"
    found = _CHUNKED.search(head)
    if found is None:
        found = _LENGTH.search(head)
        if found is None or int(found[1]) < _LARGE:
            return None
        body = LengthBody(int(found[1]))
        name, value = "content-length", found[1].decode("ascii")
    as_empty = head[: found.start()] + b"\r\ncontent-length: 0" + head[found.end() :]
    return Head(as_empty, body, name, value)
