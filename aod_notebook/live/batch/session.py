"""One session of a batch, from its creation to its end: here, or on a worker of a cluster."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.batch.guards import Guard, Watch, ended_by_guard, with_budget
from aod_notebook.live.batch.reading import Reading, Spending

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import SecretStr

    from aod_notebook.aod import Client, StreamEvent
    from aod_notebook.live.batch.guards import Limit
    from aod_notebook.live.batch.plan import Item
    from aod_notebook.live.connections import AodConnection

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""How long a session waits that the service's limit of active ones keeps from starting."""
PATIENCE_S = 60.0
"""How long a service that does not answer is waited for."""
AGAIN_S = 1.0
NOT_STARTED, UNKNOWN = "not started", "unknown"


class SessionOutcome(msgspec.Struct, kw_only=True):
    """How one session of a batch ended; None is unknown.

    Attributes:
        session: its id; None if it was not started.
        status: the session's status, `not started`, or `unknown` if it was lost.
        is_done: whether it needs no other kernel: its end is known.
        was_stopped: an interrupt ended it.
        is_lost: creating it was not answered, so it may be there.
    """

    session: str | None = None
    status: str = NOT_STARTED
    text: str | None = None
    cost_usd: float | None = None
    cost_source: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    duration_s: float | None = None
    error: str | None = None
    is_reused: bool = False
    is_done: bool = False
    was_stopped: bool = False
    is_lost: bool = False

    @property
    def spending(self) -> Spending:
        """What it spent."""
        return Spending(self.cost_usd, self.tokens_in, self.tokens_out, self.cost_source)


@dataclass(frozen=True, kw_only=True)
class SessionJob:
    """A session to run: what it is, its key, and its id if it exists already."""

    item: Item
    key: str
    session_id: str | None = None
    is_reused: bool = False
    limits: Sequence[Limit] = ()


class ClientSource(Protocol):
    """Where sessions run."""

    def client(self) -> Client:
        """Return a client of the service."""

    def revive(self) -> None:
        """Start the service again if it has stopped, if this process can."""


class SessionHooks:
    """Callbacks for a batch about its running sessions; these do nothing.

    Args:
        watch: what keeps the limits.
        stopping: set when nothing more is to start.
    """

    def __init__(self, watch: Watch, stopping: threading.Event) -> None:
        self.watch, self.stopping = watch, stopping

    def started(self, job: SessionJob, session_id: str, reading: Reading) -> None:
        """Record that a session runs."""

    def waits(self, job: SessionJob, reason: str | None) -> None:
        """Record why a session can't start yet; None when it can."""


@dataclass
class LocalSource:
    """A connection of this process as the source."""

    on: AodConnection

    def client(self) -> Client:
        """Return the connection's client."""
        return self.on.client

    def revive(self) -> None:
        """Start the embedded service again if it has stopped."""
        self.on.ensure()


@dataclass
class WorkerSource:
    """What a worker needs to create its own client; the token is in no repr."""

    base_url: str
    token: SecretStr
    is_embedded: bool
    _made: list[Any] = field(default_factory=list, repr=False)

    def client(self) -> Client:
        """Return the client of the job that runs."""
        made: Client = self._made[0]
        return made

    def revive(self) -> None:
        """Do nothing: a worker cannot start the service."""

    @contextmanager
    def opened(self) -> Iterator[WorkerSource]:
        """Create a client and close it at the end."""
        from aod_notebook.aod import Client
        from aod_notebook.live.embedded import EmbeddedClient

        kind = EmbeddedClient if self.is_embedded else Client
        with kind(base_url=self.base_url, token=self.token) as client:
            yield WorkerSource(self.base_url, self.token, self.is_embedded, [client])


def run_there(source: WorkerSource, job: SessionJob) -> SessionOutcome:
    """Run a session on a worker."""
    with source.opened() as opened:
        watch = Watch(Guard(job.limits), opened.client)
        try:
            return run_job(job, opened, SessionHooks(watch, threading.Event()))
        finally:
            watch.close()


