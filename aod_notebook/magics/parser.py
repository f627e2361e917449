"""The words of a magic: declared arguments and commands, shell quoting, errors with a next step."""

from __future__ import annotations

import argparse
import difflib
import enum
import keyword
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.magic_arguments import MagicArgumentParser

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.template import BARE_NAME
from aod_notebook.magics.display import say
from aod_notebook.magics.notices import plain_warnings
from aod_notebook.magics.template import fill_options

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

DASHES = "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}\N{MINUS SIGN}"
QUOTES = (
    "\N{LEFT DOUBLE QUOTATION MARK}",
    "\N{LEFT SINGLE QUOTATION MARK}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}",
)
"""What editors and chat programs use in place of hyphens and straight quotes."""


_IPYTHONS_OWN = ("In", "Out", "_", "__", "___", "exit", "quit", "get_ipython")


class MagicUsageError(AodNotebookError):
    """A magic was called with invalid arguments.

    Fix: See what the message proposes; `%%aod --help` lists all options.
    """


class HelpShown(Exception):  # noqa: N818 - not an error: it ends the parsing after --help
    """`--help` was asked for and printed; there is nothing to run."""


class Offer(enum.Enum):
    """The kinds of values that completion offers for an argument."""

    SESSIONS = enum.auto()
    """`last`, variables that hold sessions, and known ids."""
    RUNS = enum.auto()
    """`last`, variables that hold runs, and known ids."""
    AGENTS = enum.auto()
    """Names of the agents of Agent on Demand."""
    HOSTED_AGENTS = enum.auto()
    """Names of the agents of AgentOS."""
    ENVIRONMENTS = enum.auto()
    METHODS = enum.auto()
    """Methods of AgentOS's control plane."""
    PARAMETERS = enum.auto()
    """Parameters of the method before."""
    DICTS = enum.auto()
    """Variables that hold a dict."""
    SECRETS = enum.auto()
    """Environment variables of the kernel."""
    FOLDERS = enum.auto()


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
    """A parser with errors that name the nearest valid word.

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
        self._offers: dict[str, Offers] = {}
        super().__init__(  # type: ignore[no-untyped-call]  # IPython's parser has no types
            prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        self.allow_abbrev = False
        self._below = below
        self.add_argument("-h", "--help", action="store_true", help="show this help and stop")

    def add_argument(self, *names: str, offers: Offers = None, **settings: Any) -> argparse.Action:
        """Add an argument; `offers` are the values for completion."""
        action: argparse.Action = super().add_argument(*names, **settings)
        self._offers[action.dest] = offers
        return action

    def parse_args(  # type: ignore[override]  # argparse overloads on the namespace's type
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse `args`; `--help` anywhere prints the help.

        Raises:
            HelpShown: the help was asked for.
            MagicUsageError: an unknown option, a missing or bad value, an unexpected argument.
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
        """Accept a `{{name}}` where there are choices; `check_filled` checks its value."""
        if not (isinstance(value, str) and BARE_NAME.fullmatch(value)):
            super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        """Raise an argparse error as one line."""
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

    def takes_value(self, option: str) -> bool:
        """Check whether a word is an option that is followed by a value."""
        action = self._option_string_actions.get(option)
        return action is not None and action.nargs != 0

    def offers_of(self, option: str) -> Offers:
        """Return the candidates for the value of an option."""
        action = self._option_string_actions[option]
        return tuple(map(str, action.choices)) if action.choices else self._offers[action.dest]

    def offers_at(self, place: int) -> Offers:
        """Return the candidates for positional argument number `place`, from 0."""
        actions = self._get_positional_actions()
        if place >= len(actions) and not (actions and actions[-1].nargs in ("*", "+")):
            return None
        return self._offers[actions[min(place, len(actions) - 1)].dest]

    def _check_bare(self, words: Sequence[str]) -> None:
        """Refuse `--name` for an argument without dashes."""
        for action in self._get_positional_actions():
            shown = str(action.metavar or action.dest)
            for option in {f"--{action.dest}", f"--{shown.lower()}"} - {*self.options()}:
                if any(word.partition("=")[0] == option for word in words):
                    raise MagicUsageError(
                        f"{self.prog}: there is no option {option}; its value is written without "
                        f"it: {self.prog} {shown.upper()}. {self.prog} --help lists all."
                    )

    def _check_typography(self, words: Sequence[str]) -> None:
        """Refuse typographic dashes and quotes, which an editor has inserted."""
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
            f"{self.prog}: unexpected argument {word!r}. {where}{self.prog} --help shows the usage."
        )


Arguments = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]
Offers = Offer | tuple[str, ...] | None
"""What completion offers as a value: things of a kind, certain words, or nothing."""


def argument(*words: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Declare one argument as `MagicParser.add_argument` takes it."""
    return words, settings


