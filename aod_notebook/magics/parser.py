"""The argument parser of the magics: shell quoting, no abbreviations, errors with a next step."""

from __future__ import annotations

import argparse
import difflib
import shlex
from typing import TYPE_CHECKING, NoReturn

from IPython.core.magic_arguments import MagicArgumentParser

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.magics.template import BARE_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["HelpShown", "MagicParser", "MagicUsageError", "split"]


DASHES = "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}\N{MINUS SIGN}"
QUOTES = (
    "\N{LEFT DOUBLE QUOTATION MARK}",
    "\N{LEFT SINGLE QUOTATION MARK}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}",
)
"""What editors and chat programs put in the place of hyphens and straight quotes."""


class MagicUsageError(AodNotebookError):
    """A magic was called with words that it does not know."""


class HelpShown(Exception):  # noqa: N818 - not an error: it ends the parsing after --help
    """`--help` was asked for and printed; there is nothing to run."""


def split(line: str, magic: str) -> list[str]:
    """Split a magic's line into words by the shell's quoting rules.

    Raises:
        MagicUsageError: a quote is not closed.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise MagicUsageError(
            f"{magic}: {str(error).lower()} in its line. Close the quote, or escape a single one "
            "with a backslash."
        ) from None


class MagicParser(MagicArgumentParser):
    """A parser whose mistakes name the nearest word that would have been right.

    Args:
        prog: what is parsed (`%aod turns`).
        description: what it does.
        below: of a cell magic, what the rest of its cell is.

    Example:
        >>> parser = MagicParser("%%aod")
        >>> _ = parser.add_argument("--runtime")
        >>> parser.parse_args(["--runtme", "shell"])
        Traceback (most recent call last):
        ...
        aod_notebook.magics.parser.MagicUsageError: %%aod: unknown option --runtme. \
Did you mean --runtime? %%aod --help lists all.
    """

    def __init__(self, prog: str, description: str | None = None, below: str = "") -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # IPython's parser has no types
            prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        self.allow_abbrev = False
        self._below = below
        self.add_argument("-h", "--help", action="store_true", help="show this help and stop")

    def parse_args(  # type: ignore[override]  # argparse overloads on the namespace's type
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse `args`; `--help` anywhere prints the help.

        Raises:
            HelpShown: the help was asked for.
            MagicUsageError: an unknown option, a missing or bad value, a word too many.
        """
        options = args[: args.index("--")] if "--" in args else args
        if "--help" in options or "-h" in options:
            print(self.format_help())  # noqa: T201 - a cell's output is what was asked for
            raise HelpShown
        self._check_typography(options)
        self._check_bare(options)
        known, unknown = self.parse_known_args(args, namespace)
        for word in unknown:
            self._refuse(word)
        return known

    def check_filled(self, options: argparse.Namespace, *, but: Collection[str] = ()) -> None:
        """Check the values once each `{{name}}` in them is filled in.

        A value of nothing but blanks is refused: it would otherwise count as not given.

        Args:
            options: what was parsed.
            but: arguments that may be empty, by their names in `options`.

        Raises:
            MagicUsageError: a value is none of its choices, or empty; the message names its
                argument.
        """
        for action in self._actions:
            value = getattr(options, action.dest, None)
            if value == action.default:
                continue
            for each in value if isinstance(value, list) else [value]:
                try:
                    super()._check_value(action, each)
                except argparse.ArgumentError as error:
                    self.error(str(error))
                if isinstance(each, str) and not each.strip() and action.dest not in but:
                    self.error(str(argparse.ArgumentError(action, "its value is empty")))

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Let a `{{name}}` pass where there are choices; `check_filled` looks at what it becomes."""
        if not (isinstance(value, str) and BARE_NAME.fullmatch(value)):
            super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong as one line."""
        text = message[:1].lower() + message[1:].rstrip(".")
        raise MagicUsageError(f"{self.prog}: {text}. {self.prog} --help lists all.")

    def format_usage(self) -> str:
        """Return the usage without argparse's `usage:` frame."""
        return super().format_usage().removeprefix("usage: ")

    def add_usage(self, *args: object) -> None:
        """Keep argparse's plain usage line (IPython's is reStructuredText)."""

    def options(self) -> list[str]:
        """All option strings, long ones first."""
        return sorted(self._option_string_actions, key=lambda option: (len(option) < 3, option))  # noqa: PLR2004

    def values(self, option: str) -> list[str] | None:
        """Return what an option's value may be, as far as that is known; None if it takes none."""
        action = self._option_string_actions.get(option)
        if action is None or action.nargs == 0:
            return None
        return [str(choice) for choice in action.choices or ()]

    def _check_bare(self, words: Sequence[str]) -> None:
        """Refuse `--name` where the name is written without it."""
        for action in self._get_positional_actions():
            shown = str(action.metavar or action.dest)
            for option in {f"--{action.dest}", f"--{shown.lower()}"} - {*self.options()}:
                if any(word.partition("=")[0] == option for word in words):
                    raise MagicUsageError(
                        f"{self.prog}: there is no option {option}; its value is written without "
                        f"it: {self.prog} {shown.upper()}. {self.prog} --help lists all."
                    )

    def _check_typography(self, words: Sequence[str]) -> None:
        """Refuse dashes and quotes that an editor put in the place of those of the keyboard."""
        for word in words:
            if word[0:1] in DASHES and word.strip(DASHES + "-"):
                name = word.lstrip(DASHES + "-")
                meant = f"--{name}" if f"--{name}" in self.options() else f"-{name}"
                meant = meant if meant in self.options() else f"--{name}"
                raise MagicUsageError(
                    f"{self.prog}: {word!r} begins with a typographic dash. Write {meant} with "
                    "hyphens; --help lists all options."
                )
            if word[0:1] in QUOTES:
                raise MagicUsageError(
                    f"{self.prog}: {word!r} begins with a typographic quote. Write straight "
                    "quotes around a value with blanks."
                )

    def _refuse(self, word: str) -> NoReturn:
        option = word.partition("=")[0]
        if option.startswith("-"):
            near = difflib.get_close_matches(option, self.options(), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise MagicUsageError(
                f"{self.prog}: unknown option {option}. {hint}{self.prog} --help lists all."
            )
        where = ""
        if self._below:
            where = (
                f"{self._below} is written below this line, and a command has one percent sign "
                f"({self.prog.removeprefix('%')} status). "
            )
        raise MagicUsageError(
            f"{self.prog}: {word!r} is a word too many. {where}{self.prog} --help shows the usage."
        )
