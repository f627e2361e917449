"""Connections without proxies, to services that may have to prove themselves first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from aod_notebook.core._async.passing import AsyncPassingStream, passing
from aod_notebook.core.proof import TIMEOUT_S, Handshake, NotProvedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from aod_notebook.core.proof import TokenParts

_CHUNK = 4096


class AsyncDirectTransport(httpx.AsyncHTTPTransport):
    """Sends requests without proxies; large bodies pass in large pieces.

    With the token of an embedded service, the service proves itself on each connection before
    a request is sent.
    """

    def __init__(
        self, token: TokenParts | None, limits: httpx.Limits, context: ssl.SSLContext
    ) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for the backend of its pool
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_AsyncBackend(token),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return passing(request, await super().handle_async_request(request))


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, token: TokenParts | None) -> None:
        self._token = token
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._plain.connect_tcp(host, port, timeout, local_address, socket_options)
        if self._token is None:
            return AsyncPassingStream(stream)
        try:
            await _prove(self._token, stream, f"{host}:{port}", timeout or TIMEOUT_S)
        except BaseException:
            await stream.aclose()
            raise
        return AsyncPassingStream(stream)

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


async def _prove(
    token: TokenParts, stream: httpcore.AsyncNetworkStream, host: str, limit: float
) -> None:
    ends = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
    handshake = Handshake(token, host, *ends)
    deadline = time.monotonic() + limit
    try:
        await stream.write(handshake.request, limit)
        proved = False
        while not proved:
            left = max(deadline - time.monotonic(), 0.001)
            proved = handshake.feed(await stream.read(_CHUNK, left))
    except NotProvedError as error:
        raise httpcore.ConnectError(str(error)) from None
    except (httpcore.NetworkError, httpcore.TimeoutException) as error:
        # no request was sent, whatever broke: it counts as never connected
        raise httpcore.ConnectError(str(handshake.failure())) from error
