"""Why the service refuses something. `http.py` says how each half answers it.

ServiceError
├── MissingError                does not exist, or belongs to another owner
│   └── HostedOnlyError         a method that only the hosted AgentOS has
├── WrongStateError             the object's state does not allow it
├── InvalidError                a field has an invalid value
│   └── UnknownRuntimeError
├── MalformedError              the request can't be read at all
├── TooLargeError               more bytes or parts than the service takes
├── MethodNotAllowedError
├── UnauthenticatedError        no token, or an invalid one
├── ForbiddenError              a valid key without this permission
├── SessionLimitError           too many active sessions
├── UnavailableError            sessions can't be run at the moment
├── RunTimeoutError             no result or no answer in time
├── AgentFailedError
├── RuntimeNotInstalledError
└── UnexpectedError             a defect
"""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """A request that is refused.

    Attributes:
        detail: what the answer says: a text, or a list of the fields that are not valid.
    """

    def __init__(self, detail: str | list[Any]) -> None:
        super().__init__(detail)
        self.detail = detail


class MissingError(ServiceError):
    """The object does not exist, or belongs to another owner."""


class HostedOnlyError(MissingError):
    """Only the hosted AgentOS has this method."""


class WrongStateError(ServiceError):
    """The state of the object does not allow the request."""


class InvalidError(ServiceError):
    """A field has a value that is not valid."""


class UnknownRuntimeError(InvalidError):
    """No runtime has that name."""


class MalformedError(ServiceError):
    """The request can't be read."""


class TooLargeError(ServiceError):
    """The body has more bytes, or more objects and lists, than the service takes."""


class MethodNotAllowedError(ServiceError):
    """The path does not take this method."""


class UnauthenticatedError(ServiceError):
    """No token was sent, or one that is not valid."""


class ForbiddenError(ServiceError):
    """The key is valid, and not for this."""


class SessionLimitError(ServiceError):
    """The limit of active sessions is reached.

    Attributes:
        limit: how many are allowed.
        active: how many are active.
    """

    def __init__(self, detail: str, *, limit: int, active: int) -> None:
        super().__init__(detail)
        self.limit = limit
        self.active = active


class UnavailableError(ServiceError):
    """Sessions can't be run at the moment."""


class RunTimeoutError(ServiceError):
    """A run had no result, or a question no answer, in time."""


class AgentFailedError(ServiceError):
    """A run failed."""


class RuntimeNotInstalledError(ServiceError):
    """The agent's CLI is not installed."""


class UnexpectedError(ServiceError):
    """An unexpected error; the log has the traceback."""
