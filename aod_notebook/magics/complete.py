"""Tab completion of the magics: options, commands, agents, sessions, runs, `{{names}}`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aod_notebook.contract import PROVIDERS, RUNTIMES
from aod_notebook.live import LiveRun, LiveSession
from aod_notebook.live.known import known, known_runs
from aod_notebook.live.start import LAST
from aod_notebook.magics import agentos_cell, agentos_commands, aod_cell, aod_commands
from aod_notebook.magics.agentos_call import methods
from aod_notebook.magics.command import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from aod_notebook.magics.command import Command
    from aod_notebook.magics.parser import MagicParser

__all__ = ["candidates", "install", "uninstall"]

_OPEN_NAME = re.compile(r"\{\{(\w*)$")
_CELL = re.compile(r"\s*(%%)(aod|agentos)\b")
_LINE = re.compile(r"\s*(?:[\w., ]+=\s*)?(%)(aod|agentos)\b")
_WORD = re.compile(r"""(?:"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s"'])+""")
_JOINED = re.compile(r"(--[\w-]+)=(.*)")
_IPYTHONS_OWN = ("In", "Out")
_HOOK_KEYS = ("%aod", "%%aod", "%agentos", "%%agentos")


class Offer(NamedTuple):
    """What a piece of the text before the cursor may become."""

    fragment: str
    become: list[str]


def candidates(text: str, names: Mapping[str, object]) -> list[str] | None:
    """Return what the last word of `text` may become; None if that is not ours to say.

    Args:
        text: the cell up to the cursor.
        names: the notebook's variables.

    Example:
        >>> candidates("%%aod --time", {})
        ['--timeout']
        >>> candidates("%aod sess", {})
        ['sessions']
        >>> candidates("print(", {}) is None
        True
    """
    found = offer(text, names)
    return None if found is None else found.become


def offer(text: str, names: Mapping[str, object]) -> Offer | None:
    """Return what `candidates` gives, and which piece of the text that is for."""
    line = text.rpartition("\n")[2]
    magic, is_below = _CELL.match(text), line != text
    if magic is None or (is_below and magic[2] == "agentos"):  # whose cell is Python
        magic, text, is_below = _LINE.match(line), line, False
    if magic is None:
        return None
    open_name = _OPEN_NAME.search(text)
    if open_name is not None:
        own = [name for name in names if not name.startswith("_")]
        return Offer(open_name[1], [f"{name}}}}}" for name in _starting(open_name[1], own)])
    rest = text[magic.end() :]
    if is_below or not rest[:1].isspace():
        return None
    words = _WORD.findall(rest)
    word = words.pop() if words and rest.endswith(words[-1]) else ""
    before = [each.strip("\"'") for each in words]
    joined = _JOINED.fullmatch(word)
    if joined is not None:
        before, word = [*before, joined[1]], joined[2]
    start = word.lstrip("\"'")
    if before[-1:] == ["--to"]:
        return Offer(word, _folders(start))
    offered = _starting(start, _offered(magic[1], magic[2], before, names))
    return Offer(word, [shlex.quote(each) if " " in each else each for each in offered])


def _offered(sign: str, magic: str, before: list[str], names: Mapping[str, object]) -> list[str]:
    """What may follow the words `before`."""
    match sign, magic:
        case "%%", "aod":
            return _words(aod_cell.cell_parser(), before, names)
        case "%%", _:
            return _words(agentos_cell.cell_parser(), before, names)
        case _, "aod":
            return _line_words(aod_commands.COMMANDS, before, names)
    return _line_words(agentos_commands.COMMANDS, before, names)


def _words(parser: MagicParser, before: list[str], names: Mapping[str, object]) -> list[str]:
    """What may follow by the parser alone: the value of the last option, or an option."""
    values = parser.values(before[-1]) if before else None
    if values is None:
        return parser.options()
    match before[-1]:
        case "-a" | "--agent":
            return _agents(parser.prog)
        case "--env":
            return known.names("environments")
        case "-s" | "--session":
            return _sessions(names)
        case "--runtime":
            return list(RUNTIMES)
        case "--provider":
            return list(PROVIDERS)
        case "--secret":
            return sorted(os.environ)
        case "--input":
            return _held(names, dict)
    return values


def _agents(command: str) -> list[str]:
    """The names of the agents that a command takes; `%agentos connect` takes an id."""
    if not command.startswith("%agentos"):
        return known.names("agents")
    return [] if command == "%agentos connect" else known_runs.names("agents")


def _folders(word: str) -> list[str]:
    """What a folder's path that begins with `word` may become."""
    base, slash, start = word.rpartition("/")
    try:
        there = sorted(Path(base + slash or ".").expanduser().iterdir())
    except OSError:
        return []
    names = [path.name for path in there if path.is_dir() and path.name.startswith(start)]
    shown = [name for name in names if " " not in name and (start or not name.startswith("."))]
    return [f"{base}{slash}{name}/" for name in shown]


def _line_words(
    commands: Mapping[str, Command], before: list[str], names: Mapping[str, object]
) -> list[str]:
    found = find(commands, before)
    if found is None:
        split = [name.split() for name in commands]
        following = [words[len(before)] for words in split if words[: len(before)] == before]
        return list(dict.fromkeys(following)) + ([] if before else ["--help"])
    command = commands[found[0]]
    if "method" in _arguments_of(command):
        return _call_words(found[1])
    if command.takes_text and found[1]:
        return []
    magic = "%agentos" if commands is agentos_commands.COMMANDS else "%aod"
    parser = command.parser(f"{magic} {found[0]}")
    if parser.values(before[-1]) is not None:
        return _words(parser, before, names)
    return [*_arguments(command, names), *parser.options()]


def _arguments(command: Command, names: Mapping[str, object]) -> list[str]:
    """What the command's words other than options may be."""
    taken = _arguments_of(command)
    if "session" in taken:
        return _sessions(names)
    if taken & {"run_id", "approval"}:
        return [LAST, *_held(names, LiveRun), *known_runs.names("runs")]
    if "--start-session" in taken:
        return known_runs.names("agents")
    is_row = taken & {"row", "agent"}
    kind = "agents" if "agent" in command.help else "environments"
    return known.names(kind) if is_row else []


def _arguments_of(command: Command) -> set[str]:
    return {words[0] for words, _ in command.arguments}


def _call_words(after: list[str]) -> list[str]:
    """What may follow `%agentos call`: a method, then its parameters."""
    if not after:
        return list(methods())
    method = methods().get(after[0])
    given = {word.partition("=")[0] for word in after[1:]}
    known_ones = () if method is None else method.signature.parameters
    return [f"{name}=" for name in known_ones if name not in (*given, "self")]


def _sessions(names: Mapping[str, object]) -> list[str]:
    return [LAST, *_held(names, LiveSession), *known.names("sessions")]


def _held(names: Mapping[str, object], kind: type) -> list[str]:
    """The names of the notebook's variables that hold a `kind`."""
    own = [name for name in names if not name.startswith("_") and name not in _IPYTHONS_OWN]
    return [name for name in own if isinstance(names[name], kind)]


def _starting(word: str, offered: list[str]) -> list[str]:
    return [each for each in offered if each.startswith(word)]


def install(shell: InteractiveShell) -> None:
    """Add the completion to a shell: as a matcher, or on IPython 7 as hooks."""
    uninstall(shell)
    matcher = _matcher(shell)
    if matcher is not None:
        shell.Completer.custom_matchers.append(matcher)
        return
    set_hook: Any = shell.set_hook
    for key in _HOOK_KEYS:
        set_hook("complete_command", _hook, str_key=key)


def uninstall(shell: InteractiveShell) -> None:
    """Take the completion away again."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if not hasattr(each, "is_aod_notebook")]
    hooks: Any = shell.strdispatchers["complete_command"]
    for key in _HOOK_KEYS:
        hooks.strs.pop(key, None)


def _matcher(shell: InteractiveShell) -> Any:
    """Make the matcher; None on IPython 7, whose matchers know the last word only."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return None

    @context_matcher(identifier="aod_notebook")  # type: ignore[untyped-decorator]
    def matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        text = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
        found = offer(text, shell.user_ns)
        if found is None:
            return {"completions": [], "suppress": False}
        # Where nothing is known the word stays as it is: an empty answer would have IPython offer
        # Python's keywords and its own magics.
        become = found.become or [found.fragment]
        return {
            "completions": [SimpleCompletion(each, type="magic") for each in become],
            "matched_fragment": found.fragment,
            "suppress": True,
            "ordered": True,
        }

    matcher.is_aod_notebook = True
    return matcher


def _hook(shell: InteractiveShell, event: Any) -> list[str]:
    return candidates(event.text_until_cursor, shell.user_ns) or []
