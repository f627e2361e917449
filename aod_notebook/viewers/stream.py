"""`StreamViewer`: the live view of a followed session or run in a notebook."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from traitlets import Dict

from aod_notebook.core.text import clean
from aod_notebook.viewers.feed import RowFeed
from aod_notebook.viewers.flusher import flusher
from aod_notebook.viewers.questions import Questions
from aod_notebook.viewers.row import Question
from aod_notebook.viewers.widget import PageWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.display import DisplayHandle

    from aod_notebook.viewers.protocols import Source

LIVE_ROWS = 200
"""So many rows are in the static HTML beside the live view; more when the session has ended."""
STILL_BYTES = 200_000
"""So much static HTML is sent to a page that still shows a view which was frozen."""
FIRST_REFRESH_S, LAST_REFRESH_S = 2.0, 60.0
"""The HTML that is kept below a live view is brought up to date after so long, twice that, …"""
KEPT_FROZEN = 8
"""So many frozen views stay answerable until their page was heard of."""

_frozen_lock = threading.Lock()  # guards _frozen
_frozen: OrderedDict[int, StreamViewer] = OrderedDict()


class StreamViewer(PageWidget):
    """Shows a followed session or run live, and leaves static HTML when it has ended.

    New rows go to the page at most 20 times a second, from one thread for all viewers. The rows
    here are the truth: they are numbered, and a page asks for what it lacks. Nothing depends on
    a page being there.

    Args:
        source: the session or run, such as a `live.LiveSession`.
        start: how many of its events to pass over (those of earlier turns).
        stop: called when the page's stop button is pressed; its answer is shown there.
        prompt: called with the page's next prompt; its answer is shown there.
        answer: called with the id and the text of an answer to a question of the run.
        decide: called with the id of an approval that the run waits for, and whether to approve.
        freeze: put static HTML in the place of the view when the session's turn has ended.
        is_held: the end of a turn is not the end: who made the viewer calls `freeze`.
        at: the row of the tables (`order`) at which the view opens; 0 for the last one.
        metadata: gives what is kept in the output's metadata, each time that it is shown.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="seq 1000", runtime="shell"))
        >>> StreamViewer(session, stop=session.stop).show()
    """

    _widget = "stream"

    facts = Dict().tag(sync=True)

    def __init__(
        self,
        source: Source,
        *,
        start: int = 0,
        stop: Callable[[], object] | None = None,
        prompt: Callable[[str], object] | None = None,
        answer: Callable[[str, str], object] | None = None,
        decide: Callable[[str, bool], object] | None = None,
        freeze: bool = True,
        is_held: bool = False,
        at: int = 0,
        metadata: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._source = source
        self.feed = RowFeed(source, start)
        self.feed.is_held = is_held
        # marimo shows a view without a word to it, and hears no page while a cell runs.
        self.feed.is_shown = _kernel() is None
        self.heard = threading.Event()
        self._listening: list[Callable[[], None]] = []
        self._actions: dict[str, Callable[..., object]] = {}
        if stop is not None:
            self._actions["stop"] = stop
        if prompt is not None:
            self._actions["prompt"] = prompt
        self._questions = Questions(answer, decide)
        self._key = uuid.uuid4().hex[:12]
        self._freezes = freeze
        self._metadata = metadata
        self._handle: DisplayHandle | None = None
        self._lock = threading.RLock()  # guards the fields below
        self._pages: set[str] = set()
        self._taken: set[tuple[str, int]] = set()  # what pages asked for, by its number there
        self._is_frozen = False
        self._order, self._row = at, -1  # where readers are sent, by the tables or by the row here
        self._visits = int(at > 0)  # how often
        self._covers_html = False  # whether the output is HTML, over which a page puts the view
        self._turns_shown = 0
        self._rows_kept = -1  # how many rows the output's HTML was made of
        self._refresh_at: float | None = None
        self._refresh_after = FIRST_REFRESH_S
        self.feed.read()
        super().__init__(facts=self._all_facts(self.feed.facts()))
        self.on_msg(self._receive)
        # ipykernel 7.4 sends a page's messages to the thread that last sent to it: here the one
        # that the cell blocks. Without this they go where the page addressed them, to its subshell.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None  # noqa: SLF001 - there is no public switch
        # A comm has the shell believe that a cell ran at each message, and the shell then shows
        # and closes the figures that there are: with a page's message in a subshell's thread, the
        # figure that the running cell is just drawing.
        self.comm.handle_msg = self._handle_msg
        self._listening.append(source.listen(self._wake))
        self._wake()

    # -- in the notebook ----------------------------------------------------------------------

    def show(self) -> None:
        """Display the live view in the running cell.

        A view that is not frozen in the end is HTML only where no page sent the cell, as under
        `nbconvert --execute`: what is saved there is what was sent last.
        """
        from IPython.display import display

        with self._lock:  # one that was frozen is shown as long as somebody looks
            self._freezes = self._freezes and not self._is_frozen
            self._is_frozen = False
            is_page = _is_page()
            self._covers_html = not self._freezes and not is_page
            self.feed.is_shown = is_page and not self._pages
            self._refresh_at = 0.0 if self._covers_html else None
        self._handle = display(  # type: ignore[no-untyped-call]
            self._bundle(),
            raw=True,
            metadata=self._known_to_page(self._metadata()),
            display_id=True,
        )

    def _ipython_display_(self) -> None:
        self.show()

    def go_to(self, order: int) -> None:
        """Bring a row of the tables, by its `order`, into sight in all pages."""
        with self._lock:
            self._order, self._row, self._visits = order, -1, self._visits + 1
        self._say_facts()

    def go_to_failure(self, tool: str) -> None:
        """Bring the first call of a tool that failed into sight in all pages."""
        row = self.feed.first_failure(tool)
        if row >= 0:
            with self._lock:
                self._row, self._visits = row, self._visits + 1
            self._say_facts()

    def refresh(self) -> None:
        """Update the static HTML that is kept for the output."""
        if not self._is_frozen:
            self._show_instead(self._bundle())

    def freeze(self) -> None:
        """Replace the live view by the static transcript; once, from any thread."""
        with self._lock:
            if self._is_frozen:
                return
            self._is_frozen = True
        self._stop_listening()
        self.feed.end()
        self._wake()
        self._show_instead(self.static_bundle())
        self._say_facts()
        with _frozen_lock:
            _frozen[id(self)] = self
            oldest = _frozen.popitem(last=False)[1] if len(_frozen) > KEPT_FROZEN else None
        if oldest is not None:
            oldest.close()

    def close(self) -> None:
        """Stop sending and take the view from the page."""
        self._stop_listening()
        flusher.drop(self)
        with _frozen_lock:
            _frozen.pop(id(self), None)
        super().close()

    def note(self, text: str, *, is_error: bool = False) -> None:
        """Show a line of text below the rows in the page; an empty one removes it."""
        self.feed.reply(type="note", text=clean(text), isError=is_error)
        self._wake()

    def static_bundle(self) -> dict[str, str]:
        """Return the transcript so far as static HTML and as plain text."""
        return {"text/html": self.feed.html(), "text/plain": self.feed.plain()}

    def _show_instead(self, bundle: dict[str, Any]) -> None:
        """Put `bundle` in the place of what is displayed, if something is."""
        if self._handle is not None:
            metadata = self._known_to_page(self._metadata())
            self._handle.update(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]

    def _bundle(self) -> dict[str, Any]:
        """Return the static transcript, and the live view where the front end can show it.

        A page that can puts its view over the HTML. What is saved then is not a widget, which shows
        nothing once its kernel is gone.
        """
        self._rows_kept = len(self.feed.transcript.rows)
        html = f'<div class="aod-live-{self._key}">{self.feed.html(LIVE_ROWS)}</div>'
        view = {} if self._covers_html else self._repr_mimebundle_()[0]
        return {**view, "text/html": html, "text/plain": self.feed.plain()}

    # -- questions ----------------------------------------------------------------------------

    def ask(
        self, key: str, text: str, answer: Callable[[str], object], choices: tuple[str, ...] = ()
    ) -> None:
        """Show a question of the agent; the page's answer is given to `answer`.

        Args:
            key: tells questions apart.
            text: the question.
            answer: called once with the answer.
            choices: what can be answered; any text if there are none.
        """
        asked = Question(key, clean(text), tuple(clean(each) for each in choices))
        self._questions.ask(asked, answer)
        self._say_facts()

    def settle(self, key: str) -> None:
        """Remove a question that was answered elsewhere or is no longer asked."""
        self._questions.settle(key)
        self._say_facts()

    # -- on the flusher's thread ----------------------------------------------------------------

    def step(self, now: float) -> bool:
        """Send one message if there is one to send (`flusher.Channel`)."""
        facts = self.feed.due_facts(now)
        if facts is not None:
            self._set_facts(facts)
            self._update_output(facts)
            return True
        if self._refresh_if_due(now):
            return True
        message = self.feed.next_message(now)
        if message is None:
            return False
        self.send(message.content, message.buffers or None)
        return True

    def is_quiet(self) -> bool:
        """Whether nothing more will be sent until something happens (`flusher.Channel`)."""
        return self.feed.is_quiet()

    def _update_output(self, facts: Mapping[str, Any]) -> None:
        """Bring the output up to date when a turn has begun or the last one has ended."""
        if self._handle is None or self._is_frozen:
            return
        if facts["final"]:
            if self._freezes:
                self.freeze()
            else:
                self.refresh()
        elif facts["turns"] > max(self._turns_shown, 1):
            self.refresh()
        self._turns_shown = facts["turns"]

    def _refresh_if_due(self, now: float) -> bool:
        """Bring the output up to date for the case that the kernel dies; more and more rarely."""
        if self._refresh_at is None or now < self._refresh_at:
            return False
        self._refresh_at = None
        if not self.feed.is_final:
            self._refresh_at = now + self._refresh_after
            self._refresh_after = min(2 * self._refresh_after, LAST_REFRESH_S)
        if self._rows_kept == len(self.feed.transcript.rows):
            return False
        self.refresh()
        return True

    def _say_facts(self) -> None:
        self._set_facts(self.feed.facts())

    def _set_facts(self, facts: dict[str, Any]) -> None:
        self.facts = self._all_facts(facts)

    def _all_facts(self, facts: dict[str, Any]) -> dict[str, Any]:
        questions = to_builtins(self._questions.shown(self.feed.questions))
        return {
            **facts,
            "key": self._key,
            "frozen": self._is_frozen,
            "can": sorted(set(self._actions) - _refused(facts)),
            "again": getattr(self._source, "shown_again_by", ""),
            "questions": questions,
            "at": [self._row if self._row >= 0 else self.feed.row_at(self._order), self._visits],
        }

    def _stop_listening(self) -> None:
        while self._listening:
            self._listening.pop()()

    def _wake(self) -> None:
        flusher.wake(self)

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
            case "text":
                self.feed.ask_text(content)
            case "shown":
                self._covers_html, self._rows_kept, self._refresh_at = True, -1, 0.0
            case "still" if self._is_frozen:
                html = self.feed.html(max_bytes=STILL_BYTES)
                self.feed.reply(type="still", page=page, html=html)
            case "gone":
                self._leave(page)
                return
            case "stop" | "prompt" | "answer" as action:
                if self._take(page, content.get("number")):
                    self._act(action, content)
        self._wake()

    def _take(self, page: str, number: object) -> bool:
        """Confirm what a page asks for until it is confirmed; check that it is new."""
        if not isinstance(number, int):
            return True
        with self._lock:
            is_new = (page, number) not in self._taken
            self._taken.add((page, number))
        self.feed.reply(type="took", page=page, number=number)
        return is_new

    def _leave(self, page: str) -> None:
        with self._lock:
            self._pages.discard(page)
            self.feed.is_watched = bool(self._pages)
            is_done = self._is_frozen and not self._pages
        if is_done:
            self.close()

    def _act(self, action: str, content: Mapping[str, Any]) -> None:
        """Do what a button of the page says; in a thread, for it may ask the service."""
        key, text = str(content.get("key")), str(content.get("text") or "")
        if action == "answer":
            call: Callable[..., object] | None = self._questions.take(key, self.feed.questions)
        else:
            call = self._actions.get(action)
        if call is None:
            return
        arguments = () if action == "stop" else (text,)

        def run() -> None:
            try:
                outcome = call(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, the page says it
                self._questions.fail(key)
                self.note(str(error), is_error=True)
            else:
                self._questions.settle(key)
                self.note("" if outcome is None else str(outcome))
            with contextlib.suppress(Exception):
                self._say_facts()

        if action == "answer":
            self._say_facts()
        threading.Thread(target=run, name=f"aod-notebook {action}", daemon=True).start()


def _refused(facts: Mapping[str, Any]) -> set[str]:
    """Return what a session can't be asked for in its state."""
    is_over = facts["final"] and facts["status"] in ("failed", "terminated")
    return {"prompt"} if is_over else set()


def _kernel() -> Any:
    """Return the Jupyter kernel that runs this; None if none does."""
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _is_page() -> bool:
    """Whether a page may have sent the running cell: pages name it, other clients do not."""
    kernel = _kernel()
    return kernel is None or "cellId" in kernel.get_parent("shell").get("metadata", {})
