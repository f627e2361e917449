"""The progress of a batch: a board in a page, one line in other cells and on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from aod_notebook.core import words
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from aod_notebook.live.batch.run import Batch
    from aod_notebook.viewers.board import Board

PERIOD_S = 0.5


def line(batch: Batch) -> str:
    """Return the progress of a batch as one line of text."""
    now = batch.progress
    parts = [f"batch {batch.id}", f"{now.ended:,} of {now.total:,} ended"]
    if now.running:
        parts.append(f"{now.running} running")
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    if now.cost_usd is not None:
        parts.append(words.dollars(now.cost_usd))
    if now.eta_s is not None and now.ended < now.total:
        parts.append(f"about {words.duration(now.eta_s)} left")
    if now.waits and not now.running:
        parts.append(f"waits: {one_line(now.waits, 100)}")
    if batch.guard.used_up:
        parts.append(batch.guard.used_up)
    return " · ".join(parts)


def shown() -> Callable[[Batch], None] | None:
    """Return the display of a batch in the running cell or on a terminal; None elsewhere."""
    if _is_page():
        return _BoardDisplay()
    cell = _in_cell()
    if cell is not None:
        return _LineDisplay(cell)
    return _LineDisplay(_on_terminal) if sys.stderr.isatty() else None


class _BoardDisplay:
    """Shows a batch as a board, which updates itself."""

    def __init__(self) -> None:
        self._board: Board | None = None

    def __call__(self, batch: Batch) -> None:
        from aod_notebook.viewers.board import Board

        if self._board is None:
            self._board = Board(batch, stop=batch.stop)
            self._board.show()
        self._board.wake()


class _LineDisplay:
    """Shows the line when it has changed, a few times a second at most."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._last, self._at = write, "", 0.0

    def __call__(self, batch: Batch) -> None:
        text = line(batch)
        is_end = batch.progress.ended == batch.progress.total
        is_due = is_end or time.monotonic() - self._at >= PERIOD_S
        if text != self._last and is_due:
            self._write(text)
            self._last, self._at = text, time.monotonic()


def _shell() -> Any:
    """Return the shell of a kernel; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _is_page() -> bool:
    """Check whether a notebook's page sent the running cell: pages name it, other clients do not."""
    shell = _shell()
    return shell is not None and "cellId" in shell.kernel.get_parent("shell").get("metadata", {})


def _in_cell() -> Callable[[str], None] | None:
    """Return what writes a line into the running cell, in place of the one before."""
    if _shell() is None:
        return None
    from IPython.display import display

    handle: Any = None

    def write(text: str) -> None:
        nonlocal handle
        if handle is None:
            handle = display({"text/plain": text}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            handle.update({"text/plain": text}, raw=True)

    return write


def _on_terminal(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
