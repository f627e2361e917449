"""A parser of command lines: errors are one line, with the nearest word."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, with the nearest valid word."""

    def error(self, message: str) -> NoReturn:
        """Describe what is wrong in one line, and exit."""
        self.exit(
            2,
            f"{self.prog}: {message.rstrip('.')}{'' if message.endswith('?') else '.'} {self.prog} --help lists all.\n",
        )

    def parse_args(  # type: ignore[override]  # argparse overloads on the namespace's type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse the words; exit at the first one that is not known."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = sorted(_options_below(self))
            self.error(f"unknown argument {unknown[0]!r}.{_nearest(unknown[0], known)}")
        return options

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Name the nearest of the choices."""
        if action.choices is not None and value not in action.choices:
            known = [str(each) for each in action.choices]
            what = str(action.metavar or action.dest).lower()
            self.error(f"unknown {what} {str(value)!r}.{_nearest(str(value), known)}")


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""


def _options_below(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a parser and of the commands below it."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see above
            for below in action.choices.values():
                yield from _options_below(below)
