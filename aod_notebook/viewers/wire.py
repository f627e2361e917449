"""Rows as the page of the stream viewer reads them: compact JSON in bounded chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aod_notebook.viewers.row import Kind, Row
from aod_notebook.viewers.words import tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BODY_BYTES = 240_000
"""The most that the rows of a message have on the wire; it stays below 256 kB with them."""
WIRE_CHARS = 16_000
"""Longer texts are cut on the wire; the page asks for the rest when somebody wants to see it."""
WIRE_MARKS = 3 * 400
SLICE = 200
"""Rows are encoded so many at a time."""
SLICE_WORDS = 20_000

KINDS = {kind: number for number, kind in enumerate(Kind)}
"""The page has the same list (`page/kinds.js`)."""
IS_ERROR, IS_MINOR = 1, 2

_encode = msgspec.json.Encoder().encode


def wire_rows(rows: Iterable[Row]) -> list[str | list[object]]:
    """Return rows as the page reads them: plain output as its text, any other row as a list.

    The list is kind, text, title, flags, depth, parent, full length, marks, the number of the row
    that it replaces, and what it shows beside its text (`row.Extra`); what a row does not have is
    left out at its end. The length is given only of a text that is cut. It and marks count in
    UTF-16 units, as the page does.

    Example:
        >>> wire_rows([Row(Kind.OUTPUT, text="hello"), Row(Kind.TOOL, "Bash", "ls", depth=1)])
        ['hello', [6, 'ls', 'Bash', 0, 1]]
    """
    plain = Kind.OUTPUT  # there are many of these: what is asked of each is asked here
    return [
        row.text
        if row.kind is plain
        and row.parent is None
        and not row.marks
        and row.replaces is None
        and len(row.text) <= WIRE_CHARS
        else _fields(row)
        for row in rows
    ]


def _fields(row: Row) -> list[object]:
    text, size = row.text, 0
    if len(text) > WIRE_CHARS:
        text, size = text[:WIRE_CHARS], _units(text)
    flags = IS_ERROR * row.is_error + IS_MINOR * row.is_minor
    parent = -1 if row.parent is None else row.parent
    marks = _marks(row)
    replaces = -1 if row.replaces is None else row.replaces
    rest = [row.title, flags, row.depth, parent, size, marks, replaces, _extra(row)]
    defaults: list[object] = ["", 0, 0, -1, 0, [], -1, None]
    while rest and rest[-1] == defaults[len(rest) - 1]:
        rest.pop()
    return [KINDS[row.kind], text, *rest]


def _extra(row: Row) -> object:
    """Return what a row shows beside its text, Markdown as the nodes of its tree."""
    if row.extra is None or not row.extra.words:
        return row.extra
    nodes = tree(row.text)
    return None if nodes is None else {"words": nodes}


def chunk(rows: Sequence[Row], start: int, stop: int) -> tuple[bytes, int]:
    """Encode rows from number `start` on, as many as fit into one message.

    Returns:
        A JSON array as of `wire_rows`, and the number of the row after the last one in it; there
        is at least one.
    """
    parts: list[bytes] = []
    size, number = 2, start
    while number < stop:
        some = _sliced(rows[number : min(number + SLICE, stop)])
        part, count = _encode(wire_rows(some))[1:-1], len(some)
        if size + len(part) >= BODY_BYTES:
            if parts:
                break
            part, count = _first(some)
        parts.append(part)
        size, number = size + len(part) + 1, number + count
    return b"[" + b",".join(parts) + b"]", number


def _sliced(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows that are encoded at once: few where there is much Markdown to be read."""
    if [row.extra for row in rows].count(None) == len(rows):
        return rows
    length = 0
    for number, row in enumerate(rows, 1):
        if row.extra is not None and row.extra.words:
            length += len(row.text)
            if length > SLICE_WORDS:
                return rows[:number]
    return rows


def _first(rows: Sequence[Row]) -> tuple[bytes, int]:
    """Encode as many of these rows as fit, one at least; say how many those are."""
    parts: list[bytes] = []
    size = 2
    for row in rows:
        part = _encode(wire_rows([row]))[1:-1]
        size += len(part) + 1
        if size > BODY_BYTES and parts:
            break
        parts.append(part)
    return b",".join(parts), len(parts)


def _marks(row: Row) -> list[int]:
    if not row.marks:
        return []
    marks, text = list(row.marks[:WIRE_MARKS]), row.text
    if not text.isascii():
        for place in range(0, len(marks), 3):
            for edge in (place, place + 1):
                marks[edge] = _units(text[: marks[edge]])
    return [value for place in range(0, len(marks), 3) if marks[place] < WIRE_CHARS
            for value in marks[place : place + 3]]  # fmt: skip


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
