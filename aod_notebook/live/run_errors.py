"""Errors about runs, each one line with the next step."""

from __future__ import annotations

from aod_notebook.core.errors import AodNotebookError

__all__ = [
    "NestedRunError",
    "NoLastRunError",
    "RunFailedError",
    "RunNotFollowedError",
    "RunStoppedError",
    "RunUnknownError",
]


class RunFailedError(AodNotebookError):
    """A run failed or was cancelled; `run_id` says which.

    Args:
        message: the line to show.
        run_id: the run's id.
    """

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class RunStoppedError(AodNotebookError):
    """A cell was interrupted; the message says what became of the run."""


class RunNotFollowedError(AodNotebookError):
    """A run was being followed and is not any more; it may go on by itself.

    Args:
        run_id: the run's id; None if it was not known yet.
    """

    def __init__(self, run_id: str | None) -> None:
        again = f"%agentos watch {run_id} takes it up again" if run_id else "%agentos runs lists it"
        super().__init__(
            f"Run {run_id or ''} is not followed any more; {again}.".replace("  ", " ")
        )
        self.run_id = run_id


class RunUnknownError(AodNotebookError):
    """A run was reported, but the service has not been told of it yet."""


class NoLastRunError(AodNotebookError):
    """`last` was named, but no run was followed on this service yet."""


class NestedRunError(AodNotebookError):
    """A run was to begin within the run of a cell."""
