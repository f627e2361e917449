# Generated from aod_notebook/core/_async/direct.py by tests/tools/unasync.py; edit that file instead.
"""Connections without proxies, to services that may have to prove themselves first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from aod_notebook.core._sync.passing import PassingStream, passing
from aod_notebook.core.proof import TIMEOUT_S, Handshake, NotProvedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from aod_notebook.core.proof import TokenParts

_CHUNK = 4096


class DirectTransport(httpx.HTTPTransport):
    """Sends requests without proxies; large bodies pass in large pieces.

    With the token of an embedded service, the service proves itself on each connection before
    a request is sent.
    """

    def __init__(
        self, token: TokenParts | None, limits: httpx.Limits, context: ssl.SSLContext
    ) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for the backend of its pool
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=Backend(token),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return passing(request, super().handle_request(request))


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
            return PassingStream(stream)
        try:
            _prove(self._token, stream, f"{host}:{port}", timeout or TIMEOUT_S)
        except BaseException:
            stream.close()
            raise
        return PassingStream(stream)

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)


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
