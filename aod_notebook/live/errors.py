"""Errors about followed sessions, each one line with the next step."""

from __future__ import annotations

from uuid import UUID

from aod_notebook.core.errors import AodNotebookError

__all__ = [
    "NoLastSessionError",
    "NotAnIdError",
    "NotFollowedError",
    "ServiceGoneWarning",
    "SessionFailedError",
    "SessionStoppedError",
    "WaitTimeoutError",
    "WrongVariableError",
    "reference_of",
]


class SessionFailedError(AodNotebookError):
    """A session ended without success; `session_id` and `exit_code` say which and how.

    Args:
        message: the line to show.
        session_id: the session's id.
        exit_code: what its program exited with; None if it never ran or was killed.
    """

    def __init__(self, message: str, session_id: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.session_id = session_id
        self.exit_code = exit_code


class SessionStoppedError(AodNotebookError):
    """A cell was interrupted; the message says what became of the session."""


class NotAnIdError(AodNotebookError, TypeError):
    """What was given as an id is not text."""


class NotFollowedError(AodNotebookError):
    """A session was being followed and is not any more; it may go on by itself.

    Args:
        session_id: the session's id.
    """

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id} is not followed any more; "
            f"%aod attach {session_id} takes it up again."
        )
        self.session_id = session_id


class NoLastSessionError(AodNotebookError):
    """`last` was named, but no session was followed on this service yet."""


class WrongVariableError(AodNotebookError):
    """A variable that was to hold a session or a run holds something else."""


class WaitTimeoutError(AodNotebookError, TimeoutError):
    """A session did not end within the time that the caller would wait; it goes on."""


class ServiceGoneWarning(UserWarning):
    """A session's service can't be reached; what is shown is what was received before."""


def reference_of(given: object, function: str, noun: str) -> str:
    """Return an id as text.

    Args:
        given: text, a UUID, or something else by mistake.
        function: what it was given to.
        noun: what the id is of.

    Raises:
        NotAnIdError: it is neither text nor a UUID.
    """
    if isinstance(given, (str, UUID)):
        return str(given)
    raise NotAnIdError(
        f"{function}() takes the id of a {noun} as text, not {type(given).__name__}: "
        f"{function}({noun}.id)."
    )
