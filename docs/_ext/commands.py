"""Directives `commands` and `settings`: what the parsers and the configuration declare."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from docutils import nodes
from listings import table
from sphinx.util.docutils import SphinxDirective

from aod_notebook.cli.entry import make_parser
from aod_notebook.magics import agentos, aod, commands

if TYPE_CHECKING:
    from collections.abc import Iterator

Listed = tuple[str, str, argparse.ArgumentParser]
"""How a command is called, what it does, and its parser."""


def magics(name: str, cell: Any, declared: Any) -> Iterator[Listed]:
    """Yield a cell magic and the commands of its line magic."""
    yield f"%%{name}", cell.description, cell
    for word, command in declared.items():
        called = f"%{name} {word}"
        yield called, command.help, command.parser(called)


def below(parser: argparse.ArgumentParser) -> Iterator[Listed]:
    """Yield a command of the shell and the commands below it."""
    groups = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]  # noqa: SLF001 - argparse has no public list
    if not groups:
        yield parser.prog, parser.description or "", parser
    for group in groups:
        helps = {one.dest: one.help or "" for one in group._choices_actions}  # noqa: SLF001 - the same
        for name, child in group.choices.items():
            for called, described, found in below(child):
                yield called, described or helps.get(name, ""), found


LISTS = {
    "aod": lambda: magics("aod", aod.cell_parser(), commands.AOD),
    "agentos": lambda: magics("agentos", agentos.cell_parser(), commands.AGENTOS),
    "aod-notebook": lambda: below(make_parser()),
}


def arguments(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    """Yield each argument of a parser, and what it does."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        value = "" if action.nargs == 0 else _value(action)
        names = ", ".join(action.option_strings)
        given = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
        yield [f"{names} {value}".strip(), given.replace("`", "")]


def _value(action: argparse.Action) -> str:
    named = action.metavar or (
        "|".join(map(str, action.choices)) if action.choices else action.dest
    )
    shown = named if isinstance(named, str) else " ".join(named)
    if action.option_strings:
        return (
            f"[{shown}]" if action.nargs == "?" else shown.upper() if not action.choices else shown
        )
    return {"*": f"[{shown} …]", "?": f"[{shown}]", "+": f"{shown} …"}.get(str(action.nargs), shown)


class Commands(SphinxDirective):
    """A section for each command, with its arguments."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [self._section(*one) for one in LISTS[self.arguments[0]]()]

    def _section(self, name: str, described: str, parser: argparse.ArgumentParser) -> nodes.section:
        made = nodes.section(ids=[nodes.make_id(f"command-{name.replace('%%', 'cell-')}")])
        made += nodes.title("", "", nodes.literal(text=name))
        first = described.partition("\n\n")[0].strip().rstrip(".")
        made += nodes.paragraph(text=f"{first[:1].upper()}{first[1:]}.")
        if rows := list(arguments(parser)):
            made += table(["argument", "what it does"], rows)
        self.state.document.note_explicit_target(made)
        return made


class Settings(SphinxDirective):
    """A table of what `%config AodMagics` sets, with the defaults."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        traits = aod.AodMagics.class_traits(config=True)
        rows = [
            [f"AodMagics.{name}", repr(trait.default_value), trait.help.replace("`", "")]
            for name, trait in sorted(traits.items())
        ]
        return [table(["setting", "default", "what it does"], rows)]


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("commands", Commands)
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
