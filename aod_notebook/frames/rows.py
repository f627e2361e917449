"""Objects of a JSON API as columns, and rows of frames as dicts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
import pandas as pd

_MICROS = 1_000_000


def fields_of(item: Any) -> dict[str, Any]:
    """Return the fields of a resource: a dict, or a pydantic model with its unknown fields."""
    if isinstance(item, Mapping):
        return dict(item)
    dump = item.model_dump(warnings=False)
    return dict(dump)


def seconds_between(start: int | None, end: int | None) -> float | None:
    """Return the seconds from one time in microseconds to another, at least 0, because clocks can go back.

    None if one is unknown.
    """
    return None if start is None or end is None else max(0, end - start) / _MICROS


def text(value: Any) -> str | None:
    """Return an id or an enumeration's value as text."""
    return None if value is None else str(value)


def json_text(value: Any) -> str | None:
    """Return a value as JSON text; None stays None."""
    if value is None:
        return None
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError):
        return None


def rest(fields: Mapping[str, Any], named: Iterable[str]) -> str | None:
    """Return JSON of the fields that have no column of their own; None if there are none."""
    known = set(named)
    left = {key: value for key, value in fields.items() if key not in known}
    return json_text(left) if left else None


def column(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """Return one field of every row."""
    return [row.get(name) for row in rows]


def records(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows as dicts of these columns (default: all); what is missing is None."""
    whole = frame if columns is None else frame.reindex(columns=list(columns))
    plain = whole.astype(object).where(whole.notna(), None)
    return cast("list[dict[str, Any]]", plain.to_dict("records"))
