"""The async transport: sends calls, repeats them by policy, raises a service's own errors."""

from __future__ import annotations

from contextlib import AsyncExitStack
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import anyio
import httpx
from httpx_sse import aconnect_sse

from aod_notebook.core.awaited import awaited
from aod_notebook.core.errors import AodNotebookError, CallFailure, FailureKind
from aod_notebook.core.retry import Retry, retry_flow
from aod_notebook.core.settings import Timeouts, is_loopback, tls, user_agent
from aod_notebook.core.wire import Call, attempt_of, call_timeout, decoded, stream_timeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from aod_notebook.core.retry import RetryPolicy
    from aod_notebook.core.wire import BearerAuth

_EVENT_STREAM = "text/event-stream"


class AsyncResponseBody:
    """The open body of a stream; closing it twice is harmless."""

    def __init__(self, response: httpx.Response, stack: AsyncExitStack) -> None:
        self.response = response
        self._stack = stack

    async def aclose(self) -> None:
        """Release the connection; a failure while doing so does not matter."""
        try:
            await self._stack.aclose()
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return


class AsyncTransport:
    """Sends the calls of one service.

    Args:
        base_url: checked by `settings.base_url`.
        auth: puts the credentials on each request. With the token of an embedded service,
            each connection is proved before it is used, unless a client or transport is given.
        error: makes the service's own exception of a `CallFailure`.
        retry: when calls are repeated.
        timeouts: limits by kind of call.
        http_client: a client to use and leave open; else one is made and owned.
        transport: httpx transport for the client that is made.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: BearerAuth,
        error: Callable[[CallFailure], AodNotebookError],
        retry: RetryPolicy,
        timeouts: Timeouts,
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url
        self.retry = retry
        self.timeouts = timeouts
        self._auth = auth
        self.error = error
        self._owned = http_client is None
        self._http = http_client or _client(base_url, auth, transport)

    def with_options(self, *, retry: RetryPolicy, timeouts: Timeouts) -> AsyncTransport:
        """Return a transport with other limits over the same connections, not owning them."""
        return AsyncTransport(
            base_url=self.base_url,
            auth=self._auth,
            error=self.error,
            retry=retry,
            timeouts=timeouts,
            http_client=self._http,
        )

    async def aclose(self) -> None:
        """Close the connections, unless they were lent."""
        if self._owned:
            await self._http.aclose()

    async def request(self, call: Call) -> Any:
        """Make a call; return the JSON value of its answer, None for an empty one."""
        with awaited(call.left):
            return await self._repeat(call, self._ask_once)

    async def body(self, call: Call) -> bytes:
        """Make a call; return the undecoded body of its answer."""
        with awaited(call.left):
            body: bytes = await self._repeat(call, self._body_once)
        return body

    async def open(self, call: Call) -> AsyncResponseBody:
        """Open a stream of server-sent events; status and content type are checked here."""
        with awaited(call.left):
            body: AsyncResponseBody = await self._repeat(call, self._open_once)
        return body

    async def open_once(self, call: Call) -> tuple[AsyncResponseBody | None, CallFailure | None]:
        """Open a stream by a single attempt and return the body, or the failure."""
        if self.is_closed:
            return None, call.failure(FailureKind.CLOSED, self.url(call))
        try:
            return await self._open_once(call)
        except (httpx.HTTPError, httpx.StreamError) as error:
            return None, call.failure_of(error, self.url(call))

    @property
    def token(self) -> SecretStr:
        """The token, to hand it over to another process."""
        return self._auth.token

    @property
    def is_closed(self) -> bool:
        """Whether the connections were closed."""
        return self._http.is_closed

    def url(self, call: Call) -> str:
        """The URL of a call without its query."""
        return self.base_url + call.path

    async def _repeat(self, call: Call, once: Callable[[Call], Awaitable[Any]]) -> Any:
        if self.is_closed:
            raise self.error(call.failure(FailureKind.CLOSED, self.url(call)))
        flow = retry_flow(self.retry, call.repeat)
        wait = next(flow)
        may_be_done = False
        while True:
            if wait:
                await anyio.sleep(wait)
            cause = None
            try:
                result, failure = await once(call)
            except (httpx.HTTPError, httpx.StreamError) as error:
                result, failure, cause = None, call.failure_of(error, self.url(call)), error
            if failure is None or (may_be_done and call.was_done_before(failure)):
                return result
            may_be_done = may_be_done or failure.may_be_done
            try:
                wait = flow.send(attempt_of(failure))
            except StopIteration:
                raise self.error(failure) from cause
            self.announce(call, wait, failure)

    def announce(self, call: Call, wait: float, failure: CallFailure) -> None:
        """Report a retry before waiting for it."""
        what = f"{call.method} {self.url(call)}"
        self.retry.announce(Retry(call=what, wait=wait, status=failure.status))

    async def _ask_once(self, call: Call) -> tuple[Any, CallFailure | None]:
        response, failure = await self._answer_once(call)
        return (None, failure) if failure else decoded(call, response, self.url(call))

    async def _body_once(self, call: Call) -> tuple[bytes, CallFailure | None]:
        body = BytesIO()  # to join the parts of a large body takes its memory twice
        async with self._http.stream(
            call.method, timeout=call_timeout(self.timeouts), **self._fields(call)
        ) as response:
            if not response.is_success:
                await response.aread()
                return b"", call.failed_answer(response, self.url(call))
            async for part in response.aiter_bytes():
                body.write(part)
        return body.getvalue(), None

    async def _answer_once(self, call: Call) -> tuple[httpx.Response, CallFailure | None]:
        response = await self._http.request(
            call.method, timeout=call_timeout(self.timeouts), **self._fields(call)
        )
        return response, call.failed_answer(response, self.url(call))

    async def _open_once(self, call: Call) -> tuple[AsyncResponseBody | None, CallFailure | None]:
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(
                aconnect_sse(
                    self._http,
                    call.method,
                    timeout=stream_timeout(self.timeouts),
                    **self._fields(call),
                )
            )
            response = source.response
            if not response.is_success:
                await response.aread()
                return None, call.failed_answer(response, self.url(call))
            kind = response.headers.get("content-type", "")
            if kind.partition(";")[0].strip().lower() != _EVENT_STREAM:
                reason = f"the answer is not an event stream ({kind or 'no content type'})"
                failure = call.failure(
                    FailureKind.UNREADABLE, self.url(call), reason, status=response.status_code
                )
                return None, failure
            return AsyncResponseBody(response, stack.pop_all()), None

    def _fields(self, call: Call) -> dict[str, Any]:
        return {
            "url": self.url(call),
            "params": call.params or None,
            "headers": {"User-Agent": user_agent(), **call.all_headers()},
            "content": call.content,
            "auth": self._auth,
            "follow_redirects": False,
        }


def _client(
    base_url: str, auth: BearerAuth, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    # no ceiling: each open stream holds a connection
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    token = auth.to_be_proved(base_url)
    trusts_env = token is None and not is_loopback(base_url)  # no proxy is the service
    context = tls(base_url)
    if transport is None and not (trusts_env and getproxies()):
        # here, as httpx imports httpcore with the first client of its own: it takes 14 ms
        from aod_notebook.core._async.direct import AsyncDirectTransport

        transport = AsyncDirectTransport(token, limits, context)
    return httpx.AsyncClient(
        transport=transport, verify=context, trust_env=trusts_env, limits=limits
    )
