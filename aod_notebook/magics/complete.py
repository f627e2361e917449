"""Tab completion of the magics: options, commands, agents, sessions, runs, `{{names}}`."""

from __future__ import annotations

import os
import re
import shlex
import threading
import time
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.connections import current_if_any
from aod_notebook.live.credentials import AGENTOS, AOD
from aod_notebook.live.handle import LAST, Handle
from aod_notebook.magics import agentos, aod, commands
from aod_notebook.magics.commands.call import methods
from aod_notebook.magics.parser import Offer, find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from IPython.core.interactiveshell import InteractiveShell

    from aod_notebook.live.connections import Connection
    from aod_notebook.magics.parser import Command, MagicParser, Offers

FRESH_S = 5.0
"""How long a list counts as fresh; after that it is asked for again in the background."""
_OPEN_NAME = re.compile(r"\{\{(\w*)$")
_CELL = re.compile(r"\s*(%%)(aod|agentos)\b")
_LINE = re.compile(r"\s*(?:[\w., ]+=\s*)?(%)(aod|agentos)\b")
_WORD = re.compile(r"""(?:"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s"'])+""")
_JOINED = re.compile(r"(--[\w-]+)=(.*)")
_IPYTHONS_OWN = ("In", "Out")
_HOOK_KEYS = ("%aod", "%%aod", "%agentos", "%%agentos")


class Completion(NamedTuple):
    """Candidates for a piece of the text before the cursor."""

    fragment: str
    become: list[str]


class KnownNames:
    """The names of agents, environments, sessions and runs on the current connection.

    Asking never waits for the network and never starts the embedded service: the answer is what
    was known before, and a list that is not fresh is asked for in the background.

    Args:
        current: returns the connection, if one was made already.
    """

    def __init__(self, current: Callable[[], Connection[Any, Any] | None]) -> None:
        self._current = current
        self._lock = threading.Lock()  # guards the three fields below
        self._names: dict[tuple[str, str], list[str]] = {}
        self._asked_at: dict[tuple[str, str], float] = {}
        self._asking: dict[tuple[str, str], Future[None]] = {}

    def names(self, kind: str) -> list[str]:
        """Return the names (for sessions and runs the ids) that are known.

        Args:
            kind: `agents`, `environments`, `sessions` or `runs`.
        """
        on = self._current()
        if on is None:
            return []
        key = (on.base_url, kind)
        with self._lock:
            if time.monotonic() - self._asked_at.get(key, -FRESH_S) >= FRESH_S:
                self._asked_at[key] = time.monotonic()
                self._asking[key] = on.in_background(partial(self._ask, key))
            return list(self._names.get(key, ()))

    def wait(self, timeout: float) -> None:
        """Wait for the answers to pending requests."""
        with self._lock:
            asking = list(self._asking.values())
        wait(asking, timeout)

    async def _ask(self, key: tuple[str, str], client: Any) -> None:
        try:
            rows = await getattr(client, key[1]).list()
        except AodNotebookError:
            return  # completion has nothing to offer then; the command itself shows why
        names = [_name(row) for row in rows]
        with self._lock:
            self._names[key] = names


def _name(row: Any) -> str:
    """Return the name of a row, else its id; AgentOS answers with dicts."""
    found = row if isinstance(row, dict) else vars(row)
    return str(found.get("name") or found.get("id"))


known = KnownNames(partial(current_if_any, AOD))
known_runs = KnownNames(partial(current_if_any, AGENTOS))


