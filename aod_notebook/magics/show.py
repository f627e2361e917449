"""What a cell shows of a followed session or run, and what the stop button does meanwhile."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from IPython import get_ipython

from aod_notebook.live import RunFailedError, SessionFailedError
from aod_notebook.magics.ways import (
    Html,
    Lines,
    LinesThenHtml,
    Live,
    OneLine,
    say,
    viewer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aod_notebook.magics.ways import Followed

__all__ = [
    "VIEWS",
    "get_kernel",
    "is_live",
    "leave_live",
    "say",
    "tell_failure",
    "watch",
    "why_not_live",
]

VIEWS = ("auto", "live", "html", "lines")
"""The ways to show a session: `auto` is `live` where a notebook's page asked for the cell."""

LIVE_WIDGETS = 8
"""The first ipywidgets whose pages are sure to load the live view."""


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
    try:
        way = OneLine if quiet else _way(view)
        shown = way(session, start)
        shown.follow()
    except KeyboardInterrupt:
        message = _stop(session) if owned else _let_go(session)
    finally:
        if shown is not None:
            shown.end()
    if message is not None:
        raise session.stopped_error(message)


def tell_failure(followed: Followed) -> None:
    """Say in a line if what was only looked at failed; that is no error of the cell that looked.

    Raises:
        AodNotebookError: it could not be followed to its end.
    """
    try:
        followed.raise_for_status()
    except (SessionFailedError, RunFailedError) as error:
        say(str(error))


def leave_live(session: Followed, *, start: int = 0, view: str = "auto") -> None:
    """Show a session that goes on in the background, where a page can show it live."""
    if is_live(view):
        viewer(session, start).show()


def why_not_live() -> str | None:
    """Say why pages may not load the live view; None if nothing is known against it."""
    if get_kernel() is None:
        return "no page is here, only a terminal or a script"
    here = version("ipywidgets")
    if int(here.partition(".")[0]) >= LIVE_WIDGETS:
        return None
    return f"the live view needs ipywidgets {LIVE_WIDGETS}, and this is {here}"


def _way(view: str) -> Callable[[Followed, int], OneLine | Live]:
    if is_live(view):
        return Live
    if get_kernel() is None:
        return Html if view == "html" else Lines
    return LinesThenHtml if view in ("auto", "lines") and _is_whole_cell() else Html


def is_live(view: str) -> bool:
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
    """Return the kernel that runs this; None in a terminal or a script."""
    return getattr(get_ipython(), "kernel", None)


def _request() -> dict[str, Any]:
    """Return the message that asked for the running cell; empty without a kernel."""
    kernel = get_kernel()
    return {} if kernel is None else kernel.get_parent("shell")


def _is_whole_cell() -> bool:
    """Whether nothing but one of our magics is in the running cell, so all output is ours."""
    code = str(_request().get("content", {}).get("code", "")).strip()
    return code.startswith("%%aod") or (code.startswith(("%aod", "%agentos")) and "\n" not in code)


def _stop(followed: Followed) -> str:
    """Stop what an interrupted cell started; say which end that had."""
    try:
        return f"Interrupted: {followed.stop_text(followed.stop())}"
    except KeyboardInterrupt:
        return (
            f"Interrupted twice: left at once. {followed.noun.capitalize()} {followed.id} may "
            f"still run; {followed.stop_command} {followed.id} ends it."
        )


def _let_go(followed: Followed) -> str:
    """Leave what was only looked at."""
    name = followed.id
    return (
        f"No longer shown; {followed.noun} {name} goes on. {followed.stop_command} {name} ends it, "
        f"{followed.show_command} {name} shows it again."
    )
