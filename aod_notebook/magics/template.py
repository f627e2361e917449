"""Fill variables of the notebook into a prompt and a magic's options."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.template import substitute

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping
    from types import FrameType


_RAW = "Define it, or pass --raw to send the text verbatim."


class UnknownNameError(AodNotebookError):
    """A prompt or an option names a variable that the notebook does not have.

    Fix: Assign it before, or write `--raw` to send the prompt verbatim.
    """


def fill(text: str, names: Mapping[str, object], *, hint: str = _RAW) -> str:
    """Replace each bare `{{identifier}}` by `str(names[identifier])`; nothing else is touched.

    No expression is evaluated: `{{a.b}}`, `{{ a }}`, `{a}` and `$a` stay as they are. The values
    are not searched again.

    Args:
        text: what to fill in.
        names: the notebook's variables.
        hint: what to do where there is no such variable.

    Raises:
        UnknownNameError: an identifier is not in `names`.

    Example:
        >>> fill("Sum {{numbers}} in {x}.", {"numbers": [1, 2]})
        'Sum [1, 2] in {x}.'
    """

    def value(name: str) -> object:
        if name not in names:
            raise UnknownNameError(_unknown(name, names, hint))
        return names[name]

    return substitute(text, value)


def _unknown(name: str, names: Mapping[str, object], hint: str) -> str:
    """Return the error for an unknown name, with the reason if it is a function's local variable."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - inspect's twin reads source files
    while frame is not None:
        if frame.f_globals is names and frame.f_locals is not names and name in frame.f_locals:
            where = frame.f_code.co_name
            return (
                f"{{{{{name}}}}} is a variable of the function {where}(), and a magic fills in "
                f"variables of the notebook only. In a function use aod_notebook.live.start and "
                f"an f-string, or make it global."
            )
        frame = frame.f_back
    return f"{{{{{name}}}}} is to be filled in, but the notebook has no variable {name!r}. {hint}"


def fill_options(
    options: argparse.Namespace,
    names: Mapping[str, object],
    *,
    but: Collection[str] = (),
    hint: str = _RAW,
) -> None:
    """Fill `{{name}}` in the values of a magic's options and other arguments.

    Args:
        options: what was parsed.
        names: the notebook's variables.
        but: arguments that are taken as they stand.
        hint: what to do where there is no such variable.

    Raises:
        UnknownNameError: an identifier is not in `names`.
    """
    for option, value in vars(options).items():
        if option in but:
            continue
        if isinstance(value, str):
            setattr(options, option, fill(value, names, hint=hint))
        elif isinstance(value, list):
            setattr(options, option, [fill(each, names, hint=hint) for each in value])