def candidates(text: str, names: Mapping[str, object]) -> list[str] | None:
    """Return the candidates for the last word of `text`; None outside of these magics.

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
    found = complete(text, names)
    return None if found is None else found.become


def complete(text: str, names: Mapping[str, object]) -> Completion | None:
    """Return the candidates, and the piece of text that they replace."""
    line = text.rpartition("\n")[2]
    magic, is_below = _CELL.match(text), line != text
    if magic is None or (is_below and magic[2] == "agentos"):  # its cell is Python
        magic, text, is_below = _LINE.match(line), line, False
    if magic is None:
        return None
    open_name = _OPEN_NAME.search(text)
    if open_name is not None:
        own = [name for name in names if not name.startswith("_")]
        return Completion(open_name[1], [f"{name}}}}}" for name in _starting(open_name[1], own)])
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
    offered = _starting(start, _following(magic[1], magic[2], before, start, names))
    return Completion(word, [shlex.quote(each) if " " in each else each for each in offered])


def _following(
    sign: str, magic: str, before: list[str], start: str, names: Mapping[str, object]
) -> list[str]:
    """Return the candidates after the words `before`."""
    if sign == "%%":
        parser = aod.cell_parser() if magic == "aod" else agentos.cell_parser()
        return _by_parser(parser, before, start, names)
    return _by_command(
        commands.AOD if magic == "aod" else commands.AGENTOS, magic, before, start, names
    )


def _by_command(
    known_commands: Mapping[str, Command],
    magic: str,
    before: list[str],
    start: str,
    names: Mapping[str, object],
) -> list[str]:
    found = find(known_commands, before)
    if found is None:
        split = [name.split() for name in known_commands]
        following = [words[len(before)] for words in split if words[: len(before)] == before]
        return list(dict.fromkeys(following)) + ([] if before else ["--help"])
    name, after = found
    command = known_commands[name]
    if command.takes_text and after:
        return []
    return _by_parser(command.parser(f"%{magic} {name}"), after, start, names)


def _by_parser(
    parser: MagicParser, before: list[str], start: str, names: Mapping[str, object]
) -> list[str]:
    """Return the values of the last option, or else arguments and options."""
    if before and parser.takes_value(before[-1]):
        return _values(parser.offers_of(before[-1]), before, start, names)
    given = [
        word
        for place, word in enumerate(before)
        if not word.startswith("-") and not (place and parser.takes_value(before[place - 1]))
    ]
    values = _values(parser.offers_at(len(given)), given, start, names)
    is_call = parser.offers_at(0) is Offer.METHODS  # its parameters come first
    return values if is_call else [*values, *parser.options()]


def _values(
    offers: Offers, before: Sequence[str], start: str, names: Mapping[str, object]
) -> list[str]:
    """Return the values of an argument, by its declaration."""
    if offers is None:
        return []
    if isinstance(offers, tuple):
        return list(offers)
    if offers is Offer.PARAMETERS:
        return _parameters(before)
    if offers is Offer.FOLDERS:
        return _folders(start)
    return _OFFERED[offers](names)


_OFFERED: dict[Offer, Callable[[Mapping[str, object]], list[str]]] = {
    Offer.SESSIONS: lambda names: [LAST, *_held(names, "session"), *known.names("sessions")],
    Offer.RUNS: lambda names: [LAST, *_held(names, "run"), *known_runs.names("runs")],
    Offer.AGENTS: lambda _: known.names("agents"),
    Offer.HOSTED_AGENTS: lambda _: known_runs.names("agents"),
    Offer.ENVIRONMENTS: lambda _: known.names("environments"),
    Offer.METHODS: lambda _: list(methods()),
    Offer.DICTS: lambda names: [name for name in _own(names) if isinstance(names[name], dict)],
    Offer.SECRETS: lambda _: sorted(os.environ),
}


def _parameters(before: Sequence[str]) -> list[str]:
    """Return the remaining parameters of a call of AgentOS's control plane."""
    method = methods().get(before[0])
    given = {word.partition("=")[0] for word in before[1:]}
    takes = () if method is None else method.signature.parameters
    return [f"{name}=" for name in takes if name not in (*given, "self")]


def _folders(word: str) -> list[str]:
    """Return the folders with paths that begin with `word`."""
    base, slash, start = word.rpartition("/")
    try:
        there = sorted(Path(base + slash or ".").expanduser().iterdir())
    except OSError:
        return []
    names = [path.name for path in there if path.is_dir() and path.name.startswith(start)]
    shown = [name for name in names if " " not in name and (start or not name.startswith("."))]
    return [f"{base}{slash}{name}/" for name in shown]


def _held(names: Mapping[str, object], noun: str) -> list[str]:
    """Return the notebook's variables that hold a session or a run."""
    return [
        name
        for name in _own(names)
        if isinstance(held := names[name], Handle) and held.noun == noun
    ]


def _own(names: Mapping[str, object]) -> list[str]:
    return [name for name in names if not name.startswith("_") and name not in _IPYTHONS_OWN]


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
    """Remove the completion."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if not hasattr(each, "is_aod_notebook")]
    hooks: Any = shell.strdispatchers["complete_command"]
    for key in _HOOK_KEYS:
        hooks.strs.pop(key, None)


def _matcher(shell: InteractiveShell) -> Any:
    """Return the matcher; None on IPython 7: its matchers know only the last word."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return None

    @context_matcher(identifier="aod_notebook")  # type: ignore[untyped-decorator]
    def matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        text = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
        found = complete(text, shell.user_ns)
        if found is None:
            return {"completions": [], "suppress": False}
        # Where nothing is known the word stays unchanged: an empty answer would have IPython offer
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
