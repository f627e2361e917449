"""Directives that list what the package declares: `errors`, every public error and warning."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODULES = ("aod", "agentos", "live", "frames", "plots", "local", "testing")


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


def public_errors() -> Iterator[tuple[str, str, type[BaseException]]]:
    """Yield module, name and class of each public error and warning, each once."""
    seen = set()
    for name in MODULES:
        module = importlib.import_module(f"aod_notebook.{name}")
        for public in getattr(module, "__all__", ()):
            value: Any = getattr(module, public)
            if inspect.isclass(value) and issubclass(value, BaseException) and value not in seen:
                seen.add(value)
                yield f"aod_notebook.{name}", public, value


def cause_and_fix(error: type[BaseException]) -> tuple[str, str]:
    """Return the first paragraph of an error's own docstring, and the one that begins with "Fix:"."""
    paragraphs = inspect.cleandoc(error.__doc__ or "").replace("`", "").split("\n\n")
    cause, *others = (" ".join(each.split()) for each in paragraphs)
    fixes = [each.removeprefix("Fix: ") for each in others if each.startswith("Fix: ")]
    return cause, fixes[0] if fixes else ""


class Errors(SphinxDirective):
    """A table of every public error and warning: where it is, its cause and its fix."""

    def run(self) -> list[nodes.Node]:
        """Return a section's table per module."""
        made: list[nodes.Node] = []
        by_module: dict[str, list[list[str]]] = {}
        for module, name, value in public_errors():
            by_module.setdefault(module, []).append([name, *cause_and_fix(value)])
        for module, rows in by_module.items():
            made += [nodes.rubric(text=module), table(["error", "cause", "fix"], rows)]
        return made


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("errors", Errors)
    return {"parallel_read_safe": True}
