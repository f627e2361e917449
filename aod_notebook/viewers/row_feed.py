"""Send the rows of a transcript to the pages."""

from __future__ import annotations

import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core.clock import micros
from aod_notebook.core.text import one_line
from aod_notebook.viewers.feed import LAST_BEATS, Feed, PageMessage
from aod_notebook.viewers.plain import about, status_word
from aod_notebook.viewers.row import Kind
from aod_notebook.viewers.static import MAX_BYTES, MAX_ROWS, Transcript
from aod_notebook.viewers.wire import KINDS, chunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aod_notebook.viewers.protocols import Event, Source
    from aod_notebook.viewers.row import Question

EVENTS_AT_ONCE = 8_000
"""Events are read in portions, so that the first rows of a burst are on their way early."""
FACTS_S = 0.25
REPEATS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""A page that has not spoken, as it can't while a cell runs, is sent all rows again after so long."""
UNHEARD = ""
"""Stands for such a page among those that ask for rows."""
TEXT_CHARS = 60_000
"""How much of a long row is sent in one message."""
ACTIVITY_CHARS = 120


class RowFeed(Feed):
    """The rows of a source, and how far its pages have them; safe in any thread.

    Args:
        source: the session.
        start: how many of its events to pass over (those of earlier turns).

    Attributes:
        transcript: the rows so far.
        is_held: the end of a turn is not the end of the view: another turn may follow.
        is_shown: whether a page was given the view, but may not be ready for it yet.
    """

    def __init__(self, source: Source, start: int = 0) -> None:
        super().__init__()
        self.transcript = Transcript.of(source)
        if start:
            self.transcript.pass_over(event for event, _ in source.received()[:start])
        self.is_held = False
        self.is_shown = False
        self._repeats: deque[float] = deque()  # when rows are sent again to a page unheard of
        self._source = source
        self._start = start
        self._is_over = False
        self._pushed_at = -1.0  # in which round rows were pushed last
        self._is_behind = False  # whether there were more than a message takes
        self._partial = ""  # what the page shows behind the last row
        self._facts: dict[str, Any] = {}
        self._facts_at = 0.0
        self._state: tuple[str, bool] | None = None  # the status when facts were looked at last
        self._began: float | None = None
        self._ended = 0.0
        self._active, self._active_since = "", 0.0  # the current activity, and since when

    # -- what is known ------------------------------------------------------------------------

    @property
    def is_final(self) -> bool:
        """Whether no event is left to read and none will come."""
        with self._lock:
            if self._is_over:
                return True
            ended = self._source.is_final and not self.is_held
            return ended and not self._source.received(self._position)

    @property
    def _position(self) -> int:
        return self._start + self.transcript.taken

    def read(self, limit: int | None = None) -> int:
        """Make rows of the events that came since; give how many events those were."""
        with self._lock:
            if self._is_over:
                return 0
            ended = self._source.is_final
            new = self._source.received(self._position)
            if limit is not None and len(new) > limit:
                new, ended = new[:limit], False
            if new:
                self._began = self._began or _time(*new[0])
                self._ended = _time(*new[-1])
                self.transcript.add(event for event, _ in new)
            if ended:
                self.transcript.finish()
            return len(new)

    def end(self) -> None:
        """Read what there is; nothing that comes later is shown."""
        with self._lock:
            self.read()
            self.transcript.finish()
            self._is_over = True

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the run waits for."""
        with self._lock:
            return self.transcript.summary.questions

    def row_at(self, order: int) -> int:
        """Return the number of the row that shows a row of the tables; -1 if none does so far."""
        with self._lock:
            found = self.transcript.row_at(order)
            return -1 if found is None else found

    def first_failure(self, tool: str) -> int:
        """Return the number of the row of the first call of a tool that failed; -1 if none did."""
        with self._lock:
            self.read()
            for row in self.transcript.rows:
                if row.kind is Kind.TOOL and row.is_error and row.title == tool:
                    return -1 if row.replaces is None else row.replaces
            return -1

    def facts(self) -> dict[str, Any]:
        """Return what the page's header says; small, of JSON's types only."""
        with self._lock:
            summary, ended = self.transcript.summary, self.is_final
            status = summary.status
            if ended and status in ACTIVE_STATUSES:
                status = self._source.status
            activity = "" if ended else self._activity()
            is_provisioning = summary.stage and not ended
            until = self._ended if ended else time.time()
            return {
                "title": self.transcript.heading,
                "id": self.transcript.id,
                "activity": activity,
                "waited": round(time.time() - self._active_since, 1) if activity else 0,
                "status": status,
                "label": f"{status_word(status)}{f': {summary.stage}' if is_provisioning else ''}",
                "about": about(summary),
                "final": ended,
                "elapsed": round(max(until - self._began, 0), 1) if self._began else 0,
                "turns": summary.turns,
                "questions": to_builtins(summary.questions),
                "head": len(self.transcript.rows),
            }

    def _activity(self) -> str:
        """The current activity: the tool that is waited for."""
        running, what = self.transcript.running, self.transcript.summary.notice
        if not what and running is not None:
            what = f"{running.title}: {running.text}".removesuffix(": ")
        what = one_line(what, ACTIVITY_CHARS)
        if what != self._active:
            self._active, self._active_since = what, time.time()
        return what

    def html(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> str:
        """Return the transcript so far as static HTML."""
        with self._lock:
            return self.transcript.html(max_rows, max_bytes)

    def plain(self) -> str:
        """Return the status, the answer and the last rows as text."""
        with self._lock:
            return self.transcript.plain()

    # -- what goes out ------------------------------------------------------------------------

    def due_facts(self, now: float) -> dict[str, Any] | None:
        """Return the facts if they changed and are due."""
        with self._lock:
            state = self.transcript.summary.status, self.is_final
            if state == self._state and now - self._facts_at < FACTS_S:
                return None
            facts, self._facts_at, self._state = self.facts(), now, state
            if self._are_known(facts):
                return None
            self._facts, self._beats_left = facts, LAST_BEATS
            return facts

    def _are_known(self, facts: dict[str, Any]) -> bool:
        """Check whether the pages have facts that say the same; elapsed time does not count."""
        return all(
            facts[key] == self._facts.get(key)
            for key in facts.keys() - {"elapsed", "head", "waited"}
        )

    def next_message(self, now: float) -> PageMessage | None:
        """Return the next message for the pages: an answer, new rows, rows asked for, a beat.

        `now` is when the round began in which messages are asked for until there is none. What
        comes in during a round waits for the next one, unless it is more than a message takes.
        """
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            is_much = self.read(EVENTS_AT_ONCE) == EVENTS_AT_ONCE
            if not self.is_watched:
                self._pushed = len(self.transcript.rows)  # a page that comes asks for all of them
                return None
            if now != self._pushed_at or self._is_behind:
                message = self._new_rows(now) or self._new_partial()
                self._pushed_at = now
                self._is_behind = is_much or self._pushed < len(self.transcript.rows)
                if message is not None:
                    return message
            self._repeat(now)
            return self._rows_asked_for(now) or self._beat(now)

    def is_quiet(self) -> bool:
        """Check whether all was sent, often enough, and nothing more happens by itself."""
        with self._lock:
            is_busy = self._replies or self._syncs or self._beats_left or not self.is_final
            if (is_busy or self.is_shown or self._repeats) and self.is_watched:
                return False
            is_behind = not self._is_over and self._source.received(self._position)
            return not is_behind and self._are_known(self.facts())

    def _new_rows(self, now: float) -> PageMessage | None:
        rows, start = self.transcript.rows, self._pushed
        if start == len(rows):
            return None
        message, self._pushed = self._rows_message(start, len(rows))
        self._partial = ""  # the page drops it when rows come
        self._beat_at, self._beats_left = now, LAST_BEATS
        return message

    def _new_partial(self) -> PageMessage | None:
        """Show unfinished text before its line or paragraph is complete."""
        kind, text = self.transcript.partial
        if text == self._partial:
            return None
        self._partial = text
        return PageMessage({"type": "partial", "kind": KINDS[kind], "text": text})

    def _repeat(self, now: float) -> None:
        """Send all rows again where a page was not ready for them, and could not say so yet."""
        if self.is_shown:
            self.is_shown = False
            self._repeats.extend(now + after for after in itertools.accumulate(REPEATS_S))
        if self._repeats and now >= self._repeats[0]:
            self._repeats.popleft()
            if self._pushed:
                self._syncs[UNHEARD] = 0, self._pushed

    def _rows_asked_for(self, now: float) -> PageMessage | None:
        if not self._syncs:
            return None
        page, (start, stop) = next(iter(self._syncs.items()))
        message, end = self._rows_message(start, stop)
        del self._syncs[page]
        if end < stop:
            self._syncs[page] = end, stop  # behind those of the other pages
        self._beat_at = now
        return message

    def _rows_message(self, start: int, stop: int) -> tuple[PageMessage, int]:
        """Return rows as a message, and the number of the row after the last one in it."""
        body, end = chunk(self.transcript.rows, start, stop)
        content = {"type": "rows", "from": start, "head": max(self._pushed, end)}
        return PageMessage(content, [body]), end

    # -- what comes in ------------------------------------------------------------------------

    def answer_hello(self, page: str) -> None:
        """Answer a page: messages arrive, and there are so many rows."""
        with self._lock:
            self.is_shown = False
            self._repeats.clear()
            self._syncs.pop(UNHEARD, None)
            self._partial = ""
            super().answer_hello(page)

    def ask(self, content: Mapping[str, Any]) -> None:
        """Send a page the rows that it lacks; it has one such wish at a time."""
        with self._lock:
            start = content.get("from")
            if isinstance(start, int) and 0 <= start < self._pushed:
                self._syncs[str(content.get("page"))] = start, self._pushed

    def ask_text(self, content: Mapping[str, Any]) -> None:
        """Send the page a part of a row that was cut on the wire."""
        with self._lock:
            number, start = content.get("row"), content.get("from")
            rows = self.transcript.rows
            if isinstance(number, int) and isinstance(start, int) and 0 <= number < len(rows):
                text = rows[number].text[max(start, 0) :][:TEXT_CHARS]
                self.reply(type="text", row=number, start=start, text=text)


def _time(event: Event, received: float) -> float:
    """Return when an event came about, as its service says; otherwise when it was received."""
    created = micros(event.extra.get("created_at"))
    return received if created is None else created / 1e6
