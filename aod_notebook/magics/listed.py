"""How tables are shown: without empty columns, and with dollar signs that stay what they are.

JupyterLab sets what stands between two dollar signs as mathematics. Agents write prices and shell
variables; so the tables of this package are shown with pandas' own switch against that.
"""

from __future__ import annotations

import contextlib
import html
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Listed", "install", "listed", "uninstall"]

NO_MATH = ("display.html.use_mathjax", False)


class Listed(pd.DataFrame):
    """A table with all its columns; those that are empty in every row are only named below it.

    What is selected from it is a plain DataFrame.
    """

    def __repr__(self) -> str:
        return f"{self._filled()!r}{self._left_out(chr(10))}"

    def _repr_html_(self) -> str:
        """Return the HTML table with all the columns that hold something; a page can scroll."""
        with pd.option_context("display.max_columns", None, *NO_MATH):
            table = self._filled()._repr_html_()  # type: ignore[operator]
        return f"{table}{html.escape(self._left_out())}"

    def _filled(self) -> pd.DataFrame:
        return pd.DataFrame(self) if self.empty else self.loc[:, self.notna().any()]

    def _left_out(self, before: str = "") -> str:
        shown = self._filled().columns
        names = ", ".join(name for name in self.columns if name not in shown)
        return f"{before}Empty columns, not shown: {names}" if names else ""


def listed(frame: pd.DataFrame) -> Listed:
    """Return the table as one that shows itself so; its `attrs` stay.

    Example:
        >>> print(repr(listed(pd.DataFrame({"status": ["failed"], "extra": [None]}))))
           status
        0  failed
        Empty columns, not shown: extra
    """
    table = Listed(frame)
    table.attrs = frame.attrs
    return table


def install(shell: InteractiveShell) -> None:
    """Show the frames of this package, in the shell's cells, without mathematics."""
    _html_formatter(shell).for_type(pd.DataFrame, _frame_html)


def uninstall(shell: InteractiveShell) -> None:
    """Leave all DataFrames to pandas again."""
    formatter = _html_formatter(shell)
    if formatter.type_printers.get(pd.DataFrame) is _frame_html:
        formatter.pop(pd.DataFrame)


def _html_formatter(shell: InteractiveShell) -> Any:
    return cast("Any", shell.display_formatter).formatters["text/html"]


def _frame_html(frame: pd.DataFrame) -> str | None:
    """Return a frame's HTML as pandas makes it; the user's own frames keep their mathematics."""
    is_ours = "schema" in frame.attrs
    with pd.option_context(*NO_MATH) if is_ours else contextlib.nullcontext():
        return cast("str | None", frame._repr_html_())  # type: ignore[operator]
