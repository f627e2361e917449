# Generated from aod_notebook/core/_async/proving.py by tests/tools/unasync.py; edit that file instead.
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


class ProvingTransport(httpx.HTTPTransport):
    """Sends requests to an embedded service, on connections that it has proved itself on."""

    def __init__(self, token: Known, limits: httpx.Limits) -> None:
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to load the authorities takes 30 ms
        super().__init__(verify=unused, trust_env=False)
        # httpx has no argument for the backend of its pool
        self._pool = httpcore.ConnectionPool(
            ssl_context=unused,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=ProvingBackend(token),
        )


class ProvingBackend(httpcore.NetworkBackend):
    def __init__(self, token: Known) -> None:
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
        try:
            self._prove(stream, f"{host}:{port}", timeout or TIMEOUT_S)
        except BaseException:
            stream.close()
            raise
        return stream

    def _prove(self, stream: httpcore.NetworkStream, host: str, limit: float) -> None:
        ends = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
        handshake = Handshake(self._token, host, *ends)
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

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)
