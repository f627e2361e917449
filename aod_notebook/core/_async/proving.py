"""Connections on which the other side proves itself before a request is sent."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from aod_notebook.core.proof import TIMEOUT_S, Handshake, NotProvedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.core.proof import Known

_CHUNK = 4096


class AsyncProvingTransport(httpx.AsyncHTTPTransport):
    """Sends requests to an embedded service, on connections that it has proved itself on."""

    def __init__(self, token: Known, limits: httpx.Limits) -> None:
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to load the authorities takes 30 ms
        super().__init__(verify=unused, trust_env=False)
        # httpx has no argument for the backend of its pool
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=unused,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_AsyncProvingBackend(token),
        )


class _AsyncProvingBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, token: Known) -> None:
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
        try:
            await self._prove(stream, f"{host}:{port}", timeout or TIMEOUT_S)
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def _prove(self, stream: httpcore.AsyncNetworkStream, host: str, limit: float) -> None:
        ends = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
        handshake = Handshake(self._token, host, *ends)
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

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)
