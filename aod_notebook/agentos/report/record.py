"""The record of a spool: mark, length, checksum, JSON; and the scan that finds whole ones."""

from __future__ import annotations

import struct
import sys
from zlib import crc32

import msgspec

START, EVENT, TASK, END, VOID = "start", "event", "task", "end", "void"
"""Kinds of records: a run begins, reports, or ends; `void` takes a refused run back."""

_MARK = b"\xf5\xaf\xfe\x01"  # its first bytes never occur in UTF-8, so never inside a record
_HEAD = struct.Struct("<4sII")


class Record(msgspec.Struct, frozen=True):
    """One record: `n` numbers the records of a spool, `r` is the run's external id, `b` JSON text.

    Every record names its run, so that an event can be sent even if the start is lost.
    """

    k: str
    n: int
    r: str
    b: msgspec.Raw


_decode = msgspec.json.Decoder(Record).decode
_decode_all = msgspec.json.Decoder(list[Record]).decode


def pack(kind: str, number: int, run: bytes, body: bytes) -> bytes:
    r"""Make the bytes of a record; `run` is the JSON text of the run's external id.

    Example:
        >>> pack("event", 1, b'"job"', b"{}")[12:]
        b'{"k":"event","n":1,"r":"job","b":{}}'
    """
    text = b'{"k":"%b","n":%d,"r":%b,"b":%b}' % (kind.encode(), number, run, body)
    return _HEAD.pack(_MARK, len(text), crc32(text)) + text


def scan(data: bytes, limit: int = sys.maxsize) -> list[tuple[Record, int]]:
    """Find the first `limit` whole records in some bytes: each with the offset where it ends.

    Whatever is not a whole record (a torn tail, flipped bits, other bytes) is passed over,
    and costs no record but its own.

    Example:
        >>> whole = pack("event", 1, b'"job"', b"{}")
        >>> [record.n for record, _ in scan(b"junk" + whole + whole[:20])]
        [1]
    """
    position = 0
    while True:
        texts, ends, position = _whole(data, position, limit)
        found = _together(texts, ends)
        if found or not ends:
            return found


def _together(texts: list[bytes], ends: list[int]) -> list[tuple[Record, int]]:
    """Decode texts at once, which is quicker; one by one if one of them is not a record."""
    try:
        return list(zip(_decode_all(b"[%b]" % b",".join(texts)), ends, strict=True))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        each = zip(map(unpack, texts), ends, strict=True)
        return [(record, end) for record, end in each if record is not None]


def _whole(data: bytes, position: int, limit: int) -> tuple[list[bytes], list[int], int]:
    """Find texts with a valid checksum; return them, their ends, and where to continue."""
    texts: list[bytes] = []
    ends: list[int] = []
    unpack_from, size, mark = _HEAD.unpack_from, _HEAD.size, _MARK
    last = len(data) - size
    while 0 <= position <= last and len(ends) < limit:
        found, length, checksum = unpack_from(data, position)
        if found == mark:
            start = position + size
            end = start + length
            text = data[start:end]
            if len(text) == length and crc32(text) == checksum:
                texts.append(text)
                ends.append(end)
                position = end
                continue
        position = data.find(mark, position + 1)
    return texts, ends, position


def unpack(text: bytes) -> Record | None:
    """Decode the JSON text of a record; None if it is of another version."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
