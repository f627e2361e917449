"""Show a followed session or run in a cell: lines, HTML, the live view, the stop button."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from IPython import get_ipython
from IPython.display import clear_output, display

from aod_notebook.core.text import one_line
from aod_notebook.live import RunFailedError, SessionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aod_notebook.live import LiveSession
    from aod_notebook.live.handle import Handle
    from aod_notebook.viewers.row import Row
    from aod_notebook.viewers.static import Transcript
    from aod_notebook.viewers.stream import StreamViewer


PERIOD_S = 0.2
"""Lines are printed at most this often; the first of a quiet time comes at once."""
HTML_PERIOD_S = 0.5
HTML_ROWS = 200
"""So many rows are shown while the HTML is updated; all of them when the turn has ended."""
SILENCE_S = 3.0
"""A page that has not answered after this long may show only the HTML beside the live view."""
Followed: TypeAlias = "Handle[Any, Any]"


def say(text: str) -> None:
    """Print a line into the cell's output."""
    print(text, flush=True)  # noqa: T201 - the cell's output is the user interface


class _ServiceNotices:
    """Shows once why no events arrive, and once that the service answers again."""

    def __init__(self) -> None:
        self._is_shown = False

    def show(self, followed: Followed, note: Callable[[str], None]) -> None:
        """Pass on a new notice, or its end."""
        notice = followed.notice
        if bool(notice) != self._is_shown:
            self._is_shown = bool(notice)
            note(notice or "The service answers again.")


class OneLine:
    """Shows nothing of a session until its turn has ended, then one line.

    Args:
        session: the session.
        start: how many of its events to pass over.
    """

    period_s = 0.0

    def __init__(self, session: Followed, start: int) -> None:
        from aod_notebook.viewers.static import Transcript

        self.session, self.start = session, start
        self._notices = _ServiceNotices()
        self.transcript = Transcript.of(session)
        if start:
            self.transcript.pass_over(event for event, _ in session.received()[:start])

    def follow(self) -> None:
        """Show the session until its turn ends."""
        for batch in self.session.batches(self.start, notices=True):
            self.show(self.transcript.add(batch))
            self._notices.show(self.session, self.note)
            self.session.pause(self.period_s)

    def end(self) -> None:
        """Show the final state, with the events that arrived after an interrupt."""
        transcript = self.transcript
        rest: Iterable[Any] = self.session.received(self.start + transcript.taken)
        rows = transcript.add(event for event, _ in rest)
        self.show([*rows, *transcript.finish()])
        if self.session.replaces_events:
            self.transcript = self._rebuilt()
        self.leave()

    def _rebuilt(self) -> Transcript:
        """Build the transcript again: earlier events may be more complete now."""
        whole = type(self.transcript).of(self.session)
        whole.add(event for event, _ in self.session.received(self.start))
        whole.finish()
        return whole

    def show(self, rows: list[Row]) -> None:
        """Show new rows."""

    def note(self, text: str) -> None:
        """Print why no events arrive at the moment, or that they continue."""
        say(text)

    def leave(self) -> None:
        """Show the final output."""
        from aod_notebook.viewers.plain import status_line

        say(status_line(self.transcript.title, self.transcript.summary))


class LineOutput(OneLine):
    """Prints the lines as they come, and one line at the end."""

    period_s = PERIOD_S
    _last: Row | None = None

    def show(self, rows: Iterable[Row]) -> None:
        """Print the rows."""
        from aod_notebook.viewers.plain import plain_text

        shown = [row for row in rows if not row.is_minor]
        if shown:
            say("\n".join(plain_text(shown, self._last)))
            self._last = shown[-1]


class LinesThenHtml(LineOutput):
    """Prints the lines as they come; then replaces the cell's output by the transcript."""

    def __init__(self, session: Followed, start: int) -> None:
        super().__init__(session, start)
        self.prints = not session.is_final

    def show(self, rows: Iterable[Row]) -> None:
        """Print the rows, unless all are printed already."""
        if self.prints:
            super().show(rows)

    def leave(self) -> None:
        """Replace the lines by the transcript."""
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
        """Update the HTML."""
        self.update(HTML_ROWS)

    def leave(self) -> None:
        """Show the whole transcript."""
        self.update()

    def update(self, rows: int | None = None) -> None:
        """Replace the output by the transcript, or by its first and last rows."""
        bundle = _bundle(self.transcript, rows)
        self.handle.update(bundle, raw=True, metadata=_metadata(self.session))


