"""Spans of a session or a run, and the tree that they make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from aod_notebook.core.text import clean, clip
from aod_notebook.frames.trees import covered, forest
from aod_notebook.viewers.run_rows import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DETAIL_CHARS = 60_000
EXIT = re.compile(r"Exit code (-?\d{1,10})")
"""What the result of a failed command begins with."""
FACT_CHARS = 400
_LATEST = 2**63
_Number = TypeVar("_Number", int, float)


class TraceSpan(msgspec.Struct, gc=False):
    """One thing that took time. It is changed in place as more becomes known of it.

    Attributes:
        key: its id among the spans of its trace.
        parent: the key of the span that it is in; None for a root.
        name: a few words: `Turn 1`, `Bash`, the name that a run gave it.
        text: what it is about, on one line.
        kind: `run`, `turn`, `message`, `tool`, `agent`, `model`, `task` or `step`.
        start: microseconds since 1970; None if that is unknown.
        end: when it ended; None if that is unknown, or if it runs.
        is_open: whether it runs.
        tokens: what its models read and wrote as far as that is known; None if nothing is.
        cost: in US dollars; None if that is unknown.
        is_computed: whether the cost was computed from tokens.
        is_error: whether it failed.
        bad: how it failed, in a few words.
        order: its row in the session's transcript (`order` of `frames.messages_df`); 0 for none.
        given: what it was given: a mapping or a text.
        gave: what came out of it: a text, or what a run reported.
        facts: more facts of it by name.
    """

    key: str
    parent: str | None
    name: str
    text: str = ""
    kind: str = "step"
    start: int | None = None
    end: int | None = None
    is_open: bool = False
    tokens: int | None = None
    cost: float | None = None
    is_computed: bool = False
    is_error: bool = False
    bad: str = ""
    order: int = 0
    given: Any = None
    gave: Any = ""
    facts: Mapping[str, Any] | None = None

    @property
    def duration(self) -> int | None:
        """Microseconds from its start to its end; None if one is unknown, or if time ran back."""
        if self.start is None or self.end is None or self.end < self.start:
            return None
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree of spans; each list but `order` has an item per span.

    Attributes:
        order: the spans, parents first, siblings by their start.
        parents: the span that each stands below; -1 for a root.
        depths: 0 for a root.
        orphans: whether a span names a parent that is unknown or below it.
        own: microseconds of a span in which nothing below it ran; None if that is unknown.
    """

    order: list[int]
    parents: list[int]
    depths: list[int]
    orphans: list[bool]
    own: list[int | None]

    @classmethod
    def of(cls, spans: Sequence[TraceSpan]) -> Tree:
        """Build the tree. A message leads its tool calls, which are not part of its own time."""
        starts, ends = [span.start for span in spans], [span.end for span in spans]
        places = [_LATEST if start is None else start for start in starts]
        made = forest([span.key for span in spans], [span.parent for span in spans], places)
        leads = [span.kind == "message" for span in spans]
        known = covered(starts, ends, made.parents, leads)
        own = [
            None if start is None or end is None or end < start else max(0, end - start - taken)
            for start, end, taken in zip(starts, ends, known, strict=True)
        ]
        return cls(made.order, made.parents, made.depths, made.orphans, own)


@dataclass(frozen=True, slots=True)
class Totals:
    """What a trace's header says; None is unknown.

    Attributes:
        spans: how many spans there are.
        calls: how many of them are tool calls.
        failed: how many of those failed.
        errors: how many spans failed.
        tokens: of the turns or of the run, which may be more than their messages report.
        cost: of the same, in US dollars.
        model_us: time of all messages or model calls, in microseconds.
        tools_us: time of all tool calls but subagents.
        took_us: from the first start to the last end.
    """

    spans: int
    calls: int
    failed: int
    errors: int
    tokens: int | None
    cost: float | None
    model_us: int | None
    tools_us: int | None
    took_us: int | None

    @classmethod
    def of(cls, spans: Sequence[TraceSpan]) -> Totals:
        """Add up spans."""
        roots = [span for span in spans if span.kind in ("turn", "run")]
        calls = [span for span in spans if span.kind in ("tool", "agent")]
        starts = [span.start for span in spans if span.start is not None]
        ends = [span.end for span in spans if span.end is not None]
        return cls(
            len(spans),
            len(calls),
            sum(span.is_error for span in calls),
            sum(span.is_error for span in spans),
            _sum(span.tokens for span in roots),
            _sum(span.cost for span in roots),
            _sum(span.duration for span in spans if span.kind in ("message", "model")),
            _sum(span.duration for span in spans if span.kind == "tool"),
            max(0, max(ends) - min(starts)) if starts and ends else None,
        )


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def detail_of(span: TraceSpan) -> dict[str, Any]:
    """Return what is shown of a span that was chosen: input, output and facts, all cleaned."""
    given = span.given
    if isinstance(given, dict):
        shown = [[clean(str(name)), _value(value)] for name, value in given.items()]
    else:
        shown = [["", _value(given)]] if given else []
    return {
        "input": shown,
        "output": clip(output_of(span), DETAIL_CHARS),
        "facts": [
            [clean(str(name)), clip(clean(text_of(value)), FACT_CHARS)]
            for name, value in (span.facts or {}).items()
        ],
        "is_computed": span.is_computed,
    }


def output_of(span: TraceSpan) -> str:
    """Return what came out of a span as text, cleaned."""
    return clean(text_of(span.gave))


def _value(value: Any) -> str:
    if not isinstance(value, str):
        try:
            value = msgspec.json.encode(value).decode()
        except (TypeError, ValueError, RecursionError):
            value = f"[{type(value).__name__} that is not JSON]"
    return clip(clean(value), DETAIL_CHARS)
