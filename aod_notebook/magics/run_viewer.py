"""The live view of a run, which rebuilds its static transcript at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.viewers.static import Transcript
from aod_notebook.viewers.stream import StreamViewer

if TYPE_CHECKING:
    from aod_notebook.live.handle import Handle


class RebuiltViewer(StreamViewer):
    """Shows a run live; its transcript is built from the final events.

    Args:
        followed: the run, which replaces events (`Handle.replaces_events`).
        start: how many of its events to pass over.
        settings: further arguments of `StreamViewer`.
    """

    def __init__(self, followed: Handle[Any, Any], start: int = 0, **settings: Any) -> None:
        self._followed, self._start = followed, start
        super().__init__(followed, start=start, **settings)

    def freeze(self) -> None:
        """Replace the live view by the static transcript; once, from any thread."""
        self.feed.end()  # from now on nothing is added to its transcript
        whole = Transcript.of(self._followed)
        whole.add(event for event, _ in self._followed.received(self._start))
        whole.finish()
        self.feed.transcript = whole
        super().freeze()
