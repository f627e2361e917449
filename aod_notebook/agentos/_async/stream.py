"""The stream of a hosted run as an iterator of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from aod_notebook.agentos.errors import AgentOSError, AgentOSTransientError
from aod_notebook.agentos.events import InvokeReader
from aod_notebook.core.awaited import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType
    from typing import Self

    from aod_notebook.agentos.results import InvokeStreamEvent
    from aod_notebook.core._async.transport import AsyncResponseBody, AsyncTransport
    from aod_notebook.core.wire import Call


class AsyncInvokeStream:
    """An async iterator of the events of one hosted run.

    The run is started when the iteration begins. Leaving the iteration early, or the
    `with` block, closes the connection; the run may continue.

    Attributes:
        run_id: id of the run; None until the stream has sent it.
        text: the agent's text so far.

    Example:
        >>> async for event in client.invoke_stream({"query": "hi"}):  # doctest: +SKIP
        ...     if event["type"] == "chunk":
        ...         print(event["text"], end="")
    """

    def __init__(
        self, transport: AsyncTransport | None, call: Call | None, agent_id: str, seconds: float
    ) -> None:
        self._transport = transport
        self._call = call
        self._reader = InvokeReader(agent_id, seconds)
        self._events = self._follow()

    @property
    def run_id(self) -> str | None:
        """Id of the run; None until the stream has sent it."""
        return self._reader.run_id

    @property
    def text(self) -> str:
        """The agent's text so far."""
        return self._reader.text

    def __aiter__(self) -> Self:
        """Iterate over the events that are still to come."""
        return self

    async def __anext__(self) -> InvokeStreamEvent:
        """Wait for the next event."""
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the run may continue."""
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[InvokeStreamEvent, None]:
        if self._transport is None or self._call is None:
            return
        reader = self._reader
        reader.begin()
        body = await self._open(self._transport, self._call)
        try:
            with awaited(self._call.left):
                async for chunk in body.response.aiter_bytes():
                    for event in reader.feed(chunk):
                        yield event
                    if reader.is_over:
                        return
            for event in reader.finish():
                yield event
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise reader.interrupted(str(error) or type(error).__name__) from error
        except AgentOSError as error:
            raise reader.located(error)  # noqa: B904 - the same error, completed
        finally:
            await body.aclose()
        if not reader.is_over:
            raise reader.interrupted("the body ended before a last event")

    async def _open(self, transport: AsyncTransport, call: Call) -> AsyncResponseBody:
        try:
            return await transport.open(call)
        except AgentOSTransientError as error:
            if error.status is None and error.code == "REQUEST_TIMEOUT":
                error.args = (f"{error}. {self._reader.advice()}",)
            raise
