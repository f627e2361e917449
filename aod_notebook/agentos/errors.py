"""The errors of the AgentOS client, one tree below `AgentOSError`.

AgentOSError
├── AgentOSAuthError            401: the key is invalid or revoked
├── AgentOSForbiddenError       403: the key may not do this
├── AgentOSNotFoundError        404
├── AgentOSConflictError        409
├── AgentOSValidationError      the body is refused, or found bad before sending
├── AgentOSRateLimitError       429
├── AgentOSTransientError       5xx, no answer in time, no connection
├── AgentOSTimeoutError         a person did not answer in time
├── AgentOSDecodeError          a 2xx answer that is not what was asked for
├── AgentOSRunError             a hosted run failed while its stream was open
├── AgentOSStreamInterrupted    a stream of a hosted run broke off; the run may continue
├── AgentOSArgumentError        a method was called with arguments that it does not take
└── AgentOSConfigError          a wrong argument or setting; nothing was sent
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aod_notebook.core.errors import AodNotebookError, CallFailure, FailureKind
from aod_notebook.core.redact import redact
from aod_notebook.core.retry import parse_retry_after
from aod_notebook.core.settings import is_loopback
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVER_ERROR = 500
_TOO_MANY = 429
_NOT_FOUND = 404


class AgentOSError(AodNotebookError):
    """Base of every error of the AgentOS client; it survives pickling.

    Fix: Catch it to handle every failure of the client; `code` tells them apart.

    Attributes:
        code: the service's error code, such as `CONFLICT`, or one of the client's own.
        status: the HTTP status; None when there was no answer.
        run_id: the run that the error is about, where one is known.
        request_id: the service's id of the failed request, if it gave one.
        details: the other fields of the error body, with secrets hidden.

    Example:
        >>> error = AgentOSError("Agent a1 not found", "NOT_FOUND", 404)
        >>> (error.code, error.status, str(error))
        ('NOT_FOUND', 404, 'Agent a1 not found')
    """

    def __init__(
        self,
        message: str,
        code: str = "INTERNAL_ERROR",
        status: int | None = None,
        *,
        run_id: str | None = None,
        request_id: str | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.run_id = run_id
        self.request_id = request_id
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild without the constructor: its arguments differ from class to class."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[AgentOSError], args: tuple[object, ...], state: Mapping[str, object]
) -> AgentOSError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class AgentOSAuthError(AgentOSError):
    """401: the key is invalid or revoked.

    Fix: Set `AGENTOS_API_KEY` to a valid key.
    """

    def __init__(
        self,
        message: str = "Invalid or revoked API key",
        status: int | None = 401,
        **fields: Any,
    ) -> None:
        super().__init__(message, "UNAUTHENTICATED", status, **fields)


class AgentOSForbiddenError(AgentOSError):
    """403: the key is good, but not for this.

    Fix: Use a key of the agent that owns the row.
    """


class AgentOSNotFoundError(AgentOSError):
    """404: there is no such row, or no such method on this service.

    Fix: List the rows to find the right id, and check the base URL.
    """


class AgentOSConflictError(AgentOSError):
    """409: the row is in another state, such as a run that has already ended.

    Fix: Read the row again; start a new run if this one has ended.
    """


class AgentOSValidationError(AgentOSError):
    """The service refuses the body; or it cannot be sent, and nothing was.

    Fix: Correct the fields that the message names.
    """

    def __init__(self, message: str, status: int | None = 400, **fields: Any) -> None:
        super().__init__(message, "VALIDATION_ERROR", status, **fields)


class AgentOSRateLimitError(AgentOSError):
    """429: too many requests.

    Fix: Wait for `retry_after` seconds, then try again.

    Attributes:
        retry_after: seconds that the service asked to wait; None if it gave no time.
    """

    def __init__(
        self,
        message: str = "Rate limit exceeded",
        retry_after: float | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message, "RATE_LIMITED", _TOO_MANY, **fields)
        self.retry_after = retry_after


class AgentOSTransientError(AgentOSError):
    """The service failed (5xx), did not answer in time, or cannot be reached.

    Fix: Try again later; what was reported is on disk and will be sent.

    Attributes:
        retry_after: seconds that the service asked to wait; None if it gave no time.
    """

    def __init__(
        self,
        message: str,
        code: str = "UNAVAILABLE",
        status: int | None = None,
        *,
        retry_after: float | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message, code, status, **fields)
        self.retry_after = retry_after


class AgentOSTimeoutError(AgentOSError):
    """A question to a person that was not answered before its deadline.

    Fix: Ask again, with a larger `timeout_seconds`.
    """

    def __init__(
        self, message: str = "Human input not received within timeout", **fields: Any
    ) -> None:
        super().__init__(message, "TIMEOUT", 408, **fields)


class AgentOSDecodeError(AgentOSError):
    """A 2xx answer that is not what the API promises, such as a login page.

    Fix: Check that the base URL is the API's own; a proxy or a login page may have answered.
    """


class AgentOSRunError(AgentOSError):
    """A hosted run failed while its stream was open; `run_id` says which.

    Fix: Read the run's events; its error is the last of them.
    """


class AgentOSStreamInterrupted(AgentOSError):  # noqa: N818 - named like its sibling in aod
    """The stream of a hosted run ended before its last event; the run may still continue.

    Fix: Read the run by `run_id` to see how it went on.

    Attributes:
        text: what had been received of the agent's text.
    """

    def __init__(self, message: str, *, text: str = "", **fields: Any) -> None:
        super().__init__(message, "STREAM_INTERRUPTED", **fields)
        self.text = text


class AgentOSArgumentError(AgentOSError, TypeError):
    """A method was called with arguments that it does not take; nothing was sent.

    Fix: Use the arguments that the message lists.
    """


class AgentOSConfigError(AgentOSError, ValueError):
    """A missing key or agent id, or an invalid argument; nothing was sent.

    Fix: Correct the argument that the message names, or set `AGENTOS_API_KEY`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, "CONFIG_ERROR")


