"""The errors of the Agent on Demand client, one tree below `AodError`.

AodError
├── AodHTTPError            the service answered with something else than 2xx
│   ├── AuthError           401, 403
│   ├── NotFoundError       404
│   ├── ConflictError       409
│   ├── ValidationError     422, or found before sending what would be a 422
│   ├── RateLimitError      429
│   ├── NotSupportedError   this service does not have the endpoint
│   └── ServerError         5xx
├── AodConnectionError      no answer: unreachable, or the connection broke
│   └── AodTimeoutError     no answer in time
├── AodDecodeError          a 2xx answer that is not what was asked for
├── StreamInterrupted       an event stream that could not be resumed
└── AodUsageError           a wrong argument or setting; nothing was sent
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aod_notebook.core.errors import AodNotebookError, CallFailure, FailureKind
from aod_notebook.core.redact import redact
from aod_notebook.core.settings import is_loopback
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = ("type", "loc", "msg", "url")


class AodError(AodNotebookError):
    """Base of every error of the Agent on Demand client; it survives pickling.

    Fix: Catch it to handle every failure of the client.

    Example:
        >>> issubclass(NotFoundError, AodError)
        True
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild without the constructor: its arguments differ from class to class."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[AodError], args: tuple[object, ...], state: Mapping[str, object]
) -> AodError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class AodHTTPError(AodError):
    """The service answered with a status other than 2xx.

    Fix: Read `detail`; the classes below it stand for the usual statuses.

    Attributes:
        status_code: the HTTP status.
        detail: the body's `detail` (text or list), else the whole body; secrets hidden,
            and of 422 items only `type`, `loc`, `msg` and `url` kept.
        method: HTTP method of the call.
        url: URL of the call, as text.

    Example:
        >>> print(ConflictError(409, "Session has failed", "POST", "http://x/sessions/1/prompt"))
        409 from POST http://x/sessions/1/prompt: Session has failed. Start a new session.
    """

    def __init__(self, status_code: int, detail: Any, method: str, url: str) -> None:
        self.status_code = status_code
        self.detail = _clean(redact(detail))
        self.method = method
        self.url = str(url)
        text = _detail_text(self.detail) or "no explanation"
        advice = self._advice(text)
        super().__init__(_sentences(f"{status_code} from {method} {self.url}: {text}", advice))

    def _advice(self, text: str) -> str:
        is_collection = urlsplit(self.url).path.rpartition("/")[2] in _COLLECTIONS
        if self.status_code == _NOT_FOUND and is_collection:
            return "No Agent on Demand API is there: check the path of AOD_API_URL or base_url="
        return _advice_for(self.status_code, text)


class AuthError(AodHTTPError):
    """401 or 403: the token is missing, unknown, inactive or expired.

    Fix: Set `AOD_API_TOKEN` to a valid token of this service.
    """


class NotFoundError(AodHTTPError):
    """404: no such row, or it belongs to another user.

    Fix: List the rows to find the right id, and check that the token is its owner's.
    """


class ConflictError(AodHTTPError):
    """409: archived row, session in the wrong state, or stale version.

    Fix: Read the row again, then repeat the call, or start a new session.
    """


class ValidationError(AodHTTPError):
    """422: the service refuses the fields; `detail` is a list of problems, or a text.

    Fix: Correct the fields that `detail` names.

    It is also raised before sending, with the same status and detail, for what the service
    would refuse; nothing has been sent then.
    """


class RateLimitError(AodHTTPError):
    """429: as many sessions are active as the user may have.

    Fix: Wait until a session has ended, or terminate one.

    Attributes:
        limit: how many may be active, if the service says so.
        active: how many are.
    """

    def __init__(
        self,
        status_code: int,
        detail: Any,
        method: str,
        url: str,
        *,
        limit: int | None = None,
        active: int | None = None,
    ) -> None:
        super().__init__(status_code, detail, method, url)
        self.limit = limit
        self.active = active


