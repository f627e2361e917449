# Generated from aod_notebook/agentos/_async/api.py by tests/tools/unasync.py; edit that file instead.
"""Calls to one AgentOS service: shared by the client, its namespaces and its runs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos.errors import (
    AgentOSConfigError,
    AgentOSDecodeError,
    describe,
    error_from,
    is_refused_body,
)
from aod_notebook.agentos.options import (
    CALL_TIMEOUT_S,
    INVOKE_TIMEOUT_S,
    AgentOSOptions,
    check_timeout,
)
from aod_notebook.agentos.requests import encode
from aod_notebook.core._sync.transport import Transport
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import BearerAuth, Call

if TYPE_CHECKING:
    import httpx

    from aod_notebook.agentos.control import Method


class Api:
    """The connections to one service, for one key.

    Attributes:
        options: what the client was made with.
        workspace: slug or id for control-plane calls, or None.
        is_closed: whether no more calls can be made.
    """

    def __init__(self, options: AgentOSOptions, http_client: httpx.Client | None) -> None:
        self.options = options
        self.workspace = options.workspace
        self.is_closed = False
        self._http_client = http_client
        self._connections: tuple[int, Transport] | None = None

    def rpc(
        self,
        method: Method,
        arguments: dict[str, Any],
        workspace: str | None,
        seconds: float | None,
    ) -> Any:
        """Call a remote procedure, and return its data."""
        if seconds is None:
            seconds = INVOKE_TIMEOUT_S if method.is_long else CALL_TIMEOUT_S
        return self.data(self._rpc(method, arguments, workspace), seconds)

    def rpc_body(
        self,
        method: Method,
        arguments: dict[str, Any],
        workspace: str | None,
        seconds: float | None,
    ) -> bytes:
        """Call a remote procedure, and return the body of the answer undecoded."""
        transport = self.transport(check_timeout(CALL_TIMEOUT_S if seconds is None else seconds))
        return transport.body(self._rpc(method, arguments, workspace))

    def _rpc(self, method: Method, arguments: dict[str, Any], workspace: str | None) -> Call:
        body = dict(arguments)
        if chosen := workspace or self.workspace:
            body["workspace"] = chosen
        repeat = Repeat.SAFE if method.is_read else Repeat.REFUSED
        return post(f"/api/v1/rpc/{method.rpc}", encode(body), repeat)

    def data(self, call: Call, seconds: float, patience: float | None = None) -> Any:
        """Make a call and return the `data` of its answer; `patience` limits the repeats.

        Raises:
            AgentOSDecodeError: the answer has none.
        """
        transport = self.transport(check_timeout(seconds), patience)
        answer = transport.request(call)
        if not isinstance(answer, dict) or "data" not in answer:
            raise AgentOSDecodeError(
                f"The answer of {self.options.base_url}{call.path} has no data: {describe(answer)}",
                "INVALID_ANSWER",
            )
        return answer["data"]

    def transport(self, seconds: float, patience: float | None = None) -> Transport:
        """Return the connections for a call that may take some seconds."""
        transport = self._connected()
        retry = transport.retry
        if patience is not None:
            retry = replace(retry, deadline=min(retry.deadline, patience))
        return transport.with_options(retry=retry, timeouts=self.options.timeouts(seconds))

    def check_open(self) -> None:
        """Check that calls can be made.

        Raises:
            AgentOSConfigError: the client is closed.
        """
        if self.is_closed:
            raise AgentOSConfigError("This client is closed. Make a new one")

    def close(self) -> None:
        """Close the connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            connections[1].close()

    def _connected(self) -> Transport:
        """Return the connections; a forked child gets its own."""
        self.check_open()
        if self._connections is None or self._connections[0] != os.getpid():
            options = self.options
            inherited = self._connections is not None
            transport = Transport(
                base_url=options.base_url,
                auth=BearerAuth(options.key),
                error=error_from,
                retry=options.retry,
                timeouts=options.timeouts(options.timeout),
                http_client=None if inherited else self._http_client,
            )
            self._connections = (os.getpid(), transport)
        return self._connections[1]


def post(path: str, content: bytes, repeat: Repeat = Repeat.REFUSED) -> Call:
    """Return a POST that is not repeated once its body is refused."""
    return Call(method="POST", path=path, content=content, repeat=repeat, is_final=is_refused_body)
