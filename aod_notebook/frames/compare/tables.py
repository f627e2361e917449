"""Two sessions side by side: their steps aligned, their totals, their edits by file."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import pandas as pd

from aod_notebook.frames.compare.alignment import matches
from aod_notebook.frames.compare.sides import Side, Step, edits, read_side
from aod_notebook.frames.exchange import Library, converted, library
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Report, finish, warn
from aod_notebook.frames.schema import Column, Schema

SIDES: Final = ("a", "b")
STATES: Final = ("same", "changed", "only_a", "only_b")
OUTCOMES: Final = ("ok", "failed", "no result")
Pair = tuple[Step | None, Step | None]


def _both(name: str, dtype: Any, meaning: str, unit: str = "", **more: Any) -> tuple[Column, ...]:
    return tuple(
        Column(f"{name}_{side}", dtype, f"{meaning} ({side})", unit, **more) for side in SIDES
    )


STEPS: Final = Schema(
    "aod.comparison/1",
    "comparison",
    "One row per aligned step of two sessions.",
    (
        Column("step", "Int64", "Number of the step, from 1; NA for words"),
        Column("what", "category", "Kind of step", categories=("call", "edit", "words")),
        Column("state", "category", "How the sides differ", categories=STATES),
        *_both("tool", "category", "Name of the tool"),
        *_both("summary", "str", "What the call is about, or the words, on one line"),
        *_both("input", "json", "Arguments of the call"),
        *_both("outcome", "category", "How the call ended", categories=OUTCOMES),
        *_both("duration_s", "Float64", "From call to result", "s"),
        *_both("added_lines", "Int64", "Lines that an edit adds", "lines"),
        *_both("removed_lines", "Int64", "Lines that an edit removes", "lines"),
        *_both("turn", "Int32", "Turn of the step"),
        *_both("order", "Int64", "Row of the step in messages"),
    ),
)
TOTALS: Final = Schema(
    "aod.comparison_totals/1",
    "comparison_totals",
    "One row per side of a comparison.",
    (
        Column("side", "str", "`a` or `b`"),
        Column("session_id", "str", "Id of the session"),
        Column("agent", "str", "Name of the agent, else the runtime"),
        Column("model", "str", "Model that answered first, else the agent's"),
        Column("status", "str", "State of the session"),
        Column("exit_code", "Int32", "Exit code"),
        Column("prompt", "str", "What was asked first"),
        Column("turn_count", "Int32", "Turns"),
        Column("tool_call_count", "Int32", "Tool calls, those of subagents included"),
        Column("failed_tool_call_count", "Int32", "Those of them that failed"),
        Column("edited_file_count", "Int32", "Files edited by tools that edit"),
        Column("tokens_in", "Int64", "Tokens read by the model, cached ones included", "tokens"),
        Column("cache_read_tokens", "Int64", "Those of them from the cache", "tokens"),
        Column("tokens_out", "Int64", "Tokens written by the model, reasoning included", "tokens"),
        Column("cost_usd", "Float64", "What it cost", "USD"),
        Column("cost_source", "str", "`reported` by the CLI, or `computed` by a table of prices"),
        Column("duration_s", "Float64", "Time that the turns took", "s"),
    ),
)
EDITS: Final = Schema(
    "aod.comparison_edits/1",
    "comparison_edits",
    "One row per file that either side edited.",
    (
        Column("file", "str", "Path, relative to the folder of the session where that is known"),
        Column("same", "boolean", "Whether both made the same edits in the same order"),
        *_both("edits", "Int64", "Number of edits"),
        *_both("added_lines", "Int64", "Lines added", "lines"),
        *_both("removed_lines", "Int64", "Lines removed", "lines"),
    ),
)


@dataclass(slots=True)
class Compared:
    """Two sessions and their aligned steps.

    Attributes:
        a, b: the sides.
        pairs: the aligned calls and edits in order.
    """

    a: Side
    b: Side
    pairs: list[Pair]

    @property
    def first_difference(self) -> int | None:
        """Number of the first step that is not the same, from 1; None if all are."""
        return next((n for n, pair in enumerate(self.pairs, 1) if state_of(pair) != "same"), None)

    def steps(self, *, words: bool = True) -> pd.DataFrame:
        """Make the frame of `compare_df`."""
        pairs = list(_with_words(self)) if words else self.pairs
        numbers, number = [], 0
        for pair in pairs:
            is_step = _what(pair) != "words"
            number += is_step
            numbers.append(number if is_step else None)
        frame = _frame(STEPS, list(map(_row, pairs, numbers)), self._report())
        states = [state_of(pair) for pair in self.pairs]
        frame.attrs |= {
            "first_difference": self.first_difference,
            "session_ids": [side.totals["session_id"] for side in (self.a, self.b)],
            **{f"{state}_count": states.count(state) for state in STATES},
        }
        return frame

    def totals(self) -> pd.DataFrame:
        """Make the frame of `compare_totals`."""
        sides = zip(SIDES, (self.a, self.b), strict=True)
        return _frame(
            TOTALS, [{"side": name, **side.totals} for name, side in sides], self._report()
        )

    def edits(self) -> pd.DataFrame:
        """Make the frame of `compare_edits`."""
        made = [_by_file(side) for side in (self.a, self.b)]
        rows = []
        for file in dict.fromkeys([*made[0], *made[1]]):
            both = [of_side.get(file, _Edited()) for of_side in made]
            row: dict[str, Any] = {"file": file, "same": both[0].keys == both[1].keys}
            for name, one in zip(SIDES, both, strict=True):
                row[f"edits_{name}"] = len(one.keys)
                row[f"added_lines_{name}"], row[f"removed_lines_{name}"] = one.added, one.removed
            rows.append(row)
        return _frame(EDITS, sorted(rows, key=lambda row: str(row["file"])), self._report())

    def _report(self) -> Report:
        return Report().join([self.a.report, self.b.report])


def compared(
    a: Any, b: Any, *, source: Any = None, client: Any = None, subagents: bool = False
) -> Compared:
    """Read two sessions and align their steps; see `compare_df`."""
    left, right = read_side(a, source, client), read_side(b, source, client)
    calls = [[s for s in side.calls if subagents or not s.is_nested] for side in (left, right)]
    return Compared(left, right, align(*calls))


def compare_df(
    a: Any,
    b: Any,
    *,
    source: Any = None,
    client: Any = None,
    words: bool = True,
    subagents: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Compare two sessions step by step: a row per aligned call, edit, and text.

    Calls are aligned by the longest common subsequence of tool and input. Inputs are the same
    if they differ only in the order of their keys, in the folder that the session worked in, or in
    the description that an agent writes beside a command. Between two steps that are
    the same, an edit is shown against an edit and a call against one of the same tool (`changed`);
    what is left is `only_a` or `only_b`. The words between two steps are shown in pairs.

    Args:
        a: one session: an id, a session, a followed session, a store or a path of logs with one
            session, an events frame, or the bytes of an SSE body.
        b: the other one.
        source: a `Store`, a path of logs or an events frame in which `a` and `b` are ids; the
            start of an id is enough there.
        client: the client to ask; by default the current connection's.
        words: whether the agents' words have rows too.
        subagents: whether the calls of subagents are steps too.
        to: "pandas", "polars" or "arrow".

    Returns:
        `step`, `what` (call, edit, words), `state` (same, changed, only_a, only_b), and for each
        side, with `_a` and `_b`: `tool`, `summary`, `input`, `outcome` (ok, failed, no result),
        `duration_s`, `added_lines`, `removed_lines`, `turn`, and `order`, the row in
        `messages_df`. `attrs["first_difference"]` is the number of the step at which the sessions
        part, None if they do not; `attrs["same_count"]` and so on count the steps.

    Raises:
        FrameError: a side is not one session.
        AodError: a session could not be read.

    Warns:
        FrameWarning: something of a session is missing.

    Example:
        >>> compare_df(b"", b"").attrs["first_difference"] is None
        True
    """
    library(to)
    found = compared(a, b, source=source, client=client, subagents=subagents)
    frame = found.steps(words=words)
    warn(Report.of(frame), frame.attrs["schema"], stacklevel=2)
    return converted(frame, to)


