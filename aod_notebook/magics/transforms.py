"""Input transformations: the cell magics and their positions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.inputtransformer2 import TransformerManager

from aod_notebook.magics.parser import MagicUsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


_PROMPT_CELL = re.compile(r"%%aod(?:\s+(?P<line>.*))?$")
_LONE_CELL_MAGIC = re.compile(r"%%agentos\b(?!\?)")
_CELL_MAGIC = re.compile(r"(?P<magic>%%(?:aod|agentos))(?=\s|$)")


class Transform:
    """A step of IPython's input transformation.

    Terminals and qtconsole ask after each Enter whether the cell is complete. IPython knows that
    a cell magic ends at an empty line, but only if it still sees the `%%`: it leaves out the
    steps with `has_side_effects`, and so must leave out all of ours.
    """

    has_side_effects = True

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the transformed lines."""
        raise NotImplementedError


class KeepPrompt(Transform):
    """Calls the magic of a `%%aod` cell with its body verbatim.

    Otherwise IPython would remove what looks like the prompt of a Python shell (`>>> `) from the
    body, and refuse a cell without a body before the magic is called, with a message that Run All
    passes over.
    """

    def __call__(self, lines: list[str]) -> list[str]:
        """Replace the cell by the call."""
        text = "".join(lines).lstrip("\n")
        head, _, body = text.partition("\n")
        found = _PROMPT_CELL.match(head)
        if found is None:
            return lines
        line = (found["line"] or "").rstrip()
        return [f"get_ipython().run_cell_magic('aod', {line!r}, {body or chr(10)!r})\n"]


class KeepEmptyCell(Transform):
    """Adds an empty line to an `%%agentos` cell without a body.

    IPython refuses a cell magic without a body before the magic is called, with a message that
    Run All passes over; with this, the magic itself reports what is missing.
    """

    def __call__(self, lines: list[str]) -> list[str]:
        """Add the line."""
        if len(lines) == 1 and _LONE_CELL_MAGIC.match(lines[0]):
            return [lines[0].rstrip("\n") + "\n", "\n"]
        return lines


class RefuseMisplaced(Transform):
    """Refuses a cell with a comment or code above its `%%aod` or `%%agentos` line.

    IPython would take the line for a line magic with a strange name, and the prompt for Python:
    its error is then a syntax error in the middle of the prompt.
    """

    def __call__(self, lines: list[str]) -> list[str]:
        """Raise if a complete statement precedes one of our cell magics."""
        first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("%%"):
            return lines
        for number, line in enumerate(lines):
            found = _CELL_MAGIC.match(line)
            if found is not None and _is_whole(lines[:number]):
                raise MagicUsageError(
                    f"{found['magic']} must be the first line of its cell, and here it is line "
                    f"{number + 1}. Move what is above it into a cell of its own."
                )
        return lines


def _is_whole(lines: list[str]) -> bool:
    """Check that lines end neither within a text in quotes nor within a statement."""
    if all(not line.strip() or line.lstrip().startswith("#") for line in lines):
        return True
    status: str = TransformerManager().check_complete("".join(lines))[0]  # type: ignore[no-untyped-call]
    return status == "complete"


_FIRST, _LAST = (RefuseMisplaced(), KeepPrompt()), (KeepEmptyCell(),)


def install(shell: InteractiveShell) -> None:
    """Add the steps to a shell: before IPython's own and after them."""
    uninstall(shell)
    shell.input_transformers_cleanup[:0] = _FIRST
    shell.input_transformers_cleanup.extend(_LAST)


def uninstall(shell: InteractiveShell) -> None:
    """Remove the steps, also those of a reloaded package."""
    ours = {KeepPrompt.__name__, KeepEmptyCell.__name__, RefuseMisplaced.__name__}
    shell.input_transformers_cleanup[:] = [
        each
        for each in shell.input_transformers_cleanup
        if not (type(each).__module__ == __name__ and type(each).__name__ in ours)
    ]
