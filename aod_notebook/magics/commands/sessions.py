"""`%aod` commands about sessions: listing, tables, attaching, prompting, stopping, exporting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook import live
from aod_notebook.contract import SESSION_STATUSES
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.live.start import remember
from aod_notebook.magics.commands.board import shown_as_board
from aod_notebook.magics.commands.references import SESSION, SESSION_OR_LAST, SESSIONS
from aod_notebook.magics.display import load_views, print_failure, say, watch
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import Command, MagicUsageError, Offer, argument, check_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import pandas as pd

NEWEST = 20
"""As many sessions as a screen has lines for."""
PATIENCE_S = 8.0
"""How long `%aod sessions` waits for transcripts; what is late is left out, with a note."""


def _sessions(options: argparse.Namespace, _: Mapping[str, object]) -> pd.DataFrame:
    from aod_notebook.frames.sessions.sessions import newest_sessions
    from aod_notebook.live.registry import registry

    if not options.limit.isdecimal() or not int(options.limit):
        raise MagicUsageError(
            f"%aod sessions: --limit takes a whole number from 1 on, not {options.limit!r}."
        )
    on, limit = live.connection(), int(options.limit)
    frame = newest_sessions(
        on.client, limit, status=options.status, held=registry.held(on.key), patience_s=PATIENCE_S
    )
    return shown_as_board(frame, on.client)


def _frame(name: str) -> Callable[[argparse.Namespace, Mapping[str, object]], pd.DataFrame]:
    def table(options: argparse.Namespace, names: Mapping[str, object]) -> pd.DataFrame:
        from aod_notebook import frames

        session = find_session(options.session, names).catch_up()
        frame: pd.DataFrame = getattr(frames, name)(session)
        return frame

    return table


def _attach(options: argparse.Namespace, names: dict[str, object]) -> None:
    check_name(options.output, "%aod attach")
    session = find_session(options.session, names)
    remember(session, live.connection(), works=False)
    if options.output is not None:
        names[options.output] = session
    watch(session, owned=False)
    print_failure(session)


def _prompt(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = find_session(options.session, names)
    position = len(session.wait().received())
    load_views()
    watch(session.prompt(options.text), start=position)
    session.raise_for_status()


def _stop(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = find_session(options.session, names)
    text = session.stop_text(session.stop())
    say(text[:1].upper() + text[1:])


def _rm(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = find_session(options.session, names)
    session.delete()
    say(f"Session {session.id} was deleted.")


def _export(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    written = set()
    for reference in options.session:
        session = find_session(reference, names).catch_up()
        written.add(session.id)
        try:
            session.to_parquet(options.to)
        except OSError as error:
            raise AodNotebookError(
                f"Session {session.id} can't be written to {options.to}: {error.strerror or error}."
            ) from error
    say(f"{counted(len(written), 'session')} written to {options.to}")


AOD = {
    "sessions": Command(
        "the newest sessions: prompt, agent, model, tool calls, cost, age",
        (
            argument("--status", choices=SESSION_STATUSES, help="only those with this status"),
            argument("--limit", metavar="N", default=str(NEWEST), help=f"how many ({NEWEST})"),
        ),
        _sessions,
    ),
    "turns": Command("the turns of a session", (SESSION_OR_LAST,), _frame("turns_df")),
    "events": Command("the events of a session", (SESSION_OR_LAST,), _frame("events_df")),
    "messages": Command("the messages of a session", (SESSION_OR_LAST,), _frame("messages_df")),
    "tools": Command("the tool calls of a session", (SESSION_OR_LAST,), _frame("tool_calls_df")),
    "attach": Command(
        "show a session from its first event on (the stop button leaves it running)",
        (
            SESSION_OR_LAST,
            argument("-o", "--output", metavar="NAME", help="bind the session to a variable"),
        ),
        _attach,
    ),
    "prompt": Command(
        "send a session its next prompt",
        (SESSION, argument("text", metavar="TEXT", help="the prompt, verbatim")),
        _prompt,
        takes_text=True,
    ),
    "stop": Command("terminate a session", (SESSION_OR_LAST,), _stop),
    "rm": Command("delete a session with its log and workspace", (SESSION,), _rm),
    "export": Command(
        "write sessions' turns, events, messages and tool calls as Parquet",
        (
            SESSIONS,
            argument(
                "--to",
                metavar="DIR",
                offers=Offer.FOLDERS,
                required=True,
                help="the folder to write into",
            ),
        ),
        _export,
    ),
}
