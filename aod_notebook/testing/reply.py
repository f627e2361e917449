"""An answer, and the pieces that the three APIs send of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.testing.script import Counts, Text, Thinking, ToolCall, WebSearch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aod_notebook.testing.script import Block, Request


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes of an event stream, and the counts that the client knows once it has read them.

    `last` marks the bytes that end the answer.
    """

    data: bytes
    counts: Counts | None = None
    last: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer number `number` of the server."""

    number: int
    request: Request
    blocks: tuple[Block, ...]
    counts: Counts

    @property
    def calls_tools(self) -> bool:
        """Whether the CLI has to run tools before the model continues."""
        return any(isinstance(block, ToolCall) for block in self.blocks)

    def content(self) -> Iterator[tuple[str, Block]]:
        """Yield what the model writes, each block with an id of its own."""
        for index, block in enumerate(self.blocks):
            if isinstance(block, Text | Thinking | ToolCall | WebSearch):
                yield self.block_id(index), block

    def block_id(self, index: int) -> str:
        """Return an id that no other block of this server has."""
        return f"{self.number:06d}{index:02d}"


def event(
    data: dict[str, Any],
    name: str | None = None,
    counts: Counts | None = None,
    *,
    last: bool = False,
) -> Sent:
    """Return one server-sent event."""
    head = f"event: {name}\n" if name else ""
    return Sent(f"{head}data: {json.dumps(data)}\n\n".encode(), counts, last)


def halves(text: str) -> tuple[str, ...]:
    """Split a text in two, as streams arrive in parts; an empty half is left out."""
    middle = len(text) // 2
    return tuple(part for part in (text[:middle], text[middle:]) if part)


def count(number: int, blocks: tuple[Block, ...]) -> Counts:
    """Return the counts of an answer: those of its script, or some that no other answer has."""
    for block in blocks:
        if isinstance(block, Counts):
            return block
    thinks = any(isinstance(block, Thinking) for block in blocks)
    return Counts(
        input_tokens=1000 + number,
        output_tokens=50 + number,
        cache_read_tokens=200 + number,
        cache_creation_tokens=30 + 2 * number,
        cache_creation_1h_tokens=10 + number,
        reasoning_tokens=7 + number if thinks else 0,
    )