class Live:
    """Shows the live view; prompts typed there run in the same cell."""

    def __init__(self, session: Followed, start: int) -> None:
        self.session = session
        self.prompts: deque[str] = deque()
        self._notices = _ServiceNotices()
        typed = {"prompt": self.take, "is_held": True} if session.takes_prompts else {}
        self.viewer = viewer(session, start, **typed)
        self.viewer.show()

    def take(self, text: str) -> str:
        """Keep a prompt until the turn in progress has ended."""
        self.prompts.append(text)
        return "This prompt is sent when the turn in progress has ended."

    def follow(self) -> None:
        """Wait until it ends or waits for a person, and for the turns of prompts typed meanwhile."""
        self._wait()
        while self.prompts and self.session.status == "completed":
            self.viewer.note("")
            cast("LiveSession", self.session).prompt(self.prompts.popleft())
            self._wait()
        for prompt in self.prompts:
            say(f"Not sent, for the session is {self.session.status}: {one_line(prompt, 200)}")

    def end(self) -> None:
        """Leave the static transcript; the view of what waits for an answer stays live."""
        if self.session.is_paused:
            self.viewer.refresh()
        else:
            self.viewer.freeze()

    def _wait(self) -> None:
        """Wait for the end of a turn; keep the HTML fresh as long as no page has answered."""
        began, wait = time.monotonic(), SILENCE_S
        while not (self.session.is_final or self.session.is_paused):
            self.session.pause(wait)
            self._notices.show(self.session, self.viewer.note)
            if not self.viewer.heard.is_set() and not self.session.is_final:
                self.viewer.refresh()
                wait = max(SILENCE_S, (time.monotonic() - began) / 10)


class LiveTrace:
    """Shows the live trace; its transcript opens in it, and below it where somebody is asked."""

    def __init__(self, followed: Followed, start: int) -> None:
        self.followed, self.start = followed, start
        self._notices = _ServiceNotices()
        self.viewer = followed.trace()
        self.viewer.show()

    def follow(self) -> None:
        """Wait until it ends or waits for a person."""
        while not (self.followed.is_final or self.followed.is_paused):
            self.followed.pause(SILENCE_S)
            self._notices.show(self.followed, self.viewer.note)

    def end(self) -> None:
        """Show the questions that can be answered; the trace stays in the output."""
        if self.followed.is_paused:
            viewer(self.followed, self.start).show()


def viewer(followed: Followed, start: int, **settings: Any) -> StreamViewer:
    """Return the live view, with its buttons.

    Args:
        followed: what is shown.
        start: how many of its events to pass over.
        settings: further arguments of `StreamViewer`; a `prompt` takes the place of its own.
    """
    from aod_notebook.magics.run_viewer import RebuiltViewer
    from aod_notebook.viewers.stream import StreamViewer

    actions = {**followed.viewer_actions(), "prompt": None, **settings}
    kind = RebuiltViewer if followed.replaces_events else StreamViewer
    return kind(followed, start=start, metadata=followed.provenance, **actions)


def _metadata(followed: Followed) -> dict[str, Any]:
    """Return the metadata of the output."""
    return followed.provenance()


def _bundle(transcript: Transcript, rows: int | None = None) -> dict[str, str]:
    html = transcript.html() if rows is None else transcript.html(rows)
    return {"text/html": html, "text/plain": transcript.plain()}


VIEWS = ("auto", "live", "html", "lines")
"""The ways to show a session: `auto` is `live` where a notebook's page asked for the cell."""

LIVE_WIDGETS = 8
"""The first major version of ipywidgets with pages that load the live view."""


def load_views() -> None:
    """Import what shows sessions and runs; after the start of one, its first lines would be missed."""
    import aod_notebook.viewers.plain
    import aod_notebook.viewers.static  # noqa: F401


