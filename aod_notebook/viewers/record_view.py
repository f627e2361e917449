"""`RecordView`: what the trace and the board have in common in a notebook."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from traitlets import Dict

from aod_notebook.core.text import clean
from aod_notebook.viewers.flusher import flusher
from aod_notebook.viewers.records import RecordFeed
from aod_notebook.viewers.widget import PageWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.display import DisplayHandle

FACTS_S, KNOWN_S = 0.25, 1.0
FIRST_REFRESH_S, LAST_REFRESH_S = 2.0, 60.0
"""The HTML that is kept below a view is brought up to date after so long, twice that, …"""
SHOWN_S = 1.0
"""A view that is shown gets its HTML so much later: the page reads and checks all of it."""
MOST_CHILDREN = 3
"""So many views that were opened below stay answerable."""


class RecordView(PageWidget):
    """A view of records that change in place; in the output stays what needs no kernel.

    A subclass fills `feed` in `_read`, and says what its header shows and what its static form
    is. What a button of the page does is a method of `_actions`, called in a thread of its own.
    """

    facts = Dict().tag(sync=True)

    def __init__(self, metadata: Callable[[], dict[str, Any]] = dict) -> None:
        self.feed = RecordFeed()
        self.heard = threading.Event()
        self._metadata = metadata
        self._key = uuid.uuid4().hex[:12]
        self._handle: DisplayHandle | None = None
        self._listening: list[Callable[[], None]] = []
        self._children: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.RLock()  # guards the fields below
        self._pages: set[str] = set()
        self._taken: set[tuple[str, int]] = set()
        self._covers_html = False  # whether the output is HTML, over which a page puts the view
        self._facts_at = 0.0
        self._refresh_at: float | None = None
        self._refresh_after = FIRST_REFRESH_S
        self._version_kept = -1
        self._is_over = False
        self._version = 0
        self._known: tuple[int, float, dict[str, Any]] = (-1, 0.0, {})
        super().__init__(facts={"key": self._key})
        self.on_msg(self._receive)
        # For both lines below see `StreamViewer`: a page's messages go where it addressed them,
        # and none of them ends a figure that the running cell is drawing.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None  # noqa: SLF001 - there is no public switch
        self.comm.handle_msg = self._handle_msg

    # -- what a subclass says -------------------------------------------------------------------

    def _read(self, now: float) -> bool:
        """Put what has changed into `feed`; return whether anything had."""
        raise NotImplementedError

    def _facts(self) -> dict[str, Any]:
        """Return what the header shows, of JSON's types only."""
        raise NotImplementedError

    def static_bundle(self) -> dict[str, str]:
        """Return the view as static HTML and as plain text."""
        raise NotImplementedError

    def _actions(self) -> Mapping[str, Callable[[str, Mapping[str, Any]], object]]:
        """Return what the page can ask for: by name, a function of the page and its message."""
        raise NotImplementedError

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

    def close(self) -> None:
        """Stop sending and take the view from the page."""
        if not hasattr(self, "_children"):  # it was never made whole
            return
        while self._listening:
            self._listening.pop()()
        flusher.drop(self)
        for child in self._children.values():
            child.close()
        super().close()

    def note(self, text: str, *, is_error: bool = False) -> None:
        """Show a line of text at the foot of the view; an empty one takes it away."""
        self.feed.reply(type="note", text=clean(text), isError=is_error)
        self.wake()

    def _bundle(self) -> dict[str, Any]:
        """Return the static form, and the view where the front end can show it."""
        static = self.static_bundle()
        self._version_kept = self._version
        html = f'<div class="aod-live-{self._key}">{static["text/html"]}</div>'
        view = {} if self._covers_html else self._repr_mimebundle_()[0]
        return {**view, **static, "text/html": html}

    def _refresh(self) -> None:
        if self._handle is not None:
            metadata = self._known_to_page(self._metadata())
            self._handle.update(self._bundle(), raw=True, metadata=metadata)  # type: ignore[no-untyped-call]

    # -- on the flusher's thread ------------------------------------------------------------------

    def step(self, now: float) -> bool:
        """Send one message if there is one to send (`flusher.Channel`)."""
        if self._read(now):
            self._version += 1
        if self.feed.is_final and not self._is_over:  # what is kept of it is complete from now on
            self._is_over, self._refresh_at = True, now
        if self._send_facts(now) or self._refresh_if_due(now):
            return True
        message = self.feed.next_message(now)
        if message is None:
            return False
        self.send(message.content, message.buffers or None)
        return True

    def is_quiet(self) -> bool:
        """Whether nothing more will be sent until something happens (`flusher.Channel`)."""
        return self.feed.is_quiet() and self._refresh_at is None and self.facts == self._all_facts()

    def _send_facts(self, now: float) -> bool:
        if now - self._facts_at < FACTS_S:
            return False
        self._facts_at = now
        facts = self._all_facts()
        if facts == self.facts:
            return False
        self.facts = facts
        return True

    def _all_facts(self) -> dict[str, Any]:
        """Return the facts; with nothing new they are made once a second, for they cost."""
        now = time.monotonic()
        version, at, known = self._known
        if version != self._version or now - at > KNOWN_S:
            known = {**self._facts(), "key": self._key, "can": sorted(self._actions())}
            self._known = self._version, now, known
        return known

    def _refresh_if_due(self, now: float) -> bool:
        """Bring the output up to date for the case that the kernel dies; more and more rarely."""
        if self._refresh_at is None or now < self._refresh_at:
            return False
        self._refresh_at = None
        if not self.feed.is_final:
            self._refresh_at = now + self._refresh_after
            self._refresh_after = min(2 * self._refresh_after, LAST_REFRESH_S)
        if self._version_kept == self._version:
            return False
        self._refresh()
        return True

    def wake(self) -> None:
        """Look soon for what has changed; cheap, from any thread."""
        flusher.wake(self)

    # -- from the page ----------------------------------------------------------------------------

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
                self._refresh_at = time.monotonic() + SHOWN_S
            case "gone":
                with self._lock:
                    self._pages.discard(page)
                    self.feed.is_watched = bool(self._pages)
            case str() as name if name in self._actions() and self._is_new(page, content):
                self._act(name, page, content)
        self.wake()

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

    def _act(self, name: str, page: str, content: Mapping[str, Any]) -> None:
        """Do what the page asks for; in a thread, for it may ask a service."""

        def run() -> None:
            try:
                self._actions()[name](page, content)
            except Exception as error:  # noqa: BLE001 - whatever it is, the page shows it
                self.note(str(error), is_error=True)
            with contextlib.suppress(Exception):
                self.wake()

        threading.Thread(target=run, name=f"aod-notebook {name}", daemon=True).start()

    def _open(self, page: str, key: str, make: Callable[[], Any]) -> Any:
        """Let the page show another view below; return that view, which is made once per key."""
        with self._lock:
            child = self._children.pop(key, None)
        if child is None:
            child = make()
        with self._lock:
            self._children[key] = child
            old = (
                self._children.popitem(last=False)[1]
                if len(self._children) > MOST_CHILDREN
                else None
            )
        if old is not None:
            old.close()
        self.feed.reply(type="opened", page=page, key=key, model=child.model_id)
        return child
