"""The sending half of reporting: the work of the one thread, and how callers wait for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos.errors import (
    AgentOSConfigError,
    AgentOSError,
    AgentOSTransientError,
    error_from,
)
from aod_notebook.agentos.report.orphans import Orphan, OrphanLog, adopt_all
from aod_notebook.agentos.report.pipe import Pipe
from aod_notebook.agentos.report.spool import spool_folder
from aod_notebook.core._sync.transport import Transport
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.wire import BearerAuth, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from aod_notebook.agentos.options import AgentOSOptions
    from aod_notebook.agentos.report.log import RecordLog
    from aod_notebook.agentos.report.notices import Notices
    from aod_notebook.agentos.report.runs import RunState

_RESCAN_S = 5.0
_LONG_AGO = float("-inf")
_DOWN = {"NETWORK_ERROR", "REQUEST_TIMEOUT"}
"""The codes of errors after which a service counts as down, until it answers again."""
DOWN_S = 2.0
"""How long, in all, callers wait for a service that is known to be down."""


class Delivery:
    """The way of this process's log, and of adopted spools, to one destination.

    The sender thread alone calls `work`; callers wake it, and look how far it is.

    Attributes:
        options: the destination, and how records are batched.
        pipe: the way of this process's own log, if it has one.
        is_asleep: the thread waits until it is woken.
        has_forked: there are children of this process that may report.
    """

    def __init__(
        self,
        options: AgentOSOptions,
        http_client: httpx.Client | None,
        notices: Notices,
        family: str,
        wake: Callable[[], None],
    ) -> None:
        self.options = options
        self.wake = wake
        self.has_forked = False
        self._http_client = http_client
        self._notices = notices
        self._family = family
        self._orphans: list[Orphan] = []
        self._scanned_at = _LONG_AGO
        self._scans_wanted = self._scans = 0  # looks for spools of children, asked for and done
        self._down_at: float | None = None  # when somebody first waited for a dead service
        self._reset()

    def _reset(self) -> None:
        self.pipe: Pipe | None = None
        self.is_asleep = True
        self._log: RecordLog | None = None
        self._transport: Transport | None = None
        self._first_at: float | None = None  # when the oldest unread record was seen
        self._hurry = 0  # send all records up to this number without further waiting

    def forget(self) -> None:
        """Begin without connections in a forked child: they are the parent's."""
        self.release_orphans()
        self._scans_wanted = self._scans = 0
        self.has_forked = False
        self._http_client = None
        self._reset()

    # What callers do.

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

    def close(self) -> None:
        """Close the connections; nothing is sent until a client makes them again."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def begin_log(self, log: RecordLog, runs: dict[str, RunState]) -> None:
        """Send the records of a log from now on."""
        self.transport()
        self._log = log
        self.pipe = self._pipe(log, runs)

    def end_log(self) -> None:
        """Stop sending the log, which is closed."""
        self._log, self.pipe = None, None

    def ask_for_id(self, run: RunState) -> None:
        """Ask first for the id of a run if a caller waits for it."""
        if run.run_id is None and self.pipe is not None:
            run.asked_by = ["caller"]
            self.pipe.urgent.append(run)

    def wake_for_record(self) -> None:
        """Wake the thread for the first record of a batch, and for the one that fills it."""
        if self._first_at is None or self.unread() >= self.options.batch_size:
            self._first_at = self._first_at or time.monotonic()
            self.is_asleep = False
            self.wake()

    def hurry(self) -> None:
        """Send what is recorded now, without waiting for a full batch."""
        log = self._log
        self._hurry = log.count if log else 0
        self.wake()

    def try_again(self) -> None:
        """End a pause: with a new client the key may be valid again."""
        if self.pipe is not None:
            self.pipe.resume()

    def ask_for_children(self) -> int:
        """Let the thread look for what dead child processes left; see `is_joined`."""
        return self.ask_for_orphans() if self.has_forked else 0

    def ask_for_orphans(self) -> int:
        """Let the thread look for what dead processes left for this destination."""
        self._scans_wanted += 1
        self.wake()
        return self._scans_wanted

    # How far it is.

    def unread(self) -> int:
        """Count the records that the thread has not read yet."""
        log, pipe = self._log, self.pipe
        if log is None:
            return 0
        return log.count - (pipe.read_count if pipe else 0)

    def is_idle(self) -> bool:
        """Whether nothing waits that was read, asked for or adopted."""
        return not ((self.pipe and (self.pipe.has_steps or self.pipe.urgent)) or self._orphans)

    def is_joined(self, asked: int) -> bool:
        """Whether what dead child processes had left when it was asked for is delivered."""
        if self._transport is None:
            return True
        ours = any(each.family == self._family for each in list(self._orphans))
        return self._scans >= asked and not ours

    def is_hopeless(self) -> bool:
        """Whether waiting is useless: sending is paused, or the service is down.

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

    def trouble(self) -> AgentOSError | None:
        """Return the error that keeps records from being delivered, if any."""
        if self._transport is None:
            return AgentOSConfigError(
                "The client is closed: the rest waits for the end of this process, or a new client"
            )
        return next((pipe.error for pipe in self._pipes() if pipe.error), None)

    @property
    def is_paused(self) -> bool:
        """Whether sending is paused: the key is refused, or the client is closed."""
        return self._transport is None or any(pipe.is_paused for pipe in self._pipes())

    @property
    def has_orphans(self) -> bool:
        """Whether adopted spools are being sent."""
        return bool(self._orphans)

    @property
    def failures(self) -> int:
        """How many attempts have failed in a row."""
        return self.pipe.failures if self.pipe else 0

    # What the thread does.

    def work(self, now: float) -> bool:
        """Send at most one request per log; return whether there was anything to do."""
        if self._transport is None:
            return False
        busy = self._work_for_orphans()
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
        """Return the seconds until the next work is due."""
        waits = [_RESCAN_S]
        if self._transport is None:
            return _RESCAN_S
        pipe = self.pipe
        if pipe is not None and (pipe.has_steps or pipe.urgent or self.unread()):
            waits.append(max(pipe.not_before - now, self._batch_wait(pipe, now)))
        waits += [orphan.pipe.not_before - now for orphan in self._orphans]
        return max(0.0, min(waits))

    def adopt(self) -> None:
        """Take over spools of processes that have ended."""
        self._scanned_at = time.monotonic()
        options = self.options
        self._orphans += adopt_all(
            spool_folder(),
            options.base_url,
            options.fingerprint,
            lambda log: self._pipe(log, log.runs),
        )

    def release_orphans(self) -> None:
        """Release the adopted spools for other processes; not while the thread works."""
        for orphan in self._orphans:
            orphan.release()
        self._orphans = []

    def _work_for_orphans(self) -> bool:
        busy = False
        for orphan in list(self._orphans):
            try:
                busy = orphan.work() or busy
            except Exception as error:  # noqa: BLE001 - such as a disk that fails: the others continue
                orphan.pipe.postpone(error)
            if orphan.is_done:
                self._orphans.remove(orphan)
        return busy

    def _pipes(self) -> list[Pipe]:
        own = [] if self.pipe is None else [self.pipe]
        return own + [orphan.pipe for orphan in list(self._orphans)]

    def _pipe(self, log: RecordLog | OrphanLog, runs: dict[str, RunState]) -> Pipe:
        return Pipe(
            log,
            self._post,
            runs=runs,
            notices=self._notices,
            dead_letters=spool_folder().parent,
            batch=self.options.batch_size,
            batch_limit=self.options.batch_limit,
        )

    def _is_due(self, pipe: Pipe, now: float) -> bool:
        if pipe.urgent or pipe.has_steps:
            return True
        if not self.unread():
            self._first_at = None
            return False
        return self._batch_wait(pipe, now) <= 0

    def _batch_wait(self, pipe: Pipe, now: float) -> float:
        """Return the seconds that the records may still wait for others to share a request."""
        if pipe.has_steps or pipe.urgent or pipe.read_count < self._hurry:
            return 0.0
        if self.unread() >= self.options.batch_size:
            return 0.0
        if self._first_at is None:
            self._first_at = now
        return self._first_at + self.options.batch_interval - now

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
            # Such as connections that another thread closes meanwhile: the sender must continue.
            reason = f"{type(error).__name__}: {error}"
            raise AgentOSTransientError(reason, "NETWORK_ERROR") from error
