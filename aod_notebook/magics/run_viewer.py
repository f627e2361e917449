"""The live view of a run, whose static transcript tells what its tools were called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.viewers.static import Transcript
from aod_notebook.viewers.stream import StreamViewer

if TYPE_CHECKING:
    from aod_notebook.live import LiveRun

__all__ = ["RunViewer"]


class RunViewer(StreamViewer):
    """Shows a run as it goes; what stays is made of the events as they are known in the end.

    Args:
        run: the run.
        start: how many of its events to pass over.
        settings: further arguments of `StreamViewer`.
    """

    def __init__(self, run: LiveRun, start: int = 0, **settings: Any) -> None:
        self._run, self._start = run, start
        super().__init__(run, start=start, **settings)

    def freeze(self) -> None:
        """Put the static transcript in the place of the live view; once, from any thread."""
        self.feed.end()  # from now on nothing is added to its transcript
        whole = Transcript.of(self._run)
        whole.add(event for event, _ in self._run.received(self._start))
        whole.finish()
        self.feed.transcript = whole
        super().freeze()
