"""The root of every error a user sees, and what keeps its message to one clean line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["AodNotebookError", "Failure", "FailureKind", "redact", "secrets_in"]

HIDDEN = "[hidden]"

# Keys of request bodies whose values are secret, on either service.
_SECRET_KEYS = frozenset(
    {"api_key", "authorization_token", "env", "env_vars", "headers", "secret_env_vars", "token"}
)
_TOO_MANY = 429
_SHORTEST_SECRET = 4  # hiding every "1" or "on" of an environment would hide the message

_TOKENS = re.compile(
    r"(?i:bearer)\s+\S+"
    r"|\baod_(?!notebook(?:\b|_))[A-Za-z0-9_\-]{8,}"  # but for our own names
    r"|\baos_(?:agent|ws|user)_[A-Za-z0-9_\-]+"
    r"|\b(?:sk|pk)-[A-Za-z0-9_\-]{12,}"
    r"|\bgh[a-z]_[A-Za-z0-9]{12,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{12,}"
    r"|(?<=://)[^/\s@]+(?=@)"
)


class AodNotebookError(Exception):
    """Root of every error of this package.

    `str(error)` is one line: what happened, to which id, what to do next. A notebook
    cell shows that line only; `%debug` still reaches the frames underneath.

    Example:
        >>> try:
        ...     raise AodNotebookError("nothing is connected: run %aod connect")
        ... except AodNotebookError as error:
        ...     print(error._render_traceback_())
        ['AodNotebookError: nothing is connected: run %aod connect']
    """

    def __str__(self) -> str:
        """Give the message with whatever looks like a token hidden."""
        return str(redact(super().__str__()))

    def _render_traceback_(self) -> list[str]:
        """Give IPython the one line that a cell shows instead of a traceback."""
        return [f"{type(self).__name__}: {one_line(str(self), limit=2000)}"]


class FailureKind(Enum):
    """The ways in which a call can come to nothing."""

    STATUS = "status"  # the service answered, with a status other than 2xx
    UNREACHABLE = "unreachable"  # no connection: the service has not seen the request
    TIMEOUT = "timeout"  # connected, but no answer in time
    BROKEN = "broken"  # the connection broke before the whole answer was here
    UNREADABLE = "unreadable"  # an answer that is not what was asked for
    CLOSED = "closed"  # this side's client was closed before the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What came of a call that failed, free of any HTTP library.

    A service turns one into an exception of its own tree. `reason` is short text for
    people; `body` is the decoded answer (JSON value or text) of a STATUS or UNREADABLE.
    """

    kind: FailureKind
    method: str
    url: str
    reason: str = ""
    status: int | None = None
    body: Any = field(default=None, repr=False)  # may echo the request
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_final: bool = False  # the answer says that it would be the same next time
    idempotency_key: str | None = None
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def may_be_done(self) -> bool:
        """Whether the service may have done, all the same, what it was asked for."""
        return self.kind is not FailureKind.UNREACHABLE and self.status != _TOO_MANY


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return `value` with the given secrets, and whatever looks like a token, hidden.

    Strings inside lists and dicts are treated too; the value's type stays. What is nested too
    deeply to be looked through is hidden whole.

    Example:
        >>> redact({"msg": "Bearer abc is bad"}, secrets=["bad"])
        {'msg': '[hidden] is [hidden]'}
    """
    try:
        return _redact(value, sorted(secrets, key=len, reverse=True))
    except RecursionError:
        return HIDDEN


def _redact(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return _TOKENS.sub(HIDDEN, value)
    if isinstance(value, dict):
        return {_redact(key, secrets): _redact(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, secrets) for item in value]
    return value


def secrets_in(body: Any) -> list[str]:
    """List the secret values of a request body, to be hidden from what is said of it.

    Example:
        >>> secrets_in({"name": "x", "env_vars": {"KEY": "hunter22"}})
        ['hunter22']
    """
    if isinstance(body, dict):
        found = []
        for key, value in body.items():
            found += _texts(value) if key in _SECRET_KEYS else secrets_in(value)
        return found
    if isinstance(body, list):
        return [secret for item in body for secret in secrets_in(item)]
    return []


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if len(value) >= _SHORTEST_SECRET else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _texts(item)]
