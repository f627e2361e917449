# Generated from aod_notebook/core/_async/nearby.py by tests/tools/unasync.py; edit that file instead.
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


class NearbyTransport(httpx.HTTPTransport):
    """Sends requests without TLS and proxies, and reads answers in large pieces.

    With the token of an embedded service, the service proves itself on each connection before
    a request is sent.
    """

    def __init__(self, token: TokenParts | None, limits: httpx.Limits) -> None:
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to load the authorities takes 30 ms
        super().__init__(verify=unused, trust_env=False)
        # httpx has no argument for the backend of its pool
        self._pool = httpcore.ConnectionPool(
            ssl_context=unused,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=Backend(token),
        )


class Backend(httpcore.NetworkBackend):
    def __init__(self, token: TokenParts | None) -> None:
        self._token = token
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._plain.connect_tcp(host, port, timeout, local_address, socket_options)
        if self._token is None:
            return WideStream(stream)
        try:
            _prove(self._token, stream, f"{host}:{port}", timeout or TIMEOUT_S)
        except BaseException:
            stream.close()
            raise
        return WideStream(stream)

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)


class WideStream(httpcore.NetworkStream):
    """Reads more at a time than it is asked for."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(
        self,
        max_bytes: int,
        timeout: float | None = None,
    ) -> bytes:
        return self._stream.read(max(max_bytes, _READ_BYTES), timeout)

    def write(
        self,
        buffer: bytes,
        timeout: float | None = None,
    ) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _prove(token: TokenParts, stream: httpcore.NetworkStream, host: str, limit: float) -> None:
    ends = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
    handshake = Handshake(token, host, *ends)
    deadline = time.monotonic() + limit
    try:
        stream.write(handshake.request, limit)
        proved = False
        while not proved:
            left = max(deadline - time.monotonic(), 0.001)
            proved = handshake.feed(stream.read(_CHUNK, left))
    except NotProvedError as error:
        raise httpcore.ConnectError(str(error)) from None
    except (httpcore.NetworkError, httpcore.TimeoutException) as error:
        # no request was sent, whatever broke: it counts as never connected
        raise httpcore.ConnectError(str(handshake.failure())) from error