def error_from(failure: CallFailure) -> AgentOSError:
    """Make the exception for a failed call; no secret of the call gets into it."""
    where = f"{failure.method} {failure.url}"
    reason = redact(failure.reason, failure.secrets)
    match failure.kind:
        case FailureKind.STATUS:
            return _answered(failure)
        case FailureKind.UNREACHABLE:
            message = f"{where}: cannot reach the service ({reason}). {_reach(failure)}"
            return AgentOSTransientError(message, "NETWORK_ERROR")
        case FailureKind.TIMEOUT:
            message = f"{where}: no answer in time ({reason}). The call may have succeeded"
            return AgentOSTransientError(message, "REQUEST_TIMEOUT")
        case FailureKind.CLOSED:
            return AgentOSConfigError(f"{where}: this client is closed. Make a new AgentOS()")
        case FailureKind.UNREADABLE:
            message = (
                f"{failure.status or 'Answer'} from {where}: {reason}."
                " Check AGENTOS_BASE_URL or base_url=: is this an AgentOS service?"
            )
            code = "NOT_THE_SERVICE" if "html" in reason.lower() else "INVALID_ANSWER"
            return AgentOSDecodeError(message, code, failure.status)
        case _:
            message = (
                f"{where}: the connection broke ({reason})."
                " The call may have succeeded: check before repeating it"
            )
            return AgentOSTransientError(message, "NETWORK_ERROR")


