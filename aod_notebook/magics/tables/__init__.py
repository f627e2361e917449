"""Display of our DataFrames in a cell: HTML and plain text, as IPython formatters."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["install", "uninstall"]

_TYPE = "pandas.DataFrame"


def install(shell: InteractiveShell) -> None:
    """Install the display in the shell."""
    for kind, function in _FUNCTIONS.items():
        formatter = _formatter(shell, kind)
        if "pandas" in sys.modules:
            formatter.for_type(sys.modules["pandas"].DataFrame, function)
        else:  # it takes half a second to import, and loading the extension does not need it
            formatter.for_type_by_name(*_TYPE.split("."), function)


def uninstall(shell: InteractiveShell) -> None:
    """Return the display of all DataFrames to pandas."""
    for kind, function in _FUNCTIONS.items():
        formatter = _formatter(shell, kind)
        with contextlib.suppress(KeyError):  # somebody has taken it away
            if formatter.lookup_by_type(_TYPE) is function:
                formatter.pop(_TYPE)


def _formatter(shell: InteractiveShell, kind: str) -> Any:
    return cast("Any", shell.display_formatter).formatters[kind]


def _html(frame: pd.DataFrame) -> str | None:
    from aod_notebook.magics.tables.render import table_html

    return table_html(frame)


def _print(frame: pd.DataFrame, printer: Any, is_cycle: bool) -> None:
    from aod_notebook.magics.tables.render import print_table

    print_table(frame, printer, is_cycle)


_FUNCTIONS = {"text/html": _html, "text/plain": _print}
