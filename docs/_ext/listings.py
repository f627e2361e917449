"""Directives that list what the package declares: `errors`, every error and warning."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import aod_notebook
from aod_notebook import AodNotebookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODULES = ("aod", "agentos", "live", "frames", "plots", "local", "testing")
ERRORS_OF = (
    "aod_notebook",
    *(f"aod_notebook.{name}" for name in ("live", "frames", "plots", "aod", "agentos", "local")),
)
"""The modules with errors that programs catch, first what most people meet."""
OTHERS = "Others, to catch as AodNotebookError"


def table(heads: list[str], rows: Iterable[list[str]]) -> nodes.table:
    """Return a table of plain texts; the first column is code."""
    made = nodes.table(classes=["colwidths-auto"])
    group = nodes.tgroup(cols=len(heads))
    made += group
    group += [nodes.colspec(colwidth=1) for _ in heads]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += _row(heads, is_head=True)
    body += [_row(row) for row in rows]
    return made


def _row(texts: list[str], *, is_head: bool = False) -> nodes.row:
    row = nodes.row()
    for number, text in enumerate(texts):
        paragraph = nodes.paragraph()
        is_code = number == 0 and not is_head
        paragraph += nodes.literal(text=text) if is_code else nodes.Text(text)
        row += nodes.entry("", paragraph)
    return row


def errors() -> Iterator[tuple[str, str, type[BaseException]]]:
    """Yield a heading, name and class of each error and warning, each once.

    Programs import those of a module that has them in `__all__`; others are only shown to people.
    """
    seen: set[type] = set()
    for name in ERRORS_OF:
        module = importlib.import_module(name)
        for public in module.__all__:
            value: Any = getattr(module, public)
            if inspect.isclass(value) and issubclass(value, BaseException) and value not in seen:
                seen.add(value)
                yield name, public, value
    for found in pkgutil.walk_packages(aod_notebook.__path__, "aod_notebook."):
        if not found.name.endswith("__main__"):  # classes are known once their modules are imported
            importlib.import_module(found.name)
    for value in sorted(_own(AodNotebookError) | _own(UserWarning), key=lambda each: each.__name__):
        if value not in seen:
            yield OTHERS, value.__name__, value


def _own(base: type[BaseException]) -> set[type[BaseException]]:
    """Return the classes of this package below a class."""
    below = {each for child in base.__subclasses__() for each in (child, *_own(child))}
    return {each for each in below if each.__module__.startswith("aod_notebook.")}


def cause_and_fix(error: type[BaseException]) -> tuple[str, str]:
    """Return the first paragraph of an error's own docstring, and the one that begins with "Fix:"."""
    paragraphs = inspect.cleandoc(error.__doc__ or "").replace("`", "").split("\n\n")
    cause, *others = (" ".join(each.split()) for each in paragraphs)
    fixes = [each.removeprefix("Fix: ") for each in others if each.startswith("Fix: ")]
    return cause, fixes[0] if fixes else ""


class Errors(SphinxDirective):
    """A table of every error and warning: where it is, its cause and its fix."""

    def run(self) -> list[nodes.Node]:
        """Return a section's table per module."""
        made: list[nodes.Node] = []
        by_module: dict[str, list[list[str]]] = {}
        for heading, name, value in errors():
            by_module.setdefault(heading, []).append([name, *cause_and_fix(value)])
        for heading, rows in by_module.items():
            listed = table(["error", "cause", "fix"], rows)
            listed["classes"].append("stacked")
            made += [nodes.rubric(text=heading), listed]
        return made


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("errors", Errors)
    return {"parallel_read_safe": True}
