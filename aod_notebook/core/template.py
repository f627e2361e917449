"""The one substitution in prompts: a bare `{{identifier}}` becomes the text of a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BARE_NAME = re.compile(r"\{\{([^\W\d]\w*)\}\}")
"""What is filled in. No expression is: `{{a.b}}`, `{{ a }}`, `{a}` and `$a` stay as they are."""


def names_in(text: str) -> list[str]:
    """Return the identifiers that are to be filled in, each once, in order.

    Example:
        >>> names_in("{{a}} and {{b}}, {{a}} again")
        ['a', 'b']
    """
    return list(dict.fromkeys(BARE_NAME.findall(text)))


def substitute(text: str, value: Callable[[str], object]) -> str:
    """Replace each `{{identifier}}` by `str(value(identifier))`; values are not searched again."""
    return BARE_NAME.sub(lambda match: str(value(match[1])), text)
