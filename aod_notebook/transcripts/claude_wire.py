"""Claude's lines as they are decoded, one at a time or many at once, and the entries of each."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, cast, overload

import msgspec

from aod_notebook.transcripts._json import (
    as_bool,
    as_dict,
    as_int,
    as_list,
    as_str,
    as_time,
    dumps,
)
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.model import Entry, Usage

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    """What the agent or its user says."""

    block: ClassVar = "text"
    tool: ClassVar = None
    tool_use_id: ClassVar = None
    is_error: ClassVar = None
    text: str | None = None


class Thinking(msgspec.Struct, tag_field="type", tag="thinking", gc=False):
    """What the model thinks before it answers."""

    block: ClassVar = "thinking"
    tool: ClassVar = None
    tool_use_id: ClassVar = None
    is_error: ClassVar = None
    text: str | None = msgspec.field(default=None, name="thinking")


class ToolUse(msgspec.Struct, tag_field="type", tag="tool_use", gc=False):
    """A call of a tool."""

    block: ClassVar = "tool_use"
    is_error: ClassVar = None
    text: str | None = None
    tool: str | None = msgspec.field(default=None, name="name")
    tool_use_id: str | None = msgspec.field(default=None, name="id")
    input: msgspec.Raw = msgspec.Raw()

    @property
    def input_json(self) -> str | None:
        """The arguments as JSON text; None if there are none."""
        return bytes(self.input).decode() or None


class ToolResult(msgspec.Struct, tag_field="type", tag="tool_result", gc=False):
    """What a tool answers."""

    block: ClassVar = "tool_result"
    tool: ClassVar = None
    tool_use_id: str | None = None
    content: Any = None
    is_error: bool = False

    @property
    def text(self) -> str | None:
        """The answer as text, whatever shape it was sent in."""
        content = self.content
        return content if content.__class__ is str else text_of(content)


class Other(msgspec.Struct, gc=False):
    """A block of any other kind, or none at all; no line is decoded to it."""

    block: ClassVar = None
    tool: ClassVar = None
    tool_use_id: ClassVar = None
    is_error: ClassVar = None
    type: str = ""
    text: str | None = None


Known = Text | Thinking | ToolUse | ToolResult
Block = Known | Other


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
    """A message; its lines repeat its id and usage."""

    id: str | None = None
    model: str | None = None
    content: tuple[Known, ...] | str = ()  # lists would keep the garbage collector busy
    stop_reason: str | None = None
    usage: _Usage | None = None

    @property
    def blocks(self) -> Sequence[Block]:
        """Its content; a text by itself is a block."""
        content = self.content
        return (Text(content),) if isinstance(content, str) else content

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


class Started(msgspec.Struct, gc=False):
    """A message that the model begins to write."""

    id: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None


class _Delta(msgspec.Struct, gc=False):
    stop_reason: str | None = None


class StreamEvent(msgspec.Struct, gc=False):
    """A part of a message while the model writes it; of most kinds only their name."""

    type: str | None = None
    message: Started | None = None
    delta: _Delta | None = None
    usage: dict[str, Any] | None = None


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
    event: StreamEvent | None = None


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


class _Arguments(msgspec.Struct, gc=False):
    input: msgspec.Raw = msgspec.Raw()


class _ArgumentsOfMessage(msgspec.Struct, gc=False):
    content: list[_Arguments]


class _ArgumentsOfLine(msgspec.Struct, gc=False):
    message: _ArgumentsOfMessage


_decode_arguments = msgspec.json.Decoder(_ArgumentsOfLine).decode


def tidied(value: dict[str, Any], raw: str) -> Line:
    """Make a line of a decoded one that has a type, without what has another type.

    The arguments of calls stay as they are written in `raw`, if each block is an object.
    """
    message, event = value.get("message"), value.get("event")
    return Line(
        value["type"],
        subtype=as_str(value.get("subtype")),
        uuid=as_str(value.get("uuid")),
        parent_tool_use_id=as_str(value.get("parent_tool_use_id")),
        timestamp=as_str(value.get("timestamp")),
        is_synthetic=as_bool(value.get("isSynthetic")),
        is_compact_summary=as_bool(value.get("isCompactSummary")),
        is_meta=as_bool(value.get("isMeta")),
        message=_tidied_message(message, raw) if isinstance(message, dict) else None,
        event=_tidied_event(event) if isinstance(event, dict) else None,
    )


def _tidied_message(message: dict[str, Any], raw: str) -> Message:
    content, usage = message.get("content"), message.get("usage")
    parts = [content] if isinstance(content, str) else as_list(content)
    blocks = [_tidied_block(part) for part in parts if isinstance(part, dict | str)]
    with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        written = _decode_arguments(raw).message.content
        for block, arguments in zip(blocks, written, strict=True):
            if isinstance(block, ToolUse):
                block.input = arguments.input
    return Message(
        id=as_str(message.get("id")),
        model=as_str(message.get("model")),
        content=cast("tuple[Known, ...]", tuple(blocks)),
        stop_reason=as_str(message.get("stop_reason")),
        usage=_tidied_usage(usage) if isinstance(usage, dict) else None,
    )


def _tidied_event(event: dict[str, Any]) -> StreamEvent:
    started = as_dict(event.get("message"))
    return StreamEvent(
        as_str(event.get("type")),
        Started(
            as_str(started.get("id")), as_str(started.get("model")), as_dict(started.get("usage"))
        ),
        _Delta(as_str(as_dict(event.get("delta")).get("stop_reason"))),
        as_dict(event.get("usage")),
    )


def _tidied_block(part: dict[str, Any] | str) -> Block:
    if isinstance(part, str):
        return Text(part)
    kind, text, call_id = (as_str(part.get(key)) for key in ("type", "text", "id"))
    match kind:
        case "text":
            return Text(text)
        case "thinking":
            return Thinking(as_str(part.get("thinking")))
        case "tool_use":
            given = msgspec.Raw(dumps(part["input"]).encode()) if "input" in part else msgspec.Raw()
            return ToolUse(text, as_str(part.get("name")), call_id, given)
        case "tool_result":
            failed = as_bool(part.get("is_error")) or False
            return ToolResult(as_str(part.get("tool_use_id")), part.get("content"), failed)
    return Other(kind or "", text)


def _tidied_usage(usage: dict[str, Any]) -> _Usage:
    cache = as_dict(usage.get("cache_creation"))
    details = as_dict(usage.get("output_tokens_details"))
    return _Usage(
        input_tokens=as_int(usage.get("input_tokens")),
        output_tokens=as_int(usage.get("output_tokens")),
        cache_read_input_tokens=as_int(usage.get("cache_read_input_tokens")),
        cache_creation_input_tokens=as_int(usage.get("cache_creation_input_tokens")),
        cache_creation=_CacheCreation(as_int(cache.get("ephemeral_1h_input_tokens"))),
        output_tokens_details=_OutputDetails(as_int(details.get("thinking_tokens"))),
    )


def entries_of(line: Line, message: Message, raw: str) -> list[Entry]:
    """Make an entry of each content block; a message without blocks is still one entry."""
    usage, blocks = message.counts, message.blocks
    if not blocks:
        return [_entry(line, message, Other(), index=None, usage=usage, raw=raw)]
    return [
        _entry(line, message, block, index=index, usage=usage, raw=raw)
        for index, block in enumerate(blocks)
    ]


class Spoken(Sequence[Entry]):
    """The entries of lines that hold a known block each; they are made when they are asked for.

    Attributes:
        lines: the lines as they are decoded.
        messages: the message of each.
        blocks: the block of each.
        raws: the lines as they came.
        numbers: the numbers of the lines in what was read.
    """

    __slots__ = ("blocks", "lines", "messages", "numbers", "raws")

    def __init__(
        self, lines: list[Line], blocks: list[Known], raws: Sequence[str], number: int
    ) -> None:
        self.lines, self.blocks, self.raws = lines, blocks, raws
        self.messages = cast("list[Message]", [line.message for line in lines])
        self.numbers = range(number, number + len(lines))

    @property
    def times(self) -> list[int | None]:
        """When each came about, as the lines report it, in microseconds since 1970."""
        stamps = [line.timestamp for line in self.lines]
        if stamps.count(None) == len(stamps):
            return [None] * len(stamps)
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
    subtype, input_json = line.subtype, None
    if isinstance(block, ToolUse):
        input_json = block.input_json
    elif isinstance(block, Other):
        subtype = line.subtype or block.type or None
    return Entry(
        line.type,
        subtype,
        block.block,
        index,
        block.text,
        block.tool,
        block.tool_use_id,
        input_json,
        message.id,
        line.uuid,
        line.parent_tool_use_id,
        message.model,
        block.is_error,
        message.stop_reason,
        usage,
        None,
        raw,
        0,
        line.timestamp,
    )
