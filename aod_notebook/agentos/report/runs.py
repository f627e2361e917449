"""The state of a reported run: its ids, counters and receipt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Generator

    from aod_notebook.agentos.errors import AgentOSError


class RunStatus(Enum):
    """Where a run stands, seen from this side."""

    OPEN = "open"
    ENDED = "ended"  # its end has been recorded
    REFUSED = "refused"  # the service does not take it


@dataclass(slots=True)
class RunStats:
    """Counts of one run's records: its events, task changes and end.

    Attributes:
        queued: recorded, to be sent.
        sent: taken by the service.
        retried: sent again after a failure.
        dropped: neither sent nor to be sent, by reason.
        changed: values that JSON cannot hold, reported as text or null.
    """

    queued: int = 0
    sent: int = 0
    retried: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    rejected: int = 0
    unqueued: int = 0  # of the dropped: were never queued

    @property
    def pending(self) -> int:
        """Recorded, but neither sent nor dropped yet."""
        return self.queued - self.sent - self.rejected

    def drop(self, reason: str) -> None:
        """Count a record that was not even queued."""
        self.dropped[reason] += 1
        self.unqueued += 1

    def reject(self, reason: str, count: int) -> None:
        """Count queued records that the service refused."""
        self.dropped[reason] += count
        self.rejected += count


@dataclass(frozen=True, slots=True)
class Receipt:
    """The state of what was reported; awaiting it returns at once.

    Attributes:
        delivered: records (events, task changes, the end) that the service has.
        pending: records that wait in the spool; they are sent later, by this process or by
            the next one with the same key.
        rejected: records that the service refused, or that had to be dropped; the refused
            ones are kept in a dead-letter file.
        reason: why something is pending or rejected, where that is known.

    Example:
        >>> receipt = Receipt(delivered=3, pending=0, rejected=0)
        >>> receipt.is_complete
        True
    """

    delivered: int = 0
    pending: int = 0
    rejected: int = 0
    reason: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the service has everything."""
        return not self.pending and not self.rejected

    def __await__(self) -> Generator[None, None, Receipt]:
        """Return the receipt itself: the sync call has already waited."""
        return self
        yield


@dataclass(slots=True, eq=False, weakref_slot=True)
class RunState:
    """One run in one log.

    Attributes:
        external_run_id: the caller's id of it, or one made here.
        request: the JSON body of its start.
        is_owner: whether its end is up to this process; not so in a forked child.
        run_id: the service's id; None until the service reports it.
        takes_ids: whether the service takes ids of events.
        status: where it stands.
        error: why it was refused.
        attempts: how often its start was tried.
        stats: its counters.
        log_uid: which log holds its start.
        key: the external id as JSON text.
        asked_by: holds one item while a caller waits for the answer to the start; whoever takes
            it out, the caller that gives up or the sender that is refused, decides what a
            refusal means.
    """

    external_run_id: str
    request: bytes
    is_owner: bool = True
    run_id: str | None = None
    takes_ids: bool = False
    status: RunStatus = RunStatus.OPEN
    error: AgentOSError | None = None
    attempts: int = 0
    stats: RunStats = field(default_factory=RunStats)
    log_uid: str = ""
    key: bytes = b""
    asked_by: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = msgspec.json.encode(self.external_run_id)

    def receipt(self, reason: str | None = None) -> Receipt:
        """Make the receipt of this run."""
        stats = self.stats
        return Receipt(
            delivered=stats.sent,
            pending=max(0, stats.pending),
            rejected=stats.rejected + stats.unqueued,
            reason=reason,
        )
