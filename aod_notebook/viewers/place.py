"""Places in transcripts: from a row of a table, a finding or a number to a row of a viewer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line

ORDERS = ("order", "first_order", "orders", "result_order")
"""Where a row keeps its place; of several, as a finding has them, the first counts."""


class Place(NamedTuple):
    """A row of a session's transcript.

    Attributes:
        session_id: the session; None if what was given names none.
        turn: its turn; None if that is unknown.
        order: the row, as `order` of `frames.messages_df` numbers it, from 1.
    """

    session_id: str | None
    turn: int | None
    order: int


def place_of(given: Any) -> Place:
    """Return the place that a row of a table, a finding or a number names.

    Args:
        given: a row of `tool_calls_df`, `messages_df`, `insights_df` or a search (a Series, a
            mapping, a frame of one row), or an `order`.

    Raises:
        AodNotebookError: it names no row of a transcript.

    Example:
        >>> place_of({"session_id": "5f0c", "turn": 1, "order": 17})
        Place(session_id='5f0c', turn=1, order=17)
        >>> place_of(17)
        Place(session_id=None, turn=None, order=17)
    """
    if isinstance(given, int) and not isinstance(given, bool):
        return Place(None, None, _checked(given))
    if isinstance(given, pd.DataFrame):
        if len(given) != 1:
            raise AodNotebookError(f"A place is one row, not {len(given)}: use frame.iloc[0].")
        given = given.iloc[0]
    if isinstance(given, pd.Series):
        given = given.to_dict()
    fields = given if isinstance(given, Mapping) else getattr(given, "_asdict", dict)()
    order = next((found for name in ORDERS if (found := _number(fields.get(name)))), None)
    if order is None:
        raise AodNotebookError(
            f"{one_line(repr(given), 80)} names no row of a transcript. Use a row of "
            "session.tool_calls or session.messages, a finding, or the number of a row (order)."
        )
    session = fields.get("session_id")
    return Place(None if _is_missing(session) else str(session), _number(fields.get("turn")), order)


def checked_order(at: Any, session_id: str) -> int:
    """Return the `order` of a place in one session; 0 for None.

    Raises:
        AodNotebookError: it names no row of a transcript, or one of another session.
    """
    if at is None:
        return 0
    place = place_of(at)
    if place.session_id not in (None, session_id):
        raise AodNotebookError(
            f"The row is of session {place.session_id}, not of {session_id}: open that session."
        )
    return place.order


def _number(value: Any) -> int | None:
    """Return a number, or the first of several; None if there is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    if _is_missing(value) or isinstance(value, bool | str | Mapping):
        return None
    return _checked(int(value))


def _checked(order: int) -> int:
    if order < 1:
        raise AodNotebookError(f"Rows of a transcript are numbered from 1; {order} is none.")
    return order


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)  # noqa: PLR0124
