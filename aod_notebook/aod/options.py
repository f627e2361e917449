"""Options of a client: arguments first, then the environment, then defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from aod_notebook.aod.errors import AodUsageError
from aod_notebook.core import settings
from aod_notebook.core.retry import RetryPolicy
from aod_notebook.core.settings import Timeouts

TimeoutLike = float | httpx.Timeout | Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class AodOptions:
    """The settings of one client, resolved and checked."""

    base_url: str
    token: SecretStr
    timeouts: Timeouts
    retry: RetryPolicy

    @classmethod
    def resolve(
        cls,
        base_url: str | None,
        token: str | SecretStr | None,
        timeout: TimeoutLike | None,
        max_retries: int | None,
    ) -> AodOptions:
        """Fill in what was not given from AOD_API_URL and AOD_API_TOKEN.

        Raises:
            AodUsageError: there is no token, or a value is invalid.
        """
        url = base_url or os.environ.get("AOD_API_URL") or settings.DEFAULT_AOD_URL
        try:
            url = settings.base_url(url)
        except ValueError as error:
            raise AodUsageError(f"{error}. Check AOD_API_URL or base_url=") from None
        return cls(
            base_url=url,
            token=_token(token),
            timeouts=timeouts_of(timeout),
            retry=retry_of(max_retries),
        )


def timeouts_of(timeout: TimeoutLike | None, default: Timeouts | None = None) -> Timeouts:
    """Limits by kind of call; a plain number limits calls and never a quiet stream."""
    default = default or Timeouts()
    match timeout:
        case None:
            return default
        case Timeouts():
            return timeout
        case httpx.Timeout():
            connect, call = timeout.connect, timeout.read
        case _:
            connect, call = min(timeout, default.connect or timeout), timeout
    return Timeouts(connect=connect, call=call, no_bytes=default.no_bytes, no_data=default.no_data)


def retry_of(max_retries: int | None, default: RetryPolicy | None = None) -> RetryPolicy:
    """The retry policy, with another number of repeats if one is given."""
    default = default or RetryPolicy()
    return default if max_retries is None else default.limited(max(0, max_retries))


def _token(token: str | SecretStr | None) -> SecretStr:
    text = token.get_secret_value() if isinstance(token, SecretStr) else token
    text = (text or os.environ.get("AOD_API_TOKEN") or "").strip()
    if not text:
        raise AodUsageError(
            "Missing API token. Set AOD_API_TOKEN in the environment, or pass token=. "
            "aod_notebook.connect().client is a client of the local service, without a token."
        )
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise AodUsageError(
            "The API token has blanks or characters that no header can carry. Check AOD_API_TOKEN."
        )
    return SecretStr(text)