class NotSupportedError(AodHTTPError):
    """404 or 405 for an endpoint that only some services have.

    Fix: Use a service that has the endpoint, such as the embedded one.
    """

    def _advice(self, text: str) -> str:
        del text
        return "This service cannot interrupt a turn; sessions.terminate() ends the session"


class ServerError(AodHTTPError):
    """5xx: the service failed.

    Fix: Try again later; the service's own log says why it failed.
    """


class AodConnectionError(AodError):
    """There was no answer: the service is unreachable, or the connection broke.

    Fix: Check the URL and the network; repeat a write with its `idempotency_key`.

    Attributes:
        method: HTTP method of the call.
        url: URL of the call, as text.
        idempotency_key: key to repeat a write with, for a service that knows such keys.
    """

    def __init__(
        self, message: str, method: str = "", url: str = "", idempotency_key: str | None = None
    ) -> None:
        self.method = method
        self.url = url
        self.idempotency_key = idempotency_key
        super().__init__(message)


class AodTimeoutError(AodConnectionError):
    """The service is there, but did not answer in time.

    Fix: Try again, or pass a larger `timeout=` to the client.
    """


class AodDecodeError(AodError):
    """A 2xx answer that is not what the API promises, such as a login page.

    Fix: Check that the base URL is the API's own; a proxy or a login page may have answered.

    Attributes:
        status_code: the HTTP status.
        method: HTTP method of the call.
        url: URL of the call, as text.
    """

    def __init__(self, message: str, status_code: int | None, method: str, url: str) -> None:
        self.status_code = status_code
        self.method = method
        self.url = url
        super().__init__(message)


class StreamInterrupted(AodError):  # noqa: N818 - the promised name
    """An event stream broke off and could not be resumed; the session may still run.

    Fix: Stream again with `since=last_event_id`.

    Attributes:
        session_id: the session.
        last_event_id: last log row given: pass it as `since=` to continue.
        reason: what happened to the connection.
    """

    def __init__(
        self, session_id: str, last_event_id: int | None, reason: str, advice: str | None = None
    ) -> None:
        self.session_id = session_id
        self.last_event_id = last_event_id
        self.reason = reason
        message = f"Stream of session {session_id} was interrupted: {reason}"
        if advice is None and last_event_id is None:
            advice = f"Nothing was received yet; continue with sessions.stream({session_id!r})"
        elif advice is None:
            advice = f"Continue with sessions.stream({session_id!r}, since={last_event_id})"
        super().__init__(_sentences(message, advice))


class AodUsageError(AodError, ValueError):
    """A missing token, an invalid base URL, an empty id; nothing was sent.

    Fix: Correct the argument that the message names, or set `AOD_API_TOKEN`.
    """


def error_from(failure: CallFailure) -> AodError:
    """Make the exception for a failed call; no secret of the call gets into it."""
    where = f"{failure.method} {failure.url}"
    reason = redact(failure.reason, failure.secrets)
    match failure.kind:
        case FailureKind.STATUS:
            return _http_error(failure)
        case FailureKind.UNREACHABLE:
            message = _sentences(f"{where}: cannot reach the service ({reason})", _reach(failure))
            return AodConnectionError(message, failure.method, failure.url)
        case FailureKind.TIMEOUT:
            message = f"{where}: no answer in time ({reason})"
            return AodTimeoutError(_unsure(message, failure), *_origin(failure))
        case FailureKind.CLOSED:
            return AodUsageError(f"{where}: this client is closed. Make a new Client()")
        case FailureKind.UNREADABLE:
            message = _sentences(
                f"{failure.status or 'Answer'} from {where}: {reason}",
                "Check AOD_API_URL or base_url=: is this an Agent on Demand service?",
            )
            return AodDecodeError(message, failure.status, failure.method, failure.url)
        case _:
            message = f"{where}: the connection broke ({reason})"
            return AodConnectionError(_unsure(message, failure), *_origin(failure))


