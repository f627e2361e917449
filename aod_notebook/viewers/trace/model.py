"""A trace: the spans of a session or a run so far, their tree, and what is known of the whole."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from aod_notebook.core.text import one_line
from aod_notebook.core.words import short_id
from aod_notebook.viewers.trace.run import RunSpans
from aod_notebook.viewers.trace.session import SessionSpans
from aod_notebook.viewers.trace.tree import Totals, TraceSpan, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.viewers.protocols import Event, Source

TITLE_CHARS = 200


class Trace:
    """The spans of a session or a run.

    Args:
        source: the session or the run; a run has a `run_id`.

    Attributes:
        taken: how many events were taken so far.
        id: of the session or run.
        again: the command that shows it again; empty if there is none.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
        >>> trace = Trace(session)
        >>> trace.add(session.received())
        >>> [span.name for span in trace.spans]
        ['Turn 1']
    """

    def __init__(self, source: Source) -> None:
        self.taken = 0
        self.id, self.runtime = source.id, source.runtime
        self.again = str(getattr(source, "shown_again_by", ""))
        self.is_run = hasattr(source, "run_id")
        self._source = source
        self._made: SessionSpans | RunSpans
        if self.is_run:
            self._made = RunSpans(f"Run {short_id(source.id)}")
        else:
            self._made = SessionSpans(source.runtime, getattr(source, "prompts", {}))
        self._is_over = False

    def add(self, events: Iterable[tuple[Event, float]]) -> None:
        """Take the next events, each with its time in seconds since 1970."""
        for event, received in events:
            self._made.feed(event, received)
            self.taken += 1
        self._forget()

    def finish(self) -> None:
        """Read lines that no newline ended; nothing of a run that has ended runs any more."""
        self._made.finish()
        if isinstance(self._made, RunSpans):
            self._made.end()
        self._is_over = True
        self._forget()

    @property
    def spans(self) -> list[TraceSpan]:
        """The spans so far, in the order in which they became known."""
        return self._made.spans

    @property
    def model(self) -> str:
        """The model that answered first; empty if that is unknown."""
        return self._made.model or str(getattr(self._source, "model", None) or "")

    @property
    def title(self) -> str:
        """The first words of the first prompt, a run's name, or the source's title."""
        if self.is_run:
            return self.spans[0].name
        prompts = getattr(self._source, "prompts", None) or {}
        first = prompts[min(prompts)].strip().partition("\n")[0] if prompts else ""
        return one_line(first or self._source.title, TITLE_CHARS)

    @property
    def status(self) -> str:
        """`pending`, `running`, what it waits for, or how it ended."""
        if self._source.is_final or self.is_run:
            return self._source.status
        if not self.spans:
            return "pending"
        last = next((span for span in reversed(self.spans) if span.kind == "turn"), self.spans[0])
        if last.is_open:
            return "running"
        if last.bad == "stopped":
            return "terminated"
        return "failed" if last.is_error else "completed"

    def take_changed(self) -> set[int]:
        """Return the numbers of spans that changed since this was asked last."""
        changed, self._made.changed = self._made.changed, set()
        return changed

    @cached_property
    def tree(self) -> Tree:
        """The tree of the spans so far."""
        made = Tree.of(self.spans)
        if not self.is_run:
            return made
        for number, is_orphan in enumerate(made.orphans):
            if is_orphan:  # in a run all is in the run
                made.parents[number] = 0
        return made

    @cached_property
    def totals(self) -> Totals:
        """What all spans come to."""
        return Totals.of(self.spans)

    @cached_property
    def began(self) -> int | None:
        """When the first span began, in microseconds since 1970; None if no time is known."""
        return min((span.start for span in self.spans if span.start is not None), default=None)

    @cached_property
    def ended(self) -> int | None:
        """The last time that is known of any span."""
        times = [time for span in self.spans for time in (span.start, span.end) if time is not None]
        return max(times, default=None)

    def _forget(self) -> None:
        """Forget what was made of fewer spans."""
        for name in ("tree", "totals", "began", "ended"):
            self.__dict__.pop(name, None)
