"""Limits on what sessions may spend, checked while the sessions work.

The embedded service reads each CLI's own log, which has an answer of the model as soon as that is
there. Elsewhere what the event stream reports counts: for Claude tokens read at once and all else
at the end of a turn, for Codex and Gemini all at the end of a turn.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core import words
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.batch.reading import NOTHING, Reading, Spending, added
from aod_notebook.live.start import BUDGET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aod_notebook.aod import Client
    from aod_notebook.live.session import LiveSession

log = logging.getLogger("aod_notebook.live")

PERIOD_S = 0.5
"""How often sessions are looked at when no event comes: a model may think for long."""
BREATH_S = 0.02
"""The shortest time between two looks: events come in bursts."""


class LimitError(AodNotebookError):
    """A limit is not a positive number, or can't be kept.

    Fix: Pass a number greater than 0, and a limit that the agent's runtime can keep.
    """


class LimitReachedError(AodNotebookError):
    """A session was ended, or not started, because a limit was reached.

    Fix: See what was spent with `%aod cost`; raise the limit to continue.
    """


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit on spending; None means no limit.

    Attributes:
        scope: for what: `cell`, `notebook` or `day`.
        cost_usd: US dollars.
        tokens: tokens read (cached ones included) and written.
        repeats: how often in a row a session may make the same call.
        before: what had been spent in this scope before.
    """

    scope: str = "cell"
    cost_usd: float | None = None
    tokens: int | None = None
    repeats: int | None = None
    before: Spending = NOTHING

    def __post_init__(self) -> None:
        """Refuse a value that is not an amount."""
        cost = self.cost_usd
        if cost is not None and not (_is_number(cost) and 0 < cost < math.inf):
            raise LimitError(f"max_cost takes US dollars above 0, not {cost!r}.")
        for name, value in (("max_tokens", self.tokens), ("max_repeats", self.repeats)):
            is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
            if value is not None and not is_count:
                raise LimitError(f"{name} takes a whole number from 1 on, not {value!r}.")

    @property
    def is_set(self) -> bool:
        """Whether anything is limited."""
        return (self.cost_usd, self.tokens, self.repeats) != (None, None, None)

    def reached(self, spent: Spending) -> str | None:
        """Return why the limit is reached; None if it is not."""
        whole = added([self.before, spent])
        where = {"cell": "this cell", "notebook": "this notebook", "day": "today"}[self.scope]
        if self.cost_usd is not None and (whole.cost_usd or 0.0) >= self.cost_usd:
            return (
                f"The limit of ${self.cost_usd:g} for {where} is reached: "
                f"{words.dollars(whole.cost_usd)} spent"
            )
        if self.tokens is not None and (whole.tokens or 0) >= self.tokens:
            return (
                f"The limit of {self.tokens:,} tokens for {where} is reached: "
                f"{whole.tokens or 0:,} used"
            )
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Guard:
    """Limits on what the sessions of a cell spend together, and on repeats in each of them.

    Args:
        limits: the limits; None of them need be set.
    """

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        self.limits = [limit for limit in limits if limit.is_set]
        self._lock = threading.Lock()  # guards the two fields below
        self._spent: dict[str, Spending] = {}
        self._used_up: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything is limited."""
        return bool(self.limits)

    @property
    def counts(self) -> bool:
        """Whether cost or tokens are limited."""
        return any(limit.cost_usd or limit.tokens for limit in self.limits)

    @property
    def used_up(self) -> str | None:
        """Why nothing more may start; None if it may."""
        with self._lock:
            return self._used_up

    @property
    def spent(self) -> Spending:
        """What the sessions spent so far, as far as known."""
        with self._lock:
            return _known_sum(self._spent.values())

    @property
    def remaining_usd(self) -> float | None:
        """The cost that may still be spent; None if cost is not limited."""
        spent = self.spent.cost_usd or 0.0
        amounts = [
            limit.cost_usd - (limit.before.cost_usd or 0.0) - spent
            for limit in self.limits
            if limit.cost_usd is not None
        ]
        return max(0.0, min(amounts)) if amounts else None

    def spend(self, session_id: str, spent: Spending) -> str | None:
        """Record what a session has spent so far; return why it must end, None if it need not."""
        with self._lock:
            self._spent[session_id] = spent
            whole = _known_sum(self._spent.values())
            reasons = [limit.reached(whole) for limit in self.limits]
            found = next(filter(None, reasons), None)
            self._used_up = self._used_up or found
            return found

    def check(self, session_id: str, reading: Reading) -> str | None:
        """Return why a session must end; None if it need not."""
        count, tool = reading.repeats
        for limit in self.limits:
            if limit.repeats is not None and count > limit.repeats:
                return (
                    f"The limit of {limit.repeats} identical calls in a row is reached: "
                    f"{tool} was called {count} times with the same input"
                )
        return self.spend(session_id, reading.spent_since) if self.counts else None


def _known_sum(parts: Iterable[Spending]) -> Spending:
    """Add up the known costs: a session of unknown cost must not hide those of the others."""
    listed = list(parts)
    costs = [one.cost_usd for one in listed if one.cost_usd is not None]
    counts = [one.tokens for one in listed if one.tokens is not None]
    return Spending(math.fsum(costs) if costs else None, sum(counts) if counts else None)


class Watch:
    """Checks sessions while they work, in its own thread, and ends those that reach a limit.

    Args:
        guard: the limits.
        client: returns the client to ask and to terminate with.
    """

    def __init__(self, guard: Guard, client: Callable[[], Client]) -> None:
        self.guard = guard
        self._client = client
        self._watched: dict[str, Reading] = {}
        self._ended: dict[str, str] = {}  # why, by session
        self._lock = threading.Lock()  # guards the two fields above
        self._wake = threading.Event()
        self._is_closed = False
        self._has_usage = True
        self._looked: dict[str, float] = {}
        self._changed: set[str] = set()
        self._thread: threading.Thread | None = None

    def add(self, session_id: str, reading: Reading) -> None:
        """Watch a session from now on."""
        if not self.guard.is_set:
            return
        with self._lock:
            self._watched[session_id] = reading
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="aod-notebook-guard", daemon=True
                )
                self._thread.start()

    def wake(self, session_id: str) -> None:
        """Check a session soon, after an event of it."""
        self._changed.add(session_id)
        self._wake.set()

    def remove(self, session_id: str) -> str | None:
        """Stop watching a session; return why it was ended, if it was."""
        with self._lock:
            self._watched.pop(session_id, None)
            return self._ended.get(session_id)

    def settle(self, session_id: str, reading: Reading) -> None:
        """Record the final spending of a session that has ended."""
        if self.guard.counts:
            self._take_log(session_id, reading)
            self.guard.spend(session_id, reading.spending)

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait(PERIOD_S)
            self._wake.clear()
            with self._lock:
                watched = [pair for pair in self._watched.items() if pair[0] not in self._ended]
            for session_id, reading in watched:
                is_due = time.monotonic() - self._looked.get(session_id, 0.0) >= PERIOD_S
                if session_id in self._changed or is_due:
                    self._changed.discard(session_id)
                    self._look(session_id, reading)
                    self._looked[session_id] = time.monotonic()
            time.sleep(BREATH_S)

    def _look(self, session_id: str, reading: Reading) -> None:
        if self.guard.counts:  # also before an end: the session's log goes with it
            self._take_log(session_id, reading)
        reason = self.guard.used_up or self.guard.check(session_id, reading)
        if reason is not None:
            self._end(session_id, reason)

    def _take_log(self, session_id: str, reading: Reading) -> None:
        from aod_notebook.aod import NotSupportedError

        if not self._has_usage:
            return
        try:
            reading.take_log(self._client().sessions.usage(session_id))
        except NotSupportedError:
            self._has_usage = False
        except AodNotebookError as error:  # the next look may fare better
            log.debug("Session %s: its usage can't be read: %s", session_id, error)

    def _end(self, session_id: str, reason: str) -> None:
        """Terminate a session; one that has ended meanwhile stays unchanged."""
        sessions = self._client().sessions
        try:
            if sessions.get(session_id).status not in ACTIVE_STATUSES:
                return
            with self._lock:  # before the end, so that whoever sees that finds the reason
                self._ended[session_id] = reason
            sessions.terminate(session_id)
        except AodNotebookError as error:
            with self._lock:
                self._ended.pop(session_id, None)
            log.warning("Session %s could not be terminated: %s", session_id, error)
        else:
            log.warning("Session %s was terminated: %s", session_id, reason)


def ended_by_guard(reason: str, spent: Spending) -> str:
    """Return the sentence that says why a session was ended and what it had spent."""
    parts = []
    if spent.cost_usd is not None:
        how = " (computed)" if spent.cost_source == "computed" else ""
        parts.append(f"{words.dollars(spent.cost_usd)}{how}")
    if spent.tokens is not None:
        parts.append(f"{spent.tokens:,} tokens")
    own = f" This session had used {' and '.join(parts)}." if parts else ""
    return f"Terminated by a guard. {reason}.{own}"


def check_priced(limits: Sequence[Limit], models: Iterable[tuple[str | None, str | None]]) -> None:
    """Refuse a limit of cost on agents that report no cost.

    Args:
        limits: the limits.
        models: runtime and model of each agent.

    Raises:
        LimitError: there is one; the message names its model.
    """
    from aod_notebook.frames import prices

    if not any(limit.cost_usd is not None for limit in limits):
        return
    for runtime, model in models:
        if runtime in ("codex", "gemini", "openai") and (
            model is None or prices.rates(model) is None
        ):
            raise LimitError(
                f"No price is known for {model!r}, and {runtime} reports no cost, so a limit of "
                "cost can't be kept. Limit tokens instead, or pip install 'aod-notebook[prices]', "
                "or name prices with frames.prices.use(…)."
            )


def with_budget(fields: dict[str, Any], remaining_usd: float | None) -> dict[str, Any]:
    """Return the fields of a session's create, including the limit for its CLI."""
    if remaining_usd is None:
        return fields
    secrets = {**fields.get("secret_env_vars", {}), BUDGET_VARIABLE: f"{remaining_usd:.6f}"}
    return {**fields, "secret_env_vars": secrets}


