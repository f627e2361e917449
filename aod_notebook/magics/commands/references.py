"""The arguments of commands that name a session or a run."""

from __future__ import annotations

from typing import Any

from aod_notebook.magics.parser import Offer, argument


def _session(text: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return argument("session", metavar="SESSION", offers=Offer.SESSIONS, help=text, **settings)


def _run(text: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return argument("run_id", metavar="RUN", offers=Offer.RUNS, help=text, **settings)


_ONE = "an id, a variable or `last`"

SESSION = _session(_ONE)
SESSION_OR_LAST = _session(_ONE, nargs="?", default="last")
SESSIONS = _session("ids, variables or `last`", nargs="+")
RUN = _run(_ONE)
RUN_OR_LAST = _run(_ONE, nargs="?", default="last")
