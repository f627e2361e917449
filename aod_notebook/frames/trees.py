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
    first, after, root = _linked(above, places)
    order: list[int] = []
    depths = [0] * len(ids)
    row, depth = root, 0
    while row != NONE:
        order.append(row)
        depths[row] = depth
        if first[row] != NONE:
            row, depth = first[row], depth + 1
            continue
        while row != NONE and after[row] == NONE:
            row, depth = above[row], depth - 1
        row = NONE if row == NONE else after[row]
    return Forest(order, above, depths, orphans)


def _linked(above: Sequence[int], places: Sequence[Any]) -> tuple[list[int], list[int], int]:
    """Return each row's first child and next sibling, and the first root; -1 where there is none.

    Lists of numbers, for a list of children for each row keeps the garbage collector busy.
    """
    first, after, root = [NONE] * len(above), [NONE] * len(above), NONE
    by_place = sorted(range(len(above)), key=places.__getitem__)
    for row in by_place[::-1]:  # the last one first; rows of the same place keep their order
        parent = above[row]
        if parent == NONE:
            after[row], root = root, row
        else:
            after[row], first[parent] = first[parent], row
    return first, after, root


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
    until = list(starts)
    timed = [
        row
        for row, (start, end) in enumerate(zip(starts, ends, strict=True))
        if start is not None and end is not None and start < end
    ]
    timed.sort(key=starts.__getitem__)  # type: ignore[arg-type]  # their starts are known
    for row in timed:
        above, start, stop = parents[row], starts[row], ends[row]
        while above != NONE:
            # What is in the parent's time and was not counted for an earlier child.
            seen, end = until[above], ends[above]
            last = stop if end is None or stop < end else end  # type: ignore[operator]
            if seen is not None and last > (begin := max(start, seen)):  # type: ignore[operator,type-var]
                total[above] += last - begin  # type: ignore[operator]
                until[above] = last
            above = parents[above] if leads and leads[above] else NONE
    return total
