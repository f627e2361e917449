"""Checks of arguments, with one-line errors that name the value and the fix."""

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real
from typing import Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line

_SHOWN_CHARS = 60
_SHOWN_COLUMNS = 6


class FrameError(AodNotebookError, ValueError, TypeError):
    """An argument does not have the form that the function takes.

    Fix: Pass what the message names.
    """


class MissingPackageError(AodNotebookError, ModuleNotFoundError):
    """An extra of this package is not installed.

    Fix: Install the extra that the message names.
    """


def shown(value: object) -> str:
    """Return an argument as errors quote it: a plain value unchanged, anything else by its type.

    Example:
        >>> shown("eight"), shown([1, 2])
        ("'eight'", 'list')
    """
    is_plain = value is None or isinstance(value, str | bool | Real)
    return one_line(repr(value), _SHOWN_CHARS) if is_plain else type(value).__name__


def at_least(name: str, value: float, least: float, error: type[FrameError] = FrameError) -> None:
    """Check that a number is not too small.

    Raises:
        FrameError: it is; or the error given.
    """
    if not value >= least:  # NaN is not
        raise error(f"`{name}` is {shown(value)}. Use {least} or more.")


def names(value: str | Iterable[str]) -> list[str]:
    """Return a list of one name or several.

    Example:
        >>> names("tool"), names(["session_id", "tool"])
        (['tool'], ['session_id', 'tool'])
    """
    return [value] if isinstance(value, str) else list(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest name; "" if there is none.

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
    """Describe a frame by its schema, or else its first columns."""
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
        of: what returns such frames.

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
            f"{held(frame, known)}: pass what {of} returned"
        )
