"""`PageWidget`: what all widgets have in common; the page's parts are sent once per page."""

from __future__ import annotations

import threading
from typing import Any

import anywidget
from ipywidgets import Layout

from aod_notebook.core.theme import report_page
from aod_notebook.core.unpicklable import Unpicklable
from aod_notebook.viewers.page import module, stub

UNHEARD_S = 1.0
"""A page that has not spoken for so long after a widget came may lack the parts, and be unable to
ask for them while a cell runs."""

_layouts: list[Layout] = []
_parts_are_there = threading.Event()  # a page of this kernel has spoken, so it has the parts


class PageWidget(Unpicklable, anywidget.AnyWidget):  # type: ignore[misc]  # anywidget is not typed for strict
    """A widget with a page side, one of `page/main.js`.

    The first widget brings the parts, as does each one until a page was heard of; later ones bring
    a few lines that find them. A page that was loaded since asks for the parts, and gets them
    without asking when it cannot ask because a cell runs.

    A subclass sets `_widget` to the name of its page side, and registers what it does with
    messages by `on_msg`.
    """

    _widget = ""

    def __init__(self, **traits: Any) -> None:
        self._is_heard = threading.Event()
        has_parts = _parts_are_there.is_set()
        self._esm = stub(self._widget) if has_parts else module() + stub(self._widget)
        super().__init__(layout=_common_layout(), **traits)
        self.on_msg(self._hear)
        if has_parts:
            timer = threading.Timer(UNHEARD_S, self._send_source_unasked)
            timer.daemon = True
            timer.start()

    def __del__(self) -> None:
        """Do nothing: it is closed already, or was never opened; an open widget is never collected.

        To close it again would take locks, and the collector runs in the midst of whatever code,
        also of code that holds them.
        """

    def _known_to_page(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Add to an output's metadata what a front end needs to show the widget (Colab: which manager)."""
        _, *needed = self._repr_mimebundle_()
        return {**(needed[0] if needed else {}), **metadata}

    def _hear(self, _: object, content: object, __: object) -> None:
        """Send the parts to a page that asks for them; any other message shows that it has them."""
        if isinstance(content, dict) and content.get("type") == "source":
            self._send_source()
            return
        self._is_heard.set()
        _parts_are_there.set()
        if isinstance(content, dict) and isinstance(content.get("dark"), bool):
            report_page(is_dark=content["dark"])

    def _send_source(self) -> None:
        self.send({"type": "source", "text": module()})

    def _send_source_unasked(self) -> None:
        if not self._is_heard.is_set() and self.comm is not None:
            self._send_source()


def _common_layout() -> Layout:
    """Return the layout of all widgets, which has no settings: each of its own costs 1.5 kB."""
    if not _layouts or _layouts[0].comm is None:  # everything was closed
        _layouts[:] = [Layout()]
    return _layouts[0]
