"""Short forms of ids: unique prefixes of at least four characters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHORTEST = 4
_LISTED = 8
_WHOLE = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


class AmbiguousIdError(AodNotebookError):
    """Several ids begin with the given prefix.

    Fix: Use more characters of the id; the message lists the ids.
    """


def full_id(given: str, known: Callable[[], Iterable[object]], noun: str) -> str:
    """Return the id that begins with `given`; `given` itself if none does.

    A whole UUID is returned unchanged, without asking.

    Args:
        given: an id, or its first characters, at least four.
        known: returns the ids that there are; it is asked only if that is needed. If it raises
            an `AodNotebookError`, `given` is taken for an id.
        noun: what the ids are of, for the error.

    Raises:
        AmbiguousIdError: several ids begin so; the message lists them.

    Example:
        >>> full_id("5f0c", lambda: ["5f0c2f6e-935d", "a81f03c2-11aa"], "session")
        '5f0c2f6e-935d'
    """
    return full_ids([given], known, noun)[0]


def full_ids(given: Iterable[str], known: Callable[[], Iterable[object]], noun: str) -> list[str]:
    """Return the full ids of several prefixes; `known` is called at most once.

    Raises:
        AmbiguousIdError: several ids begin with one of them.
    """
    texts = [str(each) for each in given]
    if not any(map(_may_be_short, texts)):
        return texts
    try:
        ids = [str(each) for each in known()]
    except AodNotebookError:  # who is asked for it next says why not
        return texts
    return [_found(text, ids, noun) if _may_be_short(text) else text for text in texts]


def beginning_with(given: str, ids: Iterable[object]) -> list[str]:
    """Return the ids that begin with `given`, which has four characters or more.

    Example:
        >>> beginning_with("a81F", ["a81f03c2", "b"]), beginning_with("a8", ["a81f03c2"])
        (['a81f03c2'], [])
    """
    if len(given) < SHORTEST:
        return []
    start = given.lower()
    return list(dict.fromkeys(str(each) for each in ids if str(each).lower().startswith(start)))


def _may_be_short(text: str) -> bool:
    return len(text) >= SHORTEST and not _WHOLE.fullmatch(text)


def _found(text: str, ids: list[str], noun: str) -> str:
    if text in ids:
        return text
    found = beginning_with(text, ids)
    if len(found) > 1:
        listed = ", ".join(one_line(each, 60) for each in found[:_LISTED])
        more = f" and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
        raise AmbiguousIdError(
            f"{text!r} could be {len(found):,} {noun}s: {listed}{more}. Write more of the id."
        )
    return found[0] if found else text
