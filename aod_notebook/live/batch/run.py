"""Run a batch: sessions in parallel, each once, whatever happens to the kernel."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.live.batch.guards import Guard, Watch
from aod_notebook.live.batch.journal import BatchJournal, keep_reusable, reusable
from aod_notebook.live.batch.reading import added
from aod_notebook.live.batch.result import frame_of
from aod_notebook.live.batch.session import (
    NOT_STARTED,
    LocalSource,
    SessionHooks,
    SessionJob,
    SessionOutcome,
    WorkerSource,
    run_job,
    run_there,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import pandas as pd

    from aod_notebook.live.batch.guards import Limit
    from aod_notebook.live.batch.plan import Item, Plan
    from aod_notebook.live.batch.reading import Reading
    from aod_notebook.live.connections import AodConnection

WAKE_S = 0.2
"""How often the waiting thread wakes up, so that an interrupt is seen and progress shown."""
END_S = 15.0
"""How long sessions that were stopped may take to end."""
TRIES = 3
"""How often the creation of a session is repeated if it is not answered."""


class BatchStoppedError(AodNotebookError):
    """A batch was interrupted; `result` has the results so far.

    Fix: Run the same batch again; rows that have ended are not repeated.

    Attributes:
        result: the DataFrame so far; rows that have not ended say so.
    """

    def __init__(self, message: str, result: pd.DataFrame) -> None:
        super().__init__(message)
        self.result = result


class Progress(NamedTuple):
    """The progress of a batch.

    Attributes:
        total: its sessions.
        ended: those that have ended, the failed ones included.
        failed: those of them that failed or were terminated.
        running: those that run.
        eta_s: seconds until the end by the pace so far; None if unknown.
        cost_usd: US dollars spent so far, as far as they are known; None if nothing is.
        waits: why sessions can't start at the moment; else empty.
        took_s: seconds from its beginning to its end; None while it runs, and for a batch that
            was continued.
    """

    total: int
    ended: int
    failed: int
    running: int
    eta_s: float | None
    cost_usd: float | None
    waits: str
    took_s: float | None = None


class _RunningSession(NamedTuple):
    session_id: str
    reading: Reading


class Batch:
    """A batch that runs, or has run.

    Args:
        plan: what it is to do.
        on: the service.
        records: its records in the journal.
        jobs: how many sessions may run side by side.
        limits: what they may spend together.
        is_reusing: take stored sessions that answered the same prompt.
        dask: a `dask.distributed.Client` with workers that run the sessions.
        changed: called, at most a few times a second, when it has moved on.

    Attributes:
        id: its id.
        plan: what it is to do.
        changed: what is called when it has moved on.
        resumed: whether an earlier kernel, or an earlier call, began it.
        is_over: whether it has run, to its end or until it was stopped.
    """

    def __init__(
        self,
        plan: Plan,
        on: AodConnection,
        records: BatchJournal,
        *,
        jobs: int = 4,
        limits: Sequence[Limit] = (),
        is_reusing: bool = False,
        dask: Any = None,
        changed: Callable[[Batch], None] | None = None,
    ) -> None:
        self.id, self.plan = records.id, plan
        self._on, self._records, self._jobs = on, records, jobs
        self._limits, self._is_reusing, self._dask = limits, is_reusing, dask
        self.changed, self.resumed, self.is_over = changed, False, False
        self._source = LocalSource(on)
        self._lock = threading.Lock()  # guards the fields below
        self._outcomes: dict[int, SessionOutcome] = {}
        self._running: dict[int, _RunningSession] = {}
        self._waits: dict[int, str] = {}
        self._began = time.monotonic()
        self._took: float | None = None
        self._ended_here = 0
        self._pending: dict[Future[SessionOutcome], SessionJob] = {}
        self._stopping = threading.Event()
        self._is_stop_asked = threading.Event()
        self._is_running = False
        self.guard = Guard(limits)
        self._watch = Watch(self.guard, self._source.client)

    # -- what is known -----------------------------------------------------------------------

    @property
    def outcomes(self) -> dict[int, SessionOutcome]:
        """The sessions that have ended, by their numbers."""
        with self._lock:
            return dict(self._outcomes)

    @property
    def running(self) -> dict[int, str]:
        """The ids of the running sessions, by their numbers."""
        with self._lock:
            return {number: one.session_id for number, one in self._running.items()}

    @property
    def progress(self) -> Progress:
        """The progress of the batch."""
        with self._lock:
            outcomes, running = list(self._outcomes.values()), list(self._running.values())
            waits = next(iter(self._waits.values()), "")
            ended_here = self._ended_here
        ended = [one for one in outcomes if one.is_done]
        left = len(self.plan.items) - len(outcomes)
        elapsed = time.monotonic() - self._began
        costs = [one.cost_usd for one in outcomes if not one.is_reused]
        costs += [one.reading.spending.cost_usd for one in running]
        known = [cost for cost in costs if cost is not None]
        return Progress(
            total=len(self.plan.items),
            ended=len(ended),
            failed=sum(one.status in ("failed", "terminated") for one in ended),
            running=len(running),
            eta_s=elapsed / ended_here * left if ended_here else None,
            cost_usd=sum(known) if known else None,
            waits=waits,
            took_s=None if self.resumed else self._took,
        )

    def frame(self) -> pd.DataFrame:
        """Return the result so far: a row per session, in the order of the input."""
        waiting = "queued" if self._is_running else NOT_STARTED
        return frame_of(self.plan, self.outcomes, self.running, self.id, waiting)

    def stop(self) -> None:
        """Stop it like an interrupt; any thread may call this, such as that of a page's stop button."""
        self._is_stop_asked.set()

    # -- running -----------------------------------------------------------------------------

    def run(self) -> pd.DataFrame:
        """Run what has not ended yet, and return the result.

        Raises:
            BatchStoppedError: it was interrupted.
            BatchBusyError: another kernel runs it.
        """
        with self._records.owned():
            jobs = self._to_do()
            self._began, self._is_running = time.monotonic(), True
            try:
                self._run_all(jobs)
            except KeyboardInterrupt:
                self._stop()
                self._is_running = False
                raise BatchStoppedError(self._stopped(), self.frame()) from None
            finally:
                self._took = time.monotonic() - self._began
                self._is_running, self.is_over = False, True
                self._watch.close()
                self._tell()
            outcomes = self.outcomes
            if len(outcomes) == len(self.plan.items) and all(o.is_done for o in outcomes.values()):
                self._records.finish()
        return self.frame()

    def _to_do(self) -> deque[SessionJob]:
        """Return the sessions that have not ended; those of earlier kernels are continued."""
        known = self._records.known()
        jobs: deque[SessionJob] = deque()
        open_claims = [
            (number, record) for number, record in known.items() if record.session_id is None
        ]
        there = self._records.find_claimed(self._source.client(), self.plan.items, open_claims)
        for item in self.plan.items:
            record = known.get(item.number)
            if record is not None and record.outcome is not None:
                outcome = msgspec.convert(record.outcome, SessionOutcome)
                self._outcomes[item.number] = outcome
                if outcome.session is not None and not outcome.is_reused:
                    self.guard.spend(outcome.session, outcome.spending)
                continue
            attempt = 1 if record is None else record.attempt
            session_id = None if record is None else record.session_id or there.get(item.number)
            jobs.append(self._job(item, attempt, session_id))
        return jobs

    def _job(self, item: Item, attempt: int, session_id: str | None = None) -> SessionJob:
        is_reused = False
        if session_id is None and self._is_reusing:
            session_id = self._reused(item)
            is_reused = session_id is not None
        return SessionJob(
            item=item,
            key=self._records.key(item.number, attempt),
            session_id=session_id,
            is_reused=is_reused,
        )

    def _reused(self, item: Item) -> str | None:
        """Return the stored session of the same prompt if it exists and is completed."""
        session_id = reusable(item.reuse_key, self._on.key)
        if session_id is None:
            return None
        with contextlib.suppress(AodNotebookError):
            row = self._source.client().sessions.get(session_id)
            if row.status == "completed" and row.current_turn == 1:
                return session_id
        return None

    def _run_all(self, jobs: deque[SessionJob]) -> None:
        executor = self._executor()
        running: dict[Future[SessionOutcome], SessionJob] = {}
        tries: dict[int, int] = {}
        try:
            while jobs or running:
                while jobs and len(running) < self._jobs:
                    if self.guard.used_up is not None:
                        self._leave(jobs)
                        break
                    job = jobs.popleft()
                    running[self._submit(executor, job)] = job
                done, _ = wait(running, timeout=WAKE_S, return_when=FIRST_COMPLETED)
                self._check_stop()
                for future in done:
                    job = running.pop(future)
                    again = self._settle(job, self._result(future), tries)
                    if again is not None:
                        jobs.appendleft(again)
                self._tell()
        except BaseException:
            self._stopping.set()
            self._pending = running
            raise
        finally:
            if isinstance(executor, ThreadPoolExecutor):
                executor.shutdown(wait=False)

    def _check_stop(self) -> None:
        if self._is_stop_asked.is_set():
            raise KeyboardInterrupt

    def _executor(self) -> Executor:
        if self._dask is None:
            return ThreadPoolExecutor(self._jobs, thread_name_prefix="aod-notebook-batch")
        executor: Executor = self._dask.get_executor(pure=False)
        return executor

    def _submit(self, executor: Executor, job: SessionJob) -> Future[SessionOutcome]:
        """Start a session, after recording the intent."""
        if job.session_id is None:
            self._records.claim(job.item.number, int(job.key.rpartition("-")[2]))
        if self._dask is None:
            return executor.submit(run_job, job, self._source, _Recorded(self))
        # Workers can't look at what the others spend: each may spend what is left now.
        spent = self.guard.spent
        limits = [replace(limit, before=added([limit.before, spent])) for limit in self._limits]
        on = self._on
        there = WorkerSource(on.base_url, on._secret, on.is_embedded)  # noqa: SLF001 - sent to our own workers
        return executor.submit(run_there, there, replace(job, limits=limits))

    def _result(self, future: Future[SessionOutcome]) -> SessionOutcome:
        try:
            return future.result()
        except CancelledError:
            return SessionOutcome(error="Its worker was closed.", is_lost=True)
        except Exception as error:  # noqa: BLE001 - a worker that died must not end the others' work
            return SessionOutcome(error=f"Its worker failed: {error}", is_lost=True)

    def _settle(
        self, job: SessionJob, outcome: SessionOutcome, tries: dict[int, int]
    ) -> SessionJob | None:
        """Record how a session ended; return the job again if it is unknown whether its session exists."""
        number = job.item.number
        if outcome.is_lost and not self._stopping.is_set():
            tries[number] = tries.get(number, 0) + 1
            if tries[number] < TRIES:
                self._stopping.wait(WAKE_S * tries[number])
                with contextlib.suppress(AodNotebookError):
                    self._source.revive()
                    there = self._records.find_claimed(
                        self._source.client(),
                        self.plan.items,
                        [(number, self._records.known()[number])],
                    )
                    return replace(job, session_id=there.get(number))
                return job
        with self._lock:
            self._outcomes[number] = outcome
            self._running.pop(number, None)
            self._waits.pop(number, None)
            self._ended_here += 1
        if self._dask is not None and outcome.session is not None:
            self._records.started(number, outcome.session, self._on.key)
            self.guard.spend(outcome.session, outcome.spending)
        if outcome.is_done:
            self._records.ended(number, msgspec.to_builtins(outcome))
            if outcome.status == "completed" and outcome.session is not None:
                keep_reusable(job.item.reuse_key, self._on.key, outcome.session)
        return None

    def _leave(self, jobs: deque[SessionJob]) -> None:
        """Start nothing more: the limit is reached."""
        with self._lock:
            for job in jobs:
                if job.session_id is None:
                    self._outcomes[job.item.number] = SessionOutcome(error=self.guard.used_up)
        kept = [job for job in jobs if job.session_id is not None]
        jobs.clear()
        jobs.extend(kept)

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed(self)

    # -- stopping ----------------------------------------------------------------------------

    def _stop(self) -> None:
        """End the running sessions, and wait for their ends."""
        self._stopping.set()
        ids = self.running
        if self._dask is not None:
            for future in self._pending:
                future.cancel()
            claims = [
                (number, record)
                for number, record in self._records.known().items()
                if record.outcome is None and record.session_id is None
            ]
            ids |= self._records.find_claimed(self._source.client(), self.plan.items, claims)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._terminate, ids.values()))
        done, _ = wait(self._pending, timeout=0 if self._dask is not None else END_S)
        results = {self._pending[one].item.number: self._result(one) for one in done}
        for job in self._pending.values():
            number = job.item.number
            outcome = results.get(number) or SessionOutcome(
                session=ids.get(number), status="unknown"
            )
            if outcome.session is None and number not in ids:
                continue
            outcome = msgspec.structs.replace(
                outcome, session=outcome.session or ids.get(number), was_stopped=True
            )
            with self._lock:
                self._outcomes[number] = outcome
                self._running.pop(number, None)
            if outcome.status == "completed":  # it had ended before
                self._records.ended(number, msgspec.to_builtins(outcome))
            else:
                self._records.release(number, int(job.key.rpartition("-")[2]))

    def _terminate(self, session_id: str) -> None:
        with contextlib.suppress(AodNotebookError):
            self._source.client().sessions.terminate(session_id)

    def _stopped(self) -> str:
        outcomes = self.outcomes.values()
        ended = sum(one.is_done and not one.was_stopped for one in outcomes)
        stopped = sum(one.was_stopped for one in outcomes)
        return (
            f"Interrupted: {ended:,} of {counted(len(self.plan.items), 'session')} of batch "
            f"{self.id} had ended, {stopped:,} were terminated. Run the same again to continue."
        )


class _Recorded(SessionHooks):
    """Records in the batch and in the journal what its sessions do."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch._watch, batch._stopping)  # noqa: SLF001
        self._batch = batch

    def started(self, job: SessionJob, session_id: str, reading: Reading) -> None:
        """Record the session; end one that started during a stop."""
        batch, number = self._batch, job.item.number
        with batch._lock:  # noqa: SLF001
            is_new = number not in batch._running  # noqa: SLF001
            batch._running[number] = _RunningSession(session_id, reading)  # noqa: SLF001
        if is_new and not job.is_reused:
            batch._records.started(number, session_id, batch._on.key)  # noqa: SLF001
        if self.stopping.is_set():
            batch._terminate(session_id)  # noqa: SLF001

    def waits(self, job: SessionJob, reason: str | None) -> None:
        """Keep the reason for the progress line."""
        with self._batch._lock:  # noqa: SLF001
            if reason is None:
                self._batch._waits.pop(job.item.number, None)  # noqa: SLF001
            else:
                self._batch._waits[job.item.number] = reason  # noqa: SLF001
