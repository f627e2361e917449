"""Snapshots: any Python value as JSON text, at once and without ever failing."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from aod_notebook.agentos.report.plain import LIMIT, Plain

_odd_key = re.compile(rb'"-?\d[^"\\]*":').search
"""Finds a key that may have been a number, and so may be there a second time as text."""


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """JSON text of a value; `changed` counts what had to be made text or null, or cut."""

    text: bytes
    changed: int = 0


class _UnknownError(Exception):
    """An object that JSON does not know."""


def _refuse(value: Any) -> Any:
    raise _UnknownError(type(value).__name__)


_encode = msgspec.json.Encoder(enc_hook=_refuse).encode


def snapshot(value: Any, *, marked: bool = True) -> Snapshot:
    """Return the JSON text of a value; later changes to the value have no effect.

    What has a form in JSON gets it (models, arrays, frames, times). NaN and infinity become null,
    other objects their text, and of large arrays and frames a beginning is taken; in an object
    that is listed under `_as_null`, `_as_text` and `_omitted` (unless `marked` is False).

    Example:
        >>> snapshot({"a": 1}).text
        b'{"a":1}'
        >>> snapshot({"a": float("nan")}).text
        b'{"a":null,"_as_null":["a"]}'
    """
    text, plain = _take(value, marked=marked)
    return Snapshot(text, plain.changed if plain else 0)


def object_of(value: Any) -> dict[str, Any]:
    """Return a value as the object that the service expects.

    Example:
        >>> object_of(None), object_of({"a": 1}), object_of(5)
        ({}, {'a': 1}, {'value': 5})
    """
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}


def strict(value: Any) -> tuple[bytes, Plain | None]:
    """Return the JSON text of a whole value, and the places that had to change."""
    return _take(value, marked=False, limit=None)


def _take(value: Any, *, marked: bool, limit: int | None = LIMIT) -> tuple[bytes, Plain | None]:
    try:
        text = _encode(value)
        if b"null" not in text and _odd_key(text) is None:
            return text, None
    except Exception:  # noqa: BLE001, S110 - whatever an object does, its snapshot is taken
        pass
    plain = Plain(limit)
    try:
        result = plain.of(value)
    except Exception as error:  # noqa: BLE001 - such as a dict that changes meanwhile
        result = f"<{type(value).__name__} that could not be read: {type(error).__name__}>"
        plain.as_text.append("")
        plain.kinds.append(type(value).__name__)
    if marked and isinstance(result, dict):
        result |= plain.marks()
    return msgspec.json.encode(result), plain
