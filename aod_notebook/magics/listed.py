"""The tables that commands give: whole, but shown without the columns that are empty."""

from __future__ import annotations

import html

import pandas as pd

__all__ = ["Listed", "listed"]


class Listed(pd.DataFrame):
    """A table with all its columns; those that are empty in every row are only named below it.

    What is selected from it is a plain DataFrame.
    """

    def __repr__(self) -> str:
        return f"{self._filled()!r}{self._left_out(chr(10))}"

    def _repr_html_(self) -> str:
        """Give the HTML table with all the columns that hold something; a page can scroll."""
        with pd.option_context("display.max_columns", None):
            table = self._filled()._repr_html_()  # type: ignore[operator]
        return f"{table}{html.escape(self._left_out())}"

    def _filled(self) -> pd.DataFrame:
        return pd.DataFrame(self) if self.empty else self.loc[:, self.notna().any()]

    def _left_out(self, before: str = "") -> str:
        shown = self._filled().columns
        names = ", ".join(name for name in self.columns if name not in shown)
        return f"{before}Empty columns, not shown: {names}" if names else ""


def listed(frame: pd.DataFrame) -> Listed:
    """Give a table that shows itself so; its `attrs` stay.

    Example:
        >>> print(repr(listed(pd.DataFrame({"status": ["failed"], "extra": [None]}))))
           status
        0  failed
        Empty columns, not shown: extra
    """
    table = Listed(frame)
    table.attrs = frame.attrs
    return table
