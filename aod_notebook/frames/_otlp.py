"""Spans as OTLP writes them in JSON: ids in hex, 64-bit integers as text, enums as numbers."""

import uuid
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from aod_notebook._version import __version__
from aod_notebook.frames.schema import Column, Schema

INTERNAL, CLIENT = 1, 3
"""Kinds of span."""
_UNSET, _ERROR = 0, 2
"""Codes of a span's status."""
_SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of OpenTelemetry's conventions that the names are of."""
_SPAN_ID_CHARS = 16
_CONTENT = frozenset({"prompt", "result", "output", "summary"})
"""What people and agents wrote, besides all JSON columns."""

Row = Mapping[str, Any]


def trace_id(name: str) -> str:
    """A trace id made of a session's or run's id: the UUID itself if it is one."""
    try:
        return uuid.UUID(name).hex
    except ValueError:
        return blake2b(name.encode(errors="replace"), digest_size=16).hexdigest()


def span_id(trace: str, *names: Any) -> str:
    """A span id made of what names the span; one that is a span id already stays."""
    last = str(names[-1]) if names else ""
    is_one = len(last) == _SPAN_ID_CHARS and set(last) <= set("0123456789abcdef")
    if is_one and any(character != "0" for character in last):
        return last
    text = "/".join((trace, *map(str, names)))
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def nanos(time: Any) -> int | None:
    """A timestamp in nanoseconds since 1970; None where OTLP's 64 bits cannot tell it."""
    if time is None:
        return None
    told = int(time.as_unit("us").asm8.view("i8")) * 1000
    return told if 0 <= told < 2**64 else None


def attributes(
    row: Row, columns: Iterable[Column], prefix: str, *, content: bool, **more: Any
) -> list[dict[str, Any]]:
    """Attributes of a row: OTel's names where there are any, else `prefix.column`."""
    named = dict(more)
    for column in columns:
        is_content = column.dtype == "json" or column.name in _CONTENT
        if column.dtype != "datetime" and (content or not is_content):
            named[column.otel or f"{prefix}.{column.name}"] = row.get(column.name)
    return [
        {"key": key, "value": _value(value)} for key, value in named.items() if value is not None
    ]


def columns_but(schema: Schema, *names: str) -> tuple[Column, ...]:
    """The columns of a schema that say more than a span's own fields do."""
    return schema.select(None, names)


def span(
    ids: tuple[str, str, str | None],
    name: str,
    times: tuple[int | None, int | None],
    attributes: list[dict[str, Any]],
    *,
    kind: int = INTERNAL,
    error: str | None = None,
    is_error: bool = False,
) -> dict[str, Any]:
    """One span: ids of trace, span and parent; start and end, an unknown end being the start."""
    trace, own, parent = ids
    start, end = times
    start = start or 0
    made: dict[str, Any] = {
        "traceId": trace,
        "spanId": own,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(max(start, end or 0)),
        "attributes": attributes,
        "status": {"code": _ERROR if is_error else _UNSET},
    }
    if parent is not None:
        made["parentSpanId"] = parent
    if is_error and error:
        made["status"]["message"] = error
    return made


def traces(spans: list[dict[str, Any]], service: str) -> dict[str, Any]:
    """The whole document: OTLP's `TracesData`, of one service."""
    resource = {"attributes": [{"key": "service.name", "value": _value(service)}]}
    scope = {"name": "aod_notebook", "version": __version__}
    scoped = {"scope": scope, "schemaUrl": _SCHEMA_URL, "spans": spans}
    return {
        "resourceSpans": [{"resource": resource, "schemaUrl": _SCHEMA_URL, "scopeSpans": [scoped]}]
    }


def whole_counts(row: Row, includes: Row) -> dict[str, Any]:
    """A row with its tokens as OpenTelemetry counts them.

    Input includes cached tokens and output those of reasoning, which some runtimes count apart;
    `includes` is the result that says so.
    """
    counts = dict(row)
    apart: list[tuple[str, tuple[str, ...]]] = []
    if includes.get("input_includes_cache") is False:
        apart.append(("input_tokens", ("cache_read_tokens", "cache_creation_tokens")))
    if includes.get("output_includes_reasoning") is False:
        apart.append(("output_tokens", ("reasoning_tokens",)))
    for name, others in apart:
        if counts.get(name) is not None:
            counts[name] += sum(counts.get(other) or 0 for other in others)
    return counts


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}