class Guarded:
    """The limits of one session that this process follows; made by `guarded`.

    Attributes:
        ended: why the session was ended; None if it was not.
    """

    def __init__(self, session: LiveSession, watch: Watch) -> None:
        self.ended: str | None = None
        self._session, self._watch = session, watch
        self._reading = Reading(session.runtime, session.model)
        self._taken = 0
        self._taking = threading.Lock()  # events are taken in their order

    def _pass_over(self, count: int) -> None:
        """Read the events of earlier turns, which this cell does not pay for."""
        events = self._session.received()[:count]
        self._taken = len(events)
        for event, _ in events:
            self._reading.take(event)
        self._reading.mark()

    def _take(self) -> None:
        with self._taking:
            events = self._session.received(self._taken)
            self._taken += len(events)
            for event, _ in events:
                self._reading.take(event)
        self._watch.wake(self._session.id)


@contextlib.contextmanager
def guarded(session: LiveSession, limits: Sequence[Limit], start: int = 0) -> Iterator[Guarded]:
    """Keep limits of a session as long as the context lasts.

    Args:
        session: a followed session.
        limits: the limits.
        start: how many of its events are of earlier turns.
    """
    watch = Watch(Guard(limits), lambda: session.client)
    held = Guarded(session, watch)
    held._pass_over(start)  # noqa: SLF001
    held._take()  # noqa: SLF001
    stop = session.listen(held._take)  # noqa: SLF001
    watch.add(session.id, held._reading)  # noqa: SLF001
    try:
        yield held
    finally:
        stop()
        watch.close()
        reason = watch.remove(session.id)
        if reason is not None:
            held._take()  # noqa: SLF001
            held.ended = ended_by_guard(reason, held._reading.spending)  # noqa: SLF001


def keep(session: LiveSession, limits: Sequence[Limit], start: int = 0) -> None:
    """Keep limits of a session in the background until its turn has ended."""

    def run() -> None:
        with guarded(session, limits, start), contextlib.suppress(AodNotebookError):
            session.wait()

    if any(limit.is_set for limit in limits):
        threading.Thread(target=run, name="aod-notebook-keep", daemon=True).start()
