"""The `%aod` line commands: each a parser's words and a function that answers."""

from __future__ import annotations

import difflib
import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook import live
from aod_notebook.magics.parser import HelpShown, MagicParser, MagicUsageError, split
from aod_notebook.magics.show import say, watch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import pandas as pd

__all__ = ["COMMANDS", "run"]


@dataclass(frozen=True)
class Command:
    """One `%aod` command: what it is for, its arguments, and what it does."""

    help: str
    arguments: tuple[tuple[tuple[str, ...], dict[str, Any]], ...]
    run: Callable[[argparse.Namespace, Mapping[str, object]], object]

    def parser(self, name: str) -> MagicParser:
        """Make the command's parser."""
        parser = MagicParser(f"%aod {name}", self.help)
        for words, settings in self.arguments:
            parser.add_argument(*words, **settings)
        return parser


def run(line: str, names: Mapping[str, object]) -> object:
    """Run a `%aod` line.

    Args:
        line: the command and its arguments; nothing means `status`.
        names: the notebook's variables.

    Raises:
        MagicUsageError: there is no such command, or its arguments are wrong.
    """
    name, *words = split(line, "%aod") or ["status"]
    if name in ("-h", "--help"):
        say(_overview())
        raise HelpShown
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise MagicUsageError(f"%aod: unknown command {name!r}. {hint}%aod --help lists all.")
    command = COMMANDS[name]
    return command.run(command.parser(name).parse_args(words), names)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["%aod COMMAND …: each has --help. %%aod --help tells how to run an agent.", "", *lines]
    )


def _connect(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    made = live.connect(options.url, local=options.local, ask_token=getpass.getpass)
    say(f"Connected: {made!r}")


def _status(_: argparse.Namespace, __: Mapping[str, object]) -> None:
    connection = live.connection()
    health = connection.client.health()
    say(f"service  {connection.base_url}  ({connection.sources['base_url']})")
    say(f"token    not shown  ({connection.sources['token']})")
    say(f"health   {health.get('status', 'unknown')}")


def _agents(_: argparse.Namespace, __: Mapping[str, object]) -> pd.DataFrame:
    return _rows(
        live.connection().client.agents.list(), "id name runtime provider model version created_at"
    )


def _envs(_: argparse.Namespace, __: Mapping[str, object]) -> pd.DataFrame:
    return _rows(live.connection().client.environments.list(), "id name version created_at")


def _sessions(options: argparse.Namespace, _: Mapping[str, object]) -> pd.DataFrame:
    from aod_notebook import frames

    sessions = frames.sessions_df(client=live.connection().client)
    if options.status is not None:
        sessions = sessions[sessions["status"] == options.status].reset_index(drop=True)
    return sessions


def _frame(name: str) -> Callable[[argparse.Namespace, Mapping[str, object]], pd.DataFrame]:
    def table(options: argparse.Namespace, names: Mapping[str, object]) -> pd.DataFrame:
        from aod_notebook import frames

        session = live.open_session(options.session, names)
        frame: pd.DataFrame = getattr(frames, name)(session.wait())
        return frame

    return table


def _attach(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = live.open_session(options.session, names)
    watch(session, replace=False)
    session.raise_for_status()


def _prompt(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = live.open_session(options.session, names)
    position = len(session.wait().received())
    watch(session.prompt(" ".join(options.text)), start=position, replace=False)
    session.raise_for_status()


def _stop(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = live.open_session(options.session, names)
    outcome = session.stop()
    say(f"Session {session.id}: {outcome}.")


def _rm(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    session = live.open_session(options.session, names)
    session.delete()
    say(f"Session {session.id} was deleted.")


def _rows(models: list[Any], columns: str) -> pd.DataFrame:
    import pandas as pd

    names = columns.split()
    rows = [[getattr(model, name) for name in names] for model in models]
    frame = pd.DataFrame(rows, columns=names)
    return frame.astype({"id": "str"})


_SESSION = (("session",), {"metavar": "SESSION", "help": "an id, a variable or `last`"})
_LAST = (("session",), {**_SESSION[1], "nargs": "?", "default": "last"})

COMMANDS = {
    "status": Command("which service is used, and whether it answers", (), _status),
    "connect": Command(
        "use the embedded service or one at a URL",
        (
            (("--local",), {"action": "store_true", "help": "the embedded local service"}),
            (("--url",), {"help": "the service's base URL; its token comes from AOD_API_TOKEN"}),
        ),
        _connect,
    ),
    "agents": Command("the agents, newest first", (), _agents),
    "envs": Command("the environments, newest first", (), _envs),
    "sessions": Command(
        "the sessions, newest first",
        ((("--status",), {"metavar": "S", "help": "only those with this status"}),),
        _sessions,
    ),
    "turns": Command("the turns of a session", (_LAST,), _frame("turns_df")),
    "events": Command("the events of a session", (_LAST,), _frame("events_df")),
    "messages": Command("the messages of a session", (_LAST,), _frame("messages_df")),
    "tools": Command("the tool calls of a session", (_LAST,), _frame("tool_calls_df")),
    "attach": Command("show a session from its first event on", (_LAST,), _attach),
    "prompt": Command(
        "send a session its next prompt",
        (_SESSION, (("text",), {"nargs": "+", "metavar": "TEXT", "help": "the prompt"})),
        _prompt,
    ),
    "stop": Command("terminate a session", (_LAST,), _stop),
    "rm": Command("delete a session with its log and workspace", (_SESSION,), _rm),
}
"""The commands by name, in the order of the help."""