@dataclass(frozen=True)
class Command:
    """One command: its purpose, arguments and function.

    Attributes:
        help: one line for the list of commands.
        arguments: what its parser takes.
        run: called with the parsed options and the notebook's variables.
        takes_text: whether what follows its first word is text, taken verbatim.
        verbatim: arguments in which no `{{name}}` is filled in; the text is one anyway.
        may_be_empty: arguments for which an empty text is a value.
    """

    help: str
    arguments: Arguments
    run: Callable[[argparse.Namespace, dict[str, object]], object]
    takes_text: bool = False
    verbatim: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()

    def parser(self, name: str) -> MagicParser:
        """Return the command's parser; `name` is its full name (`%aod turns`)."""
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
            UnknownNameError: a `{{name}}` is not a variable.
        """
        parser = self.parser(name)
        options = parser.parse_args(words)
        text = self.arguments[-1][0] if self.takes_text else ()
        fill_options(options, names, but=(*self.verbatim, *text), hint="Define it first.")
        parser.check_filled(options, but=(*self.may_be_empty, *text))
        return options


def find(commands: Mapping[str, Command], words: list[str]) -> tuple[str, list[str]] | None:
    """Return the name of the command that `words` begin with, of one or two words, and the rest."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in commands and len(words) >= length:
            return name, words[length:]
    return None


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


def run_magic(work: Callable[[], object], interrupted: AodNotebookError) -> object:
    """Return what `work` of a magic returns; None if it showed a help.

    Raises:
        AodNotebookError: `interrupted`, if the user interrupted it.
    """
    try:
        with plain_warnings():
            return work()
    except HelpShown:
        return None
    except KeyboardInterrupt:
        pass
    raise interrupted  # outside of the handler, so that the cell shows no KeyboardInterrupt


def described(
    summary: str | None, magic: str, commands: Mapping[str, Command], cell: MagicParser
) -> str:
    """Return the documentation of a magic: what `--help` shows of its commands and of its cell."""
    return f"{summary}\n\n{_overview(magic, commands)}\n\n{cell.format_help()}"


def _without_semicolon(line: str, commands: Mapping[str, Command]) -> tuple[str, bool]:
    """Strip the semicolon that hides a cell's last value; return also whether it was there.

    In an assignment (`x = %aod sessions;`) the value is needed anyway.
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
        typed = " ".join(words[:2])
        return MagicUsageError(
            f"{magic}: {typed!r} is not a command; there are {', '.join(group)}."
        )
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


def check_name(name: str | None, magic: str) -> None:
    """Refuse a name (`-o`) that no variable can have, or that IPython itself uses.

    Raises:
        MagicUsageError: it is such a name.
    """
    if name is None:
        return
    if not name.isidentifier() or keyword.iskeyword(name) or name in _IPYTHONS_OWN:
        raise MagicUsageError(f"{magic}: -o takes a variable's name, not {name!r}.")


def check_view(options: argparse.Namespace, magic: str) -> None:
    """Refuse `--view` with `--quiet`, which shows nothing.

    Raises:
        MagicUsageError: both are given.
    """
    if options.quiet and options.view is not None:
        raise MagicUsageError(f"{magic}: --quiet and --view exclude each other; keep one.")
