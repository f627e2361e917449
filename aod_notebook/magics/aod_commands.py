"""The `%aod` line commands: each a parser's words and a function that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook import live
from aod_notebook.aod import AodConnectionError
from aod_notebook.contract import SESSION_STATUSES
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.live import journal
from aod_notebook.magics import aod_board, aod_logs, aod_report, aod_rows, command
from aod_notebook.magics.aod_cell import check_name
from aod_notebook.magics.command import NEXT_STEP, Command, argument, ask_secret
from aod_notebook.magics.doctor import examine
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import MagicUsageError
from aod_notebook.magics.show import say, tell_failure, watch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import pandas as pd

__all__ = ["COMMANDS", "run"]

NEWEST = 20
"""As many sessions as a screen has lines for."""
PATIENCE_S = 8.0
"""How long `%aod sessions` waits for transcripts; what is late is left out and said."""


def run(line: str, names: dict[str, object]) -> object:
    """Run a `%aod` line; see `command.run`."""
    return command.run("%aod", COMMANDS, line, names)


def _connect(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    made = live.connect(options.url, local=options.local, name=options.name, ask_token=ask_secret)
    count = len(made.client.agents.list())
    say(f"Connected: {made!r}, which has {counted(count, 'agent')}.")


def _status(_: argparse.Namespace, __: Mapping[str, object]) -> None:
    connection = live.connection()
    say(f"service  {connection.base_url}  ({connection.sources['base_url']})")
    say(f"token    not shown  ({connection.sources['token']})")
    try:
        say(f"health   {connection.client.health().get('status', 'unknown')}")
    except AodConnectionError as error:
        say(f"health   not reachable: {error}")
        say(NEXT_STEP.format(magic="%aod"))


def _sessions(options: argparse.Namespace, _: Mapping[str, object]) -> pd.DataFrame:
    from aod_notebook.frames.sessions.sessions import newest_sessions
    from aod_notebook.live.start import followed

    if not options.limit.isdecimal() or not int(options.limit):
        raise MagicUsageError(
            f"%aod sessions: --limit takes a whole number from 1 on, not {options.limit!r}."
        )
    on, limit = live.connection(), int(options.limit)
    frame = newest_sessions(
        on.client, limit, status=options.status, held=followed(on), patience_s=PATIENCE_S
    )
    return aod_board.shown_as_board(frame, on.client)


def _frame(name: str) -> Callable[[argparse.Namespace, Mapping[str, object]], pd.DataFrame]:
    def table(options: argparse.Namespace, names: Mapping[str, object]) -> pd.DataFrame:
        from aod_notebook import frames

        session = find_session(options.session, names).catch_up()
        frame: pd.DataFrame = getattr(frames, name)(session)
        return frame

    return table


def _compare(options: argparse.Namespace, names: Mapping[str, object]) -> live.Comparison:
    from aod_notebook.frames.logs.rows import is_path

    a, b = (
        one if is_path(one) and one not in names else find_session(one, names).catch_up()
        for one in (options.session, options.other)
    )
    return live.compare(a, b)


def _attach(options: argparse.Namespace, names: dict[str, object]) -> None:
    check_name(options.output, "%aod attach")
    session = find_session(options.session, names)
    journal.remember(session.id, live.connection().key, session.runtime)
    if options.output is not None:
        names[options.output] = session
    watch(session, owned=False)
    tell_failure(session)


def _prompt(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = find_session(options.session, names)
    position = len(session.wait().received())
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


def _doctor(_: argparse.Namespace, __: Mapping[str, object]) -> pd.DataFrame:
    return examine()


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


_SESSION = argument("session", metavar="SESSION", help="an id, a variable or `last`")
_LAST = argument(
    "session", metavar="SESSION", nargs="?", default="last", help="an id, a variable or `last`"
)

COMMANDS = {
    "status": Command("which service is used, and whether it answers", (), _status),
    "connect": Command(
        "use the embedded service or one at a URL",
        (
            argument("--local", action="store_true", help="the embedded local service"),
            argument("--url", help="the service's base URL; its token is found or asked for"),
            argument("--name", help="remember the URL by this name, or use the one so remembered"),
        ),
        _connect,
    ),
    "doctor": Command("check everything that can be checked", (), _doctor),
    "sessions": Command(
        "the newest sessions: prompt, agent, model, tool calls, cost, age",
        (
            argument("--status", choices=SESSION_STATUSES, help="only those with this status"),
            argument("--limit", metavar="N", default=str(NEWEST), help=f"how many ({NEWEST})"),
        ),
        _sessions,
    ),
    "turns": Command("the turns of a session", (_LAST,), _frame("turns_df")),
    "events": Command("the events of a session", (_LAST,), _frame("events_df")),
    "messages": Command("the messages of a session", (_LAST,), _frame("messages_df")),
    "tools": Command("the tool calls of a session", (_LAST,), _frame("tool_calls_df")),
    "compare": Command(
        "two sessions side by side: where they part, what each cost, what each edited",
        (
            argument("session", metavar="A", help="an id, a variable, `last` or a log's path"),
            argument("other", metavar="B", help="the other session"),
        ),
        _compare,
    ),
    "attach": Command(
        "show a session from its first event on (the stop button leaves it running)",
        (
            _LAST,
            argument("-o", "--output", metavar="NAME", help="bind the session to a variable"),
        ),
        _attach,
    ),
    "prompt": Command(
        "send a session its next prompt",
        (_SESSION, argument("text", metavar="TEXT", help="the prompt, as it stands")),
        _prompt,
        takes_text=True,
    ),
    "stop": Command("terminate a session", (_LAST,), _stop),
    "rm": Command("delete a session with its log and workspace", (_SESSION,), _rm),
    "export": Command(
        "write sessions' turns, events, messages and tool calls as Parquet",
        (
            argument("session", metavar="SESSION", nargs="+", help="ids, variables or `last`"),
            argument("--to", metavar="DIR", required=True, help="the folder to write into"),
        ),
        _export,
    ),
    **aod_report.COMMANDS,
    **aod_board.COMMANDS,
    **aod_logs.COMMANDS,
    **aod_rows.COMMANDS,
}
"""The commands by name, in the order of the help."""
