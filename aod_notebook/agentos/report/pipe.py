"""The delivery of one log: step by step, with waits, splits and dead letters."""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from aod_notebook.agentos.errors import (
    AgentOSAuthError,
    AgentOSConfigError,
    AgentOSConflictError,
    AgentOSDecodeError,
    AgentOSError,
    AgentOSForbiddenError,
    AgentOSNotFoundError,
    AgentOSRateLimitError,
    AgentOSTransientError,
)
from aod_notebook.agentos.report.dead import keep_dead
from aod_notebook.agentos.report.reader import Window
from aod_notebook.agentos.report.record import START
from aod_notebook.agentos.report.runs import RunState, RunStatus
from aod_notebook.agentos.report.steps import DeliveryStep, make_steps, start_call
from aod_notebook.core.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aod_notebook.agentos.report.notices import Notices
    from aod_notebook.core.wire import Call

SMALL_BATCH = 50
_QUICK_S = 1.0
_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 600.0
_MOST_DOUBLINGS = 10  # failures are still counted, for as long as an outage lasts
_SPLIT = frozenset({400, 413})
_PASSING = (AgentOSRateLimitError, AgentOSTransientError, AgentOSConfigError)
"""Failures of the moment; a closed client is one too."""


class RecordSource(Protocol):
    """What a pipe reads from."""

    uid: str

    def read(self, limit: int) -> Window:
        """Return the next records."""

    def acknowledge(self, number: int, window: Window, *, is_whole: bool) -> None:
        """Note that the service has all records up to `number`, or all of the window."""


class Post(Protocol):
    """Sends one request in one attempt; raises an `AgentOSError`."""

    def __call__(self, call: Call) -> Any:
        """Send it."""


