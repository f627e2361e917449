"""Reporting to one destination: what clients and runs call; it never waits for the network."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from aod_notebook.agentos.errors import (
    AgentOSConfigError,
    AgentOSError,
    AgentOSTransientError,
    error_from,
)
from aod_notebook.agentos.report.log import Log
from aod_notebook.agentos.report.notices import Notices
from aod_notebook.agentos.report.orphans import (
    Orphan,
    OrphanLog,
    adopt_all,
    left_by_children,
    offered,
    process_ended,
    repeated_start,
)
from aod_notebook.agentos.report.pipe import Pipe
from aod_notebook.agentos.report.record import END, START, VOID
from aod_notebook.agentos.report.runs import Receipt, RunState, RunStatus
from aod_notebook.agentos.report.steps import end_body, start_body
from aod_notebook.core._sync.transport import Transport
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home
from aod_notebook.core.text import counted
from aod_notebook.core.wire import BearerAuth, Call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from aod_notebook.agentos.options import Options

__all__ = ["Reporter", "spool_folder"]

_RESCAN_S = 5.0
_LONG_AGO = float("-inf")
_MANY_RUNS = 100
_GIVE_UP = 3
_DOWN = {"NETWORK_ERROR", "REQUEST_TIMEOUT"}
"""The codes of errors after which a service counts as down, until it answers again."""
DOWN_S = 2.0
"""How long, in all, callers wait for a service that is known to be down."""


def spool_folder() -> Path:
    """Directory that holds the spools of all processes."""
    return home() / "agentos" / "spools"


class Reporter:
    """Everything that this process reports to one service with one key.

    The lock guards the log, the table of runs and their counters of what was recorded. The
    sender thread alone calls `work`.
    """

    def __init__(
        self,
        options: Options,
        http_client: httpx.Client | None,
        wake: Callable[[], None],
        revive: Callable[[Reporter], None],
    ) -> None:
        self.options = options
        self.notices = Notices()
        self.clients: WeakSet[object] = WeakSet()
        self.pipe: Pipe | None = None
        self._http_client = http_client
        self._wake = wake
        self._revive = revive
        self._orphans: list[Orphan] = []
        self._scanned_at = _LONG_AGO
        self._scans_wanted = self._scans = 0  # looks for spools of children, asked for and done
        self._down_at: float | None = None  # when somebody first waited for a dead service
        self.family = uuid.uuid4().hex
        self.has_forked = False
        self.reset()

    def reset(self) -> None:
        """Begin without a log and without connections: at first, and in a forked child."""
        self._lock = threading.RLock()
        self._log: Log | None = None
        self._runs: dict[str, RunState] = {}
        self._transport: Transport | None = None
        self._first_at: float | None = None  # when the oldest unread record was seen
        self._prune_at = _MANY_RUNS
        self._hurry = 0  # send all records up to this number without further waiting
        self.is_asleep = True  # the sender waits until it is woken
        self._writing = False
        self._deferred: list[tuple[RunState, str, bytes]] = []

    def forget(self) -> None:
        """Close what a forked child has inherited; the spool stays the parent's."""
        log, self.pipe = self._log, None
        for run in self._runs.values():
            run.is_owner = False
            run.log_uid = ""
            run.stats = type(run.stats)()
        if log is not None:
            log.release()
        self.release_orphans()
        self._scans_wanted = self._scans = 0
        self.has_forked = False
        self._http_client = None  # its connections are the parent's
        self.reset()

    @property
    def destination(self) -> tuple[str, str]:
        """Where it reports: the service, and the fingerprint of the key."""
        return self.options.base_url, self.options.fingerprint

    # What clients call.

    def transport(self) -> Transport:
        """Return the connections to the service; they are made in the caller's thread."""
        transport = self._transport
        if transport is None:
            options = self.options
            transport = self._transport = Transport(
                base_url=options.base_url,
                auth=BearerAuth(options.key),
                error=error_from,
                retry=options.retry,
                timeouts=options.timeouts(options.timeout),
                http_client=self._http_client,
            )
        return transport

    def open_run(self, external_run_id: str, request: bytes, *, owner: bool = True) -> RunState:
        """Record that a run starts, and ask for its id before anything else is sent.

        The run of an `owner` is ended as failed if this process dies before its end.
        """
        self.transport()
        with self._lock:
            run = self._runs.get(external_run_id)
            if run is None or run.status is RunStatus.REFUSED:
                run = RunState(external_run_id, request, is_owner=owner)
            run.status = RunStatus.OPEN
            if len(self._runs) >= self._prune_at:
                self._prune()
            log = self._open_log()
            self._introduce(log, run)
            if run.run_id is None and self.pipe is not None:
                run.asked_by = ["caller"]
                self.pipe.urgent.append(run)
            self._hurry = log.count
        self._wake()
        return run

    def record(self, run: RunState, kind: str, body: bytes) -> None:
        """Record an event, a task or an end of a run."""
        with self._lock:
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
        with self._lock:
            if run.status is not RunStatus.OPEN:
                return False
            self.record(run, END, end_body(how, fields))
            run.status = RunStatus.ENDED
            return True

    def take_back(self, run: RunState) -> None:
        """Record that a run was refused and told so: nobody has to start it any more."""
        with self._lock:
            run.status = RunStatus.REFUSED
            if self._runs.get(run.external_run_id) is not run:
                return  # another caller has taken it back, or started it anew
            self._open_log().append(VOID, run.key, b"null")
            del self._runs[run.external_run_id]
        self._wake()

    def hurry(self) -> None:
        """Have what is recorded sent now, without waiting for a batch to fill."""
        with self._lock:
            self._hurry = self._log.count if self._log else 0
        self._wake()

    def ask_for_children(self) -> int:
        """Have the sender look for what dead children of this process left; see `is_joined`."""
        return self.ask_for_orphans() if self.has_forked else 0

    def ask_for_orphans(self) -> int:
        """Have the sender look for what dead processes left for this destination."""
        self._scans_wanted += 1
        self._wake()
        return self._scans_wanted

    def is_joined(self, asked: int) -> bool:
        """Whether what dead children had left when that was asked for is delivered."""
        if self._transport is None:
            return True
        ours = any(each.family == self.family for each in list(self._orphans))
        return self._scans >= asked and not ours

    def left_by_children(self) -> int:
        """Count what children of this process, alive or not, have recorded and not delivered."""
        if not self.has_forked:
            return 0
        own = self._log.uid if self._log else ""
        return left_by_children(spool_folder(), self.family, own)

    def is_hopeless(self) -> bool:
        """Whether waiting is of no use: nothing is sent for now, or the service is down.

        All callers together wait 2 s for a service that cannot be reached or does not answer.
        """
        if self.is_paused:
            return True
        pipe = self.pipe
        error = None if pipe is None else pipe.error
        if error is None or error.code not in _DOWN:
            self._down_at = None
            return False
        if self._down_at is None:
            self._down_at = time.monotonic()
        return time.monotonic() - self._down_at > DOWN_S

    def offer_older(self) -> None:
        """Log once that records of the agent wait under an older key."""
        options = self.options
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
        what = f"{counted(receipt.pending, 'record')} for {self.options.base_url}"
        if self._log is not None and self._log.in_memory:
            where = "are in memory, because no spool can be written: they are lost at exit."
        else:
            where = (
                f"wait in {spool_folder()}: the next process with this key sends them, or "
                "`aod-notebook outbox --send`."
            )
        self.notices.warn("left", f"{what} {where} {receipt.reason or ''}")

    def try_again(self) -> None:
        """Forget a pause: there is a new client, so the key may be good again."""
        if self.pipe is not None:
            self.pipe.resume()

    def trouble(self) -> AgentOSError | None:
        """What keeps records from being delivered, if anything does."""
        if self._transport is None:
            return AgentOSConfigError(
                "The client is closed: the rest waits for the end of this process, or a new client"
            )
        return next((pipe.error for pipe in self._pipes() if pipe.error), None)

    @property
    def is_paused(self) -> bool:
        """Whether nothing is sent for now: the key is not taken, or the client is closed."""
        return self._transport is None or any(pipe.is_paused for pipe in self._pipes())

    @property
    def has_orphans(self) -> bool:
        """Whether adopted spools are on their way."""
        return bool(self._orphans)

    @property
    def is_needed(self) -> bool:
        """Whether there is a client, or something that one may go on with."""
        return bool(self.clients or self.pipe is not None or self._orphans)

    @property
    def failures(self) -> int:
        """How many attempts have failed in a row."""
        return self.pipe.failures if self.pipe else 0

    def open_runs(self) -> list[RunState]:
        """List the runs that have not ended."""
        with self._lock:
            return [run for run in self._runs.values() if run.status is RunStatus.OPEN]

    def is_settled(self) -> bool:
        """Check whether nothing waits any more, adopted spools included."""
        with self._lock:
            waiting = self._log is not None and self._unread() > 0
        return not (
            waiting or (self.pipe and (self.pipe.has_steps or self.pipe.urgent)) or self._orphans
        )

    # What the sender calls.

    def work(self, now: float) -> bool:
        """Send at most one request per log; tell whether there was anything to do."""
        if self._transport is None:
            return False
        busy = False
        for orphan in list(self._orphans):
            try:
                busy = orphan.work() or busy
            except Exception as error:  # noqa: BLE001 - such as a disk that fails: the others go on
                orphan.pipe.postpone(error)
            if orphan.is_done:
                self._orphans.remove(orphan)
        pipe = self.pipe
        if pipe is not None and self._is_due(pipe, now):
            count = self._log.count if self._log else 0
            is_at_work = pipe.work()
            busy = is_at_work or busy
            if not is_at_work and not pipe.has_steps:
                # What cannot be read back any more must not be waited for.
                pipe.read_count = max(pipe.read_count, count)
        wanted = self._scans_wanted
        if wanted > self._scans or now - self._scanned_at >= _RESCAN_S:
            self.adopt()
            self._scans = wanted
            busy = busy or bool(self._orphans)
        return busy

    def failed(self, error: Exception) -> None:
        """Report a failure of this code itself, and try again a little later."""
        if self.pipe is not None:
            self.pipe.postpone(error)

    def wait(self, now: float) -> float:
        """Seconds until there may be something to do."""
        waits = [_RESCAN_S]
        if self._transport is None:
            return _RESCAN_S
        pipe = self.pipe
        if pipe is not None and (pipe.has_steps or pipe.urgent or self._unread()):
            waits.append(max(pipe.not_before - now, self._batch_wait(pipe, now)))
        waits += [orphan.pipe.not_before - now for orphan in self._orphans]
        return max(0.0, min(waits))

    def adopt(self) -> None:
        """Take over spools whose process is gone."""
        self._scanned_at = time.monotonic()
        self._orphans += adopt_all(
            spool_folder(), self.options.base_url, self.options.fingerprint, self._pipe
        )

    # Ending.

    def prepare_exit(self) -> None:
        """End what this process leaves open, and have the rest sent: it goes away."""
        for run in self.open_runs():
            if run.is_owner:
                with self._lock:
                    self.record(run, END, process_ended())
                    run.status = RunStatus.ENDED
        if not self.is_settled():
            self.transport()
            self.hurry()

    def is_at_rest(self) -> bool:
        """Check whether waiting longer is of no use: all is sent, or the service is away."""
        return self.is_settled() or self.is_paused or self.failures >= _GIVE_UP

    def close(self) -> None:
        """Close the connections, and delete the spool if all of it is delivered.

        With open runs, or something to deliver, the spool stays locked: a client made
        later in this process goes on with it.
        """
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        with self._lock:
            if self._log is not None and self.is_settled() and not self.open_runs():
                self._log.remove()
                self._log, self.pipe = None, None

    def leave(self) -> None:
        """Let go of everything that is left, for the next process."""
        self.release_orphans()
        if self._log is not None:
            self._log.release()
        self._log, self.pipe = None, None

    def release_orphans(self) -> None:
        """Leave the adopted spools to whoever comes next; not while the sender is at work."""
        for orphan in self._orphans:
            orphan.release()
        self._orphans = []

    def receipt(self) -> Receipt:
        """Sum up the receipts of the runs, those that ended long ago left out."""
        with self._lock:
            receipts = [run.receipt() for run in self._runs.values()]
        error = None if self.is_settled() else self.trouble()
        return Receipt(
            delivered=sum(each.delivered for each in receipts),
            pending=sum(each.pending for each in receipts) + self.left_by_children(),
            rejected=sum(each.rejected for each in receipts),
            reason=str(error) if error else None,
        )

    def _record(self, run: RunState, kind: str, body: bytes) -> None:
        log = self._log or self._open_log()
        if run.log_uid != log.uid:
            self._introduce(log, run)
        reason = log.append(kind, run.key, body)
        if reason is not None:
            run.stats.drop(reason)
            return
        run.stats.queued += 1
        if self.is_asleep and (self._first_at is None or self._unread() >= self.options.batch_size):
            self._first_at = self._first_at or time.monotonic()
            self.is_asleep = False
            self._wake()

    def _introduce(self, log: Log, run: RunState) -> None:
        """Record the start of a run that this log does not know."""
        if run.log_uid == log.uid:
            return
        run.log_uid = log.uid
        self._runs[run.external_run_id] = run
        log.append(START, run.key, start_body(run.request, owner=run.is_owner))

    def _open_log(self) -> Log:
        if self._log is None:
            self.transport()
            options = self.options
            self._log = Log(
                spool_folder(),
                base_url=options.base_url,
                fingerprint=options.fingerprint,
                agent_id=options.agent_id,
                family=self.family,
                memory_limit=options.memory_limit,
                starts=self._repeated_starts,
                trouble=self._told,
            )
            self.pipe = self._pipe(self._log)
            self._revive(self)
            self._wake()
        return self._log

    def _repeated_starts(self) -> list[tuple[bytes, bytes]]:
        self._prune()
        return [(run.key, repeated_start(run)) for run in self._runs.values()]

    def _prune(self) -> None:
        """Forget the runs that have ended and are delivered."""
        for name, run in list(self._runs.items()):
            if run.status is not RunStatus.OPEN and run.stats.pending <= 0:
                del self._runs[name]
        self._prune_at = 2 * len(self._runs) + _MANY_RUNS

    def _pipes(self) -> list[Pipe]:
        own = [] if self.pipe is None else [self.pipe]
        return own + [orphan.pipe for orphan in list(self._orphans)]

    def _pipe(self, log: Log | OrphanLog) -> Pipe:
        letters = spool_folder().parent
        return Pipe(
            log,
            self._post,
            runs=log.runs if isinstance(log, OrphanLog) else self._runs,
            notices=self.notices,
            dead_letters=letters,
            batch=self.options.batch_size,
            batch_limit=self.options.batch_limit,
        )

    def _post(self, call: Call) -> Any:
        transport = self._transport
        if transport is None:
            raise AgentOSConfigError("the client is closed")
        once = transport.with_options(retry=transport.retry.limited(0), timeouts=transport.timeouts)
        try:
            return once.request(call)
        except AodNotebookError:
            raise
        except Exception as error:
            # Such as connections that another thread closes meanwhile: the sender must go on.
            reason = f"{type(error).__name__}: {error}"
            raise AgentOSTransientError(reason, "NETWORK_ERROR") from error

    def _told(self, text: str) -> None:
        kind = text.partition(":")[0].partition(" (")[0]
        self.notices.tell(kind, AgentOSError(text, "SPOOL_UNAVAILABLE"))

    def _read_count(self) -> int:
        return self.pipe.read_count if self.pipe else 0

    def _unread(self) -> int:
        return self._log.count - self._read_count() if self._log else 0

    def _is_due(self, pipe: Pipe, now: float) -> bool:
        if pipe.urgent or pipe.has_steps:
            return True
        if not self._unread():
            self._first_at = None
            return False
        return self._batch_wait(pipe, now) <= 0

    def _batch_wait(self, pipe: Pipe, now: float) -> float:
        """Seconds that the records may still wait for others to share a request."""
        if pipe.has_steps or pipe.urgent or pipe.read_count < self._hurry:
            return 0.0
        if self._unread() >= self.options.batch_size:
            return 0.0
        if self._first_at is None:
            self._first_at = now
        return self._first_at + self.options.batch_interval - now
