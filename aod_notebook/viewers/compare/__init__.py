"""Two sessions side by side, as HTML and as text."""

from aod_notebook.viewers.compare.view import Comparison, compare

__all__ = ["Comparison", "compare"]
