"""A line magic's commands: finding the one that is meant, parsing its words, running it."""

from __future__ import annotations

import difflib
import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.magics.parser import HelpShown, MagicParser, MagicUsageError, split
from aod_notebook.magics.show import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

__all__ = ["Arguments", "Command", "argument", "ask_secret", "find", "run"]

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
    """

    help: str
    arguments: Arguments
    run: Callable[[argparse.Namespace, dict[str, object]], object]
    takes_text: bool = False

    def parser(self, name: str) -> MagicParser:
        """Make the command's parser; `name` is what it is called by (`%aod turns`)."""
        parser = MagicParser(name, self.help)
        for words, settings in self.arguments:
            parser.add_argument(*words, **settings)
        return parser


def find(commands: Mapping[str, Command], words: list[str]) -> tuple[str, list[str]] | None:
    """Give the name of the command that `words` begin with, of one or two words, and the rest."""
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
    words = _words(line, magic, commands)
    if words[0] in ("-h", "--help"):
        say(_overview(magic, commands))
        raise HelpShown
    found = find(commands, words)
    if found is None:
        raise _unknown(magic, commands, words)
    name, rest = found
    return commands[name].run(commands[name].parser(f"{magic} {name}").parse_args(rest), names)


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
    near = difflib.get_close_matches(words[0], commands, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    return MagicUsageError(
        f"{magic}: unknown command {words[0]!r}. {hint}{magic} --help lists all."
    )


def _overview(magic: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    head = f"{magic} COMMAND …: each has --help. %{magic} --help is about the cell magic."
    return "\n".join([head, "", *lines])
