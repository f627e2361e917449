"""`%aod compare`: two sessions side by side."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from IPython.display import display

from aod_notebook import live
from aod_notebook.magics.display import is_live, say
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import Command, Offer, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

REFRESH_S = 1.0
"""How often the comparison of running sessions is drawn: each drawing reads both whole."""


def _compare(options: argparse.Namespace, names: Mapping[str, object]) -> live.Comparison:
    from aod_notebook.frames.logs.rows import is_path

    a, b = (
        one if is_path(one) and one not in names else find_session(one, names).catch_up()
        for one in (options.session, options.other)
    )
    running = [one for one in (a, b) if isinstance(one, live.LiveSession) and not one.is_final]
    if running and is_live("auto"):
        _watch(a, b, running)
    return live.compare(a, b)


def _watch(a: object, b: object, running: list[live.LiveSession]) -> None:
    """Redraw the comparison every second until the sessions have ended; Stop ends the display only."""
    handle = display(live.compare(a, b), display_id=True)  # type: ignore[no-untyped-call]
    try:
        for session in running:
            while not session.is_final:
                with contextlib.suppress(live.WaitTimeoutError):
                    session.wait(REFRESH_S)
                handle.update(live.compare(a, b))
    except KeyboardInterrupt:
        say("The sessions continue. %aod compare shows them again.")
    finally:
        handle.update({"text/plain": ""}, raw=True)  # the result of the cell shows the last state


AOD = {
    "compare": Command(
        "two sessions side by side: where they part, what each cost, what each edited",
        (
            argument(
                "session",
                metavar="A",
                offers=Offer.SESSIONS,
                help="an id, a variable, `last` or a log's path",
            ),
            argument("other", metavar="B", offers=Offer.SESSIONS, help="the other session"),
        ),
        _compare,
    ),
}
