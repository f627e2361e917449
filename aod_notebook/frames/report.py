"""What a frame reports of itself: where it comes from, and what went wrong on the way."""

import warnings
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from aod_notebook.frames.exchange import Library, converted
from aod_notebook.frames.native import Table
from aod_notebook.frames.schema import Schema

_SHOWN_CHARS = 200
_LISTED_PROBLEMS = 100
"""So many problems stand in `df.attrs`, which pandas copies at every step; all are counted."""


class Problem(NamedTuple):
    """Something that could not be made a row or a value."""

    what: str
    """What is wrong, in words."""
    where: str
    """The session, run, or position it was found at."""
    raw: str
    """The start of the offending text, if there is one."""


class FrameWarning(UserWarning):
    """A frame lacks something: rows were dropped, or a limit or a fault cut it short.

    Fix: Read `df.attrs`: it says what is missing and why.
    """


@dataclass
class Report:
    """What a frame reports of its origin; it ends up in `df.attrs`."""

    base_url: str | None = None
    fetched_at: str | None = None
    last_event_id: int | None = None
    complete: bool = True
    truncated_by: str | None = None
    dropped: int = 0
    problems: list[Problem] = field(default_factory=list)

    def drop(self, what: str, where: str = "", raw: bytes | str = "") -> None:
        """Count a row that could not be made."""
        text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
        self.dropped += 1
        self.problems.append(Problem(what, where, text[:_SHOWN_CHARS]))

    def cut(self, reason: str, where: str = "") -> None:
        """Note that the frame is not all there is."""
        self.complete = False
        self.truncated_by = reason if self.truncated_by in (None, reason) else "several reasons"
        self.problems.append(Problem(reason, where, ""))

    def once(self, what: str, where: str = "") -> None:
        """Note what is wrong but cost no row, if that is not noted yet."""
        problem = Problem(what, where, "")
        if problem not in self.problems:
            self.problems.append(problem)

    def join(self, others: Iterable["Report"]) -> "Report":
        """Take over the reports of the parts that this frame is made of."""
        for other in others:
            self.base_url = self.base_url or other.base_url
            self.fetched_at = max(filter(None, (self.fetched_at, other.fetched_at)), default=None)
            ids = [i for i in (self.last_event_id, other.last_event_id) if i is not None]
            self.last_event_id = max(ids, default=None)
            self.complete = self.complete and other.complete
            if other.truncated_by is not None:
                same = self.truncated_by in (None, other.truncated_by)
                self.truncated_by = other.truncated_by if same else "several reasons"
            self.dropped += other.dropped
            self.problems += other.problems
        return self

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Report":
        """Read back what a frame reports of itself."""
        attrs = frame.attrs
        return cls(
            attrs.get("base_url"),
            attrs.get("fetched_at"),
            attrs.get("last_event_id"),
            bool(attrs.get("complete", True)),
            attrs.get("truncated_by"),
            int(attrs.get("dropped") or 0),
            [Problem(**problem) for problem in attrs.get("problems") or ()],
        )

    def attrs(self, schema: Schema) -> dict[Hashable | None, Any]:
        """Make `df.attrs`: plain JSON values, so that Parquet keeps them."""
        return {
            "schema": schema.id,
            "base_url": self.base_url,
            "fetched_at": self.fetched_at,
            "last_event_id": self.last_event_id,
            "complete": self.complete,
            "truncated_by": self.truncated_by,
            "dropped": self.dropped,
            "problems": [problem._asdict() for problem in self.problems[:_LISTED_PROBLEMS]],
        }


class Framed:
    """A frame and what went wrong while it was made.

    Attributes:
        report: what went wrong.
    """

    def __init__(self, frame: pd.DataFrame, report: Report) -> None:
        self._frame: pd.DataFrame | None = frame
        self.report = report

    @property
    def frame(self) -> pd.DataFrame:
        """The frame, with what is reported of it in its attrs."""
        assert self._frame is not None  # noqa: S101 - for the type checker
        return self._frame


class Filled(Framed):
    """A filled table: a frame once that is asked for, or columns of Arrow as they are stored."""

    def __init__(self, table: Table, schema: Schema, report: Report, **attrs: Any) -> None:
        self._frame = None
        self.report = report
        self._table, self._schema = table, schema
        self._attrs: dict[Hashable | None, Any] = dict(attrs.items())

    @property
    def frame(self) -> pd.DataFrame:
        """The frame, with what is reported of it in its attrs."""
        if self._frame is None:
            self._frame = self._table.to_pandas()
            self._frame.attrs = self.report.attrs(self._schema)
            self._frame.attrs |= self._attrs
        return self._frame

    def to_arrow(self) -> pa.Table:
        """Hand the columns over instead of a frame, which takes as long again to convert."""
        return self._table.to_arrow()


def now() -> str:
    """Return the time of fetching as it stands in `df.attrs`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def finish(table: Table, schema: Schema, report: Report, **attrs: Any) -> Filled:
    """Make a frame of a filled table, with these attrs beside those of the report."""
    return Filled(table, schema, report, **attrs)


def deliver(framed: Framed, to: Library = "pandas") -> pd.DataFrame:
    """Return the frame in the form that is asked for, and warn of what is missing.

    Call it in a public function: the warning then points at the line that called that.
    """
    warn(framed.report, framed.frame.attrs["schema"], stacklevel=3)
    return converted(framed.frame, to)


def warn(report: Report, what: str, stacklevel: int) -> None:
    """Issue one warning if something is missing."""
    if not report.dropped and not report.truncated_by:
        return
    parts = []
    if report.dropped:
        parts.append(f"{report.dropped} row(s) could not be read")
    if report.truncated_by:
        parts.append(f"not everything is there ({report.truncated_by})")
    first = f"; first: {report.problems[0].what}" if report.problems else ""
    text = f"{what}: {' and '.join(parts)}{first}. See df.attrs['problems']."
    warnings.warn(text, FrameWarning, stacklevel=stacklevel + 1)
