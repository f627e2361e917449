"""Two sessions side by side: their aligned steps, their totals, their edits by file."""

from aod_notebook.frames.compare.tables import (
    Compared,
    Pair,
    compare_df,
    compare_edits,
    compare_totals,
    compared,
    state_of,
)

__all__ = [
    "Compared",
    "Pair",
    "compare_df",
    "compare_edits",
    "compare_totals",
    "compared",
    "state_of",
]
