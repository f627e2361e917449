# Generated from aod_notebook/aod/_async/client.py by tests/tools/unasync.py; edit that file instead.
"""The sync client of Agent on Demand."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aod_notebook.aod._sync.agents import Agents
from aod_notebook.aod._sync.environments import Environments
from aod_notebook.aod._sync.resource import request_object
from aod_notebook.aod._sync.sessions import Sessions
from aod_notebook.aod.errors import AodUsageError, error_from
from aod_notebook.aod.hand_over import HandOver
from aod_notebook.aod.options import AodOptions, retry_of, timeouts_of
from aod_notebook.core._sync.transport import Transport
from aod_notebook.core.retry import Repeat
from aod_notebook.core.unpicklable import Unpicklable
from aod_notebook.core.wire import BearerAuth, Call

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import httpx
    from pydantic import SecretStr

    from aod_notebook.aod.options import TimeoutLike
    from aod_notebook.core.retry import Retry


class Client(Unpicklable):
    """Async client of one Agent on Demand service, for one token.

    Args:
        base_url: the service; else `AOD_API_URL`, else `http://localhost:8777`.
        token: text or SecretStr; else `AOD_API_TOKEN`. It shows up nowhere.
        timeout: seconds for a call, an `httpx.Timeout`, or `Timeouts` by kind of call;
            a plain number never ends a quiet stream.
        transport: httpx transport to send by, such as a mock or one with a proxy.
        http_client: a whole httpx client to use; it is not closed.
        max_retries: repeats of a failed call (3), and reconnects of a stream without
            progress (5); 0 switches both off.
        on_retry: called with a `core.retry.Retry` (`call`, `wait`, `status`) before each wait for
            a repeat or a reconnect. Each is logged too (`aod_notebook.retry`).

    Attributes:
        base_url: the service's URL, without a trailing slash.
        agents: `Agents`.
        environments: `Environments`.
        sessions: `Sessions`.

    Raises:
        AodUsageError: no token is to be found, or the base URL is none.

    Example:
        >>> with Client(token="aod_...") as client:  # doctest: +SKIP
        ...     for agent in client.agents.list():
        ...         print(agent.name)
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | SecretStr | None = None,
        timeout: TimeoutLike | None = None,
        transport: httpx.BaseTransport | None = None,
        *,
        http_client: httpx.Client | None = None,
        max_retries: int | None = None,
        on_retry: Callable[[Retry], object] | None = None,
    ) -> None:
        if http_client is not None and transport is not None:
            raise AodUsageError("Give http_client or transport, not both")
        options = AodOptions.resolve(base_url, token, timeout, max_retries)
        self._use(
            Transport(
                base_url=options.base_url,
                auth=BearerAuth(options.token),
                error=error_from,
                retry=replace(options.retry, on_retry=on_retry),
                timeouts=options.timeouts,
                http_client=http_client,
                transport=transport,
            )
        )

    def _use(self, transport: Transport) -> None:
        self._transport = transport
        self.base_url = transport.base_url
        self.agents = Agents(transport)
        self.environments = Environments(transport)
        self.sessions = Sessions(transport)

    def with_options(
        self, *, timeout: TimeoutLike | None = None, max_retries: int | None = None
    ) -> Self:
        """Return a client with other limits over the same connections.

        Closing it leaves the connections open; they belong to the first client.

        Example:
            >>> patient = client.with_options(timeout=120, max_retries=10)  # doctest: +SKIP
        """
        copy = object.__new__(type(self))
        copy._use(
            self._transport.with_options(
                retry=retry_of(max_retries, self._transport.retry),
                timeouts=timeouts_of(timeout, self._transport.timeouts),
            )
        )
        return copy

    def hand_over(self, *, valid_s: float = 3600.0) -> HandOver:
        """Return access for another process, such as a worker of a cluster.

        Args:
            valid_s: for how many seconds clients can be made of it.

        Example:
            >>> Client.from_hand_over(client.hand_over(valid_s=60))  # doctest: +SKIP
        """
        transport = self._transport
        expires_at = time.time() + valid_s
        return HandOver(self.base_url, transport.token, transport.timeouts, expires_at)

    @classmethod
    def from_hand_over(cls, handed: HandOver) -> Self:
        """Create a client from the access that another one handed over.

        Raises:
            AodUsageError: it has expired.
        """
        return cls(*handed.unlocked())

    def health(self) -> dict[str, Any]:
        """Check the service's health; no token is needed.

        Raises:
            ServerError: it is degraded; `detail` names the failed check.

        Example:
            >>> (client.health())["status"]  # doctest: +SKIP
            'ok'
        """
        call = Call(method="GET", path="/health", repeat=Repeat.UNSEEN)
        return request_object(self._transport, call)

    @property
    def is_closed(self) -> bool:
        """Whether the client was closed: it makes no more calls."""
        return self._transport.is_closed

    def close(self) -> None:
        """Close the connections, unless another client owns them."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.base_url}>"
