"""Reporting to one destination: its two halves, recording and delivery, and how both end."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from weakref import WeakSet

from aod_notebook.agentos.report.delivery import Delivery
from aod_notebook.agentos.report.notices import Notices
from aod_notebook.agentos.report.orphans import left_by_children, offered
from aod_notebook.agentos.report.recording import Recording
from aod_notebook.agentos.report.runs import Receipt
from aod_notebook.agentos.report.spool import spool_folder
from aod_notebook.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from aod_notebook.agentos.options import AgentOSOptions

_GIVE_UP = 3


class Reporter:
    """Everything that this process reports to one service with one key.

    Attributes:
        recording: what callers use; it has the lock.
        delivery: what the one thread works on.
        notices: what clients hear of trouble.
        clients: those that are open.
    """

    def __init__(
        self,
        options: AgentOSOptions,
        http_client: httpx.Client | None,
        wake: Callable[[], None],
        revive: Callable[[Reporter], None],
    ) -> None:
        self.notices = Notices()
        self.clients: WeakSet[object] = WeakSet()
        self._family = uuid.uuid4().hex
        self.delivery = Delivery(options, http_client, self.notices, self._family, wake)
        self.recording = Recording(self.delivery, self.notices, self._family, lambda: revive(self))

    def forget(self) -> None:
        """Close what a forked child has inherited; the spool stays the parent's."""
        self.recording.forget()
        self.delivery.forget()

    @property
    def destination(self) -> tuple[str, str]:
        """Where it reports: the service, and the fingerprint of the key."""
        return self.delivery.options.base_url, self.delivery.options.fingerprint

    @property
    def is_needed(self) -> bool:
        """Whether there is a client, or something that one may continue."""
        delivery = self.delivery
        return bool(self.clients or delivery.pipe is not None or delivery.has_orphans)

    def is_settled(self) -> bool:
        """Whether nothing is pending, adopted spools included."""
        with self.recording.lock:
            waiting = self.delivery.unread() > 0
        return not waiting and self.delivery.is_idle()

    def left_by_children(self) -> int:
        """Count the undelivered records of child processes, alive or not."""
        if not self.delivery.has_forked:
            return 0
        log = self.recording.log
        return left_by_children(spool_folder(), self._family, log.uid if log else "")

    def receipt(self) -> Receipt:
        """Sum up the receipts of the runs, those that ended long ago left out."""
        receipts = self.recording.receipts()
        error = None if self.is_settled() else self.delivery.trouble()
        return Receipt(
            delivered=sum(each.delivered for each in receipts),
            pending=sum(each.pending for each in receipts) + self.left_by_children(),
            rejected=sum(each.rejected for each in receipts),
            reason=str(error) if error else None,
        )

    def offer_older(self) -> None:
        """Log once that records of the agent wait under an older key."""
        options = self.delivery.options
        agent = options.agent_id
        if agent and offered(spool_folder(), *self.destination, agent):
            self.notices.warn(
                "older key",
                f"records of agent {agent} wait under another key of {options.base_url}: if that "
                f"was renewed, `aod-notebook outbox --send --agent {agent}` sends them with this one",
            )

    def say_what_waits(self, receipt: Receipt) -> None:
        """Log once what waits, where, and what sends it."""
        if not receipt.pending:
            return
        what = f"{counted(receipt.pending, 'record')} for {self.delivery.options.base_url}"
        log = self.recording.log
        if log is not None and log.in_memory:
            where = "are in memory, because no spool can be written: they are lost at exit."
        else:
            where = (
                f"wait in {spool_folder()}: the next process with this key sends them, or "
                "`aod-notebook outbox --send`."
            )
        self.notices.warn("left", f"{what} {where} {receipt.reason or ''}")

    # Ending.

    def prepare_exit(self) -> None:
        """End what this process leaves open, and send the rest before it exits."""
        self.recording.end_all()
        if not self.is_settled():
            self.delivery.transport()
            self.delivery.hurry()

    def is_at_rest(self) -> bool:
        """Whether waiting longer is useless: all is sent, or the service is down."""
        delivery = self.delivery
        return self.is_settled() or delivery.is_paused or delivery.failures >= _GIVE_UP

    def close(self) -> None:
        """Close the connections, and delete the spool if all of it is delivered.

        With open runs, or something to deliver, the spool stays locked: a client made
        later in this process continues it.
        """
        self.delivery.close()
        with self.recording.lock:
            if self.is_settled() and not self.recording.open_runs():
                self.recording.remove()

    def leave(self) -> None:
        """Release what is left for the next process."""
        self.delivery.release_orphans()
        self.recording.leave()