def compare_totals(
    a: Any, b: Any, *, source: Any = None, client: Any = None, to: Library = "pandas"
) -> pd.DataFrame:
    """Return the totals of two sessions, a row each.

    Args:
        a: one session, as in `compare_df`.
        b: the other one.
        source: a `Store`, a path of logs or an events frame in which `a` and `b` are ids.
        client: the client to ask; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        `side`, `session_id`, `agent`, `model`, `status`, `exit_code`, `prompt`, `turn_count`,
        `tool_call_count`, `failed_tool_call_count`, `edited_file_count`, `tokens_in`,
        `cache_read_tokens`, `tokens_out`, `cost_usd` (USD) with its `cost_source`, `duration_s`
        (seconds that the turns took). What is unknown is NA.

    Raises:
        FrameError: a side is not one session.
        AodError: a session could not be read.
    """
    library(to)
    frame = compared(a, b, source=source, client=client).totals()
    warn(Report.of(frame), frame.attrs["schema"], stacklevel=2)
    return converted(frame, to)


def compare_edits(
    a: Any, b: Any, *, source: Any = None, client: Any = None, to: Library = "pandas"
) -> pd.DataFrame:
    """Return the files that two sessions edited, a row each.

    Edits that failed, and those that a shell command makes, do not count.

    Args:
        a: one session, as in `compare_df`.
        b: the other one.
        source: a `Store`, a path of logs or an events frame in which `a` and `b` are ids.
        client: the client to ask; by default the current connection's.
        to: "pandas", "polars" or "arrow".

    Returns:
        `file`, `same`, and for each side `edits`, `added_lines` and `removed_lines` with `_a` and
        `_b`; lines are NA where an edit does not show them.

    Raises:
        FrameError: a side is not one session.
        AodError: a session could not be read.
    """
    library(to)
    frame = compared(a, b, source=source, client=client).edits()
    warn(Report.of(frame), frame.attrs["schema"], stacklevel=2)
    return converted(frame, to)


