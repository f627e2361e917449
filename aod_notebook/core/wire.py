"""What the sync and the async transport share: a call, and the meaning of its outcome."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from aod_notebook.core.errors import CallFailure, FailureKind
from aod_notebook.core.proof import known
from aod_notebook.core.redact import secrets_in
from aod_notebook.core.retry import Attempt, Repeat, parse_retry_after
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from pydantic import SecretStr

    from aod_notebook.core.proof import TokenParts
    from aod_notebook.core.settings import Timeouts

_REDIRECTS = range(300, 400)


class BearerAuth(httpx.Auth):
    """Puts the token on a request at the last moment, so that no frame of ours holds it."""

    def __init__(self, token: SecretStr) -> None:
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Set the header; httpx hides its value in every repr."""
        request.headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        yield request

    def to_be_proved(self, base_url: str) -> TokenParts | None:
        """Return the token that the service must prove to know before it gets it; None for none.

        Only the tokens of embedded services can be proved; https has its certificates for that.
        """
        if base_url.lower().startswith("https:"):
            return None
        return known(self.token.get_secret_value())


def _new_key() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an API, however many attempts it takes.

    `content` is the encoded JSON body. `done_before` is the status that a *repeat* gets if an
    earlier attempt did its work and only the answer was lost: it then counts as success
    without a body. `is_final` checks the body of a failed answer: whether a repeat would fail
    in the same way, whatever the status. The idempotency key is the same in all attempts.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = field(default=None, repr=False)
    repeat: Repeat = Repeat.SAFE
    done_before: int | None = None
    is_final: Callable[[Any], bool] | None = None
    idempotency_key: str = field(default_factory=_new_key)

    def all_headers(self) -> dict[str, str]:
        """Headers of one attempt, apart from authorisation and the user agent."""
        headers = dict(self.headers)
        if self.content is not None:
            headers["Content-Type"] = "application/json"
        if self.method != "GET":
            headers["Idempotency-Key"] = self.idempotency_key
        return headers

    def left(self) -> str:
        """Return the state of a call that is no longer waited for."""
        rest = "" if self.method == "GET" else " What it began on the service continues."
        return f"interrupted: {self.method} {self.path} is not waited for any more.{rest}"

    def was_done_before(self, failure: CallFailure) -> bool:
        """Check whether the failure of a repeat shows that an earlier attempt had worked."""
        return self.done_before is not None and failure.status == self.done_before

    def failure(self, kind: FailureKind, url: str, reason: str = "", **fields: Any) -> CallFailure:
        """Describe how this call failed; its secrets go along, to be hidden."""
        secrets = secrets_in(json.loads(self.content)) if self.content else []
        key = None if self.method == "GET" else self.idempotency_key
        return CallFailure(
            kind=kind,
            method=self.method,
            url=url,
            reason=one_line(reason),
            idempotency_key=key,
            secrets=secrets,
            **fields,
        )

    def failure_of(self, error: httpx.HTTPError | httpx.StreamError, url: str) -> CallFailure:
        """Describe an exception of httpx."""
        return self.failure(_kind_of(error), url, str(error) or type(error).__name__)

    def failed_answer(self, response: httpx.Response, url: str) -> CallFailure | None:
        """Describe an answer that is not a success; None for one that is. The body is read."""
        if response.is_success:
            return None
        reason = response.reason_phrase
        if response.status_code in _REDIRECTS and "location" in response.headers:
            reason = f"redirected to {response.headers['location']}"
        body = _body(response)
        return self.failure(
            FailureKind.STATUS,
            url,
            reason,
            status=response.status_code,
            body=body,
            is_final=self.is_final is not None and self.is_final(body),
            headers=dict(response.headers),
        )


def decoded(call: Call, response: httpx.Response, url: str) -> tuple[Any, CallFailure | None]:
    """Decode a successful answer: its JSON value (None for an empty body), or a failure."""
    if not response.content.strip():
        return None, None
    try:
        return json.loads(response.content), None
    except (ValueError, RecursionError):
        kind = response.headers.get("content-type", "no content type")
        return None, call.failure(
            FailureKind.UNREADABLE,
            url,
            f"the answer is not JSON ({kind})",
            status=response.status_code,
            body=response.text,
        )


def attempt_of(failure: CallFailure) -> Attempt:
    """What a failed attempt means for the retry policy."""
    return Attempt(
        status=400 if failure.is_final else failure.status,
        seen=failure.kind is not FailureKind.UNREACHABLE,
        retry_after=parse_retry_after(failure.headers.get("retry-after")),
    )


def load_direct() -> None:
    """Import what connections need, in the caller's thread.

    The first client would import it on the thread that makes it. A process that is forked while
    another thread imports a module has half of that module, for good.
    """
    import aod_notebook.core._async.direct
    import aod_notebook.core._sync.direct  # noqa: F401


def call_timeout(timeouts: Timeouts) -> httpx.Timeout:
    """Limits of an ordinary call."""
    return httpx.Timeout(timeouts.call, connect=timeouts.connect)


def stream_timeout(timeouts: Timeouts) -> httpx.Timeout:
    """Limits of a stream: a silent one is broken when not even a heartbeat comes."""
    return httpx.Timeout(timeouts.call, connect=timeouts.connect, read=timeouts.no_bytes)


def _kind_of(error: Exception) -> FailureKind:
    match error:
        case (
            httpx.ConnectError()
            | httpx.ConnectTimeout()
            | httpx.PoolTimeout()
            | httpx.ProxyError()
            | httpx.UnsupportedProtocol()
        ):
            return FailureKind.UNREACHABLE
        case httpx.TimeoutException():
            return FailureKind.TIMEOUT
        case httpx.DecodingError():
            return FailureKind.UNREADABLE
        case _:
            return FailureKind.BROKEN


def _body(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.text or None
