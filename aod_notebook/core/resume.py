"""The position of a resumable stream of events and its reconnect policy, without I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from aod_notebook.core.sse import BlockCutter, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from aod_notebook.core.errors import AodNotebookError, CallFailure
    from aod_notebook.core.retry import RetryPolicy
    from aod_notebook.core.sse import EventBatch
    from aod_notebook.core.wire import Call

T = TypeVar("T")


class Resume(ABC, Generic[T]):
    """Cursor, deduplication and reconnect budget of one stream, over all its connections.

    Subclasses say which call opens the stream and how its events are read. Every event is
    given to the caller exactly once: rows, which carry an increasing integer `id:`, are
    known by that number; events that a service repeats on each connection by a key; all
    others are given as they come. The cursor moves when a row is *given*, not received.
    """

    def __init__(
        self, since: int | None, *, retry: RetryPolicy, no_data: float | None, resume: bool
    ) -> None:
        self.last_event_id = since
        self.ended = False
        self._retry = retry
        self._no_data = no_data
        self._budget = retry.max_reconnects if resume else 0
        self._failures = 0
        self._progressed = False
        self._connections = 0
        self._given: set[Hashable] = set()
        self._decoder = SSEDecoder()
        self._cutter = BlockCutter()
        self._heard_at = 0.0

    @abstractmethod
    def call(self) -> Call:
        """Describe the call that opens the stream at the cursor."""

    @abstractmethod
    def read(self, batch: EventBatch) -> Iterator[T]:
        """Yield the events of a batch that were not returned before."""

    @abstractmethod
    def gave_up(self, failure: CallFailure) -> AodNotebookError:
        """Make the error that ends a stream which cannot be resumed."""

    def connected(self) -> None:
        """Note a new connection; its body starts from scratch."""
        self._connections += 1
        self._decoder = SSEDecoder()
        self._cutter = BlockCutter()
        self._heard_at = self._retry.clock()

    def feed(self, chunk: bytes) -> Iterator[T]:
        """Return the new events that the next bytes of the body complete."""
        batch = self._decoder.feed(chunk)
        if batch.data:
            self._heard_at = self._retry.clock()
        return self.read(batch)

    def cut(self, chunk: bytes) -> bytes:
        """Return the whole events that the next bytes of the body complete, undecoded."""
        block = self._cutter.feed(chunk)
        if block.startswith(b"data:") or b"\ndata:" in block:
            self._heard_at = self._retry.clock()
        return block

    def is_overdue(self) -> bool:
        """Check whether heartbeats alone have come for longer than allowed."""
        if self._no_data is None:
            return False
        return self._retry.clock() - self._heard_at > self._no_data

    def takes_row(self, mark: int) -> bool:
        """Check whether the row with this number is new; if so, move the cursor to it."""
        if self.last_event_id is not None and mark <= self.last_event_id:
            return False
        self.last_event_id = mark
        self._failures = 0
        self._progressed = True
        return True

    def takes_once(self, key: Hashable) -> bool:
        """Check whether an event that each connection repeats has not been given yet."""
        if self._connections > 1 and key in self._given:
            return False
        self._given.add(key)
        return True

    def wait(self, retry_after: float | None = None) -> float | None:
        """Seconds to wait before the next reconnect; None when the budget is used up.

        The first reconnect after a new row is immediate, later ones back off.
        """
        if self._failures >= self._budget or (retry_after or 0.0) > self._retry.deadline:
            return None
        wait = self._retry.backoff(max(0, self._failures - 1))
        if self._failures == 0 and self._progressed:
            wait = 0.0
        self._failures += 1
        self._progressed = False
        return wait if retry_after is None else max(0.0, retry_after)
