"""Batches: a session for each row of a table, and limits on what sessions may spend."""

from typing import TYPE_CHECKING, Any

from aod_notebook.live.batch.call import batch

if TYPE_CHECKING:
    from aod_notebook.live.batch.guards import LimitError, LimitReachedError
    from aod_notebook.live.batch.journal import BatchBusyError
    from aod_notebook.live.batch.plan import BatchError
    from aod_notebook.live.batch.run import Batch, BatchStoppedError, Progress
    from aod_notebook.live.batch.scores import Expected, Regex, ScoreWarning, Shell

__all__ = [
    "Batch",
    "BatchBusyError",
    "BatchError",
    "BatchStoppedError",
    "Expected",
    "LimitError",
    "LimitReachedError",
    "Progress",
    "Regex",
    "ScoreWarning",
    "Shell",
    "batch",
]

_HOMES = {
    "Batch": "run",
    "BatchBusyError": "journal",
    "BatchError": "plan",
    "BatchStoppedError": "run",
    "Expected": "scores",
    "LimitError": "guards",
    "LimitReachedError": "guards",
    "Progress": "run",
    "Regex": "scores",
    "ScoreWarning": "scores",
    "Shell": "scores",
}


def __getattr__(name: str) -> Any:
    """Import what batches are made of when it is first used."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
