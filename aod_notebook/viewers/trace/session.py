"""Spans of a session: its turns, the messages in them, their tool calls, and subagents."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from aod_notebook.contract import FINAL_EVENTS
from aod_notebook.core.clock import micros
from aod_notebook.core.text import one_line
from aod_notebook.frames import prices
from aod_notebook.transcripts import KINDS, Reader, Spent, summary
from aod_notebook.transcripts.model import add
from aod_notebook.viewers.row import TITLE_CHARS
from aod_notebook.viewers.tools import short_path
from aod_notebook.viewers.trace.tree import EXIT, TraceSpan
from aod_notebook.viewers.turns import turn_begun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aod_notebook.transcripts import Entry
    from aod_notebook.viewers.protocols import Event

_INCLUDES_CACHE = ("codex", "gemini")
_INCLUDES_REASONING = ("claude", "codex")


@dataclass
class _Lane:
    """What one agent does in a turn, one thing after the other: the agent itself, or a subagent.

    Attributes:
        above: the key of the turn, or of the call that started the subagent.
        last: when the last thing in it ended, so when the next message began.
        message: the number of the message under way.
        count: how many messages there were.
    """

    above: str
    last: int | None
    message: int | None = None
    message_id: str | None = None
    count: int = 0
    messages: dict[str, int] = field(default_factory=dict)


class SessionSpans:
    """Makes spans of a session's events; feed it each event once, in order.

    A message lasts from the end of what came before it to its own last line. A call lasts from
    the line that makes it to the line with its result.

    Args:
        runtime: what wrote the output; None to recognise it from the lines.
        prompts: the prompts by the numbers of their turns; it may grow.

    Attributes:
        spans: the spans so far; those that are known stay at their places.
        changed: the numbers of spans that were added or changed since this was emptied.
        model: the model that answered first.
    """

    def __init__(
        self, runtime: str | None = None, prompts: Mapping[int, str] | None = None
    ) -> None:
        self.spans: list[TraceSpan] = []
        self.changed: set[int] = set()
        self.model = ""
        self._prompts: Mapping[int, str] = {} if prompts is None else prompts
        self._reader = Reader(runtime)
        self._order = 0  # of the last entry
        self._folder = ""  # where the agent works; paths in it are shown without
        self._turn: int | None = None  # the number of the turn's span
        self._number = 0  # of the turn
        self._lanes: dict[str | None, _Lane] = {}
        self._calls: dict[str, int] = {}  # of this turn, by id
        self._latest: int | None = None  # time of an entry of this turn
        self._is_recorded = False  # whether the turn is a replay, with the times of its recording

    def feed(self, event: Event, received: float | None = None) -> None:
        """Take an event and the time at which it came, in seconds since 1970."""
        extra = event.extra
        at = micros(extra.get("created_at"))
        at = round(received * 1e6) if at is None and received is not None else at
        turn = turn_begun(event, self._number)
        if turn is not None:
            self._begin(turn, at)
        elif event.type == "output" and extra.get("stream") != "stderr":
            recorded = micros(extra.get("recorded_at"))
            if recorded is not None and not self._is_recorded:
                self._replay(recorded)
            self._take(str(extra.get("data") or ""), at if recorded is None else recorded)
        elif event.type in FINAL_EVENTS:
            self._end(event, at)

    def finish(self) -> None:
        """Read lines that no newline ended."""
        for entry in self._reader.flush():
            self._entry(entry, None)

    # -- turns ----------------------------------------------------------------------------------

    def _begin(self, number: int, at: int | None) -> None:
        if self._turn is not None and number == self._number:
            self._know_prompt()
            return
        self._close(at)
        if not self._number:
            self._reader.account.first_turn = number
        self._number = number
        self._latest, self._is_recorded = None, False
        span = TraceSpan("", None, f"Turn {number}", kind="turn", start=at, is_open=True)
        self._turn = self._add(span)
        self._lanes = {None: _Lane(span.key, at)}
        self._calls.clear()
        self._know_prompt()

    def _know_prompt(self) -> None:
        prompt = self._prompts.get(self._number)
        if self._turn is None or not prompt or self.spans[self._turn].given:
            return
        span = self.spans[self._turn]
        span.text, span.given = one_line(prompt, TITLE_CHARS), prompt
        self.changed.add(self._turn)

    def _close(self, at: int | None) -> None:
        """End the turn; calls without a result have an unknown end."""
        self.finish()
        if self._turn is None:
            return
        span = self.spans[self._turn]
        self._know_prompt()
        for number in (self._turn, *self._calls.values()):
            if self.spans[number].is_open:
                self.spans[number].is_open = False
                self.changed.add(number)
        span.end = self._latest if self._is_recorded or at is None else at
        self._count(span)
        self.changed.add(self._turn)
        self._turn = None

    def _end(self, event: Event, at: int | None) -> None:
        number = self._turn
        self._close(at)
        if number is None:
            return
        span, code = self.spans[number], event.extra.get("code")
        if event.type == "terminated":
            span.bad = "stopped"
        elif event.type == "error" or code not in (0, None):
            span.is_error = True
            reason = f"exit code {code}" if event.type == "exit" else event.extra.get("message")
            span.bad = one_line(str(reason or "failed"), TITLE_CHARS)

    def _count(self, span: TraceSpan) -> None:
        """Take tokens and cost of the turn from its account."""
        turn = self._reader.account.turn
        if turn is not None:
            span.tokens, span.cost = add(turn.tokens_in, turn.tokens_out), turn.cost_usd

    # -- entries --------------------------------------------------------------------------------

    def _take(self, data: str, at: int | None) -> None:
        if self._turn is None:
            self._begin(self._number + 1, at)
        for entry in self._reader.feed(data):
            self._entry(entry, at)

    def _entry(self, entry: Entry, at: int | None) -> None:
        self._order += 1
        if entry.subtype == "init":
            self._folder = str(entry.fields.get("cwd") or "")
        at = at if entry.created_at is None else entry.created_at
        turn = None if self._turn is None else self.spans[self._turn]
        if turn is None:
            return
        if at is not None:
            self._latest = at if self._latest is None else max(at, self._latest)
            if turn.start is None or at < turn.start:
                self._start(at)
        if entry.result is not None:
            self._count(turn)
            turn.gave = entry.result.text or turn.gave
            self.changed.add(self._turn or 0)
        elif entry.block == "tool_result":
            self._returned(entry, at)
        elif entry.line_type == "assistant" and entry.block is not None:
            self._text(entry, at)

    def _replay(self, at: int) -> None:
        """Take the times of a recording from here on."""
        self._is_recorded = True
        if self._turn is None:
            self._begin(self._number + 1, at)
        self._start(at)

    def _start(self, at: int) -> None:
        """Let the turn begin at `at`, and its first message too."""
        if self._turn is not None:
            self.spans[self._turn].start = at
            self.changed.add(self._turn)
        if not self._lanes[None].count:
            self._lanes[None].last = at

    def _lane(self, parent: str | None) -> _Lane:
        number = None if parent is None else self._calls.get(parent)
        if number is None:
            return self._lanes[None]
        if parent not in self._lanes:
            call = self.spans[number]
            self._lanes[parent] = _Lane(call.key, call.start)
        return self._lanes[parent]

    def _text(self, entry: Entry, at: int | None) -> None:
        lane = self._lane(entry.parent_tool_use_id)
        number = self._message(lane, entry, at)
        span = self.spans[number]
        self.changed.add(number)
        if at is not None and (span.end is None or at > span.end):
            span.end = at
        lane.last = at if at is not None else lane.last
        if entry.block == "tool_use":
            self._called(entry, at, span.key)
            span.text = span.text or "calls a tool"
        elif entry.block == "text":
            span.gave += f"\n{entry.text or ''}" if span.gave else (entry.text or "")
            span.text = one_line(entry.text or "", TITLE_CHARS)
            span.order = self._order

    def _message(self, lane: _Lane, entry: Entry, at: int | None) -> int:
        """Return the number of the message that an entry is a part of."""
        key = entry.message_id
        known = lane.messages.get(key) if key is not None else None
        if known is None and key is None and lane.message_id is None:
            known = lane.message
        if known is None:
            lane.count += 1
            start = lane.last if lane.last is None or at is None else min(lane.last, at)
            name = f"Message {lane.count}"
            span = TraceSpan("", lane.above, name, kind="message")
            span.start, span.end = start if lane.last is not None else at, at
            span.order = self._order
            span.facts = {"model": entry.model} if entry.model else None
            known = self._add(span)
            if key is not None:
                lane.messages[key] = known
        lane.message, lane.message_id = known, key
        self._spend(self.spans[known], entry)
        return known

    def _spend(self, span: TraceSpan, entry: Entry) -> None:
        """Take what the message used; lines of one message repeat it, the last one counts."""
        if entry.model and not self.model:
            self.model = one_line(entry.model, TITLE_CHARS)
        if entry.usage is None:
            return
        runtime = self._reader.runtime
        spent = Spent(
            usage=entry.usage,
            input_includes_cache=runtime in _INCLUDES_CACHE,
            output_includes_reasoning=runtime in _INCLUDES_REASONING,
        )
        span.tokens = add(spent.tokens_in, spent.tokens_out)
        if entry.model:
            span.cost = prices.cost(entry.model, entry.usage, spent, None, span.start)
            span.is_computed = span.cost is not None
        self._sum_up(entry.parent_tool_use_id)

    def _sum_up(self, parent: str | None) -> None:
        """Let a subagent's call have what its messages used."""
        number, lane = self._calls.get(parent or ""), self._lanes.get(parent)
        if number is None or lane is None:
            return
        call, own = self.spans[number], [self.spans[one] for one in lane.messages.values()]
        call.tokens = reduce(add, [span.tokens for span in own], None)
        costs = [span.cost for span in own if span.cost is not None]
        call.cost = sum(costs) if len(costs) == len(own) else None
        call.is_computed = call.cost is not None
        self.changed.add(number)

    # -- tool calls -----------------------------------------------------------------------------

    def _called(self, entry: Entry, at: int | None, parent: str) -> None:
        name = one_line(entry.tool or "tool", TITLE_CHARS)
        kind = "agent" if KINDS.get(name) == "task" else "tool"
        text = one_line(
            short_path(KINDS.get(name, ""), summary(entry.tool, entry.input), self._folder),
            TITLE_CHARS,
        )
        span = TraceSpan("", parent, name, text, kind, at, is_open=True)
        span.order, span.given = self._order, entry.input or entry.input_json
        if entry.tool_use_id:
            span.facts = {"tool call": entry.tool_use_id}
        number = self._add(span)
        self._calls[entry.tool_use_id or span.key] = number

    def _returned(self, entry: Entry, at: int | None) -> None:
        number = self._calls.get(entry.tool_use_id or "")
        lane = self._lane(entry.parent_tool_use_id)
        lane.last = at if at is not None else lane.last
        lane.message, lane.message_id = None, None
        if number is None:
            return
        span, text = self.spans[number], entry.text or ""
        span.is_open, span.end, span.is_error = False, at, bool(entry.is_error)
        found = EXIT.match(text)
        span.bad = (f"exit code {found[1]}" if found else "failed") if entry.is_error else ""
        span.gave = text
        self.changed.add(number)

    def _add(self, span: TraceSpan) -> int:
        number = len(self.spans)
        span.key = str(number)
        self.spans.append(span)
        self.changed.add(number)
        return number
