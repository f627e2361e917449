"""The table of what was examined, which is shown whole: a finding ends with what to do."""

from __future__ import annotations

import shutil
import textwrap

import pandas as pd

from aod_notebook.magics.listed import NO_MATH

__all__ = ["Findings"]


class Findings(pd.DataFrame):
    """One row per check with the columns `check`, `state` and `finding`; no finding is cut.

    What is selected from it is a plain DataFrame.
    """

    def __repr__(self) -> str:
        width = shutil.get_terminal_size((100, 24)).columns
        lines = [f"{row.state:<8} {row.check:<10} {row.finding}" for row in self.itertuples()]
        indent = " " * 20
        return "\n".join(
            textwrap.fill(
                line, width, subsequent_indent=indent,
                break_long_words=False, break_on_hyphens=False,
            )
            for line in lines
        )  # fmt: skip

    def _repr_html_(self) -> str:
        """Give the HTML table, whose cells a page wraps."""
        every = ("display.max_colwidth", None, "display.max_rows", None)
        with pd.option_context(*every, *NO_MATH):
            return str(self.to_html(notebook=True))
