"""`%aod import` and `%aod show`: the logs of the agents' CLIs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.display import display

from aod_notebook.core.text import counted
from aod_notebook.magics.display import say
from aod_notebook.magics.parser import Command, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    import pandas as pd


_SHOWN = (
    "session_id",
    "title",
    "runtime",
    "cwd",
    "model",
    "turn_count",
    "created_at",
    "duration_s",
)


def _import(options: argparse.Namespace, _: Mapping[str, object]) -> pd.DataFrame:
    from aod_notebook import frames

    store = frames.import_logs(options.path or None, into=options.into, since=options.since)
    sessions = store.frame("sessions", columns=list(_SHOWN))
    say(f"{counted(len(sessions), 'session')} in {store.path}")
    return sessions.sort_values("created_at", ascending=False, ignore_index=True)


def _show(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    from aod_notebook import frames
    from aod_notebook.viewers.static import Transcript

    session = frames.open_log(options.session, options.where)
    transcript = Transcript(session.title or session.id, session.runtime)
    transcript.add(session.received())
    transcript.finish()
    bundle = {"text/html": transcript.html(), "text/plain": transcript.plain()}
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


AOD = {
    "import": Command(
        "import the logs of Claude Code, Codex, Gemini and opencode from this machine",
        (
            argument("path", metavar="PATH", nargs="*", help="homes, folders or files"),
            argument("--into", metavar="DIR", help="the store (`imported` in our own home)"),
            argument("--since", metavar="DATE", help="only files that changed since then"),
        ),
        _import,
    ),
    "show": Command(
        "show a session of these logs",
        (
            argument("session", metavar="ID", help="its id, or the beginning of it"),
            argument("--from", dest="where", metavar="PATH", help="a store, or a path of logs"),
        ),
        _show,
    ),
}
