"""The one substitution in a prompt: a bare `{{identifier}}` becomes the text of that variable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aod_notebook.core.errors import AodNotebookError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = ["UnknownNameError", "fill", "fill_options"]

_BARE_NAME = re.compile(r"\{\{([^\W\d]\w*)\}\}")


class UnknownNameError(AodNotebookError):
    """A prompt names a variable that the notebook does not have."""


def fill(text: str, names: Mapping[str, object]) -> str:
    """Replace each bare `{{identifier}}` by `str(names[identifier])`; nothing else is touched.

    No expression is evaluated: `{{a.b}}`, `{{ a }}`, `{a}` and `$a` stay as they are. The values
    are not searched again.

    Raises:
        UnknownNameError: an identifier is not in `names`.

    Example:
        >>> fill("Sum {{numbers}} in {x}.", {"numbers": [1, 2]})
        'Sum [1, 2] in {x}.'
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in names:
            raise UnknownNameError(
                f"The prompt names {{{{{name}}}}}, but the notebook has no variable {name!r}. "
                "Define it, or pass --raw to send the text as it stands."
            )
        return str(names[name])

    return _BARE_NAME.sub(value, text)


def fill_options(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    """Fill `{{name}}` in the values of a magic's options.

    Raises:
        UnknownNameError: an identifier is not in `names`.
    """
    for option, value in vars(options).items():
        if isinstance(value, str):
            setattr(options, option, fill(value, names))
        elif isinstance(value, list):
            setattr(options, option, [fill(each, names) for each in value])
