"""What a cell shows of a followed session or run, and what the stop button does meanwhile."""

from __future__ import annotations

import time
from collections import deque
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from IPython import get_ipython
from IPython.display import clear_output, display

from aod_notebook.live import (
    LiveRun,
    LiveSession,
    RunStoppedError,
    SessionStoppedError,
    StopOutcome,
)
from aod_notebook.live.provenance import provenance
from aod_notebook.live.run import told
from aod_notebook.viewers.plain import plain_lines, status_line
from aod_notebook.viewers.static import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aod_notebook.core.errors import AodNotebookError
    from aod_notebook.viewers.rows import Row
    from aod_notebook.viewers.stream import StreamViewer

__all__ = ["VIEWS", "leave_live", "say", "watch", "why_not_live"]

VIEWS = ("auto", "live", "html", "lines")
"""The ways to show a session: `auto` is `live` where a notebook's page asked for the cell."""

PERIOD_S = 0.2
"""Lines are printed at most this often; the first of a quiet time comes at once."""
HTML_PERIOD_S = 0.5
HTML_ROWS = 200
"""So many rows are shown while the HTML is updated; all of them when the turn has ended."""
SILENCE_S = 3.0
"""A page that has not answered after this long may show only the HTML beside the live view."""
LIVE_WIDGETS = 8
"""The first ipywidgets whose pages are sure to load the live view."""
STOP_NOTES = {
    StopOutcome.STOPPED: "The session was terminated on the service.",
    StopOutcome.ALREADY_FINISHED: "The session had already finished.",
    StopOutcome.UNCONFIRMED: "The service did not confirm that the session was terminated.",
}
"""What the stop button of the live view answers."""

Followed: TypeAlias = LiveSession | LiveRun


class _Words(NamedTuple):
    """How one speaks of what is shown."""

    noun: str
    told: Callable[[StopOutcome, str], str]
    stop: str
    watch: str
    error: type[AodNotebookError]


_SESSION = _Words("session", StopOutcome.told, "%aod stop", "%aod attach", SessionStoppedError)
_RUN = _Words("run", told, "%agentos cancel", "%agentos watch", RunStoppedError)


def say(text: str) -> None:
    """Print a line of ours into the cell's output."""
    print(text, flush=True)  # noqa: T201 - the cell's output is the user interface


def watch(
    session: Followed,
    *,
    start: int = 0,
    quiet: bool = False,
    owned: bool = True,
    view: str = "auto",
) -> None:
    """Show a session or run in the running cell until it rests; leave its transcript there.

    It rests when its turn has ended, or when it waits for somebody. The stop button ends one
    whose turn the cell started; the cell then says which of three ends that had. A second press
    leaves at once. One that is only looked at goes on.

    Args:
        session: a followed session or run.
        start: how many of its events to pass over (those of earlier turns).
        quiet: show only one line, at the end.
        owned: whether the cell started the turn.
        view: how to show it while it runs, one of `VIEWS`.

    Raises:
        SessionStoppedError, RunStoppedError: the cell was interrupted.
    """
    shown = message = None
    way = OneLine if quiet else _way(view, is_run=isinstance(session, LiveRun))
    try:
        shown = way(session, start)
        shown.follow()
    except KeyboardInterrupt:
        message = _stop(session) if owned else _let_go(session)
    finally:
        if shown is not None:
            shown.end()
    if message is not None:
        raise _words(session).error(message)


def leave_live(session: Followed, *, start: int = 0, view: str = "auto") -> None:
    """Show a session that goes on in the background, where a page can show it live."""
    if _is_live(view):
        _viewer(session, start).show()


def why_not_live() -> str | None:
    """Say why pages may not load the live view; None if nothing is known against it."""
    here = version("ipywidgets")
    if int(here.partition(".")[0]) >= LIVE_WIDGETS:
        return None
    return f"the live view needs ipywidgets {LIVE_WIDGETS}, and this is {here}"


def _words(followed: Followed) -> _Words:
    return _RUN if isinstance(followed, LiveRun) else _SESSION


