"""Trees of spans against a naive recursive build, and what must not grow with their depth."""

import random

import pytest

from aod_notebook.frames.trees import covered, forest

SETS = 1_000


def random_spans(seed):
    """Make ids, parents, places and times with orphans, cycles, skew and children first."""
    chance = random.Random(seed)
    count = chance.randint(1, 30)
    ids = [f"s{number}" for number in range(count)]
    chance.shuffle(ids)  # children may come before their parents
    parents = [chance.choice([None, "gone", *ids, *ids]) for _ in ids]  # its own id, too
    starts = [chance.choice([None, *range(20)]) for _ in ids]
    ends = [
        chance.choice([None, *(max(0, (at or 0) + more) for more in range(-4, 12))])
        for at in starts
    ]
    places = [(99 if at is None else at, number) for number, at in enumerate(starts)]
    leads = [chance.random() < 0.2 for _ in ids]
    return ids, parents, places, starts, ends, leads


def cycle_of(own, parent_of):
    """Return the members of the cycle that a span is on; none if it is on none."""
    members, other = [own], parent_of.get(own)
    while other in parent_of and other not in members:
        members.append(other)
        other = parent_of[other]
    return members if other == own else []


def naive(ids, parents, places):
    """Build the trees as one would write them down, again and again looking at all spans."""
    parent_of, place_of = dict(zip(ids, parents, strict=True)), dict(zip(ids, places, strict=True))

    def is_root(own):
        ring = cycle_of(own, parent_of)
        return parent_of[own] not in parent_of or (ring and own == min(ring, key=place_of.get))

    def walk(own, depth):
        yield own, depth
        for child in sorted(ids, key=place_of.get):
            if parent_of[child] == own and not is_root(child):
                yield from walk(child, depth + 1)

    roots = sorted((own for own in ids if is_root(own)), key=place_of.get)
    tree = [each for root in roots for each in walk(root, 0)]
    orphans = {own for own in roots if parent_of[own] is not None}
    return tree, orphans


def naive_cover(row, parents, starts, ends, leads):
    """Count the instants of a row in which a child, or one that a child leads, was running."""
    own = [child for child, above in enumerate(parents) if above == row]
    led = [child for child, above in enumerate(parents) if above in own and leads[above]]
    more = [child for child, above in enumerate(parents) if above in led and leads[above]]
    while more:  # one leading another
        led += more
        more = [child for child, above in enumerate(parents) if above in more and leads[above]]
    if starts[row] is None:
        return 0
    last = 100 if ends[row] is None else ends[row]
    times = [(starts[each], ends[each]) for each in own + led]
    known = [(a, b) for a, b in times if a is not None and b is not None]
    return sum(any(a <= at < b for a, b in known) for at in range(starts[row], last))


def test_the_tree_equals_a_naive_recursive_build_on_random_spans():
    for seed in range(SETS):
        ids, parents, places, *_ = random_spans(seed)
        made = forest(ids, parents, places)
        tree, orphans = naive(ids, parents, places)
        assert [(ids[row], made.depths[row]) for row in made.order] == tree, seed
        assert {
            own for own, is_orphan in zip(ids, made.orphans, strict=True) if is_orphan
        } == orphans
        assert all(
            above == -1 or ids[above] == parents[row] for row, above in enumerate(made.parents)
        )


def test_covered_time_equals_a_count_of_instants_on_random_spans():
    for seed in range(SETS):
        ids, parents, places, starts, ends, leads = random_spans(seed)
        above = forest(ids, parents, places).parents
        found = covered(starts, ends, above, leads)
        wanted = [naive_cover(row, above, starts, ends, leads) for row in range(len(ids))]
        assert found == wanted, seed


def test_every_row_stands_in_the_order_once_whatever_the_parents_are():
    ids, parents, places, *_ = random_spans(7)
    assert sorted(forest(ids, parents, places).order) == list(range(len(ids)))


def test_rows_of_the_same_place_stay_in_the_order_in_which_they_came():
    assert forest(["a", "b", "c"], [None] * 3, [1, 1, 1]).order == [0, 1, 2]


def test_what_hangs_on_a_cycle_stays_below_it():
    made = forest(["child", "a", "b"], ["a", "b", "a"], [0, 1, 2])
    assert made.parents == [1, -1, 1]
    assert made.orphans == [False, True, False]


@pytest.mark.timeout(60)  # a second is enough; a square takes hours
@pytest.mark.parametrize("shape", ["chain", "cycle", "flat"])
def test_work_does_not_grow_with_the_square_of_the_depth(shape):
    count = 200_000
    ids = [str(number) for number in range(count)]
    first = ids[-1] if shape == "cycle" else None
    parents = [first, *(ids[:-1] if shape != "flat" else ["0"] * (count - 1))]
    made = forest(ids, parents, range(count))
    covered(list(range(count)), [2 * count] * count, made.parents)
    assert len(made.order) == count