def watch(
    session: Followed,
    *,
    start: int = 0,
    quiet: bool = False,
    owned: bool = True,
    view: str = "auto",
    as_trace: bool = False,
) -> None:
    """Show a session or run in the running cell until it rests; leave its transcript there.

    It rests when its turn has ended, or when it waits for somebody. The stop button ends
    the turn if the cell started it; the cell then shows how it ended. A second press leaves at
    once. A session that is only watched continues.

    Args:
        session: a followed session or run.
        start: how many of its events to pass over (those of earlier turns).
        quiet: show only one line, at the end.
        owned: whether the cell started the turn.
        view: how to show it while it runs, one of `VIEWS`.
        as_trace: show the trace where the page can show it live.

    Raises:
        SessionStoppedError, RunStoppedError: the cell was interrupted.
    """
    shown = message = None
    try:
        way = OneLine if quiet else _way(view, as_trace=as_trace)
        shown = way(session, start)
        shown.follow()
    except KeyboardInterrupt:
        message = _stop(session) if owned else _let_go(session)
    finally:
        if shown is not None:
            shown.end()
    if message is not None:
        raise session.stopped_error(message)


def print_failure(followed: Followed) -> None:
    """Print the failure of a session that was only watched; it is not an error of the cell.

    Raises:
        AodNotebookError: it could not be followed to its end.
    """
    try:
        followed.raise_for_status()
    except (SessionFailedError, RunFailedError) as error:
        say(str(error))


def leave_live(session: Followed, *, start: int = 0, view: str = "auto") -> None:
    """Show a session that continues in the background, where a page can show it live."""
    if is_live(view):
        viewer(session, start).show()


def why_not_live() -> str | None:
    """Return why pages may not load the live view; None if they should."""
    if not has_page():
        return "no page is here, only a terminal or a script"
    from importlib.metadata import version

    here = version("ipywidgets")
    if int(here.partition(".")[0]) >= LIVE_WIDGETS:
        return None
    return f"the live view needs ipywidgets {LIVE_WIDGETS}, and this is {here}"


def _way(view: str, *, as_trace: bool) -> Callable[[Followed, int], OneLine | Live | LiveTrace]:
    if is_live(view):
        return LiveTrace if as_trace else Live
    if not has_page():
        return Html if view == "html" else LineOutput
    return LinesThenHtml if view in ("auto", "lines") and _is_whole_cell() else Html


def is_live(view: str) -> bool:
    """Whether the live view is wanted and possible.

    Pages name the cell that they send; nbclient, terminals and scripts do not. A page that can't
    show the live view shows the HTML beside it, so a wrong guess loses nothing.
    """
    wanted = view == "live" or (view == "auto" and "cellId" in _request().get("metadata", {}))
    why_not = why_not_live() if wanted else None
    if why_not is not None and view == "live":
        say(f"Not live: {why_not}.")
    return wanted and why_not is None


def get_kernel() -> Any:
    """Return the running kernel; None in a terminal or a script."""
    return getattr(get_ipython(), "kernel", None)


def has_page() -> bool:
    """Whether outputs can be HTML that is replaced: not in a terminal, nor in a script."""
    return get_kernel() is not None and not _is_console()


@cache
def _is_console() -> bool:
    """Whether `jupyter console` started this kernel."""
    with contextlib.suppress(Exception):  # psutil comes with the kernel; processes may be hidden
        import psutil

        words = psutil.Process().parent().cmdline()
        return any("jupyter-console" in word or "jupyter_console" in word for word in words)
    return False


def _request() -> dict[str, Any]:
    """Return the message that asked for the running cell; empty without a kernel."""
    kernel = get_kernel()
    return {} if kernel is None else kernel.get_parent("shell")


def _is_whole_cell() -> bool:
    """Whether the running cell has nothing but one of these magics, so all its output is theirs."""
    code = str(_request().get("content", {}).get("code", "")).strip()
    return code.startswith("%%aod") or (code.startswith(("%aod", "%agentos")) and "\n" not in code)


def _stop(followed: Followed) -> str:
    """Stop what an interrupted cell started; print the outcome."""
    try:
        return f"Interrupted: {followed.stop_text(followed.stop())}"
    except KeyboardInterrupt:
        return (
            f"Interrupted twice: left at once. {followed.noun.capitalize()} {followed.id} may "
            f"still run; {followed.stop_command} {followed.id} ends it."
        )


def _let_go(followed: Followed) -> str:
    """Stop watching without stopping the session."""
    name = followed.id
    return (
        f"No longer shown; {followed.noun} {name} continues. {followed.stop_command} {name} ends it, "
        f"{followed.show_command} {name} shows it again."
    )
