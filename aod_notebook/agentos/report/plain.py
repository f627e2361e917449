"""Plain values: the JSON form of reported Python objects, and what had to change for it."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 10_000
"""Values of an array, a column or a lazy sequence that one event takes; the rest is counted."""
_MOST_PLACES = 100
"""Places that are listed by name: a column of NaN would otherwise be longer than its numbers."""
_DEEPEST = 100
_LEAST_INT, _MOST_INT = -(2**63), 2**64 - 1
_CONTAINERS = (dict, list, tuple, set, frozenset)
_BYTES = (bytes, bytearray, memoryview)


class Plain:
    """Turns one value into what JSON can hold, and lists the places that changed.

    NumPy, pandas and the like are recognised by their types' attributes or by what is loaded
    already; nothing is imported.

    Args:
        limit: values of an array or a frame that are taken; None for all.

    Attributes:
        as_text: places of which only the text is left.
        as_null: places of NaN, infinity, NaT and NA, which became null.
        omitted: places of which only a beginning was taken, with the number of rows (of a frame
            or a column) or values (of an array or a sequence) that were left out.
        kinds: the types of what became text, in the order of `as_text`.
    """

    def __init__(self, limit: int | None = LIMIT) -> None:
        self.as_text: list[str] = []
        self.as_null: list[str] = []
        self.omitted: dict[str, int] = {}
        self.kinds: list[str] = []
        self._limit = sys.maxsize if limit is None else limit
        self._open: set[int] = set()  # objects that we are inside of

    @property
    def changed(self) -> int:
        """How many places changed."""
        return len(self.as_text) + len(self.as_null) + len(self.omitted)

    def marks(self) -> dict[str, Any]:
        """Return the keys that mark, in a payload, what changed."""
        found = {
            "_as_null": _first(self.as_null),
            "_as_text": _first(self.as_text),
            "_omitted": self.omitted,
        }
        return {name: places for name, places in found.items() if places}

    def of(self, value: Any, place: str = "", depth: int = 0) -> Any:
        """Return the value in types that JSON knows."""
        match value:
            case None | bool():
                return value
            case Enum():
                return self.of(value.value, place, depth + 1)
            case str():
                return clean(value)
            case int():
                return int(value) if _LEAST_INT <= value <= _MOST_INT else self._text(value, place)
            case float():
                return float(value) if math.isfinite(value) else self._null(place)
        if id(value) in self._open:
            return self._text(value, place, "<circular>")
        if depth >= _DEEPEST:
            return self._text(value, place)
        self._open.add(id(value))
        try:
            return self._object(value, place, depth)
        finally:
            self._open.discard(id(value))

    def _object(self, value: Any, place: str, depth: int) -> Any:
        if isinstance(value, _CONTAINERS):  # not kept from raising: a dict may change meanwhile
            return self._container(value, place, depth)
        before = len(self.as_text), len(self.as_null), dict(self.omitted)
        try:
            plain = self._known(value, place, depth)
        except Exception:  # noqa: BLE001 - a conversion may raise anything; the text is left
            del self.as_text[before[0] :], self.kinds[before[0] :], self.as_null[before[1] :]
            self.omitted = before[2]
            plain = _UNKNOWN
        return self._text(value, place) if plain is _UNKNOWN else plain

    def _known(self, value: Any, place: str, depth: int) -> Any:
        """Return the plain form of an object of a kind that is known here, else `_UNKNOWN`."""
        kind = type(value)
        if _is_missing(value):
            return self._null(place)
        if isinstance(value, date):  # `datetime` and pandas' Timestamp, with all its digits
            text = value.isoformat()
            return text[:-6] + "Z" if text.endswith("+00:00") else text
        if isinstance(value, timedelta):
            return _duration(value, getattr(value, "nanoseconds", 0))
        if _is_frame(value):
            return self._frame(value, place, depth)
        if hasattr(kind, "tolist") and hasattr(value, "shape"):
            return self._array(value, place, depth)
        if (fields := _fields(value, kind)) is not None:
            return self.of(fields, place, depth + 1)
        if isinstance(value, _BYTES):
            return msgspec.to_builtins(bytes(value))
        if isinstance(value, Mapping):
            return self._container(dict(value), place, depth)
        if isinstance(value, (Sequence, AbstractSet, ValuesView)):
            return self._some(value, len(value), place, depth)
        plain = msgspec.to_builtins(value)  # UUID, Decimal, time; raises what it does not know
        return self.of(plain, place, depth + 1)

    def _container(self, value: Any, place: str, depth: int) -> Any:
        if isinstance(value, dict):
            return self._pairs(list(value.items()), place, depth)
        return self._items(value, place, depth)

    def _items(self, items: Iterable[Any], place: str, depth: int) -> list[Any]:
        below = f"{place}." if place else ""
        return [self.of(item, f"{below}{index}", depth + 1) for index, item in enumerate(items)]

    def _pairs(self, pairs: Iterable[tuple[Any, Any]], place: str, depth: int) -> dict[str, Any]:
        """Make an object; keys that are equal as text get a number."""
        below = f"{place}." if place else ""
        result: dict[str, Any] = {}
        for given, item in pairs:
            key = wanted = _key(given)
            number = 1
            while key in result:
                number += 1
                key = f"{wanted} ({number})"
            if number > 1:
                self.as_text.append(below + key)
                self.kinds.append(f"{type(given).__name__} key that another one equals as text")
            result[key] = self.of(item, below + key, depth + 1)
        return result

    def _some(self, items: Iterable[Any], count: int, place: str, depth: int) -> list[Any]:
        """Take the beginning of a sequence, and note how much was left out."""
        if count > self._limit:
            self.omitted[place] = count - self._limit
        return self._items(islice(items, self._limit), place, depth)

    def _array(self, value: Any, place: str, depth: int) -> Any:
        """Take an array or a scalar of NumPy, or of what has its interface, such as a tensor."""
        shape = tuple(value.shape)
        code = getattr(getattr(value, "dtype", None), "kind", "")
        plain = _times if code in {"M", "m"} else _values
        if not shape:
            scalar = plain(value)
            return _UNKNOWN if scalar is value else self.of(scalar, place, depth + 1)
        left = math.prod(shape) - self._taken(shape)
        part = value if not left else _beginning(value, shape, self._limit)
        if left:
            self.omitted[place] = left
        return self.of(plain(part), place, depth + 1)

    def _taken(self, shape: tuple[int, ...]) -> int:
        return math.prod(_cut(shape, self._limit))

    def _frame(self, value: Any, place: str, depth: int) -> Any:
        """Take a table: the records of a frame, the values of a column (by label if it has any)."""
        columns, records = _records(value, self._limit)
        count, total = len(records), len(value)
        if count < total:
            self.omitted[place] = total - count
        if columns is None:
            return self._items(records, place, depth)
        if not columns:
            return self._pairs(records, place, depth)
        below = f"{place}." if place else ""
        return [
            self._pairs(zip(columns, record, strict=True), f"{below}{index}", depth + 1)
            for index, record in enumerate(records)
        ]

    def _null(self, place: str) -> None:
        self.as_null.append(place)

    def _text(self, value: Any, place: str, text: str | None = None) -> str:
        self.as_text.append(place)
        self.kinds.append("circular reference" if text else type(value).__name__)
        return text or clean(text_of(value))


_UNKNOWN = object()


def text_of(value: Any) -> str:
    """Return the text of anything, whatever its `__str__` does."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - reporting never breaks the work reported on
        return f"<{type(value).__name__} without a text>"


