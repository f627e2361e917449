"""Options of an AgentOS client: arguments, environment, defaults."""

from __future__ import annotations

import hashlib
import hmac
import operator
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from aod_notebook.agentos.errors import AgentOSConfigError
from aod_notebook.core import settings
from aod_notebook.core.retry import RetryPolicy
from aod_notebook.core.settings import Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable

INVOKE_TIMEOUT_S = 310.0
"""Just over the service's own limit of 300 s for a hosted run ."""
CALL_TIMEOUT_S = 30.0
FIRST_BATCH = 50
LARGEST_BATCH = 500
MEMORY_LIMIT = 100_000
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOSOptions:
    """The settled options of one client; times in seconds."""

    base_url: str
    key: SecretStr = field(repr=False)
    agent_id: str | None
    workspace: str | None
    disabled: bool
    batch_interval: float
    batch_size: int
    batch_limit: int
    memory_limit: int
    timeout: float
    retry: RetryPolicy
    on_error: Callable[[BaseException], Any] | None

    @classmethod
    def resolve(
        cls,
        *,
        api_key: str | SecretStr | None,
        agent_id: str | None,
        base_url: str | None,
        workspace: str | None,
        batch_interval_ms: float,
        batch_size: int | None,
        max_queue_size: int | None,
        max_retries: int | None,
        timeout_seconds: float,
        disabled: bool | None,
        on_error: Callable[[BaseException], Any] | None,
    ) -> AgentOSOptions:
        """Fill in what was not given: argument, then environment, then default.

        Raises:
            AgentOSConfigError: there is no key, or a value is invalid.
        """
        off = _is_disabled() if disabled is None else bool(disabled)
        if on_error is not None and not callable(on_error):
            raise AgentOSConfigError(f"on_error={on_error!r} cannot be called")
        ceiling = LARGEST_BATCH if batch_size is None else _whole("batch_size", batch_size)
        memory = (
            MEMORY_LIMIT if max_queue_size is None else _whole("max_queue_size", max_queue_size)
        )
        return cls(
            base_url=_url(base_url),
            key=_key(api_key, required=not off),
            agent_id=agent_id or os.environ.get("AGENTOS_AGENT_ID") or None,
            workspace=workspace or os.environ.get("AGENTOS_WORKSPACE") or None,
            disabled=off,
            batch_interval=_seconds("batch_interval_ms", batch_interval_ms, zero=True) / 1000,
            batch_size=min(FIRST_BATCH, ceiling),
            batch_limit=ceiling,
            memory_limit=max(memory, ceiling),
            timeout=_seconds("timeout_seconds", timeout_seconds),
            retry=RetryPolicy()
            if max_retries is None
            else RetryPolicy().limited(_whole("max_retries", max_retries, least=0)),
            on_error=on_error,
        )

    @property
    def fingerprint(self) -> str:
        """Name of the key in spools; the key cannot be derived from it."""
        return fingerprint(self.key.get_secret_value())

    def timeouts(self, seconds: float) -> Timeouts:
        """Limits of a call that may take `seconds`."""
        connect = min(_CONNECT_S, seconds)
        return Timeouts(connect=connect, call=seconds, no_bytes=seconds, no_data=None)


def fingerprint(key: str) -> str:
    """Name a key so that equal keys have equal names and a name reveals nothing.

    Example:
        >>> len(fingerprint("aos_agent_x"))
        16
    """
    return hmac.new(key.encode(), b"aod-notebook spool", hashlib.sha256).hexdigest()[:16]


def check_timeout(seconds: float) -> float:
    """Check the `timeout_seconds` of one call."""
    return _seconds("timeout_seconds", seconds)


def _is_disabled() -> bool:
    return os.environ.get("AGENTOS_DISABLED", "").strip().lower() in {"1", "true"}


def _url(base_url: str | None) -> str:
    url = base_url or os.environ.get("AGENTOS_BASE_URL") or settings.DEFAULT_AGENTOS_URL
    if not isinstance(url, str):
        raise AgentOSConfigError(f"base_url={url!r} must be text")
    try:
        return settings.base_url(url)
    except ValueError as error:
        raise AgentOSConfigError(f"{error}. Check AGENTOS_BASE_URL or base_url=") from None


def _key(api_key: str | SecretStr | None, *, required: bool) -> SecretStr:
    text = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    if text is None:
        text = os.environ.get("AGENTOS_API_KEY", "")
    if not isinstance(text, str):
        raise AgentOSConfigError("The API key is not a string. Check what is passed as api_key=")
    text = text.strip()
    if not text and required:
        raise AgentOSConfigError(
            "No API key. Set AGENTOS_API_KEY, or pass api_key=. aod_notebook.connect().agentos is "
            "a client of the local service, without a key"
        )
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise AgentOSConfigError(
            "The API key has blanks or characters that no header can carry. Check AGENTOS_API_KEY"
        )
    return SecretStr(text)


def _seconds(name: str, value: float, *, zero: bool = False) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not (0 <= seconds < float("inf")) or (seconds == 0 and not zero):
        least = "at least" if zero else "more than"
        raise AgentOSConfigError(f"{name}={value!r} must be a number of {least} 0")
    return seconds


def _whole(name: str, value: int, *, least: int = 1) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise AgentOSConfigError(f"{name}={value!r} must be a whole number of at least {least}")
    return number