def run_job(job: SessionJob, source: ClientSource, hooks: SessionHooks) -> SessionOutcome:
    """Create a session, unless it exists, and follow it to its end. No error is raised."""
    try:
        session_id = job.session_id or _create(job, source, hooks)
    except AodNotebookError as error:
        return SessionOutcome(error=str(error), is_lost=_may_be_there(error))
    if session_id is None:
        return SessionOutcome(error=hooks.watch.guard.used_up or "The batch was stopped before.")
    return _follow(job, session_id, source, hooks)


def _create(job: SessionJob, source: ClientSource, hooks: SessionHooks) -> str | None:
    """Create the session; wait while the service accepts no more; None if the batch stops."""
    from aod_notebook.aod import RateLimitError

    pause = FIRST_PAUSE_S
    while not hooks.stopping.is_set() and hooks.watch.guard.used_up is None:
        fields = with_budget(dict(job.item.fields), hooks.watch.guard.remaining_usd)
        try:
            ack = source.client().sessions.create(
                prompt=job.item.prompt, idempotency_key=job.key, **fields
            )
        except RateLimitError as error:
            hooks.waits(job, str(error.detail))
            hooks.stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not for secrets
            pause = min(2 * pause, LONGEST_PAUSE_S)
            continue
        hooks.waits(job, None)
        return str(ack.id)
    return None


def _may_be_there(error: AodNotebookError) -> bool:
    """Whether a session may have been created although the call failed."""
    from aod_notebook.aod import AodConnectionError, AodDecodeError, ServerError

    return isinstance(error, AodConnectionError | AodDecodeError | ServerError)


def _follow(
    job: SessionJob, session_id: str, source: ClientSource, hooks: SessionHooks
) -> SessionOutcome:
    from aod_notebook.aod import AodConnectionError, NotFoundError, ServerError, StreamInterrupted

    deadline = time.monotonic() + PATIENCE_S
    while True:
        reading = Reading(job.item.runtime, job.item.model)
        hooks.started(job, session_id, reading)
        hooks.watch.add(session_id, reading)

        def take(event: StreamEvent, reading: Reading = reading) -> None:
            nonlocal deadline
            reading.take(event)
            deadline = time.monotonic() + PATIENCE_S
            hooks.watch.wake(session_id)

        try:
            ended = source.client().sessions.wait_for_completion(
                session_id, on_event=take, collect_events=False
            )
        except (AodConnectionError, StreamInterrupted, ServerError) as error:
            if time.monotonic() < deadline and not hooks.stopping.wait(AGAIN_S):
                _revive(source)
                continue
            return _lost(session_id, reading, f"It was lost: {error}")
        except NotFoundError:
            return SessionOutcome(
                session=session_id, status=UNKNOWN, error="It was deleted.", is_done=True
            )
        except AodNotebookError as error:
            return _lost(session_id, reading, str(error))
        reason = hooks.watch.remove(session_id)
        if not job.is_reused:
            hooks.watch.settle(session_id, reading)
        return _ended(job, ended.session, reading, reason)


def _revive(source: ClientSource) -> None:
    try:
        source.revive()
    except AodNotebookError:  # the next attempt says it again
        return


def _lost(session_id: str, reading: Reading, error: str) -> SessionOutcome:
    spent = reading.spending
    return SessionOutcome(
        session=session_id,
        status=UNKNOWN,
        text=reading.text,
        cost_usd=spent.cost_usd,
        cost_source=spent.cost_source,
        tokens_in=spent.tokens_in,
        tokens_out=spent.tokens_out,
        error=error,
    )


def _ended(job: SessionJob, row: Any, reading: Reading, reason: str | None) -> SessionOutcome:
    spent, status = reading.spending, str(row.status)
    error = reading.failure
    if reason is not None and status == "terminated":
        error = ended_by_guard(reason, spent)
    elif status == "terminated":
        error = error or "It was terminated."
    elif status == "failed":
        error = error or f"It exited with code {row.exit_code}."
    elif not reading.has_failed:
        error = None
    return SessionOutcome(
        session=str(row.id),
        status=status,
        text=reading.text,
        cost_usd=spent.cost_usd,
        cost_source=spent.cost_source,
        tokens_in=spent.tokens_in,
        tokens_out=spent.tokens_out,
        duration_s=max(0.0, (row.updated_at - row.created_at).total_seconds()),
        error=error,
        is_reused=job.is_reused,
        is_done=True,
    )
