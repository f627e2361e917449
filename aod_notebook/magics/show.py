"""What a cell shows of a followed session: lines as they come, then the static transcript."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from IPython import get_ipython
from IPython.display import clear_output, display

from aod_notebook.live import LiveSession, SessionStoppedError, StopOutcome
from aod_notebook.viewers.plain import plain_lines, status_line
from aod_notebook.viewers.static import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.viewers.rows import Row

__all__ = ["say", "watch"]

PERIOD_S = 0.2
"""Lines are printed at most this often; the first of a quiet time comes at once."""


def say(text: str) -> None:
    """Print a line of ours into the cell's output."""
    print(text, flush=True)  # noqa: T201 - the cell's output is the user interface


def watch(
    session: LiveSession, *, start: int = 0, quiet: bool = False, replace: bool = True
) -> None:
    """Show a session in the running cell until its turn ends; leave its transcript there.

    The stop button terminates the session on its service; the cell then says which of three
    ends that had. A second press leaves at once.

    Args:
        session: a followed session.
        start: how many of its events to pass over (those of earlier turns).
        quiet: show only one line, at the end.
        replace: put the transcript in the place of the whole output of the cell.

    Raises:
        SessionStoppedError: the cell was interrupted.
    """
    transcript = Transcript(session.title, session.runtime)
    message = None
    try:
        for batch in session.batches(start):
            rows = transcript.add(batch)
            if not quiet and rows:
                _print(rows)
                time.sleep(0 if session.is_final else PERIOD_S)
    except KeyboardInterrupt:
        message = _stop(session)
        transcript.add(event for event, _ in session.received()[start + transcript.taken :])
    _print([] if quiet else transcript.finish())
    _leave(transcript, quiet=quiet, replace=replace)
    if message is not None:
        raise SessionStoppedError(message)


def _print(rows: Iterable[Row]) -> None:
    lines = [line for row in rows if not row.is_minor for line in plain_lines(row)]
    if lines:
        say("\n".join(lines))


def _stop(session: LiveSession) -> str:
    """Stop a session whose cell was interrupted; say which end that had."""
    again = f"%aod stop {session.id} ends it"
    try:
        outcome = session.stop()
    except KeyboardInterrupt:
        return f"Interrupted twice: left at once. Session {session.id} may still run; {again}."
    return {
        StopOutcome.STOPPED: f"Interrupted: session {session.id} was terminated on the service.",
        StopOutcome.ALREADY_FINISHED: f"Interrupted: session {session.id} had already finished.",
        StopOutcome.UNCONFIRMED: (
            f"Interrupted, but the service did not confirm that session {session.id} "
            f"was terminated; {again}."
        ),
    }[outcome]


def _leave(transcript: Transcript, *, quiet: bool, replace: bool) -> None:
    """Leave the transcript in the cell, where the front end shows HTML."""
    if quiet or getattr(get_ipython(), "kernel", None) is None:
        say(status_line(transcript.title, transcript.summary))
        return
    if replace:
        clear_output(wait=True)  # type: ignore[no-untyped-call]
    display(  # type: ignore[no-untyped-call]
        {"text/html": transcript.html(), "text/plain": transcript.plain()}, raw=True
    )
