"""Alignment of two sequences by their longest common subsequence.

The algorithm is the bit-parallel one of Hyyrö (2004): a row of the table of lengths is one
integer, so a step costs a few operations on whole rows. Only every so many rows are kept, and
those between are made again on the way back, so memory grows with the length times its root.
"""

from collections.abc import Hashable, Sequence
from math import isqrt

Match = tuple[int, int]
"""Positions of one thing in both sequences, from 0."""


def matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Match]:
    """Return a longest common subsequence as pairs of positions; a common start comes first.

    Example:
        >>> matches("abcd", "axcd")
        [(0, 0), (2, 2), (3, 3)]
    """
    start, shorter = 0, min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    inner = _inner(a[start : len(a) - end], b[start : len(b) - end])
    return [
        *((i, i) for i in range(start)),
        *((start + i, start + j) for i, j in inner),
        *((len(a) - end + k, len(b) - end + k) for k in range(end)),
    ]


def _inner(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Match]:
    if not a or not b:
        return []
    places: dict[Hashable, int] = {}
    for i, key in enumerate(a):
        places[key] = places.get(key, 0) | 1 << i
    masks = [places.get(key, 0) for key in b]
    ones = (1 << len(a)) - 1
    step = isqrt(len(b)) + 1
    kept, row = [ones], ones
    for j, mask in enumerate(masks, 1):
        row = _next(row, mask, ones)
        if j % step == 0:
            kept.append(row)
    found: list[Match] = []
    i = len(a)
    for block in reversed(range(len(kept))):
        rows = [kept[block]]
        for mask in masks[block * step : (block + 1) * step]:
            rows.append(_next(rows[-1], mask, ones))
        i = _back(rows, i, block * step, found)
    return found[::-1]


def _next(row: int, mask: int, ones: int) -> int:
    """Return the row for one more item of `b`; bit i is 0 where item i of `a` adds to the length."""
    hits = row & mask
    return ((row + hits) | (row - hits)) & ones


def _back(rows: list[int], i: int, offset: int, found: list[Match]) -> int:
    """Walk back through consecutive rows from position `i` of `a`; return the position reached."""
    j = len(rows) - 1
    while i and j:
        bit = 1 << (i - 1)
        if rows[j] & bit:
            i -= 1
        elif rows[j - 1] & bit:
            i, j = i - 1, j - 1
            found.append((i, offset + j))
        else:
            j -= 1
    return i
