"""A line magic's commands: finding the one that is meant, parsing its words, running it."""

from __future__ import annotations

import difflib
import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.magics.parser import HelpShown, MagicParser, MagicUsageError, split
from aod_notebook.magics.show import say
from aod_notebook.magics.template import fill_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

__all__ = [
    "NEXT_STEP",
    "Arguments",
    "Command",
    "argument",
    "ask_secret",
    "described",
    "find",
    "run",
]

NEXT_STEP = "next     {magic} connect --local uses the embedded service, --url URL another one"
"""What to do about a service that does not answer."""

Arguments = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]


def argument(*words: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Describe one argument, in the words of `argparse.ArgumentParser.add_argument`."""
    return words, settings


@dataclass(frozen=True)
class Command:
    """One command: what it is for, its arguments, and what it does.

    Attributes:
        help: one line for the list of commands.
        arguments: what its parser takes.
        run: called with the parsed options and the notebook's variables.
        takes_text: whether what follows its first word is text, taken as it stands.
        as_it_stands: arguments in which no `{{name}}` is filled in; the text is one anyway.
        may_be_empty: arguments for which an empty text says something.
    """

    help: str
    arguments: Arguments
    run: Callable[[argparse.Namespace, dict[str, object]], object]
    takes_text: bool = False
    as_it_stands: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()

    def parser(self, name: str) -> MagicParser:
        """Make the command's parser; `name` is what it is called by (`%aod turns`)."""
        parser = MagicParser(name, self.help)
        for words, settings in self.arguments:
            parser.add_argument(*words, **settings)
        return parser

    def options(
        self, name: str, words: list[str], names: Mapping[str, object]
    ) -> argparse.Namespace:
        """Parse the words that follow the command's name, and fill in the `{{name}}`s.

        Raises:
            HelpShown: the help was asked for.
            MagicUsageError: the arguments are wrong.
            UnknownNameError: a `{{name}}` is no variable.
        """
        parser = self.parser(name)
        options = parser.parse_args(words)
        text = self.arguments[-1][0] if self.takes_text else ()
        fill_options(options, names, but=(*self.as_it_stands, *text), hint="Define it first.")
        parser.check_filled(options, but=(*self.may_be_empty, *text))
        return options


def find(commands: Mapping[str, Command], words: list[str]) -> tuple[str, list[str]] | None:
    """Return the name of the command that `words` begin with, of one or two words, and the rest."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in commands and len(words) >= length:
            return name, words[length:]
    return None


def ask_secret(question: str) -> str:
    """Ask the person for a token or a key, unseen; nothing where nobody can be asked."""
    from IPython.core.error import StdinNotImplementedError

    try:
        return getpass.getpass(question)
    except (EOFError, StdinNotImplementedError):
        return ""


def run(magic: str, commands: Mapping[str, Command], line: str, names: dict[str, object]) -> object:
    """Run a line of `magic`; an empty one means `status`.

    Args:
        magic: what the line began with (`%aod`).
        commands: by name, of one or two words.
        line: the command and its arguments.
        names: the notebook's variables.

    Raises:
        HelpShown: the help was asked for.
        MagicUsageError: there is no such command, or its arguments are wrong.
    """
    text, is_quiet = _without_semicolon(line, commands)
    words = _words(text, magic, commands)
    if words[0] in ("-h", "--help"):
        say(_overview(magic, commands))
        raise HelpShown
    found = find(commands, words)
    if found is None:
        raise _unknown(magic, commands, words)
    name, rest = found
    command = commands[name]
    value = command.run(command.options(f"{magic} {name}", rest, names), names)
    return None if is_quiet else value


def described(
    summary: str | None, magic: str, commands: Mapping[str, Command], cell: MagicParser
) -> str:
    """Return the documentation of a magic: what `--help` shows of its commands and of its cell."""
    return f"{summary}\n\n{_overview(magic, commands)}\n\n{cell.format_help()}"


def _without_semicolon(line: str, commands: Mapping[str, Command]) -> tuple[str, bool]:
    """Take off the semicolon that keeps a cell from showing its last value; say if it was there.

    In an assignment (`x = %aod sessions;`) the value is wanted all the same.
    """
    name = (line.split(None, 1) or [""])[0]
    if not line.rstrip().endswith(";") or (name in commands and commands[name].takes_text):
        return line, False
    from IPython import get_ipython

    cell = getattr(getattr(get_ipython(), "displayhook", None), "exec_result", None)
    last = (cell.info.raw_cell.rstrip().splitlines() or [""])[-1] if cell is not None else ""
    return line.rstrip().rstrip(";"), last.lstrip().startswith("%")


def _words(line: str, magic: str, commands: Mapping[str, Command]) -> list[str]:
    name, *rest = line.split(None, 2) or ["status"]
    is_text = name in commands and commands[name].takes_text
    if is_text and len(rest) > 1 and rest[0] not in ("-h", "--help"):
        return [name, rest[0], "--", rest[1]]
    return split(line, magic) or ["status"]


def _unknown(magic: str, commands: Mapping[str, Command], words: list[str]) -> MagicUsageError:
    group = [name for name in commands if name.startswith(f"{words[0]} ")]
    if group:
        said = " ".join(words[:2])
        return MagicUsageError(f"{magic}: {said!r} is no command; there is {', '.join(group)}.")
    is_option = words[0].startswith("-")
    near = [] if is_option else difflib.get_close_matches(words[0], commands, n=1, cutoff=0.5)
    meant = near[0] if near else f"the cell magic %{magic}"
    return MagicUsageError(
        f"{magic}: unknown command {words[0]!r}. Did you mean {meant}? {magic} --help lists all."
    )


def _overview(magic: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    head = f"{magic} COMMAND …: each has --help. %{magic} --help is about the cell magic."
    return "\n".join([head, "", *lines])
