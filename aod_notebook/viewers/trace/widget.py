"""`TraceViewer`: the live trace of a session or a run in a notebook."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from aod_notebook.viewers.plain import status_word
from aod_notebook.viewers.record_view import RecordView
from aod_notebook.viewers.trace.model import Trace
from aod_notebook.viewers.trace.static import facts_of, trace_html, trace_plain
from aod_notebook.viewers.trace.tree import detail_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aod_notebook.viewers.protocols import Source
    from aod_notebook.viewers.trace.tree import TraceSpan, Tree

READ_S = 0.1
"""The tree is built again at most so often."""
SHARE = 20
"""Building it takes at most one part in so many of the time."""
EVENTS_AT_FIRST, EVENTS_AT_ONCE = 60_000, 20_000
"""So many events are read when a trace is made, and at once while others wait to be served."""
IS_ERROR, IS_OPEN, IS_COMPUTED, IS_ORPHAN, IS_GONE = 1, 2, 4, 8, 16
"""Flags of a record, as in `page/spans.js`."""


class TraceViewer(RecordView):
    """Shows what a session or a run did as a tree on a time axis, as it goes.

    Args:
        source: the session or the run, such as a `live.LiveSession`.
        transcript: makes the view of the transcript that opens at a span's row; it gets the
            span's `order`. None offers no transcript.
        metadata: gives what is kept in the output's metadata.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
        >>> session.trace().plain().split(" · ")[0]
        'completed'
    """

    _widget = "trace"

    def __init__(
        self,
        source: Source,
        *,
        transcript: Callable[[int], Any] | None = None,
        metadata: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._source = source
        self._transcript = transcript
        self._reading = threading.RLock()  # guards the trace
        self._trace = Trace(source)
        self._base: int | None = None  # what times are counted from, in microseconds
        self._read_at, self._took = -1.0, 0.0
        self._limit = EVENTS_AT_FIRST
        self._has_ended = False
        self._was_live = False  # whether events were read before the end
        self._sent: list[tuple[int, int | None]] = []  # parent and own time, by span
        super().__init__(metadata)
        self._read(0.0)
        self.facts = self._all_facts()
        self._listening.append(source.listen(self.wake))
        self.wake()

    def plain(self) -> str:
        """Return the trace so far as text."""
        with self._reading:
            return trace_plain(self._trace)

    def html(self) -> str:
        """Return the trace so far as static HTML."""
        with self._reading:
            return trace_html(self._trace)

    def static_bundle(self) -> dict[str, str]:
        """Return the trace so far as static HTML and as plain text."""
        return {"text/html": self.html(), "text/plain": self.plain()}

    # -- what is sent -----------------------------------------------------------------------------

    def _read(self, now: float) -> bool:
        if self._has_ended or now < self._read_at:
            return False
        with self._reading:
            began, trace = time.monotonic(), self._trace
            ended = self._source.is_final
            new = self._source.received(trace.taken)
            limit, self._limit = self._limit, EVENTS_AT_ONCE
            is_much = len(new) > limit
            self._was_live |= not ended
            if not new and not ended:
                return False
            trace.add(new[:limit])
            if ended and not is_much:
                self._end()
            self._put(self._trace)
            self._took = time.monotonic() - began
            pause = 0.0 if is_much else max(READ_S, SHARE * self._took)
            self._read_at = now + pause
            return True

    def _end(self) -> None:
        """Make the spans of the events as they are known in the end: those of a run are replaced."""
        before = len(self._trace.spans)
        if self._trace.is_run and self._was_live:
            self._trace = Trace(self._source)
            self._trace.add(self._source.received())
            self._sent.clear()
        self._trace.finish()
        for number in range(len(self._trace.spans), before):
            self.feed.put(number, [-1, None, None, IS_GONE])
        self._has_ended = self.feed.is_final = True

    def _put(self, trace: Trace) -> None:
        """Put the records of spans that changed, or that stand elsewhere now."""
        if self._base is None:
            self._base = trace.began
        tree, changed = trace.tree, trace.take_changed()
        places = list(zip(tree.parents, tree.own, strict=True))
        old, count = self._sent, len(self._sent)
        news = {number for number in changed if number < len(places)}
        news.update(number for number in range(count) if old[number] != places[number])
        news.update(range(count, len(places)))
        self._sent, base = places, self._base
        # Outer spans go first: they are what a page shows before it has the others.
        self.feed.put_all(
            (number, _record(trace.spans[number], tree, number, base))
            for number in sorted(news, key=tree.depths.__getitem__)
        )

    def _facts(self) -> dict[str, Any]:
        with self._reading:
            trace = self._trace
            status = trace.status
            is_ended = self._has_ended
            running = None if is_ended else _running(trace.spans)
            since = None if running is None else running.start
            return {
                "title": trace.title,
                "id": trace.id,
                "status": status,
                "label": status_word(status),
                "about": facts_of(trace),
                "errors": trace.totals.errors,
                "final": is_ended,
                "again": trace.again,
                "activity": "" if running is None else f"{running.name} {running.text}".strip(),
                "since": None if since is None else round(since / 1e6, 1),
                "base": None if self._base is None else self._base / 1e6,
                "transcript": self._transcript is not None,
            }

    # -- what the page asks for ---------------------------------------------------------------------

    def _actions(self) -> Mapping[str, Callable[[str, Mapping[str, Any]], object]]:
        asked = {"detail": self._detail}
        return asked if self._transcript is None else {**asked, "transcript": self._show_transcript}

    def _detail(self, page: str, content: Mapping[str, Any]) -> None:
        number = content.get("span")
        with self._reading:
            spans = self._trace.spans
            if not isinstance(number, int) or not 0 <= number < len(spans):
                return
            detail = detail_of(spans[number])
        self.feed.reply(type="detail", page=page, span=number, **detail)

    def _show_transcript(self, page: str, content: Mapping[str, Any]) -> None:
        order, make = content.get("order"), self._transcript
        if make is None or not isinstance(order, int):
            return
        child = self._open(page, "transcript", lambda: make(order))
        child.go_to(order)


def _record(span: TraceSpan, tree: Tree, number: int, base: int | None) -> list[Any]:
    """Return a span as the page reads it (`page/spans.js`); its texts are clean already."""
    flags = (
        IS_ERROR * span.is_error
        + IS_OPEN * span.is_open
        + IS_COMPUTED * span.is_computed
        + IS_ORPHAN * tree.orphans[number]
    )
    start = None if span.start is None or base is None else span.start - base
    return [
        tree.parents[number], start, span.duration, flags, span.kind, span.name, span.text,
        span.tokens, span.cost, tree.own[number], span.bad, span.order,
    ]  # fmt: skip


def _running(spans: list[TraceSpan]) -> TraceSpan | None:
    """Return the span that has run longest but for turns and runs; None if none runs."""
    inner = (span for span in spans if span.is_open and span.kind not in ("turn", "run"))
    return min(inner, key=lambda span: span.start or 2**63, default=None)