class Pipe:
    """Sends the records of one log, in order, by the sender thread alone.

    Attributes:
        runs: the runs of the log, by their external ids.
        not_before: monotonic time before which nothing is tried.
        error: the trouble that the pipe is in; None while all is well.
        is_paused: the service does not take the key; everything is kept.
    """

    def __init__(
        self,
        log: RecordSource,
        post: Post,
        *,
        runs: dict[str, RunState],
        notices: Notices,
        dead_letters: Path | None,
        batch: int,
        batch_limit: int,
    ) -> None:
        self.log = log
        self.runs = runs
        self.not_before = 0.0
        self.error: AgentOSError | None = None
        self.is_paused = False
        self.failures = 0
        self.read_count = 0  # number of the last record read
        self.urgent: deque[RunState] = deque()  # runs with a caller that waits for their start
        self._post = post
        self._notices = notices
        self._dead_letters = dead_letters
        self._batch = batch
        self._batch_limit = batch_limit
        self._policy = RetryPolicy()
        self._window = Window([])
        self._steps: deque[DeliveryStep] = deque()

    @property
    def has_steps(self) -> bool:
        """Whether something that was read is still to be sent."""
        return bool(self._steps)

    def work(self) -> bool:
        """Send at most one request; return whether there was anything to do."""
        if self.urgent:
            self._start(self.urgent.popleft())
            return True
        if not self._steps and not self._load():
            return False
        if not self._steps:
            return True
        step = self._steps[0]
        if step.run.status is not RunStatus.REFUSED and time.monotonic() < self.not_before:
            return False
        self._send(step)
        return True

    def resume(self) -> None:
        """Try again now, whatever the result of the last attempt."""
        self.is_paused = False
        self.not_before = 0.0

    def postpone(self, error: Exception) -> None:
        """Treat an unexpected failure as a temporary one."""
        self._later(AgentOSTransientError(f"{type(error).__name__}: {error}", "INTERNAL_ERROR"))

    def add(self, step: DeliveryStep) -> None:
        """Add a step that has no record in the log."""
        self._steps.append(step)

    def _load(self) -> bool:
        window = self.log.read(max(self._batch * 2, SMALL_BATCH))
        if not window.records:
            return False
        self._window = window
        self.read_count = window.records[-1].n
        self._steps.extend(make_steps(window.records, self.runs, self._batch))
        if not self._steps:
            self._acknowledge(())
        return True

    def _send(self, step: DeliveryStep) -> None:
        run = step.run
        if run.status is RunStatus.REFUSED:
            self._drop(step, run.error or AgentOSError("the run was refused"))
        elif run.run_id is None:
            self._start(run)
        elif step.kind == START:
            self._done(step)
        else:
            self._deliver(step)

    def _start(self, run: RunState) -> None:
        """Ask for the run's id, unless it is known or refused.

        A refusal is raised to a caller that waits for it, and stops nothing else.
        """
        if run.run_id is not None or run.status is RunStatus.REFUSED:
            return
        run.attempts += 1
        try:
            data = self._data(start_call(run))
        except (*_PASSING, AgentOSDecodeError) as error:
            self._later(error)
        except (AgentOSAuthError, AgentOSForbiddenError) as error:
            if _is_awaited(run):
                self._refuse(run, error, is_raised=True)
            else:
                self._pause(error)
        except AgentOSError as error:
            self._refuse(run, error, is_raised=_is_awaited(run))
        else:
            self._started(run, data)

    def _started(self, run: RunState, data: Any) -> None:
        run_id = data.get("run_id") if isinstance(data, dict) else None
        if not isinstance(run_id, str):
            self._later(AgentOSDecodeError("the answer to run/start has no run_id"))
            return
        accepts = data.get("accepts")
        run.takes_ids = isinstance(accepts, list) and "event_id" in accepts
        run.run_id = run_id
        run.error = None
        self._well()

    def _refuse(self, run: RunState, error: AgentOSError, *, is_raised: bool) -> None:
        run.error = error
        run.status = RunStatus.REFUSED
        self._well()
        if not is_raised:
            self._notices.tell(f"run refused: {error.code}", error)

    def _deliver(self, step: DeliveryStep) -> None:
        began = time.monotonic()
        step.tries += 1
        if step.tries > 1:
            step.run.stats.retried += len(step.records)
        try:
            call = step.call(self.log.uid)
        except msgspec.MsgspecError as error:  # whole, but not of this version
            self._drop(step, AgentOSError(f"unreadable record: {error}", "UNREADABLE"))
            return
        try:
            self._post(call)
        except AgentOSDecodeError as error:
            if error.code == "NOT_THE_SERVICE":
                self._later(error)
                return
        except _PASSING as error:
            self._later(error)
            return
        except (AgentOSAuthError, AgentOSForbiddenError) as error:
            self._pause(error)
            return
        except AgentOSError as error:
            self._rejected(step, error)
            return
        self._well()
        if len(step.records) >= self._batch and time.monotonic() - began < _QUICK_S:
            self._batch = min(self._batch * 2, self._batch_limit)
        self._done(step, is_sent=True)

    def _rejected(self, step: DeliveryStep, error: AgentOSError) -> None:
        """Handle a refusal that a repeat would not change: find the one bad record."""
        self._well()
        if isinstance(error, AgentOSNotFoundError) and not step.run_was_lost:
            step.run_was_lost = True  # a service that forgot the run: start it once more
            step.run.run_id = None
            return
        count = len(step.records)
        if count == 1 or isinstance(error, AgentOSConflictError | AgentOSNotFoundError):
            self._drop(step, error)
            return
        size = (count + 1) // 2
        if error.status in _SPLIT and count > SMALL_BATCH:
            self._batch = self._batch_limit = size = SMALL_BATCH
        self._steps.popleft()
        self._steps.extendleft(reversed(step.halves(size)))

    def _drop(self, step: DeliveryStep, error: AgentOSError) -> None:
        run = step.run
        if step.kind != START:
            names = {"external_run_id": run.external_run_id, "run_id": run.run_id}
            kept = keep_dead(self._dead_letters, step.records, error, names)
            run.stats.reject(f"rejected: {error.code}", len(step.records))
            where = f"; kept in {kept}" if kept else ""
            what = f"{len(step.records)} record(s) of run {run.external_run_id} were refused"
            report = AgentOSError(f"{what}: {error}{where}", error.code, error.status)
            report.run_id = run.run_id
            self._notices.tell(f"rejected: {error.code}", report)
        self._done(step)

    def _done(self, step: DeliveryStep, *, is_sent: bool = False) -> None:
        """Remove the first step, after moving the cursor: a caller that waits may exit then."""
        self._acknowledge(list(islice(self._steps, 1, None)))
        if is_sent:
            step.run.stats.sent += len(step.records)
        self._steps.popleft()

    def _acknowledge(self, left: Sequence[DeliveryStep]) -> None:
        """Move the cursor up to the first record that is still to be sent."""
        window = self._window
        if not window.records:
            return
        if left:
            number = min(step.records[0].n for step in left) - 1
            if number >= window.records[0].n:
                self.log.acknowledge(number, window, is_whole=False)
        else:
            self.log.acknowledge(window.records[-1].n, window, is_whole=True)
            self._window = Window([])

    def _data(self, call: Call) -> Any:
        answer = self._post(call)
        return answer.get("data") if isinstance(answer, dict) else None

    def _well(self) -> None:
        self.failures = 0
        self.not_before = 0.0
        self.error = None
        self.is_paused = False

    def _later(self, error: AgentOSError) -> None:
        wait = self._policy.backoff(min(self.failures, _MOST_DOUBLINGS))
        asked = getattr(error, "retry_after", None)
        self.failures += 1
        self.error = error
        self.not_before = time.monotonic() + (wait if asked is None else max(0.0, asked))
        self._notices.tell(f"waiting: {error.code}", error)

    def _pause(self, error: AgentOSError) -> None:
        wait = min(_PAUSE_S * 2 ** min(self.failures, _MOST_DOUBLINGS), _LONGEST_PAUSE_S)
        self.failures += 1
        self.error = error
        self.is_paused = True
        self.not_before = time.monotonic() + wait
        report = type(error)(f"{error}. Nothing is lost: it is sent once the key is taken again")
        report.code, report.status = error.code, error.status
        self._notices.tell(f"paused: {error.code}", report)


def _is_awaited(run: RunState) -> bool:
    """Check whether a caller waits for the start and will raise its refusal."""
    try:
        run.asked_by.pop()
    except IndexError:
        return False
    return True
