"""The root of every error a user sees, with its message on one clean line."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from aod_notebook.core.redact import redact
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOO_MANY = 429


class AodNotebookError(Exception):
    """Root of every error of this package.

    `str(error)` is one line: what happened, to which id, what to do next. A notebook
    cell shows that line only; `%debug` still reaches the frames underneath.

    Fix: Do what the end of the message says.

    Example:
        >>> try:
        ...     raise AodNotebookError("nothing is connected: run %aod connect")
        ... except AodNotebookError as error:
        ...     print(error._render_traceback_())
        ['AodNotebookError: nothing is connected: run %aod connect']
    """

    def __str__(self) -> str:
        """Return the message with everything that looks like a token hidden."""
        return str(redact(super().__str__()))

    def _render_traceback_(self) -> list[str]:
        """Return the one line that a cell shows instead of a traceback."""
        return [f"{type(self).__name__}: {one_line(str(self), limit=2000)}"]


class FailureKind(Enum):
    """The ways in which a call can fail."""

    STATUS = "status"  # the service answered, with a status other than 2xx
    UNREACHABLE = "unreachable"  # no connection: the service has not seen the request
    TIMEOUT = "timeout"  # connected, but no answer in time
    BROKEN = "broken"  # the connection broke before the whole answer was here
    UNREADABLE = "unreadable"  # an answer that is not what was asked for
    CLOSED = "closed"  # this side's client was closed before the call


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """A failed call, independent of the HTTP library.

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
        """Whether the service may have executed the call in spite of the failure."""
        return self.kind is not FailureKind.UNREACHABLE and self.status != _TOO_MANY