def clean(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _first(places: list[str]) -> list[str]:
    more = len(places) - _MOST_PLACES
    return places if more <= 0 else [*places[:_MOST_PLACES], f"… and {more:,} more"]


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return clean(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, date) and not _is_missing(key):
        return str(Plain().of(key))
    return clean(text_of(key))


def _loaded(module: str, name: str) -> Any:
    """Return an attribute of a module if it is imported: only then its objects exist."""
    return getattr(sys.modules.get(module), name, None)


def _is_missing(value: Any) -> bool:
    """Check for pandas' NA and NaT, and NumPy's NaT."""
    if value is _loaded("pandas", "NA") and value is not None:
        return True
    if type(value).__name__ not in {"NaTType", "datetime64", "timedelta64"}:
        return False
    return bool(value != value)  # noqa: PLR0124 - only what is missing does not equal itself


def _is_frame(value: Any) -> bool:
    """Check for a DataFrame, a Series or a Table of pandas, polars or Arrow."""
    for module, names in _TABLES.items():
        if module in sys.modules and isinstance(
            value, tuple(filter(None, (_loaded(module, name) for name in names)))
        ):
            return True
    return False


_TABLES = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch", "Array", "ChunkedArray"),
}


def _records(value: Any, limit: int) -> tuple[list[Any] | None, list[Any]]:
    """Return columns and rows of a table; no columns: pairs of label and value; None: values."""
    if type(value).__module__.partition(".")[0] == "pandas":
        return _pandas_records(value, limit)
    names = list(getattr(value, "columns", ()) if hasattr(value, "to_dicts") else ())
    names = names or list(getattr(value, "column_names", ()))
    if not names:
        part = value[:limit]
        return None, part.to_list() if hasattr(part, "to_list") else part.to_pylist()
    part = value[: max(1, limit // len(names))]
    rows = part.to_dicts() if hasattr(part, "to_dicts") else part.to_pylist()
    return names, [tuple(row[name] for name in names) for row in rows]


def _pandas_records(value: Any, limit: int) -> tuple[list[Any] | None, list[Any]]:
    index = value.index if hasattr(value, "index") else None
    is_labelled = index is not None and type(index).__name__ != "RangeIndex"
    if not hasattr(value, "columns"):
        part = value[:limit] if index is None else value.iloc[:limit]
        if not is_labelled:
            return None, part.tolist()
        return [], list(zip(part.index.tolist(), part.tolist(), strict=True))
    columns = list(value.columns)
    rows = max(1, limit // max(1, len(columns)))
    part = value.iloc[:rows]
    lists = [part.iloc[:, number].tolist() for number in range(len(columns))]
    if is_labelled:
        levels = range(part.index.nlevels)
        names = [_level(part.index.names[number], number, len(levels)) for number in levels]
        lists = [part.index.get_level_values(number).tolist() for number in levels] + lists
        columns = names + columns
    return columns, [tuple(row) for row in zip(*lists, strict=True)] if lists else []


def _level(name: Any, number: int, levels: int) -> Any:
    if name is not None:
        return name
    return "index" if levels == 1 else f"level_{number}"


def _fields(value: Any, kind: type) -> dict[str, Any] | None:
    """Return the fields of a model, a dataclass or a struct; None for anything else."""
    if hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):  # pydantic
        dumped = value.model_dump()
        return dumped if isinstance(dumped, dict) else {"root": dumped}
    if dataclasses.is_dataclass(kind):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(kind)}
    if hasattr(kind, "__attrs_attrs__"):
        return {each.name: getattr(value, each.name) for each in kind.__attrs_attrs__}
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if hasattr(kind, "__fields__") and hasattr(kind, "parse_obj"):  # pydantic 1
        dumped = value.dict()
        return dumped if isinstance(dumped, dict) else None
    return None


def _cut(shape: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """Shorten a shape to at most `limit` values, the first axis first."""
    kept: list[int] = []
    for number, size in enumerate(shape):
        inner = math.prod(shape[number + 1 :])
        kept.append(min(size, max(1, limit // max(1, inner))) if size else 0)
        limit = max(1, limit // max(1, kept[-1]))
    return tuple(kept)


def _beginning(value: Any, shape: tuple[int, ...], limit: int) -> Any:
    return value[tuple(slice(size) for size in _cut(shape, limit))]


def _values(value: Any) -> Any:
    return value.tolist()


def _times(value: Any) -> Any:
    """Convert NumPy's times and durations to text, with all digits."""
    if value.shape:
        return [_times(item) for item in value]
    if _is_missing(value):
        return math.nan
    if value.dtype.kind == "M":
        return str(value)
    whole = int(value.astype("timedelta64[ns]").astype("int64"))
    return _duration(timedelta(microseconds=whole // 1000), whole % 1000)


def _duration(value: timedelta, nanoseconds: int) -> str:
    """Make an ISO 8601 duration.

    Example:
        >>> _duration(timedelta(days=1, seconds=3), 0)
        'P1DT3S'
    """
    plain = timedelta(value.days, value.seconds, value.microseconds)
    if not nanoseconds:
        return str(msgspec.to_builtins(plain))
    whole = (plain.days * 86400 + plain.seconds) * 10**9 + plain.microseconds * 1000 + nanoseconds
    seconds, rest = divmod(abs(whole), 10**9)
    return f"{'-' if whole < 0 else ''}PT{seconds}.{rest:09d}S"