def _way(view: str, *, is_run: bool) -> Callable[[Any, int], OneLine | Live | LiveOfRun]:
    if _is_live(view):
        return LiveOfRun if is_run else Live
    if get_kernel() is None:
        return Html if view == "html" else Lines
    return LinesThenHtml if view in ("auto", "lines") and _is_whole_cell() else Html


def _is_live(view: str) -> bool:
    """Whether the live view is wanted and can be had.

    Pages name the cell that they send; nbclient, terminals and scripts do not. A page that can't
    show the live view shows the HTML beside it, so a wrong guess loses nothing.
    """
    wanted = view == "live" or (view == "auto" and "cellId" in _request().get("metadata", {}))
    why_not = why_not_live() if wanted else None
    if why_not is not None and view == "live":
        say(f"Not live: {why_not}.")
    return wanted and why_not is None


def get_kernel() -> Any:
    """Give the kernel that runs this; None in a terminal or a script."""
    return getattr(get_ipython(), "kernel", None)


def _request() -> dict[str, Any]:
    """Give the message that asked for the running cell; empty without a kernel."""
    kernel = get_kernel()
    return {} if kernel is None else kernel.get_parent("shell")


def _is_whole_cell() -> bool:
    """Whether nothing but one of our magics is in the running cell, so all output is ours."""
    code = str(_request().get("content", {}).get("code", "")).strip()
    return code.startswith("%%aod") or (code.startswith(("%aod", "%agentos")) and "\n" not in code)


class OneLine:
    """Shows nothing of a session until its turn has ended, then one line.

    Args:
        session: the session.
        start: how many of its events to pass over.
    """

    period_s = 0.0

    def __init__(self, session: Followed, start: int) -> None:
        self.session, self.start = session, start
        self.transcript = Transcript(session.title, session.runtime)

    def follow(self) -> None:
        """Show the session until its turn ends."""
        for batch in self.session.batches(self.start):
            self.show(self.transcript.add(batch))
            self.session.pause(self.period_s)

    def end(self) -> None:
        """Show what there is in the end, with the events that an interrupt came before."""
        transcript = self.transcript
        rest: Iterable[Any] = self.session.received(self.start + transcript.taken)
        rows = transcript.add(event for event, _ in rest)
        self.show([*rows, *transcript.finish()])
        self.leave()

    def show(self, rows: list[Row]) -> None:
        """Show the rows that came."""

    def leave(self) -> None:
        """Show what stays."""
        say(status_line(self.transcript.title, self.transcript.summary))


class Lines(OneLine):
    """Prints the lines as they come, and one line at the end."""

    period_s = PERIOD_S

    def show(self, rows: Iterable[Row]) -> None:
        """Print the rows."""
        lines = [line for row in rows if not row.is_minor for line in plain_lines(row)]
        if lines:
            say("\n".join(lines))


class LinesThenHtml(Lines):
    """Prints the lines as they come; the transcript takes the place of the cell's output."""

    def __init__(self, session: Followed, start: int) -> None:
        super().__init__(session, start)
        self.prints = not session.is_final

    def show(self, rows: Iterable[Row]) -> None:
        """Print the rows, unless all are there already."""
        if self.prints:
            super().show(rows)

    def leave(self) -> None:
        """Put the transcript in the place of the lines."""
        if self.prints:
            clear_output(wait=True)  # type: ignore[no-untyped-call]
        display(_bundle(self.transcript), raw=True, metadata=_metadata(self.session))  # type: ignore[no-untyped-call]


class Html(OneLine):
    """Shows the last rows as HTML that is updated twice a second, then the transcript."""

    period_s = HTML_PERIOD_S

    def __init__(self, session: Followed, start: int) -> None:
        super().__init__(session, start)
        self.handle: Any = display(  # type: ignore[no-untyped-call]
            _bundle(self.transcript), raw=True, metadata=_metadata(session), display_id=True
        )

    def show(self, rows: Iterable[Row]) -> None:  # noqa: ARG002 - the HTML holds the earlier ones too
        """Bring the HTML up to date."""
        self.update(HTML_ROWS)

    def leave(self) -> None:
        """Show the whole transcript."""
        self.update()

    def update(self, rows: int | None = None) -> None:
        """Put the transcript, or its first and last rows, in the place of what is shown."""
        bundle = _bundle(self.transcript, rows)
        self.handle.update(bundle, raw=True, metadata=_metadata(self.session))


