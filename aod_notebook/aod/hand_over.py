"""Access to a service for another process: an address, a token, a time limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from aod_notebook.aod.errors import AodUsageError
from aod_notebook.core.unpicklable import Unpicklable

if TYPE_CHECKING:
    from typing import Self

    from aod_notebook.core.settings import Timeouts


class HandOver(Unpicklable):
    """Access to a service for another process, for a while; made by `Client.hand_over`.

    It refuses to be pickled, so that the token gets into no task graph and no file by mistake.
    Who sends it on purpose sends `fields()`, by a way that nobody keeps or logs.

    Attributes:
        base_url: the service's URL.
        expires_at: until when clients can be made of it, in seconds since 1970.

    Example:
        >>> with Client.from_hand_over(client.hand_over(valid_s=60)) as own:  # doctest: +SKIP
        ...     own.sessions.list()
    """

    def __init__(
        self, base_url: str, token: SecretStr, timeouts: Timeouts, expires_at: float
    ) -> None:
        self.base_url = base_url
        self.expires_at = expires_at
        self._token = token
        self._timeouts = timeouts

    def fields(self) -> dict[str, Any]:
        """Return everything as plain values, the token in clear."""
        return {
            "base_url": self.base_url,
            "token": self._token.get_secret_value(),
            "timeouts": self._timeouts,
            "expires_at": self.expires_at,
        }

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Create it from what `fields` returned in another process."""
        return cls(**{**fields, "token": SecretStr(fields["token"])})

    def unlocked(self) -> tuple[str, SecretStr, Timeouts]:
        """Return the address and the token for a client.

        Raises:
            AodUsageError: it has expired.
        """
        if time.time() > self.expires_at:
            raise AodUsageError(
                f"What was handed over for {self.base_url} has expired: call hand_over again"
            )
        return self.base_url, self._token, self._timeouts

    def __repr__(self) -> str:
        return f"<HandOver of {self.base_url}>"
