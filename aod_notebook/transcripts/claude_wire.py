"""Claude's lines as they are decoded, one at a time or many at once, and the entries of each."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, overload

import msgspec

from aod_notebook.transcripts._json import as_time
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.model import Entry, Usage

BLOCKS = frozenset({"text", "thinking", "tool_use", "tool_result"})
"""The kinds of content blocks that are known."""
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_NOTHING = msgspec.Raw()


class Block(msgspec.Struct, gc=False):
    """A content block, of any kind."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _NOTHING
    tool_use_id: str | None = None
    content: Any = None
    is_error: bool | None = None

    def said(self) -> tuple[str | None, str | None, str | None, bool | None]:
        """Return its text, the id of its call, the tool that it calls, and whether a tool failed."""
        kind = self.type
        if kind == "text":
            return self.text, None, None, None
        if kind == "tool_use":
            return self.text, self.id, self.name, None
        if kind == "tool_result":
            return text_of(self.content), self.tool_use_id, None, bool(self.is_error)
        return (self.thinking if kind == "thinking" else self.text), None, None, None


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: _Int64 | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: _Int64 | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: _Int64 | None = None
    output_tokens: _Int64 | None = None
    cache_read_input_tokens: _Int64 | None = None
    cache_creation_input_tokens: _Int64 | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None


class Message(msgspec.Struct, gc=False):
    """What was said; the lines of one message repeat its id and usage."""

    id: str | None = None
    model: str | None = None
    content: list[Block] | str = []
    stop_reason: str | None = None
    usage: _Usage | None = None

    @property
    def blocks(self) -> list[Block]:
        """Its content; a text by itself is a block."""
        content = self.content
        return [Block("text", content)] if isinstance(content, str) else content

    @property
    def counts(self) -> Usage | None:
        """What the line reports; before the message has stopped, its output is a placeholder."""
        if self.usage is None:
            return None
        counts, is_final = self.usage, self.stop_reason is not None
        hour, details = counts.cache_creation, counts.output_tokens_details
        return Usage(
            counts.input_tokens,
            counts.output_tokens if is_final else None,
            counts.cache_read_input_tokens,
            counts.cache_creation_input_tokens,
            None if hour is None else hour.ephemeral_1h_input_tokens,
            details.thinking_tokens if is_final and details is not None else None,
        )


class Line(msgspec.Struct, gc=False):
    """A line of stream-json; of most kinds only what they have in common."""

    type: str
    subtype: str | None = None
    uuid: str | None = None
    parent_tool_use_id: str | None = None
    timestamp: str | None = None
    is_synthetic: bool | None = msgspec.field(default=None, name="isSynthetic")
    is_compact_summary: bool | None = msgspec.field(default=None, name="isCompactSummary")
    is_meta: bool | None = msgspec.field(default=None, name="isMeta")
    message: Message | None = None


_decoder = msgspec.json.Decoder(Line)


def decoded(raw: str | bytes) -> Line:
    """Decode a line.

    Raises:
        msgspec.DecodeError: it is not JSON, or a field has another type.
        UnicodeError: a text has lone surrogates.
        RecursionError: it is nested too deeply.
    """
    return _decoder.decode(raw)


def decoded_together(raws: Sequence[str]) -> list[Line] | None:
    """Decode lines at once; None if one of them has to be looked at by itself.

    `raws.joined`, if there is such a thing, has the lines in one, each known to be an object's.
    """
    joined = getattr(raws, "joined", None)
    if joined is None:
        if not all(raw[:1] == "{" and raw[-1:] == "}" for raw in raws):
            return None  # a value could begin on one line and end on another
        joined = "\n".join(raws)
    try:
        lines = _decoder.decode_lines(joined)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return lines if len(lines) == len(raws) else None


def entries_of(line: Line, message: Message, raw: str) -> list[Entry]:
    """Make an entry of each content block; a message without blocks is still one entry."""
    usage, blocks = message.counts, message.blocks
    if not blocks:
        return [_entry(line, message, Block(), index=None, usage=usage, raw=raw)]
    return [
        _entry(line, message, block, index=index, usage=usage, raw=raw)
        for index, block in enumerate(blocks)
    ]


class Spoken(Sequence[Entry]):
    """The entries of lines that hold a known block each; they are made when they are asked for.

    Attributes:
        lines: the lines as they are decoded.
        messages: what was said in each.
        blocks: the block of each.
        raws: the lines as they came.
        numbers: the numbers of the lines in what was read.
    """

    __slots__ = ("blocks", "lines", "messages", "numbers", "raws")

    def __init__(
        self, lines: list[Line], blocks: list[Block], raws: Sequence[str], number: int
    ) -> None:
        self.lines, self.blocks, self.raws = lines, blocks, raws
        self.messages = [line.message for line in lines if line.message is not None]
        self.numbers = range(number, number + len(lines))

    @property
    def times(self) -> list[int | None]:
        """When each came about, as the lines report it, in microseconds since 1970."""
        stamps = [line.timestamp for line in self.lines]
        return [None if stamp is None else as_time(stamp) for stamp in stamps]

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return self.entry(index, self.raws[index])

    def __iter__(self) -> Iterator[Entry]:
        return map(self.entry, range(len(self)), self.raws)

    def entry(self, index: int, raw: str = "") -> Entry:
        """Make an entry; its `raw` is left out unless it is given."""
        message = self.messages[index]
        entry = _entry(
            self.lines[index], message, self.blocks[index], index=0, usage=message.counts, raw=raw
        )
        entry.line = self.numbers[index]
        return entry


def _entry(
    line: Line,
    message: Message,
    block: Block,
    *,
    index: int | None,
    usage: Usage | None,
    raw: str,
) -> Entry:
    kind: str | None = block.type
    text, call_id, tool, is_error = block.said()
    subtype, input_json = line.subtype, None
    if kind == "tool_use":
        input_json = bytes(block.input).decode() or None
    elif kind not in BLOCKS:
        subtype = line.subtype or block.type or None
        kind = None
    return Entry(
        line.type,
        subtype,
        kind,
        index,
        text,
        tool,
        call_id,
        input_json,
        message.id,
        line.uuid,
        line.parent_tool_use_id,
        message.model,
        is_error,
        message.stop_reason,
        usage,
        None,
        raw,
        0,
        line.timestamp,
    )
