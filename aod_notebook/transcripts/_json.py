"""Untrusted JSON: decoding that never raises, and values accepted only with the right type."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec

_MAX_INT = 2**63
_MAX_MS = 253_402_300_800_000
"""The end of the year 9999."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution
_decode = msgspec.json.Decoder().decode


def loads(text: str | bytes) -> Any:
    """Decode JSON; None if invalid.

    What msgspec refuses and CLIs are known to write goes through the standard library
    once more: NaN and numbers out of range become null, lone surrogates `?`.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        value = json.loads(text, parse_constant=_null, parse_float=_finite)
        return _decode(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def dumps(value: Any) -> str:
    """Encode decoded JSON as compact text; `null` if it is nested too deeply for that."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "null"


def as_str(value: Any) -> str | None:
    """The value if it is a string."""
    return value if isinstance(value, str) else None


def as_int(value: Any) -> int | None:
    """A whole number of at most 64 bits; a float loses its fraction."""
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -_MAX_INT <= value < _MAX_INT:
        return value
    return None


def as_float(value: Any) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_bool(value: Any) -> bool | None:
    """The value if it is a boolean."""
    return value if isinstance(value, bool) else None


def as_dict(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_span(value: Any) -> int | None:
    """A length of time; a clock that was set back makes none below 0."""
    span = as_int(value)
    return None if span is None else max(span, 0)


def as_time(value: Any) -> int | None:
    """A time in microseconds since 1970, from ISO 8601 text or from milliseconds.

    Example:
        >>> as_time("1970-01-01T00:00:01.5Z"), as_time(1500)
        (1500000, 1500000)
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return (moment - _EPOCH) // _MICROSECOND
        except (ValueError, OverflowError):
            return None
    number = as_float(value)
    if number is None or not 0 <= number < _MAX_MS:
        return None
    return round(number * 1000)


def _null(_: str) -> None:
    return None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
