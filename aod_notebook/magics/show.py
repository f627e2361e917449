"""What a cell shows of a followed session: lines as they come, then the static transcript."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from IPython import get_ipython
from IPython.display import clear_output, display

from aod_notebook.live import LiveSession, SessionStoppedError, StopOutcome
from aod_notebook.viewers.plain import plain_lines, status_line
from aod_notebook.viewers.static import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aod_notebook.viewers.rows import Row
    from aod_notebook.viewers.stream import StreamViewer

    Interrupted = Callable[[LiveSession], str]
    """What is done with a session whose cell was interrupted; gives what to say of it."""

__all__ = ["VIEWS", "leave_live", "say", "watch"]

VIEWS = ("auto", "live", "html", "lines")
"""The ways to show a session: `auto` is `live` where a notebook's page asked for the cell."""

PERIOD_S = 0.2
"""Lines are printed at most this often; the first of a quiet time comes at once."""
HTML_PERIOD_S = 0.5
HTML_ROWS = 200
"""So many rows are shown while the HTML is updated; all of them when the turn has ended."""
SILENCE_S = 3.0
"""A page that has not answered after this long may show only the HTML beside the live view."""
STOP_NOTES = {
    StopOutcome.STOPPED: "The session was terminated on the service.",
    StopOutcome.ALREADY_FINISHED: "The session had already finished.",
    StopOutcome.UNCONFIRMED: "The service did not confirm that the session was terminated.",
}
"""What the stop button of the live view answers."""


def say(text: str) -> None:
    """Print a line of ours into the cell's output."""
    print(text, flush=True)  # noqa: T201 - the cell's output is the user interface


def watch(
    session: LiveSession,
    *,
    start: int = 0,
    quiet: bool = False,
    owned: bool = True,
    view: str = "auto",
) -> None:
    """Show a session in the running cell until its turn ends; leave its transcript there.

    The stop button terminates a session whose turn the cell started; the cell then says which of
    three ends that had. A second press leaves at once. A session that is only looked at goes on.

    Args:
        session: a followed session.
        start: how many of its events to pass over (those of earlier turns).
        quiet: show only one line, at the end.
        owned: whether the cell started the turn.
        view: how to show it while it runs, one of `VIEWS`.

    Raises:
        SessionStoppedError: the cell was interrupted.
    """
    if quiet:
        show = _watch_quietly
    elif view == "live" or (view == "auto" and _page_asked()):
        show = _watch_live
    elif view == "html":
        show = _watch_html
    else:
        show = _watch_lines
    message = show(session, start, _stop if owned else _let_go)
    if message is not None:
        raise SessionStoppedError(message)


def leave_live(session: LiveSession, *, start: int = 0, view: str = "auto") -> None:
    """Show a session that goes on in the background, where a page can show it live."""
    if view == "live" or (view == "auto" and _page_asked()):
        from aod_notebook.viewers.stream import StreamViewer

        StreamViewer(session, start=start, stop=lambda: STOP_NOTES[session.stop()]).show()


def _page_asked() -> bool:
    """Whether a notebook's page sent the running cell.

    Pages name the cell that they send; nbclient, terminals and scripts do not. A page that can't
    show the live view shows the HTML beside it, so a wrong guess loses nothing.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    request = {} if kernel is None else kernel.get_parent("shell")
    return "cellId" in request.get("metadata", {})


def _watch_live(session: LiveSession, start: int, interrupted: Interrupted) -> str | None:
    from aod_notebook.viewers.stream import StreamViewer

    prompts: deque[str] = deque()

    def take(text: str) -> str:
        prompts.append(text)
        return "This prompt is sent when the turn in progress has ended."

    viewer = StreamViewer(
        session, start=start, stop=lambda: STOP_NOTES[session.stop()], prompt=take, is_held=True
    )
    viewer.show()
    try:
        _follow(session, viewer)
        while prompts and session.status == "completed":
            viewer.note("")
            session.prompt(prompts.popleft())
            _follow(session, viewer)
    except KeyboardInterrupt:
        return interrupted(session)
    finally:
        viewer.freeze()
    return None


def _follow(session: LiveSession, viewer: StreamViewer) -> None:
    """Wait for the end of the turn; keep the HTML fresh as long as no page has answered."""
    began, wait = time.monotonic(), SILENCE_S
    while not session.is_final:
        session.pause(wait)
        if not viewer.heard.is_set() and not session.is_final:
            viewer.refresh()
            wait = max(SILENCE_S, (time.monotonic() - began) / 10)


def _watch_html(session: LiveSession, start: int, interrupted: Interrupted) -> str | None:
    """Show the transcript as HTML that is updated twice a second."""
    transcript = Transcript(session.title, session.runtime)
    message, handle = None, display(_bundle(transcript), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    try:
        for batch in session.batches(start):
            transcript.add(batch)
            handle.update(_bundle(transcript, rows=HTML_ROWS), raw=True)
            session.pause(HTML_PERIOD_S)
    except KeyboardInterrupt:
        message = interrupted(session)
        _catch_up(transcript, session, start)
    transcript.finish()
    handle.update(_bundle(transcript), raw=True)
    return message


def _watch_lines(session: LiveSession, start: int, interrupted: Interrupted) -> str | None:
    """Print the lines as they come; a notebook gets the transcript in their place at the end."""
    transcript, message = Transcript(session.title, session.runtime), None
    has_html = getattr(get_ipython(), "kernel", None) is not None
    prints = not (has_html and session.is_final)
    try:
        for batch in session.batches(start):
            rows = transcript.add(batch)
            if prints:
                _print(rows)
                session.pause(PERIOD_S)
    except KeyboardInterrupt:
        message = interrupted(session)
        _catch_up(transcript, session, start)
    rest = transcript.finish()
    if has_html:
        clear_output(wait=True)  # type: ignore[no-untyped-call]
        display(_bundle(transcript), raw=True)  # type: ignore[no-untyped-call]
    else:
        _print(rest)
        say(status_line(transcript.title, transcript.summary))
    return message


def _watch_quietly(session: LiveSession, start: int, interrupted: Interrupted) -> str | None:
    """Say one line when the turn has ended."""
    transcript, message = Transcript(session.title, session.runtime), None
    try:
        for batch in session.batches(start):
            transcript.add(batch)
    except KeyboardInterrupt:
        message = interrupted(session)
        _catch_up(transcript, session, start)
    transcript.finish()
    say(status_line(transcript.title, transcript.summary))
    return message


def _catch_up(transcript: Transcript, session: LiveSession, start: int) -> None:
    """Take the events that an interrupt came before."""
    transcript.add(event for event, _ in session.received(start + transcript.taken))


def _bundle(transcript: Transcript, rows: int | None = None) -> dict[str, str]:
    html = transcript.html() if rows is None else transcript.html(rows)
    return {"text/html": html, "text/plain": transcript.plain()}


def _print(rows: Iterable[Row]) -> None:
    lines = [line for row in rows if not row.is_minor for line in plain_lines(row)]
    if lines:
        say("\n".join(lines))


def _stop(session: LiveSession) -> str:
    """Stop a session whose cell was interrupted; say which end that had."""
    try:
        return f"Interrupted: {session.stop().told(session.id)}"
    except KeyboardInterrupt:
        return (
            f"Interrupted twice: left at once. Session {session.id} may still run; "
            f"%aod stop {session.id} ends it."
        )


def _let_go(session: LiveSession) -> str:
    """Leave a session that was only looked at."""
    return (
        f"No longer shown; session {session.id} goes on. %aod stop {session.id} ends it, "
        f"%aod attach {session.id} shows it again."
    )
