"""Trees from rows that name their parents: order, depth, and time of their own.

Nothing here recurses, and the work grows with the number of rows times its logarithm, however
deep a chain is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NONE = -1
"""The parent of a root."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Rows as trees; all but `order` have an item per row.

    Attributes:
        order: the rows, parents before their children, siblings in order of their places.
        parents: the row that each stands below; -1 for a root.
        depths: 0 for a root.
        orphans: whether a row names a parent but is a root: that parent is unknown, or the row
            is its own ancestor.
    """

    order: list[int]
    parents: list[int]
    depths: list[int]
    orphans: list[bool]


def forest(ids: Sequence[str], parents: Sequence[str | None], places: Sequence[Any]) -> Forest:
    """Build the trees of rows in any order.

    Args:
        ids: of the rows, each once.
        parents: the id of each row's parent; None for a root.
        places: what siblings are ordered by. A cycle is cut above its first row by place.

    Example:
        >>> made = forest(["b", "a", "c"], ["a", None, "gone"], [2, 1, 3])
        >>> made.order, made.depths, made.orphans
        ([1, 0, 2], [1, 0, 0], [False, False, True])
    """
    row_of = {own: row for row, own in enumerate(ids)}
    above = [NONE if parent is None else row_of.get(parent, NONE) for parent in parents]
    _cut_cycles(above, places)
    orphans = [row == NONE and named is not None for row, named in zip(above, parents, strict=True)]
    below: list[list[int]] = [[] for _ in ids]
    roots: list[int] = []
    by_place = sorted(range(len(ids)), key=places.__getitem__)
    for row in by_place[::-1]:  # rows of the same place keep their order
        (roots if above[row] == NONE else below[above[row]]).append(row)
    order: list[int] = []
    depths = [0] * len(ids)
    waiting = roots  # last first, as the children are
    while waiting:
        row = waiting.pop()
        order.append(row)
        if above[row] != NONE:
            depths[row] = depths[above[row]] + 1
        waiting += below[row]
    return Forest(order, above, depths, orphans)


def _cut_cycles(above: list[int], places: Sequence[Any]) -> None:
    """Make the first row of each cycle a root."""
    walk_of = [NONE] * len(above)  # in which walk upwards a row was met first
    for start in range(len(above)):
        row = start
        while row != NONE and walk_of[row] == NONE:
            walk_of[row] = start
            row = above[row]
        if row == NONE or walk_of[row] != start:
            continue
        first, other = row, above[row]
        while other != row:
            first = min(first, other, key=lambda each: (places[each], each))
            other = above[other]
        above[first] = NONE


def covered(
    starts: Sequence[int | None],
    ends: Sequence[int | None],
    parents: Sequence[int],
    leads: Sequence[bool] = (),
) -> list[int]:
    """Return for how long of each row's time at least one child was running.

    Args:
        starts: when each row began; None if that is unknown.
        ends: when it ended; None if that is unknown, or if it still runs.
        parents: the row that each stands below; -1 for a root.
        leads: rows that come before their children, not around them: a message before the tool
            calls in it. Those children count for the row above, too. Empty for none.

    Example:
        >>> covered([0, 2, 3], [10, 5, 6], [-1, 0, 0])
        [4, 0, 0]
    """
    total = [0] * len(starts)
    until: list[int | None] = list(starts)
    timed = [row for row in range(len(starts)) if _is_timed(starts[row], ends[row])]
    for row in sorted(timed, key=lambda each: starts[each] or 0):
        above = parents[row]
        while above != NONE:
            _add(total, until, above, (starts[row], ends[row]), ends[above])
            above = parents[above] if leads and leads[above] else NONE
    return total


def _is_timed(start: int | None, end: int | None) -> bool:
    return start is not None and end is not None and start < end


def _add(
    total: list[int],
    until: list[int | None],
    row: int,
    child: tuple[int | None, int | None],
    end: int | None,
) -> None:
    """Count what of a child's time is in the row's and was not counted for an earlier child."""
    seen, (start, stop) = until[row], child
    if seen is None or start is None or stop is None:
        return
    begin, stop = max(start, seen), stop if end is None else min(stop, end)
    if stop > begin:
        total[row] += stop - begin
        until[row] = stop
