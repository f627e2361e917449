"""The answers of a scripted model, to compare with a session's tables."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from aod_notebook.testing.script import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Counts):
    """One answer that was served, with the token counts that were sent with it.

    Attributes:
        number: 1 for the first answer of the server.
        api: `messages` (Anthropic), `responses` (OpenAI) or `gemini`.
        model: the model that was asked for.
        status: the HTTP status.
        prompt: the newest text of the user in the request.
        tool_calls: names of the tools that the answer calls.
        web_searches: searches that the model itself made.
        is_side: the request offered no tools (a title, a summary, a search).
        is_finished: the answer was sent to its end. One that was cut or failed has the counts
            that had been sent before.
    """

    number: int
    api: str
    model: str
    status: int = 200
    prompt: str = ""
    tool_calls: tuple[str, ...] = ()
    web_searches: int = 0
    is_side: bool = False
    is_finished: bool = True


def total(ledger: Iterable[Served]) -> Counts:
    """Return the sums of the counts of several answers.

    Example:
        >>> total([])
        Counts(input_tokens=0, output_tokens=0, cache_read_tokens=0, cache_creation_tokens=0, \
cache_creation_1h_tokens=0, reasoning_tokens=0)
    """
    rows = list(ledger)
    sums = {one.name: sum(getattr(row, one.name) for row in rows) for one in fields(Counts)}
    return Counts(**sums)


def with_counts(row: Served, counts: Counts) -> Served:
    """Return the row with these counts."""
    return replace(row, **{one.name: getattr(counts, one.name) for one in fields(Counts)})
