"""`StreamViewer`: the live view of a followed session or run in a notebook."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from aod_notebook.core.text import clean
from aod_notebook.viewers.live_widget import LiveWidget
from aod_notebook.viewers.questions import Questions
from aod_notebook.viewers.row import Question
from aod_notebook.viewers.row_feed import RowFeed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aod_notebook.viewers.protocols import Source

LIVE_ROWS = 200
"""So many rows are in the static HTML beside the live view; more when the session has ended."""
STILL_BYTES = 200_000
"""So much static HTML is sent to a page that still shows a view which was frozen."""
KEPT_FROZEN = 8
"""So many frozen views stay answerable until their page was heard of."""

_frozen_lock = threading.Lock()  # guards _frozen
_frozen: OrderedDict[int, StreamViewer] = OrderedDict()


class StreamViewer(LiveWidget):
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
        freeze: replace the view by static HTML when the session's turn has ended.
        is_held: the end of a turn is not the end: who made the viewer calls `freeze`.
        at: the row of the tables (`order`) at which the view opens; 0 for the last one.
        metadata: gives what is kept in the output's metadata, each time that it is shown.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="seq 1000", runtime="shell"))
        >>> StreamViewer(session, stop=session.stop).show()
    """

    _widget = "stream"

    feed: RowFeed

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
        self._buttons: dict[str, Callable[..., object]] = {}
        if stop is not None:
            self._buttons["stop"] = stop
        if prompt is not None:
            self._buttons["prompt"] = prompt
        self._questions = Questions(answer, decide)
        self._freezes = freeze
        # What follows is guarded by `_lock`.
        self._is_frozen = False
        self._order, self._row = at, -1  # where readers are sent, by the tables or by the row here
        self._visits = int(at > 0)  # how often
        self._turns_shown = 0  # used by the flusher's thread only
        self.feed.read()
        super().__init__(metadata)
        self._listening.append(source.listen(self.wake))
        self.wake()

    # -- in the notebook ----------------------------------------------------------------------

    def show(self) -> None:
        """Display the live view in the running cell.

        A view that is not frozen in the end is HTML only where no page sent the cell, as under
        `nbconvert --execute`: what is saved there is what was sent last.
        """
        with self._lock:  # one that was frozen is shown as long as somebody looks
            self._freezes = self._freezes and not self._is_frozen
            self._is_frozen = False
            is_page = _is_page()
            self._covers_html = not self._freezes and not is_page
            self.feed.is_shown = is_page and not self._pages
            self._refresh_at = 0.0 if self._covers_html else None
        super().show()

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
            super().refresh()

    def freeze(self) -> None:
        """Replace the live view by the static transcript; once, from any thread."""
        with self._lock:
            if self._is_frozen:
                return
            self._is_frozen = True
        self._stop_listening()
        self.feed.end()
        self.wake()
        self._show_instead(self.static_bundle())
        self._say_facts()
        with _frozen_lock:
            _frozen[id(self)] = self
            oldest = _frozen.popitem(last=False)[1] if len(_frozen) > KEPT_FROZEN else None
        if oldest is not None:
            oldest.close()

    def close(self) -> None:
        """Stop sending and take the view from the page."""
        with _frozen_lock:
            _frozen.pop(id(self), None)
        super().close()

    def static_bundle(self) -> dict[str, str]:
        """Return the transcript so far as static HTML and as plain text."""
        return {"text/html": self.feed.html(), "text/plain": self.feed.plain()}

    def _static_below(self) -> dict[str, str]:
        return {"text/html": self.feed.html(LIVE_ROWS), "text/plain": self.feed.plain()}

    @property
    def _version(self) -> int:
        return len(self.feed.transcript.rows)

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

    def _send_facts(self, now: float) -> bool:
        facts = self.feed.due_facts(now)
        if facts is None:
            return False
        self._set_facts(facts)
        self._update_output(facts)
        return True

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

    def _first_facts(self) -> dict[str, Any]:
        return self._all_facts(self.feed.facts())

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
            "can": sorted(set(self._buttons) - _refused(facts)),
            "again": getattr(self._source, "shown_again_by", ""),
            "questions": questions,
            "at": [self._row if self._row >= 0 else self.feed.row_at(self._order), self._visits],
        }

    # -- from the page --------------------------------------------------------------------------

    def _answer(self, name: str, page: str, content: Mapping[str, Any]) -> None:
        match name:
            case "text":
                self.feed.ask_text(content)
            case "still" if self._is_frozen:
                html = self.feed.html(max_bytes=STILL_BYTES)
                self.feed.reply(type="still", page=page, html=html)
            case "stop" | "prompt" | "answer" if self._is_new(page, content):
                self._act(name, content)

    def _leave(self, page: str) -> None:
        super()._leave(page)
        with self._lock:
            is_done = self._is_frozen and not self._pages
        if is_done:
            self.close()

    def _act(self, action: str, content: Mapping[str, Any]) -> None:
        """Do what a button of the page says; in a thread, for it may ask the service."""
        key, text = str(content.get("key")), str(content.get("text") or "")
        if action == "answer":
            call: Callable[..., object] | None = self._questions.take(key, self.feed.questions)
        else:
            call = self._buttons.get(action)
        if call is None:
            return
        arguments = () if action == "stop" else (text,)

        def run() -> None:
            try:
                outcome = call(*arguments)
            except Exception:
                self._questions.fail(key)
                raise
            else:
                self._questions.settle(key)
                self.note("" if outcome is None else str(outcome))
            finally:
                with contextlib.suppress(Exception):
                    self._say_facts()

        if action == "answer":
            self._say_facts()
        self._in_thread(action, run)


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
