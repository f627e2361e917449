"""When a call is repeated and how long to wait before it: policy without I/O."""

from __future__ import annotations

import logging
import random
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

log = logging.getLogger("aod_notebook.retry")
_FELT_S = 1.0
_TOO_MANY = 429
_PASSING = frozenset({408, _TOO_MANY})
_SERVER_ERROR = 500
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


class Repeat(Enum):
    """Which failures of a call allow it to be sent again."""

    SAFE = "safe"  # sending it twice does no harm: lost answers, 408, 429, 5xx
    REFUSED = "refused"  # only if it had no effect: never connected, or 429
    UNSEEN = "unseen"  # only if the service has not seen it: never connected


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of one attempt. `status` None: no answer; `seen` False: never connected."""

    status: int | None = None
    seen: bool = True
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A repeat to come: which call, after which wait in seconds, and the result of the attempt.

    `status` is None if there was no answer; `call` is the method and the URL without its query.
    """

    call: str
    wait: float
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently calls are repeated; times in seconds.

    Example:
        >>> RetryPolicy(jitter=lambda: 1.0).backoff(2)
        2.0
    """

    max_retries: int = 3
    """Repeats of a call after its first attempt."""
    max_reconnects: int = 5
    """Reconnects of a stream without a new event between them."""
    base: float = 0.5
    cap: float = 8.0
    deadline: float = 45.0
    """Total time of a call, waits included, after which no attempt is started."""
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    on_retry: Callable[[Retry], object] | None = None
    """Called before each wait, from whatever thread or task waits; what it raises is logged."""

    def announce(self, retry: Retry) -> None:
        """Report a retry: a log line, a warning if the wait is noticeable, and the hook."""
        reason = "no answer" if retry.status is None else f"status {retry.status}"
        level = logging.WARNING if retry.wait >= _FELT_S else logging.INFO
        log.log(level, "%s: %s, trying again in %.1f s", retry.call, reason, retry.wait)
        if self.on_retry is not None:
            try:
                self.on_retry(retry)
            except Exception:
                log.exception("on_retry raised")

    def limited(self, max_retries: int) -> RetryPolicy:
        """Return this policy with `max_retries` for calls and for streams alike."""
        return replace(self, max_retries=max_retries, max_reconnects=max_retries)

    def backoff(self, repeat: int) -> float:
        """Wait before repeat number `repeat` (0 is the first): full jitter below a cap."""
        return min(self.cap, self.base * 2.0 ** min(repeat, 60)) * self.jitter()


def retry_flow(policy: RetryPolicy, repeat: Repeat) -> Generator[float, Attempt, None]:
    """Drive the attempts of one call: yields waits, is sent outcomes, ends when done.

    The driver waits the seconds yielded (0 before the first attempt), makes an attempt
    and sends its `Attempt`; when the generator ends, that attempt was the last one.
    """
    started = policy.clock()
    attempt = yield 0.0
    for number in range(policy.max_retries):
        if not _may_repeat(attempt, repeat):
            return
        wait = policy.backoff(number)
        if attempt.retry_after is not None:
            wait = max(attempt.retry_after, 0.0)
        if policy.clock() - started + wait > policy.deadline:
            return
        attempt = yield wait


def _may_repeat(attempt: Attempt, repeat: Repeat) -> bool:
    if not attempt.seen:
        return True
    if repeat is Repeat.UNSEEN:
        return False
    if repeat is Repeat.REFUSED:
        return attempt.status == _TOO_MANY
    return is_passing(attempt.status)


def is_passing(status: int | None) -> bool:
    """Check whether a status (None: no answer at all) may be different next time.

    Example:
        >>> is_passing(503), is_passing(404), is_passing(None)
        (True, False, True)
    """
    return status is None or status in _PASSING or status >= _SERVER_ERROR


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number, fractions allowed, or a date.

    Example:
        >>> parse_retry_after("3"), parse_retry_after("soon"), parse_retry_after(None)
        (3.0, None, None)
    """
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