def align(a: list[Step], b: list[Step]) -> list[Pair]:
    """Pair the steps of two sessions, each step once and in its order."""
    same = matches([step.key for step in a], [step.key for step in b])
    pairs: list[Pair] = []
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *same, (len(a), len(b))]):
        pairs += _between(a[i + 1 : next_i], b[j + 1 : next_j])
        if next_i < len(a):
            pairs.append((a[next_i], b[next_j]))
    return pairs


def _between(a: list[Step], b: list[Step]) -> Iterator[Pair]:
    """Pair the steps between two equal steps, by kind."""
    alike = matches([step.kind for step in a], [step.kind for step in b])
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *alike, (len(a), len(b))]):
        yield from ((step, None) for step in a[i + 1 : next_i])
        yield from ((None, step) for step in b[j + 1 : next_j])
        if next_i < len(a):
            yield a[next_i], b[next_j]


def state_of(pair: Pair) -> str:
    """Return how the sides of a pair differ, one of `STATES`."""
    a, b = pair
    if a is None or b is None:
        return "only_b" if a is None else "only_a"
    return "same" if a.key == b.key else "changed"


def _with_words(found: Compared) -> Iterator[Pair]:
    """Insert the texts of both sides between the steps, in pairs where both have some."""
    waiting = [deque(found.a.words), deque(found.b.words)]
    for pair in [*found.pairs, (None, None)]:
        before: list[list[Step]] = [[], []]
        for mine, step, ready in zip(waiting, pair, before, strict=True):
            while mine and (pair == (None, None) or (step and mine[0].order < step.order)):
                ready.append(mine.popleft())
        longest = max(map(len, before))
        for at in range(longest):
            yield tuple(ready[at] if at < len(ready) else None for ready in before)  # type: ignore[misc]  # two sides
        if pair != (None, None):
            yield pair


def _what(pair: Pair) -> str:
    kinds = {step.what for step in pair if step is not None}
    return "edit" if "edit" in kinds else kinds.pop()


def _row(pair: Pair, number: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"step": number, "what": _what(pair), "state": state_of(pair)}
    for name, step in zip(SIDES, pair, strict=True):
        if step is None:
            continue
        row[f"added_lines_{name}"], row[f"removed_lines_{name}"] = step.lines
        for field in ("tool", "summary", "input", "outcome", "duration_s", "turn", "order"):
            row[f"{field}_{name}"] = getattr(step, field)
    return row


class _Edited:
    """The edits that one side made to one file."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.added: int | None = 0
        self.removed: int | None = 0


def _by_file(side: Side) -> dict[str, _Edited]:
    files: dict[str, _Edited] = {}
    for step in side.calls:
        for touch in edits(step):
            file = files.setdefault(touch.path, _Edited())
            file.keys.append(step.key)
            file.added = _plus(file.added, touch.added_lines)
            file.removed = _plus(file.removed, touch.removed_lines)
    return files


def _plus(known: int | None, more: int | None) -> int | None:
    return None if known is None or more is None else known + more


def _frame(schema: Schema, rows: Iterable[dict[str, Any]], report: Report) -> pd.DataFrame:
    listed = list(rows)
    table = Table(schema.columns)
    table.add(len(listed), {c.name: [row.get(c.name) for row in listed] for c in schema.columns})
    return finish(table, schema, report).frame
