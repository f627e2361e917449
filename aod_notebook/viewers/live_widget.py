"""`LiveWidget`: what the viewer, the trace and the board have in common in a notebook."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from traitlets import Dict

from aod_notebook.core.text import clean
from aod_notebook.viewers.flusher import flusher
from aod_notebook.viewers.widget import PageWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.display import DisplayHandle

    from aod_notebook.viewers.feed import Feed

FIRST_REFRESH_S, LAST_REFRESH_S = 2.0, 60.0
"""The HTML that is kept below a widget is updated after so long, then after twice that, …"""


class LiveWidget(PageWidget):
    """A widget that follows what changes, with static HTML below it for when the kernel is gone.

    A subclass sets `feed`, then calls `__init__`. It defines what the page's header shows, what
    its static form is and what the page can ask for.

    Args:
        metadata: returns what is kept in the output's metadata, each time that it is shown.

    Attributes:
        heard: set when a page has spoken.
    """

    feed: Feed
    facts = Dict().tag(sync=True)
    _shown_s = 0.0  # how long after a page has put the widget over its HTML that is updated

    def __init__(self, metadata: Callable[[], dict[str, Any]] = dict) -> None:
        self.heard = threading.Event()
        self._metadata = metadata
        self._key = uuid.uuid4().hex[:12]
        self._handle: DisplayHandle | None = None
        self._listening: list[Callable[[], None]] = []
        self._lock = threading.RLock()  # guards the pages and what they asked for
        self._pages: set[str] = set()
        self._taken: set[tuple[str, int]] = set()  # what pages asked for, by its number there
        self._covers_html = False  # whether the output is HTML, over which a page puts the widget
        self._version_kept = -1
        self._refresh_at: float | None = None
        self._refresh_after = FIRST_REFRESH_S
        super().__init__(facts=self._first_facts())
        self.on_msg(self._receive)
        # ipykernel 7.4 sends a page's messages to the thread that last sent to it: here the one
        # that the cell blocks. Without this they go where the page addressed them, to its subshell.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None  # noqa: SLF001 - there is no public switch
        # A comm has the shell believe that a cell ran at each message, and the shell then shows
        # and closes the figures that there are: with a page's message in a subshell's thread, the
        # figure that the running cell is just drawing.
        self.comm.handle_msg = self._handle_msg

    # -- what a subclass defines ----------------------------------------------------------------

    def static_bundle(self) -> dict[str, str]:
        """Return the view as static HTML and as plain text."""
        raise NotImplementedError

    @property
    def _version(self) -> int:
        """A number that differs once the static form does."""
        raise NotImplementedError

    def _send_facts(self, now: float) -> bool:
        """Send what the header shows if that changed and is due."""
        raise NotImplementedError

    def _answer(self, name: str, page: str, content: Mapping[str, Any]) -> None:
        """Do what a page asks for by a message of its own."""
        raise NotImplementedError

    def _first_facts(self) -> dict[str, Any]:
        """Return the facts with which the widget opens."""
        return {"key": self._key}

    def _static_below(self) -> dict[str, str]:
        """Return the static form that is kept below the live widget."""
        return self.static_bundle()

    # -- in the notebook ------------------------------------------------------------------------

    def show(self) -> None:
        """Display the view in the running cell."""
        from IPython.display import display

        self._handle = display(  # type: ignore[no-untyped-call]
            self._bundle(),
            raw=True,
            metadata=self._known_to_page(self._metadata()),
            display_id=True,
        )
        self.wake()

    def _ipython_display_(self) -> None:
        self.show()

    def refresh(self) -> None:
        """Update the static HTML that is kept for the output."""
        if self._handle is not None:
            self._show_instead(self._bundle())

    def close(self) -> None:
        """Stop sending and take the view from the page."""
        self._stop_listening()
        flusher.drop(self)
        super().close()

    def note(self, text: str, *, is_error: bool = False) -> None:
        """Show a line of text at the foot of the view; an empty one removes it."""
        self.feed.reply(type="note", text=clean(text), isError=is_error)
        self.wake()

    def _bundle(self) -> dict[str, Any]:
        """Return the static form, and the widget where the front end can show it.

        A page that can puts its widget over the HTML. What is saved then is not a widget, which
        shows nothing once its kernel is gone.
        """
        self._version_kept = self._version
        static = self._static_below()
        html = f'<div class="aod-live-{self._key}">{static["text/html"]}</div>'
        view = {} if self._covers_html else self._repr_mimebundle_()[0]
        return {**view, **static, "text/html": html}

    def _show_instead(self, bundle: dict[str, Any]) -> None:
        """Replace what is displayed by `bundle`, if anything is displayed."""
        if self._handle is not None:
            metadata = self._known_to_page(self._metadata())
            self._handle.update(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]

    def _stop_listening(self) -> None:
        while self._listening:
            self._listening.pop()()

    # -- on the flusher's thread ----------------------------------------------------------------

    def step(self, now: float) -> bool:
        """Send one message if there is one to send (`flusher.FlushedWidget`)."""
        if self._send_facts(now) or self._refresh_if_due(now):
            return True
        message = self.feed.next_message(now)
        if message is None:
            return False
        self.send(message.content, message.buffers or None)
        return True

    def is_quiet(self) -> bool:
        """Whether nothing more will be sent until something happens (`flusher.FlushedWidget`)."""
        return self.feed.is_quiet()

    def wake(self) -> None:
        """Look soon for what has changed; cheap, from any thread."""
        flusher.wake(self)

    def _refresh_if_due(self, now: float) -> bool:
        """Update the output in case the kernel dies; more and more rarely."""
        if self._refresh_at is None or now < self._refresh_at:
            return False
        self._refresh_at = None
        if not self.feed.is_final:
            self._refresh_at = now + self._refresh_after
            self._refresh_after = min(2 * self._refresh_after, LAST_REFRESH_S)
        if self._version_kept == self._version:
            return False
        self.refresh()
        return True

    # -- from the page --------------------------------------------------------------------------

    def _receive(self, _: object, content: object, __: object) -> None:
        """Take a message of the page; it may come in any thread and hold anything."""
        if not isinstance(content, dict):
            return
        page = str(content.get("page"))
        match content.get("type"):
            case "hello":
                with self._lock:
                    self._pages.add(page)
                self.heard.set()
                self.feed.answer_hello(page)
            case "sync":
                self.feed.ask(content)
            case "shown":
                self._covers_html, self._version_kept = True, -1
                self._refresh_at = time.monotonic() + self._shown_s
            case "gone":
                self._leave(page)
                return
            case str() as name:
                self._answer(name, page, content)
        self.wake()

    def _leave(self, page: str) -> None:
        with self._lock:
            self._pages.discard(page)
            self.feed.is_watched = bool(self._pages)

    def _is_new(self, page: str, content: Mapping[str, Any]) -> bool:
        """Confirm what a page asks for until it is confirmed; check that it is new."""
        number = content.get("number")
        if not isinstance(number, int):
            return True
        with self._lock:
            is_new = (page, number) not in self._taken
            self._taken.add((page, number))
        self.feed.reply(type="took", page=page, number=number)
        return is_new

    def _in_thread(self, name: str, act: Callable[[], object]) -> None:
        """Do what a page asks for in a thread, for it may ask a service; show an error."""

        def run() -> None:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - whatever it is, the page shows it
                self.note(str(error), is_error=True)
            with contextlib.suppress(Exception):
                self.wake()

        threading.Thread(target=run, name=f"aod-notebook {name}", daemon=True).start()
