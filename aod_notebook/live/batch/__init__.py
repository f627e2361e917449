"""Batches: a session for each row of a table, and limits on what sessions may spend."""

from aod_notebook.live.batch.guards import LimitError, LimitReachedError
from aod_notebook.live.batch.journal import BatchBusyError
from aod_notebook.live.batch.plan import BatchError
from aod_notebook.live.batch.run import Batch, BatchStoppedError, Progress
from aod_notebook.live.batch.scores import Expected, Regex, ScoreWarning, Shell
from aod_notebook.live.batch.start import batch

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
