"""The recording half of reporting, for callers: one lock, no waiting."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from aod_notebook.agentos.errors import AgentOSError
from aod_notebook.agentos.report.log import RecordLog
from aod_notebook.agentos.report.orphans import process_ended, repeated_start
from aod_notebook.agentos.report.record import END, START, VOID
from aod_notebook.agentos.report.runs import RunState, RunStatus
from aod_notebook.agentos.report.spool import spool_folder
from aod_notebook.agentos.report.steps import end_body, start_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from aod_notebook.agentos.report.delivery import Delivery
    from aod_notebook.agentos.report.notices import Notices
    from aod_notebook.agentos.report.runs import Receipt

_MANY_RUNS = 100


class Recording:
    """The log of what this process reports to one destination, and its table of runs.

    The lock guards both, and the runs' counters of what was recorded.

    Args:
        delivery: the half that sends what is recorded here.
        notices: takes what can't be done with the disk.
        family: names this process and its forks in the header of the spool.
        revive: called when a log is opened, perhaps after the last client was closed.
    """

    def __init__(
        self,
        delivery: Delivery,
        notices: Notices,
        family: str,
        revive: Callable[[], None],
    ) -> None:
        self._delivery = delivery
        self._notices = notices
        self._family = family
        self._revive = revive
        self._reset()

    def _reset(self) -> None:
        self.lock = threading.RLock()
        self.log: RecordLog | None = None
        self._runs: dict[str, RunState] = {}
        self._prune_at = _MANY_RUNS
        self._writing = False
        self._deferred: list[tuple[RunState, str, bytes]] = []

    def forget(self) -> None:
        """Begin without a log in a forked child: the inherited spool stays the parent's."""
        for run in self._runs.values():
            run.is_owner = False
            run.log_uid = ""
            run.stats = type(run.stats)()
        if self.log is not None:
            self.log.release()
        self._reset()

    def open_run(self, external_run_id: str, request: bytes, *, owner: bool = True) -> RunState:
        """Record that a run starts, and ask for its id before anything else is sent.

        The run of an `owner` is ended as failed if this process dies before its end.
        """
        self._delivery.transport()
        with self.lock:
            run = self._runs.get(external_run_id)
            if run is None or run.status is RunStatus.REFUSED:
                run = RunState(external_run_id, request, is_owner=owner)
            run.status = RunStatus.OPEN
            if len(self._runs) >= self._prune_at:
                self._prune()
            self._introduce(self._open_log(), run)
            self._delivery.ask_for_id(run)
        self._delivery.hurry()
        return run

    def record(self, run: RunState, kind: str, body: bytes) -> None:
        """Record an event, a task or an end of a run."""
        with self.lock:
            if self._writing:  # a signal handler or a finaliser reports in mid-write
                self._deferred.append((run, kind, body))
                return
            self._writing = True
            try:
                self._record(run, kind, body)
                while self._deferred:
                    self._record(*self._deferred.pop(0))
            finally:
                self._writing = False

    def end(self, run: RunState, how: str, fields: bytes) -> bool:
        """Record how a run ends; False if it has ended before."""
        with self.lock:
            if run.status is not RunStatus.OPEN:
                return False
            self.record(run, END, end_body(how, fields))
            run.status = RunStatus.ENDED
            return True

    def take_back(self, run: RunState) -> None:
        """Record that a run was refused and its caller has the error: it is not started again."""
        with self.lock:
            run.status = RunStatus.REFUSED
            if self._runs.get(run.external_run_id) is not run:
                return  # another caller has taken it back, or started it again
            self._open_log().append(VOID, run.key, b"null")
            del self._runs[run.external_run_id]
        self._delivery.wake()

    def end_all(self) -> None:
        """End the runs that this process leaves open at its exit."""
        for run in self.open_runs():
            if run.is_owner:
                with self.lock:
                    self.record(run, END, process_ended())
                    run.status = RunStatus.ENDED

    def open_runs(self) -> list[RunState]:
        """List the runs that have not ended."""
        with self.lock:
            return [run for run in self._runs.values() if run.status is RunStatus.OPEN]

    def receipts(self) -> list[Receipt]:
        """Return the receipts of the runs, those that ended long ago left out."""
        with self.lock:
            return [run.receipt() for run in self._runs.values()]

    def remove(self) -> None:
        """Delete the log after all of it is delivered."""
        if self.log is not None:
            self.log.remove()
        self._close()

    def leave(self) -> None:
        """Release the log for the next process."""
        if self.log is not None:
            self.log.release()
        self._close()

    def _close(self) -> None:
        self.log = None
        self._delivery.end_log()

    def _record(self, run: RunState, kind: str, body: bytes) -> None:
        log = self.log or self._open_log()
        if run.log_uid != log.uid:
            self._introduce(log, run)
        reason = log.append(kind, run.key, body)
        if reason is not None:
            run.stats.drop(reason)
            return
        run.stats.queued += 1
        if self._delivery.is_asleep:
            self._delivery.wake_for_record()

    def _introduce(self, log: RecordLog, run: RunState) -> None:
        """Record the start of a run that this log does not know."""
        if run.log_uid == log.uid:
            return
        run.log_uid = log.uid
        self._runs[run.external_run_id] = run
        log.append(START, run.key, start_body(run.request, owner=run.is_owner))

    def _open_log(self) -> RecordLog:
        if self.log is None:
            options = self._delivery.options
            self.log = RecordLog(
                spool_folder(),
                base_url=options.base_url,
                fingerprint=options.fingerprint,
                agent_id=options.agent_id,
                family=self._family,
                memory_limit=options.memory_limit,
                starts=self._repeated_starts,
                trouble=self._disk_trouble,
            )
            self._delivery.begin_log(self.log, self._runs)
            self._revive()
            self._delivery.wake()
        return self.log

    def _repeated_starts(self) -> list[tuple[bytes, bytes]]:
        self._prune()
        return [(run.key, repeated_start(run)) for run in self._runs.values()]

    def _prune(self) -> None:
        """Forget the runs that have ended and are delivered."""
        for name, run in list(self._runs.items()):
            if run.status is not RunStatus.OPEN and run.stats.pending <= 0:
                del self._runs[name]
        self._prune_at = 2 * len(self._runs) + _MANY_RUNS

    def _disk_trouble(self, text: str) -> None:
        kind = text.partition(":")[0].partition(" (")[0]
        self._notices.tell(kind, AgentOSError(text, "SPOOL_UNAVAILABLE"))
