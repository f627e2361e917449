"""Snapshots: any Python value as JSON text, at once and without ever failing."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = ["Snapshot", "changes_of", "now", "object_of", "snapshot", "text_of"]

_DEEPEST = 100
_WIDEST_INT = 64
AS_TEXT, AS_NULL = "_as_text", "_as_null"
"""Keys that mark, in a payload, the places whose values JSON could not hold."""


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """JSON text of a value; `changed` counts what had to be made text or null."""

    text: bytes
    changed: int = 0


class _UnknownError(Exception):
    """An object that JSON does not know."""


def _refuse(value: Any) -> Any:
    raise _UnknownError(type(value).__name__)


_encode = msgspec.json.Encoder(enc_hook=_refuse).encode


def snapshot(value: Any, *, marked: bool = True) -> Snapshot:
    """Make JSON text of a value; later changes to the value do not show.

    NaN and infinity become null, objects that JSON does not know their text; in an object
    the places are listed under `_as_null` and `_as_text` (unless `marked` is False).

    Example:
        >>> snapshot({"a": 1}).text
        b'{"a":1}'
        >>> snapshot({"a": float("nan")}).text
        b'{"a":null,"_as_null":["a"]}'
    """
    text, plain = _take(value, marked=marked)
    return Snapshot(text, len(plain.as_null) + len(plain.as_text) if plain else 0)


def text_of(value: Any) -> str:
    """Give the text of anything, whatever its `__str__` does."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - reporting never breaks the work reported on
        return f"<{type(value).__name__} without a text>"


def object_of(value: Any) -> dict[str, Any]:
    """Give a value as the object that the service wants.

    Example:
        >>> object_of(None), object_of({"a": 1}), object_of(5)
        ({}, {'a': 1}, {'value': 5})
    """
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}


def changes_of(value: Any) -> tuple[bytes, list[str]]:
    """Make JSON text of a value, and list the places whose values JSON cannot hold."""
    text, plain = _take(value, marked=False)
    return text, plain.as_null + plain.as_text if plain else []


def _take(value: Any, *, marked: bool) -> tuple[bytes, _Plain | None]:
    try:
        text = _encode(value)
        if b"null" not in text:
            return text, None
    except Exception:  # noqa: BLE001, S110 - whatever an object does, its snapshot is taken
        pass
    plain = _Plain()
    try:
        result = plain.of(value, "", 0)
    except Exception as error:  # noqa: BLE001 - such as a dict that changes meanwhile
        result = f"<{type(value).__name__} that could not be read: {type(error).__name__}>"
        plain.as_text.append("")
    if marked and isinstance(result, dict):
        result |= {AS_NULL: plain.as_null} if plain.as_null else {}
        result |= {AS_TEXT: plain.as_text} if plain.as_text else {}
    return msgspec.json.encode(result), plain


class _Plain:
    """Turns one value into what JSON can hold, and lists the places that changed."""

    def __init__(self) -> None:
        self.as_text: list[str] = []
        self.as_null: list[str] = []
        self._open: set[int] = set()  # containers that we are inside of

    def of(self, value: Any, place: str, depth: int) -> Any:
        match value:
            case None | bool():
                return value
            case str():
                return _clean(value)
            case int():
                return self._int(value, place)
            case float():
                return self._float(float(value), place)
            case dict() | list() | tuple() | set() | frozenset():
                return self._container(value, place, depth)
        return self._object(value, place, depth)

    def _int(self, value: int, place: str) -> Any:
        if value.bit_length() < _WIDEST_INT:
            return int(value)
        return self._text(value, place)

    def _float(self, value: float, place: str) -> Any:
        if math.isfinite(value):
            return value
        self.as_null.append(place)
        return None

    def _container(self, value: Any, place: str, depth: int) -> Any:
        if id(value) in self._open:
            self.as_text.append(place)
            return "<circular>"
        if depth >= _DEEPEST:
            return self._text(value, place)
        self._open.add(id(value))
        try:
            below = f"{place}." if place else ""
            if isinstance(value, dict):
                return {
                    _key(key): self.of(item, f"{below}{_key(key)}", depth + 1)
                    for key, item in list(value.items())
                }
            return [self.of(item, f"{below}{index}", depth + 1) for index, item in enumerate(value)]
        finally:
            self._open.discard(id(value))

    def _object(self, value: Any, place: str, depth: int) -> Any:
        try:
            plain = msgspec.to_builtins(value)  # dates, UUIDs, enums, dataclasses, structs
        except Exception:  # noqa: BLE001 - then it has no form but its text
            plain = value.item() if _is_scalar(value) else value
        if plain is value or not isinstance(plain, (str, int, float, bool, dict, list)):
            return self._text(value, place)
        return self.of(plain, place, depth + 1)

    def _text(self, value: Any, place: str) -> str:
        self.as_text.append(place)
        return _clean(text_of(value))


def _is_scalar(value: Any) -> bool:
    """Tell a number of numpy and its like, without importing any of them."""
    return hasattr(value, "dtype") and getattr(value, "ndim", None) == 0


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _clean(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    try:
        return _clean(str(key))
    except Exception:  # noqa: BLE001 - `__str__` of anything may raise anything
        return f"<{type(key).__name__}>"


def _clean(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


_clock = (-1, "")  # the running second and its text, together: threads may race here


def now() -> str:
    """Give the time as ISO 8601 UTC with microseconds and `Z` (B.5)."""
    global _clock  # noqa: PLW0603 - a cache of one entry
    second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    known, prefix = _clock
    if second != known:
        prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        _clock = (second, prefix)
    return f"{prefix}{nanoseconds // 1000:06d}Z"
