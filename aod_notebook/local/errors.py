"""What the two halves of the service refuse: raised where it is found out, answered in `http.py`."""

from __future__ import annotations

from typing import Any

_STATUS = {
    "VALIDATION_ERROR": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "NOT_AVAILABLE_LOCALLY": 404,
    "METHOD_NOT_ALLOWED": 405,
    "TIMEOUT": 408,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "RUN_FAILED": 422,
    "RUNTIME_NOT_INSTALLED": 422,
    "INTERNAL_ERROR": 500,
}


class AodRefusal(Exception):  # noqa: N818 - a refusal is an answer, not a failure of the service
    """An answer of the AoD half other than 2xx.

    The body is `{"detail": …}`, with `limit` and `active` for a 429.
    """

    def __init__(self, status: int, detail: str | list[Any], **extra: int) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"detail": detail, **extra}


class AgentOSRefusal(Exception):  # noqa: N818 - as above
    """An answer of the AgentOS half other than 2xx; the status follows from the code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = _STATUS[code]
