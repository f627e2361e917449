"""The input and output of findings: the rows of one session, the limits, a finding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import msgspec

from aod_notebook.transcripts import Usage
from aod_notebook.transcripts.files import Touch, touched

EDITS = ("write", "edit", "delete")


@dataclass(frozen=True)
class Limits:
    """The thresholds of findings.

    Attributes:
        same_call: identical calls in one turn. Two happen by chance; the third is a loop.
        same_failure: failures of an identical call. A second try is often right, so 3.
        same_read: reads of one file without an edit of it in between.
        context_tokens: size of the context from which growth costs more than it helps.
        context_growth: growth within a session that counts, as a multiple of its start.
        pause_s: pause after which a provider's cache has usually expired (5 minutes).
        cold_tokens: tokens written to the cache again that are worth a finding.
        first_token_ms: time to the first token at which a person notices.
        idle_s: seconds without a line while no tool runs.
        calls_after_edit: calls after the last edit that are more than a check of it.
        retries: retries of the API in one turn.
        denials: calls that were not permitted, in one turn.
    """

    same_call: int = 3
    same_failure: int = 3
    same_read: int = 3
    context_tokens: int = 100_000
    context_growth: float = 3.0
    pause_s: float = 300.0
    cold_tokens: int = 10_000
    first_token_ms: int = 20_000
    idle_s: float = 120.0
    calls_after_edit: int = 12
    retries: int = 3
    denials: int = 1

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Limits":
        """Return the default limits with some replaced.

        Raises:
            TypeError: a limit does not exist.
        """
        names = {one.name for one in fields(cls)}
        for name in given:
            if name not in names:
                raise TypeError(f"unexpected limit {name!r}: there are {', '.join(sorted(names))}")
        return cls(**given)


class Finding(NamedTuple):
    """One finding: its kind, place, evidence and cost.

    Attributes:
        severity: info, warn or bad.
        times: how often it happened.
        orders: rows of `messages` that show it.
        messages: ids of the model's messages that it took; what they used is its cost.
        tokens: its tokens, where they are not those of the messages.
        lost_s: the time that it took, in seconds.
    """

    kind: str
    severity: str
    turn: int | None
    finding: str
    times: int
    orders: list[int]
    messages: Sequence[str] = ()
    tokens: int | None = None
    lost_s: float | None = None


@dataclass
class CallRow:
    """One tool call of a session; times in seconds since 1970."""

    turn: int | None
    order: int
    result_order: int | None
    tool: str
    input: str
    output: str
    is_error: bool
    has_result: bool
    called_at: float | None
    returned_at: float | None
    parent: str | None
    tool_use_id: str | None
    message_id: str | None = None

    @property
    def touches(self) -> list[Touch]:
        """The files that it touches."""
        return touched(self.tool, decoded(self.input))

    @property
    def edits(self) -> bool:
        """Whether it changes a file."""
        return any(touch.operation in EDITS for touch in self.touches)

    @property
    def reads(self) -> bool:
        """Whether it only reads files."""
        touches = self.touches
        return bool(touches) and all(touch.operation == "read" for touch in touches)


@dataclass
class MessageRow:
    """One row of a session's messages; its time in seconds since 1970."""

    turn: int | None
    order: int
    line_type: str
    subtype: str | None
    block: str | None
    text: str
    model: str | None
    parent: str | None
    at: float | None
    message_id: str | None
    usage: Usage

    @property
    def context(self) -> int | None:
        """The tokens that the model read for it: the size of the context then."""
        usage = self.usage
        parts = (usage.input_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None


@dataclass
class SessionRows:
    """The rows of one session, in the order of its transcript."""

    session_id: str | None
    calls: list[CallRow] = field(default_factory=list)
    rows: list[MessageRow] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    def end_of(self, turn: int | None) -> list[int]:
        """Return the last row of a turn, in which its CLI reports how it ended."""
        return [row.order for row in self.rows if row.turn == turn][-1:]

    def by_turn(self) -> Iterator[list[CallRow]]:
        """Yield the calls of each turn."""
        turns: dict[int | None, list[CallRow]] = {}
        for call in self.calls:
            turns.setdefault(call.turn, []).append(call)
        yield from turns.values()


def of_calls(
    kind: str,
    severity: str,
    text: str,
    calls: Sequence[CallRow],
    wasted: Sequence[CallRow] | None = None,
) -> Finding:
    """Return a finding that calls show.

    Args:
        kind: the kind of finding.
        severity: info, warn or bad.
        text: the finding in one sentence.
        calls: the calls that show it.
        wasted: those that it cost; all of them by default.
    """
    wasted = calls if wasted is None else wasted
    spans = [(call.called_at, call.returned_at) for call in wasted]
    known = [max(0.0, end - start) for start, end in spans if start is not None and end is not None]
    messages = dict.fromkeys(call.message_id for call in wasted if call.message_id)
    return Finding(
        kind,
        severity,
        calls[0].turn,
        text,
        len(calls),
        [call.order for call in calls],
        list(messages),
        lost_s=sum(known) if known else None,
    )


def decoded(text: str) -> Any:
    """Decode JSON; None if it is not JSON, or nested too deeply."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
