"""The base of the control-plane namespaces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from aod_notebook.agentos.control import Listing
from aod_notebook.agentos.errors import AgentOSDecodeError, AgentOSTransientError, describe
from aod_notebook.agentos.options import CALL_TIMEOUT_S
from aod_notebook.core.awaited import awaited

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aod_notebook.agentos._async.api import AsyncApi
    from aod_notebook.agentos.control import Method

T = TypeVar("T")
_POLL_S, _LONGEST_POLL_S = 0.1, 5.0
_FIRST_LIMIT = 500
_SHORTEST_S = 0.1


class AsyncNamespace:
    """The methods for one kind of resource."""

    def __init__(self, api: AsyncApi) -> None:
        self._api = api

    async def _call(
        self,
        method: Method,
        arguments: dict[str, Any],
        workspace: str | None,
        seconds: float | None,
    ) -> Any:
        """Call a remote procedure; a list comes as a `Listing`."""
        if self._api.options.disabled:
            return Listing() if method.is_list else {}
        data = await self._api.rpc(method, arguments, workspace, seconds)
        if not method.is_list or data is None:
            return Listing() if method.is_list else data
        if isinstance(data, dict) and isinstance(data.get("data"), list):
            data = data["data"]
        if isinstance(data, dict):
            return data
        if not isinstance(data, list):
            raise AgentOSDecodeError(f"{method.rpc} answered with no list: {describe(data)}")
        return Listing(data, limit=arguments.get("limit") or method.default_limit)

    async def _body(
        self,
        method: Method,
        arguments: dict[str, Any],
        workspace: str | None = None,
        timeout_seconds: float | None = None,
    ) -> bytes:
        """Call a remote procedure that returns a list; return the undecoded body."""
        if self._api.options.disabled:
            return b'{"data": []}'
        return await self._api.rpc_body(method, arguments, workspace, timeout_seconds)

    async def _poll(
        self,
        ask: Callable[[float], Awaitable[T]],
        what: str,
        is_over: Callable[[T], bool],
        timeout: float,  # noqa: ASYNC109 - sync callers have it too
    ) -> T:
        """Poll until it is over; `ask` gets the seconds that it may take."""
        deadline = time.monotonic() + timeout
        pause = _POLL_S
        while True:
            left = deadline - time.monotonic()
            row = await ask(min(max(left, _SHORTEST_S), CALL_TIMEOUT_S))
            if not isinstance(row, dict):
                raise AgentOSDecodeError(
                    f"{what} is not an object: {describe(row)}", "INVALID_ANSWER"
                )
            if is_over(row):
                return row
            left = deadline - time.monotonic()
            if left <= 0:
                raise AgentOSTransientError(
                    f"{what} is still running after {timeout:g} s", "REQUEST_TIMEOUT"
                )
            with awaited(lambda: f"interrupted: {what} is not waited for any more and continues."):
                await anyio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL_S)

    async def _everything(self, ask: Callable[[int], Awaitable[Listing[T]]]) -> Listing[T]:
        """Ask with growing limits until the list is not cut.

        Services have no cursor. That one has a ceiling of its own shows only where it is one of
        the limits: the next one brings no more rows, and the list says that it is cut.
        """
        limit, before = _FIRST_LIMIT, -1
        while True:
            rows = await ask(limit)
            if not isinstance(rows, Listing):
                raise AgentOSDecodeError(f"The answer is not a list: {describe(rows)}")
            if not rows.is_cut:
                if len(rows) == before:
                    rows.limit = before
                return rows
            before = len(rows)
            limit *= 4