def _http_error(failure: CallFailure) -> AodHTTPError:
    status, body = failure.status or 0, failure.body
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if detail is None or 300 <= status < 400:  # noqa: PLR2004 - redirects
        detail = failure.reason
    arguments = (status, redact(detail, failure.secrets), failure.method, failure.url)
    match status:
        case 401 | 403:
            return AuthError(*arguments)
        case 404:
            return NotFoundError(*arguments)
        case 409:
            return ConflictError(*arguments)
        case 422:
            return ValidationError(*arguments)
        case 429:
            return RateLimitError(
                *arguments, limit=_int(body, "limit"), active=_int(body, "active")
            )
        case _ if status >= 500:  # noqa: PLR2004 - server errors
            return ServerError(*arguments)
    return AodHTTPError(*arguments)


def _int(body: Any, key: str) -> int | None:
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, int) else None


def _origin(failure: CallFailure) -> tuple[str, str, str | None]:
    return failure.method, failure.url, failure.idempotency_key


def _unsure(message: str, failure: CallFailure) -> str:
    if failure.idempotency_key is None:
        return _sentences(message, "Try again; health() shows the state of the service")
    return _sentences(message, "The call may have succeeded: check before repeating it")


def _reach(failure: CallFailure) -> str:
    port = urlsplit(failure.url).port
    if is_loopback(failure.url) and port:
        embedded = f"the embedded one: `aod-notebook serve --port {port}`"
        return f"Start the service there ({embedded}), or check AOD_API_URL or base_url="
    return "Check AOD_API_URL or base_url=, and the network"


def _clean(detail: Any) -> Any:
    """Drop what a 422 item echoes of the request: `input` may be the whole body."""
    if not isinstance(detail, list):
        return detail
    return [
        {key: item[key] for key in _KEPT if key in item} if isinstance(item, dict) else item
        for item in detail
    ]


def _detail_text(detail: Any) -> str:
    if isinstance(detail, str):
        return one_line(detail)
    if isinstance(detail, list) and all(isinstance(item, dict) for item in detail):
        return one_line("; ".join(_problem(item) for item in detail))
    return "" if detail is None else one_line(json.dumps(detail, default=str))


def _problem(item: Mapping[str, Any]) -> str:
    loc = item.get("loc")
    place = ".".join(str(part) for part in loc) if isinstance(loc, (list, tuple)) else ""
    text = str(item.get("msg", "")).removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


def _sentences(*parts: str) -> str:
    return " ".join(
        part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part
    )


_NOT_FOUND = 404
_COLLECTIONS = ("agents", "environments", "sessions", "health")
"""Ends of paths without an id: where such a one is not found, the base URL is wrong."""
_ADVICE = (
    (401, "", "Check AOD_API_TOKEN or token="),
    (403, "", "Check AOD_API_TOKEN or token="),
    (404, "Agent not found", "agents.list() shows the ids this token may use"),
    (404, "Environment not found", "environments.list() shows the ids this token may use"),
    (404, "Session not found", "sessions.list() shows the ids this token may use"),
    (404, "", "Check the id, and AOD_API_URL or base_url="),
    (409, "Version mismatch", "Read the row again with get() and send its version"),
    (409, "already archived", ""),
    (409, "archived", "An archived row cannot be used again: make a new one"),
    (409, "already running", "Wait for the turn to end, or terminate the session"),
    (409, "pending turn", "Wait for the turn to end, or terminate the session"),
    (409, "active session", "Terminate the session first"),
    (409, "existing sessions", "Delete its sessions first"),
    (409, "already exists", "Choose another name, or archive the other one"),
    (409, "Start a new session", ""),
    (409, "start a new session", ""),
    (409, "already terminated", ""),
    (409, "has been terminated", "Start a new session"),
    (409, "has failed", "Start a new session"),
    (429, "", "sessions.list() shows which are active"),
)


def _advice_for(status: int, text: str) -> str:
    for code, words, advice in _ADVICE:
        if code == status and words in text:
            return advice
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return "Redirects are not followed: set AOD_API_URL or base_url= to the right address"
    if status >= 500:  # noqa: PLR2004 - server errors
        return "Try again later; health() shows the state of the service"
    return ""
