"""What a figure can be made of: sessions, runs, or a frame that has the columns it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd

from aod_notebook.frames.checks import held
from aod_notebook.plots._draw import PlotError

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVENTS = ("type", "stream", "data")
"""What makes a frame one of events."""


def has(source: object, *columns: str) -> TypeGuard[pd.DataFrame]:
    """Whether a source is a frame with these columns."""
    return isinstance(source, pd.DataFrame) and set(columns) <= set(source.columns)


def is_agentos(source: object, client: object) -> bool:
    """Whether an AgentOS service is to be asked, not Agent on Demand."""
    if isinstance(source, pd.DataFrame):
        return False
    items = source if isinstance(source, list | tuple) else [source]
    is_run = bool(items) and all(hasattr(item, "run_id") for item in items)
    return is_run or any(hasattr(item, "start_run") for item in (source, client))


def names_one(source: Any) -> bool:
    """Whether a source is one session, by id or as an object."""
    return isinstance(source, str) or (hasattr(source, "id") and hasattr(source, "status"))


def refuse(frame: pd.DataFrame, wanted: str) -> PlotError:
    """Make the error that says which frames a figure is made of."""
    has = held(frame, frame.columns)
    return PlotError(f"This figure is made of {wanted}; the frame given has {has}")


def only(frame: pd.DataFrame, column: str, figure: str) -> str:
    """Return the one session or run of a frame, or "".

    Raises:
        PlotError: there are several.
    """
    ids = list(frame[column].dropna().unique()) if column in frame else []
    if len(ids) > 1:
        raise PlotError(
            f"{figure} shows one {column.removesuffix('_id')}, and here are {len(ids)}: "
            f"choose with frame[frame[{column!r}] == {str(ids[0])!r}], or see them all with overview"
        )
    return str(ids[0]) if ids else ""


def epoch_seconds(times: pd.Series[Any] | None, length: int) -> NDArray[np.float64]:
    """Return times as seconds since 1970; what is missing is NaN."""
    if times is None or not len(times):
        return np.full(length, np.nan)
    since = pd.to_datetime(times, utc=True) - pd.Timestamp(0, tz="UTC").as_unit("us")
    return np.asarray(since.dt.total_seconds(), dtype=np.float64)