def read_error(body: Any) -> tuple[str | None, str | None, Any]:
    """Read code, message and the rest of an error envelope, whatever shape it has."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return None, error, None
    if not isinstance(error, dict):
        text = body.get("message") if isinstance(body, dict) else None
        return None, text if isinstance(text, str) else None, body
    code, message = error.get("code"), error.get("message")
    rest = {name: value for name, value in error.items() if name not in ("code", "message")}
    return (
        code if isinstance(code, str) else None,
        message if isinstance(message, str) else None,
        rest or None,
    )


def is_failure(error: BaseException | None) -> bool:
    """Check whether leaving a block with `error` is a failure of what it does.

    `sys.exit(0)` and a generator that is closed early are not.

    Example:
        >>> is_failure(SystemExit(0)), is_failure(SystemExit(3)), is_failure(None)
        (False, True, False)
    """
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return error is not None and not isinstance(error, GeneratorExit)


def is_refused_body(answer: Any) -> bool:
    """Check whether an error answer, of any status, refuses the body, as it would the next time."""
    return read_error(answer)[0] == "VALIDATION_ERROR"


def _answered(failure: CallFailure) -> AgentOSError:
    status = failure.status or 0
    body = redact(failure.body, failure.secrets)
    code, explanation, details = read_error(body)
    text = one_line(explanation or failure.reason or "no explanation")
    advice = _advice(status, code)
    message = f"{status} from {failure.method} {failure.url}: {text}" + (
        f". {advice}" if advice else ""
    )
    fields: dict[str, Any] = {
        "request_id": _request_id(failure, body),
        "details": details,
    }
    after = parse_retry_after(failure.headers.get("retry-after"))
    if status == _TOO_MANY or code == "RATE_LIMITED":
        return AgentOSRateLimitError(message, after, **fields)
    if code == "VALIDATION_ERROR":
        return AgentOSValidationError(message, status, **fields)
    if status >= _SERVER_ERROR:
        return AgentOSTransientError(
            message, code or "INTERNAL_ERROR", status, retry_after=after, **fields
        )
    if status == 401 or code == "UNAUTHENTICATED":  # noqa: PLR2004 - unauthorised
        return AgentOSAuthError(message, status, **fields)
    kind = _BY_STATUS.get(status, AgentOSError)
    return kind(message, code or f"HTTP_{status}", status, **fields)


_BY_STATUS: dict[int, type[AgentOSError]] = {
    403: AgentOSForbiddenError,
    404: AgentOSNotFoundError,
    409: AgentOSConflictError,
}


def _request_id(failure: CallFailure, body: Any) -> str | None:
    found = failure.headers.get("x-request-id")
    if found is None and isinstance(body, dict):
        error = body.get("error")
        for place in (error, body):
            if isinstance(place, dict) and isinstance(place.get("request_id"), str):
                return str(place["request_id"])
    return found


def _advice(status: int, code: str | None) -> str:
    if code == "NOT_AVAILABLE_LOCALLY":
        return ""
    if status == _NOT_FOUND and code is None:  # an answer of something else than AgentOS
        return "No AgentOS API is there: check the path of AGENTOS_BASE_URL or base_url="
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return "Redirects are not followed: set AGENTOS_BASE_URL or base_url= to the right address"
    if status >= _SERVER_ERROR:
        return "Try again later"
    return _ADVICE.get(status, "")


_ADVICE = {
    401: "Check AGENTOS_API_KEY or api_key=",
    403: "Use a key that may do this: a workspace key for the control plane and for other agents",
    404: "Check the id, and AGENTOS_BASE_URL or base_url=",
    429: "Wait and try again",
}


def _reach(failure: CallFailure) -> str:
    port = urlsplit(failure.url).port
    if is_loopback(failure.url) and port:
        embedded = f"the embedded one: `aod-notebook serve --port {port}`"
        return f"Start the service there ({embedded}), or check AGENTOS_BASE_URL or base_url="
    return "Check AGENTOS_BASE_URL or base_url=, and the network"


def describe(value: Any) -> str:
    """Show a value of an unexpected answer, cut and with secrets hidden."""
    try:
        text = json.dumps(redact(value), default=str)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return one_line(text, limit=120)
