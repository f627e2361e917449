"""Spans of a run: those that were reported, its tool calls, model calls and tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aod_notebook.contract import RUN_ENDED
from aod_notebook.core.clock import micros
from aod_notebook.core.text import failure_text, one_line
from aod_notebook.transcripts import summary
from aod_notebook.transcripts._json import as_float, as_int
from aod_notebook.viewers.row import TITLE_CHARS
from aod_notebook.viewers.run_rows import is_of_run, text_of, tokens_of
from aod_notebook.viewers.trace.tree import EXIT, TraceSpan

if TYPE_CHECKING:
    from aod_notebook.viewers.protocols import Event

RUN = "run"
"""The key of the span that all others are in."""
BAD_CHARS = 80
_KINDS = {"tool": "tool", "llm": "model", "agent": "agent", "chain": "step"}
_TOLD = ("input", "prompt", "messages", "output", "response", "error")
"""Parts of a payload that are shown as input and output."""
_CALLED, _RETURNED, _FAILED = "tool.called", "tool.returned", "tool.failed"


class RunSpans:
    """Makes spans of a run's events (those of `run_rows.RunRows`); feed each once, in order.

    A span comes when it has ended, so mostly after those in it. A result is that of the oldest
    call of its tool that has none.

    Args:
        name: the name of the run until it reports its own.

    Attributes:
        spans: the run itself, then the others as they came.
        changed: the numbers of spans that were added or changed since this was emptied.
        model: the model that was called first.
    """

    def __init__(self, name: str) -> None:
        whole = TraceSpan(RUN, None, one_line(name, TITLE_CHARS), kind="run", is_open=True)
        whole.order = 1
        self.spans = [whole]
        self.changed = {0}
        self.model = ""
        self._numbers: dict[str, int] = {RUN: 0}
        self._calls: dict[tuple[str, str], deque[int]] = {}
        self._order = 0  # of the last event, as `RowBuilder.places` counts them

    def feed(self, event: Event, received: float | None = None) -> None:
        """Take an event and the time at which it came, in seconds since 1970."""
        extra, type_ = event.extra, event.type
        payload = extra.get("payload")
        self._order += payload is not None or is_of_run(event)
        if payload is not None and extra.get("span_id") is not None:
            self._span(type_, extra, payload if isinstance(payload, Mapping) else {})
            return
        at = micros(extra.get("occurred_at") or extra.get("created_at"))
        at = round(received * 1e6) if at is None and received is not None else at
        if "payload" in extra:
            self._recorded(type_, extra, payload if isinstance(payload, Mapping) else {}, at)
        elif type_ == "tool":
            how = {"calling": _CALLED, "returned": _RETURNED, "failed": _FAILED}
            self._recorded(how.get(str(extra.get("status")), ""), extra, extra, at)
        elif type_ == "task":
            self._task(extra)
        elif type_ in ("run", "done"):
            self._whole(extra, at, "completed" if type_ == "done" else "")
        self._reach(at)

    def finish(self) -> None:
        """Do nothing: no event of a run is held back."""

    def end(self) -> None:
        """Take it that nothing runs any more."""
        for number, span in enumerate(self.spans):
            if span.is_open:
                span.is_open = False
                self.changed.add(number)

    # -- the run ----------------------------------------------------------------------------------

    def _whole(self, row: Mapping[str, Any], at: int | None, status: str) -> None:
        whole, status = self.spans[0], status or str(row.get("status") or "")
        name = row.get("name") or row.get("agent_name")
        whole.name = one_line(str(name), TITLE_CHARS) if name else whole.name
        whole.start = micros(row.get("started_at") or row.get("created_at")) or whole.start
        read, _, written = tokens_of(row)
        if read is not None or written is not None:
            whole.tokens = (read or 0) + (written or 0)
        cost = as_float(row.get("cost_usd"))
        whole.cost = whole.cost if cost is None else cost
        if row.get("input") is not None:
            whole.given = row["input"]
            whole.text = one_line(text_of(row["input"]), TITLE_CHARS)
        if status in RUN_ENDED:
            whole.is_open, whole.end = False, micros(row.get("ended_at")) or at
            whole.is_error = status == "failed"
            whole.bad = one_line(failure_text(row), TITLE_CHARS) if whole.is_error else ""
            whole.bad = "stopped" if status == "cancelled" else whole.bad
            whole.gave = row.get("output")
        self.changed.add(0)

    def _reach(self, at: int | None) -> None:
        """Let the run begin no later than the first thing that is known of it."""
        whole = self.spans[0]
        for start in (at, self.spans[-1].start):
            if start is not None and (whole.start is None or start < whole.start):
                whole.start = start
                self.changed.add(0)

    # -- what was recorded ------------------------------------------------------------------------

    def _span(self, name: str, extra: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        key, parent = f"span {extra['span_id']}", extra.get("parent_span_id")
        span = TraceSpan(
            key, RUN if parent is None else f"span {parent}", one_line(name, TITLE_CHARS)
        )
        span.kind = _KINDS.get(str(extra.get("kind")), "step")
        span.start, span.end = micros(extra.get("started_at")), micros(extra.get("ended_at"))
        took_ms = as_float(extra.get("duration_ms"))
        took = None if took_ms is None else as_int(1000 * took_ms)
        if took is not None:
            if span.end is None and span.start is not None:
                span.end = span.start + took
            if span.start is None and span.end is not None:
                span.start = span.end - took
        error = payload.get("error")
        span.is_error = extra.get("level") == "error" or bool(error)
        span.bad = _how(text_of(error)) if span.is_error else ""
        self._fill(span, payload)
        self._put(span)
        start, first = span.start, self.spans[0].start
        if start is not None and (first is None or start < first):
            self._reach(start)

    def _fill(self, span: TraceSpan, payload: Mapping[str, Any]) -> None:
        """Take what a payload says of a span: what it was given, what came out, what it used."""
        given = payload.get("input", payload.get("prompt", payload.get("messages")))
        rest = {key: payload[key] for key in payload if key not in _TOLD} or None
        span.gave = payload.get("output", payload.get("response", payload.get("error")))
        span.given = rest if given is None else given
        if span.kind == "model":
            about = one_line(str(payload.get("model") or ""), TITLE_CHARS)
            self.model = self.model or about
        else:
            about = summary(span.name, given)
        span.text = one_line(about or text_of(span.given), TITLE_CHARS)
        if "input_tokens" in payload or "output_tokens" in payload:
            read, _, written = tokens_of(payload)
            span.tokens = None if read is None and written is None else (read or 0) + (written or 0)
        span.cost = as_float(payload.get("cost_usd"))
        if given is not None:
            span.facts = rest

    def _recorded(
        self, type_: str, extra: Mapping[str, Any], payload: Mapping[str, Any], at: int | None
    ) -> None:
        """Pair what was reported as two events: a call and what came back."""
        pairs = {
            _CALLED: ("tool", True), _RETURNED: ("tool", False), _FAILED: ("tool", False),
            "llm.request": ("model", True), "llm.response": ("model", False),
        }  # fmt: skip
        if type_ not in pairs:
            return
        kind, is_begin = pairs[type_]
        named = payload.get("tool", payload.get("name")) if kind == "tool" else "model"
        name = one_line(str(named or kind), TITLE_CHARS)
        waiting = self._calls.setdefault((kind, name), deque())
        if is_begin or not waiting:
            above = extra.get("parent_span_id")
            parent = RUN if above is None else f"span {above}"
            span = TraceSpan(f"event {len(self.spans)}", parent, name, kind=kind, start=at)
            span.is_open = True
            self._fill(span, {key: value for key, value in payload.items() if key != "tool"})
            waiting.append(self._put(span))
        if is_begin:
            return
        number = waiting.popleft()
        span, before = self.spans[number], self.spans[number].given
        self._fill(span, {**payload, "input": before} if before is not None else payload)
        span.is_open, span.end = False, at
        span.is_error = type_ == _FAILED
        span.bad = _how(text_of(span.gave)) if span.is_error else ""
        self.changed.add(number)

    def _task(self, task: Mapping[str, Any]) -> None:
        name, status = one_line(str(task.get("name") or "task"), TITLE_CHARS), task.get("status")
        span = TraceSpan(f"task {task.get('id')}", RUN, name, kind="task")
        span.start, span.end = micros(task.get("started_at")), micros(task.get("ended_at"))
        span.is_open = status in (None, "pending", "running")
        span.end = None if span.is_open else span.end
        span.is_error = status == "failed"
        span.given, span.gave = task.get("input"), task.get("output")
        if span.is_error:
            span.bad = one_line(str(task.get("error_message") or "failed"), TITLE_CHARS)
        span.text = one_line(text_of(span.given), TITLE_CHARS)
        self._put(span)

    def _put(self, span: TraceSpan) -> int:
        """Add a span, or replace the one with its key."""
        span.order = self._order
        number = self._numbers.setdefault(span.key, len(self.spans))
        if number == len(self.spans):
            self.spans.append(span)
        else:
            self.spans[number] = span
        self.changed.add(number)
        return number


def _how(error: str) -> str:
    """Return how something failed in a few words: its exit code, or the first line of its error."""
    found = EXIT.match(error)
    if found:
        return f"exit code {found[1]}"
    return one_line(error.strip().partition("\n")[0], BAD_CHARS) or "failed"
