"""What callers give, checked: else one line says what was given, and what is expected."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from math import isfinite
from numbers import Real
from operator import index
from typing import Any, Final

import numpy as np
import pandas as pd

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line

_SHOWN_CHARS = 60
_SHOWN_COLUMNS = 6


class FrameError(AodNotebookError, ValueError, TypeError):
    """What was given has not the form, or is not of the type, that the function takes."""


class MissingPackageError(AodNotebookError, ModuleNotFoundError):
    """An extra of this package is not installed."""


def shown(value: object) -> str:
    """How an error quotes what was given: a plain value as it is, anything else by its type.

    Example:
        >>> shown("eight"), shown([1, 2])
        ("'eight'", 'list')
    """
    is_plain = value is None or isinstance(value, str | bool | Real)
    return one_line(repr(value), _SHOWN_CHARS) if is_plain else type(value).__name__


def whole(name: str, value: object, least: int, error: type[FrameError] = FrameError) -> int:
    """Check that a parameter is a whole number that is not too small.

    Raises:
        FrameError: it is not; or the error given.

    Example:
        >>> whole("jobs", 8, 1)
        8
    """
    try:
        number = None if isinstance(value, bool | np.bool_) else index(value)  # type: ignore[arg-type]  # what has no index is refused below
    except TypeError:
        number = None
    if number is None or number < least:
        raise error(f"{name} must be a whole number from {least} on, not {shown(value)}")
    return number


def number(name: str, value: object) -> float:
    """Check that a parameter is a number from 0 on.

    Raises:
        FrameError: it is not.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or value < 0:  # type: ignore[arg-type,operator]  # a number by now
        raise FrameError(f"{name} must be a number from 0 on, not {shown(value)}")
    return float(value)  # type: ignore[arg-type]  # a number by now


def flag(name: str, value: object, error: type[FrameError] = FrameError) -> bool:
    """Check that a parameter is True or False.

    Raises:
        FrameError: it is not; or the error given.
    """
    if not isinstance(value, bool | np.bool_):
        raise error(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def text(name: str, value: object) -> None:
    """Check that a parameter is a text or None.

    Raises:
        FrameError: it is not.
    """
    if value is not None and not isinstance(value, str):
        raise FrameError(f"{name} must be a text or None, not {shown(value)}")


def _id(name: str, value: object) -> None:
    if value is not None:
        whole(name, value, 0)


_OPTIONS: Final[Mapping[str, Callable[[str, Any], object]]] = {
    "jobs": partial(whole, least=1),
    "since": _id,
    "session_id": text,
    "run_id": text,
    "progress": flag,
    "results": flag,
    "content": flag,
    "strict": flag,
}


def options(given: Mapping[str, Any]) -> None:
    """Check the parameters that many functions have in common.

    Raises:
        FrameError: one of them is of no use.
    """
    for name, value in given.items():
        if name in _OPTIONS:
            _OPTIONS[name](name, value)


def names(name: str, value: Any) -> list[str]:
    """Check that a parameter is a name or several of them.

    Raises:
        FrameError: it is not.

    Example:
        >>> names("by", "tool"), names("by", ["session_id", "tool"])
        (['tool'], ['session_id', 'tool'])
    """
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, Iterable) or isinstance(found, bytes):
        raise FrameError(f"{name} must be names of columns, not {shown(value)}")
    found = list(found)
    for one in found:
        if not isinstance(one, str):
            raise FrameError(f"{name} must be names of columns, and {shown(one)} is none")
    return found


def chunks(name: str, value: Any) -> Iterator[bytes]:
    """Return the chunks of what is bytes, or an iterable of bytes.

    Raises:
        FrameError: it is neither.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value)
        return
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise FrameError(f"{name} must be bytes, or chunks of bytes, not {shown(value)}")
    for chunk in value:
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise FrameError(f"{name} must be chunks of bytes, and {shown(chunk)} is none")
        yield bytes(chunk)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint to the name that may have been meant; "" if there is none.

    Example:
        >>> nearest("tol", ["turn", "tool"])
        "; did you mean 'tool'?"
    """
    near = get_close_matches(name, list(map(str, known)), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def once(columns: Iterable[Any]) -> None:
    """Check that no two columns of a frame have the same name.

    Raises:
        FrameError: some have.
    """
    columns = list(columns)
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise FrameError(
            f"The frame given has several columns {shown(twice)}: keep one with "
            "frame.loc[:, ~frame.columns.duplicated()]"
        )


def held(frame: Any, columns: Iterable[Any]) -> str:
    """Describe what a frame is: its schema, or else its first columns."""
    schema = getattr(frame, "attrs", {}).get("schema")
    if isinstance(schema, str):
        return schema
    first = ", ".join(map(str, list(columns)[:_SHOWN_COLUMNS]))
    return one_line(first, 2 * _SHOWN_CHARS) or "no columns"


def need(frame: Any, known: Iterable[Any], wanted: Iterable[str], *, by: str, of: str) -> None:
    """Check that a frame has the columns that a function needs.

    Args:
        frame: the frame.
        known: its columns.
        wanted: those that are needed.
        by: the function.
        of: what gives such frames.

    Raises:
        FrameError: some are missing.
    """
    known = list(known)
    once(known)
    lacking = [name for name in wanted if name not in known]
    if lacking:
        columns = "the column" if len(lacking) == 1 else "the columns"
        raise FrameError(
            f"{by} needs {columns} {', '.join(lacking)}, and the frame given has "
            f"{held(frame, known)}: pass what {of} gave"
        )


def pandas_frame(frame: Any, wanted: Iterable[str], *, by: str, of: str) -> pd.DataFrame:
    """Check that something is a pandas frame with the columns that a function needs.

    Raises:
        FrameError: it is not.
    """
    if not isinstance(frame, pd.DataFrame):
        hint = "call its to_pandas()" if is_frame(frame) else f"pass what {of} gave"
        raise FrameError(f"{by} takes a pandas DataFrame, not {shown(frame)}: {hint}")
    need(frame, frame.columns, wanted, by=by, of=of)
    return frame


def is_frame(value: object) -> bool:
    """Whether something is a frame, of pandas or another library."""
    return hasattr(type(value), "columns")