class Live:
    """Shows the live view; prompts that are typed there run in the same cell."""

    def __init__(self, session: LiveSession, start: int) -> None:
        self.session = session
        self.prompts: deque[str] = deque()
        self.viewer = _viewer(session, start, prompt=self.take, is_held=True)
        self.viewer.show()

    def take(self, text: str) -> str:
        """Keep a prompt until the turn in progress has ended."""
        self.prompts.append(text)
        return "This prompt is sent when the turn in progress has ended."

    def follow(self) -> None:
        """Wait for the end of the turn, and of those that were asked for meanwhile."""
        self._wait()
        while self.prompts and self.session.status == "completed":
            self.viewer.note("")
            self.session.prompt(self.prompts.popleft())
            self._wait()

    def end(self) -> None:
        """Leave the static transcript."""
        self.viewer.freeze()

    def _wait(self) -> None:
        """Wait for the end of a turn; keep the HTML fresh as long as no page has answered."""
        began, wait = time.monotonic(), SILENCE_S
        while not self.session.is_final:
            self.session.pause(wait)
            if not self.viewer.heard.is_set() and not self.session.is_final:
                self.viewer.refresh()
                wait = max(SILENCE_S, (time.monotonic() - began) / 10)


class LiveOfRun:
    """Shows the live view of a run, where its questions and approvals can be answered."""

    def __init__(self, run: LiveRun, start: int) -> None:
        self.run = run
        self.viewer = _viewer(run, start)
        self.viewer.show()

    def follow(self) -> None:
        """Wait for the end of the run; at a question, only if the page can answer meanwhile."""
        while not self.run.is_final:
            self.run.pause(SILENCE_S)
            if self.run.is_paused:
                if not self.viewer.heard.wait(SILENCE_S):
                    return  # the answer would wait for the end of the cell
                self.run.hold(SILENCE_S)
            elif not self.viewer.heard.is_set() and not self.run.is_final:
                self.viewer.refresh()

    def end(self) -> None:
        """Leave the static transcript; a run that waits for an answer stays live."""
        if not self.run.is_paused:
            self.viewer.freeze()


def _viewer(followed: Followed, start: int, **settings: Any) -> StreamViewer:
    from aod_notebook.viewers.stream import StreamViewer

    source: Any = followed  # a run's id is read-only, which the protocol's is not
    if isinstance(followed, LiveRun):
        return StreamViewer(source, start=start, **followed.viewer_actions(), **settings)
    return StreamViewer(
        source,
        start=start,
        stop=lambda: STOP_NOTES[followed.stop()],
        metadata=lambda: provenance(followed),
        **settings,
    )


def _metadata(followed: Followed) -> dict[str, Any]:
    """Give what is kept in an output's metadata."""
    return provenance(followed) if isinstance(followed, LiveSession) else {}


def _bundle(transcript: Transcript, rows: int | None = None) -> dict[str, str]:
    html = transcript.html() if rows is None else transcript.html(rows)
    return {"text/html": html, "text/plain": transcript.plain()}


def _stop(followed: Followed) -> str:
    """Stop what an interrupted cell started; say which end that had."""
    words = _words(followed)
    try:
        return f"Interrupted: {words.told(followed.stop(), followed.id)}"
    except KeyboardInterrupt:
        return (
            f"Interrupted twice: left at once. {words.noun.capitalize()} {followed.id} may still "
            f"run; {words.stop} {followed.id} ends it."
        )


def _let_go(followed: Followed) -> str:
    """Leave what was only looked at."""
    words, name = _words(followed), followed.id
    return (
        f"No longer shown; {words.noun} {name} goes on. {words.stop} {name} ends it, "
        f"{words.watch} {name} shows it again."
    )
