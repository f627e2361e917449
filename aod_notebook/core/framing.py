"""Parts of HTTP/1.1 answers, taken apart without I/O where h11 would be slow.

h11 copies each piece of a body four times, and needs 15 µs for each chunk, of which a service may
send one an event. So only the bytes of large bodies and of plain chunks pass it by: it reads the
heads, the ends, and whatever else a service may send, and it decides what is an error.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

LARGE: Final = 1 << 20
"""Shorter bodies of a known length are left to h11."""
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]{7,18})[ \t]*\r?\n", re.IGNORECASE)
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
"""The end of a head, as h11 finds it."""
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,15})\r\n")
_FEW_DIGITS: Final = 3
"""A chunk of so many digits is short, and more of them have come than pay one by one."""
_BEGUN_SIZE: Final = re.compile(rb"[0-9a-fA-F]{0,15}\r?")


class FramingError(ValueError):
    """The bytes are not what came before announced."""


class Part(Protocol):
    """A part of an answer."""

    @property
    def has_ended(self) -> bool:
        """Whether the next byte belongs to what follows."""

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Divide the next bytes in those of the part, and the rest."""


class Lines:
    r"""Lines up to a blank one: the head of an answer, or the end of its chunks.

    Attributes:
        has_ended: whether the blank line has come.
        came_whole: whether all lines came at once.

    Example:
        >>> Lines().take(b"HTTP/1.1 200 OK\r\n\r\nbody")
        (b'HTTP/1.1 200 OK\r\n\r\n', b'body')
    """

    def __init__(self) -> None:
        self.has_ended = self.came_whole = False
        self._before = b""

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Divide the next bytes behind the blank line."""
        seen = self._before + data
        blank = _BLANK_LINE.search(seen)
        self.has_ended = blank is not None
        self.came_whole = self.has_ended and not self._before
        at = len(data) if blank is None else blank.end() - len(self._before)
        self._before = seen[-2:]
        return data[:at], data[at:]


class OpenBody:
    """A body that ends where h11 finds its end."""

    has_ended = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Take all bytes."""
        return data, b""


class LengthBody:
    """A body of a known length."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def has_ended(self) -> bool:
        """Whether the body is complete."""
        return not self._left

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Divide the next bytes behind the body."""
        at = self._left
        self._left -= min(at, len(data))
        return data[:at], data[at:]


class Chunks:
    r"""The plain chunks of a body, each of which follows a line with nothing but its size.

    They end before the last chunk, which is empty, and before any that is not plain.

    Attributes:
        has_ended: whether h11 is to read what comes next.
        is_last: whether that is the last chunk.

    Example:
        >>> chunks = Chunks()
        >>> chunks.take(b"3\r\nabc\r\n2\r\nd"), chunks.take(b"e\r\n0\r\n\r\n"), chunks.is_last
        ((b'abcd', b''), (b'e', b'0\r\n\r\n'), True)
    """

    def __init__(self) -> None:
        self.has_ended = self.is_last = False
        self._left = 0  # bytes to come of the chunk that has begun
        self._is_begun = False  # until the line break after it
        self._torn = b""  # a begun line

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Divide the next bytes in those of the body, joined, and the rest.

        Raises:
            FramingError: no line break follows a chunk.
        """
        data = self._torn + data
        at = min(self._left, len(data))
        self._left -= at
        parts = [data[:at]]
        if self._is_begun:
            at = self._end_chunk(data, at)
        size = None if self._is_begun else _SIZE.match(data, at)
        if size is not None and len(size[1]) <= _FEW_DIGITS:
            at = _take_short(data, at, parts)
        while not self._is_begun and (size := _SIZE.match(data, at)):
            if not int(size[1], 16):
                self.is_last = True
                break
            at = self._take_one(data, size.end(), int(size[1], 16), parts)
        self.has_ended = not self._is_begun and _BEGUN_SIZE.fullmatch(data, at) is None
        self._torn, rest = (b"", data[at:]) if self.has_ended else (data[at:], b"")
        return b"".join(parts), rest

    def _take_one(self, data: bytes, begin: int, size: int, parts: list[bytes]) -> int:
        at = min(begin + size, len(data))
        parts.append(data[begin:at])
        self._left = begin + size - at
        self._is_begun = True
        return self._end_chunk(data, at)

    def _end_chunk(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if self._left or end in {b"", b"\r"}:
            return at
        if end != b"\r\n":
            raise FramingError("a chunk of the body is longer than announced")
        self._is_begun = False
        return at + 2


def _take_short(data: bytes, at: int, parts: list[bytes]) -> int:
    """Take all whole chunks at once, if no line break is within one; return where they end."""
    lines = data[at:].split(b"\r\n")
    sizes, chunks = lines[0:-2:2], lines[1:-1:2]
    if b"" in chunks:
        end = chunks.index(b"")
        sizes, chunks = sizes[:end], chunks[:end]
    # written out rather than read: int() takes "+1", "1_0" and " 1" for numbers too
    if b" ".join([b"%x" % len(chunk) for chunk in chunks]) != b" ".join(sizes).lower():
        return at
    parts += chunks
    return at + sum(map(len, sizes)) + sum(map(len, chunks)) + 4 * len(sizes)


def without_length(head: bytes) -> tuple[bytes, int]:
    r"""Return the head with a length of 0 in place of a large one, and that length, or 0.

    Example:
        >>> without_length(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
        (b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 3000000)
    """
    found = _LENGTH.search(head)
    # h11 shall see a second length, and refuse it
    if found is None or head.lower().count(b"content-length") > 1 or int(found[1]) < LARGE:
        return head, 0
    return head[: found.start(1)] + b"0" + head[found.end(1) :], int(found[1])
