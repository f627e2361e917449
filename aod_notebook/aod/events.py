r"""Events of a session's stream: bytes of a body in, `StreamEvent` objects out.

Speed comes from decoding a whole batch of payloads by one call into wide structs. A batch
with anything unusual in it is decoded again with less speed and more patience; no payload
raises, and none is lost: what is not a JSON object becomes an event of type `malformed`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from aod_notebook.contract import TERMINAL_EVENTS
from aod_notebook.core.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from aod_notebook.core.sse import EventBatch

StreamEventType = str
"""Open: `start`, `stage`, `turn_start`, `output`, `exit`, `error`, `terminated`, `stale`,
or a later one; `malformed` is this package's own."""

TERMINAL_TYPES = frozenset(TERMINAL_EVENTS)
"""Types that end a stream; after `stale` the session continues."""
MALFORMED = "malformed"
"""Type given to a payload that is not a JSON object; its text is in `extra["raw"]`."""
_NAMELESS = "message"  # what the standard calls an event that has no name


class StreamEvent(msgspec.Struct, eq=False, gc=False):
    """One event of a session's stream.

    Attributes:
        type: what kind of event; unknown kinds pass through.
        id: the `id` in the payload, if any: the row's number in the service's log.
        extra: all other fields of the payload; for an `output` these are `stream`, `data`
            and `turn`, for a `stage` `stage`, `state`, `duration_ms` and `message`, for an
            `exit` the `code`. The embedded service adds `created_at` to every event, and
            `recorded_at`, the time of the recording, to those of a replay.

    Example:
        >>> event = StreamEvent("output", 7, {"stream": "stdout", "data": "hi", "turn": 1})
        >>> event.extra["data"]
        'hi'
    """

    type: str
    id: int | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], name: str = "") -> StreamEvent:
        """Create an event from a decoded payload; `name` is its `event:` line, if it had one.

        Example:
            >>> StreamEvent.from_payload({"type": "exit", "id": 9, "code": 0}).extra
            {'code': 0}
        """
        extra = dict(payload)
        kind, number = extra.pop("type", None), extra.pop("id", None)
        if not isinstance(kind, str):
            if kind is not None:
                extra["type"] = kind
            kind = name or _NAMELESS
        if number is not None and type(number) is not int:
            extra["id"] = number
            number = None
        return StreamEvent(kind, number, extra)

    def model_dump(self) -> dict[str, Any]:
        """Return the event as a dict with the keys `type`, `id` and `extra`."""
        return {"type": self.type, "id": self.id, "extra": self.extra}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StreamEvent):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.type, self.id))

    def __repr__(self) -> str:
        return f"StreamEvent(type={self.type!r}, id={self.id!r}, extra={self.extra!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return StreamEvent, (self.type, self.id, self.extra)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic models hold events, and read them from the output of `model_dump`."""
        from pydantic_core import core_schema as schemas

        del handler
        fields = {
            "type": schemas.typed_dict_field(schemas.str_schema()),
            "id": schemas.typed_dict_field(
                schemas.nullable_schema(schemas.int_schema()), required=False
            ),
            "extra": schemas.typed_dict_field(schemas.dict_schema(), required=False),
        }
        from_dict = schemas.no_info_after_validator_function(
            lambda values: source(**values), schemas.typed_dict_schema(fields)
        )
        return schemas.json_or_python_schema(
            json_schema=from_dict,
            python_schema=schemas.union_schema([schemas.is_instance_schema(cls), from_dict]),
            serialization=schemas.plain_serializer_function_ser_schema(cls.model_dump),
        )


class _WireEvent(StreamEvent, gc=False, forbid_unknown_fields=True, rename={"extra": "~"}):
    """The result of bulk decoding: fields of the frequent types; `extra` is built on demand."""

    extra: UnsetType = UNSET  # type: ignore[assignment]
    stream: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    turn: int | UnsetType | None = UNSET
    stage: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    message: str | UnsetType = UNSET
    code: int | UnsetType | None = UNSET
    recorded_at: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET


# The struct's own slot for `extra` keeps the dict once it has been asked for.
_extra_slot: Any = vars(StreamEvent)["extra"]
_FIELDS = _WireEvent.__struct_fields__[3:]


def _extra(event: _WireEvent) -> dict[str, Any]:
    extra: dict[str, Any] | UnsetType = _extra_slot.__get__(event)
    if extra is UNSET:
        stream, data, turn = event.stream, event.data, event.turn
        if (
            (event.stage is UNSET and event.state is UNSET and event.duration_ms is UNSET)
            and (event.message is UNSET and event.code is UNSET)
            and (stream is not UNSET and data is not UNSET and turn is not UNSET)
        ):
            extra = {"stream": stream, "data": data, "turn": turn}
            if event.recorded_at is not UNSET:
                extra["recorded_at"] = event.recorded_at
            if event.created_at is not UNSET:
                extra["created_at"] = event.created_at
        else:
            every = ((name, getattr(event, name)) for name in _FIELDS)
            extra = {name: value for name, value in every if value is not UNSET}
        _extra_slot.__set__(event, extra)
    return extra


type.__setattr__(_WireEvent, "extra", property(_extra))


_wire_decoder = msgspec.json.Decoder(_WireEvent)
_dict_decoder = msgspec.json.Decoder(dict[str, Any])
_Undecodable = (msgspec.MsgspecError, ValueError, RecursionError)


def decode_batch(batch: EventBatch) -> Sequence[StreamEvent]:
    """Decode the payloads of a batch, one event each; nothing raises."""
    count = len(batch.data)
    if not batch.is_lines and count > 1:
        return list(map(_decode_one, batch.data, batch.names))
    lines = batch.data[0] if count == 1 else b"\n".join(batch.data)
    try:
        if count == 1:
            return [_wire_decoder.decode(lines)]
        events = _wire_decoder.decode_lines(lines)
        if len(events) == count:
            return events
    except _Undecodable:
        pass
    try:
        payloads = _dict_decoder.decode_lines(lines)
        if len(payloads) == count:
            return list(map(StreamEvent.from_payload, payloads, map(bytes.decode, batch.names)))
    except _Undecodable:
        pass
    return list(map(_decode_one, batch.data, batch.names))


def _decode_one(data: bytes, name: bytes) -> StreamEvent:
    text = data.decode("utf-8", "replace")
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, dict):
        return StreamEvent.from_payload(payload, name.decode("utf-8", "replace"))
    return StreamEvent(MALFORMED, None, {"raw": text})


def iter_events(chunks: Iterable[bytes] | bytes) -> Iterator[StreamEvent]:
    r"""Decode the body of one event stream, chunk by chunk.

    Args:
        chunks: the bytes of a body, cut anywhere or in one piece; an open binary file will
            do, larger chunks are faster.

    Returns:
        The events in order, as soon as they are complete; each connection's `start` and
        `turn_start` included, nothing deduplicated. Raises nothing of its own.

    Example:
        >>> body = [b'data: {"type": "start"}\n\nid: 4\ndata: {"type": "outp',
        ...         b'ut", "id": 4, "stream": "stdout", "data": "hi"}\n\n']
        >>> [(event.type, event.id) for event in iter_events(body)]
        [('start', None), ('output', 4)]
    """
    decoder = SSEDecoder()
    for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
        batch = decoder.feed(chunk)
        if batch.data:
            yield from decode_batch(batch)
