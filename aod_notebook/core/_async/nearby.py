"""Connections to services on this machine, which may have to prove themselves first."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from aod_notebook.core.proof import TIMEOUT_S, Handshake, NotProvedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.core.proof import TokenParts

_CHUNK = 4096
_READ_BYTES = 1 << 18
"""httpcore reads 64 KiB at a time, and each read passes a dozen of its functions. On the loopback
device more has always come already; a quarter of the reads costs a third less."""


class AsyncNearbyTransport(httpx.AsyncHTTPTransport):
    """Sends requests without TLS and proxies, and reads answers in large pieces.

    With the token of an embedded service, the service proves itself on each connection before
    a request is sent.
    """

    def __init__(self, token: TokenParts | None, limits: httpx.Limits) -> None:
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to load the authorities takes 30 ms
        super().__init__(verify=unused, trust_env=False)
        # httpx has no argument for the backend of its pool
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=unused,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_AsyncBackend(token),
        )


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
            return _AsyncWideStream(stream)
        try:
            await _prove(self._token, stream, f"{host}:{port}", timeout or TIMEOUT_S)
        except BaseException:
            await stream.aclose()
            raise
        return _AsyncWideStream(stream)

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


class _AsyncWideStream(httpcore.AsyncNetworkStream):
    """Reads more at a time than it is asked for."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> bytes:
        return await self._stream.read(max(max_bytes, _READ_BYTES), timeout)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


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
