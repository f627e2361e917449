"""The options of batches and limits of `%%aod`, their configuration, and `%aod cost`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Float, HasTraits, Int, TraitError, validate

from aod_notebook.core.text import counted
from aod_notebook.live.connections import connection
from aod_notebook.live.start import OVER
from aod_notebook.magics.display import say
from aod_notebook.magics.parser import Command, MagicUsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    import pandas as pd

_CELL = "%%aod"
_EACH_ONLY = (
    *("jobs", "repeat", "over", "score", "score_regex", "score_shell", "restart", "dask"),
)
_NOT_EACH = ("session", "background", "report", "code", "raw")
FILLED_LATER = ("agent", "model", "env", "recording", "repo")
"""Options that are filled for each row."""


class LimitTraits(HasTraits):
    """Limits and reuse in `%config AodMagics`; 0 means no limit."""

    max_cost = Float(0.0, help="US dollars that a cell may spend; 0 for no limit.").tag(config=True)
    max_tokens = Int(0, help="Tokens that a cell may use; 0 for no limit.").tag(config=True)
    max_repeats = Int(
        0, help="How often in a row a session may make the same call; 0 for no limit."
    ).tag(config=True)
    max_cost_per_notebook = Float(
        0.0, help="US dollars that this notebook may spend; 0 for no limit."
    ).tag(config=True)
    max_cost_per_day = Float(0.0, help="US dollars that may be spent today; 0 for no limit.").tag(
        config=True
    )
    reuse = Bool(
        False, help="Take the stored session of a cell that was run before, as --reuse does."
    ).tag(config=True)

    @validate("max_cost", "max_tokens", "max_repeats", "max_cost_per_notebook", "max_cost_per_day")
    def _check_limit(self, proposal: dict[str, Any]) -> Any:
        """Refuse a value that is not an amount."""
        value = proposal["value"]
        if not 0 <= value < math.inf:
            name = proposal["trait"].name
            raise TraitError(f"AodMagics.{name} takes a number from 0 on, not {value}.")
        return value


def add_options(add: Any) -> None:
    """Declare the options of batches and limits."""
    add(
        "--each",
        metavar="DF",
        help="run a session for each row of this DataFrame; {{column}} is filled",
    )
    add("--jobs", metavar="N", help="with --each: how many sessions run side by side (4)")
    add("--repeat", metavar="K", help="with --each: how often each prompt is sent")
    add("--over", metavar="NAME=A,B", action="append", default=[],
        help=f"with --each: run each row with each value of {', '.join(OVER)}")  # fmt: skip
    add("--score", metavar="F", help="with --each: a function, or a column with the expected text")
    add("--score-regex", metavar="COL", help="with --each: a column with regular expressions")
    add(
        "--score-shell", metavar="CMD", help="with --each: a command that succeeds in the workspace"
    )
    add("--restart", action="store_true", help="with --each: begin an unfinished batch again")
    add("--dask", metavar="NAME", help="with --each: a dask.distributed.Client with workers")
    add("--max-cost", metavar="USD", help="end what runs when the cell has cost so much")
    add("--max-tokens", metavar="N", help="end what runs when the cell has used so many tokens")
    add("--max-repeats", metavar="N", help="end a session that makes a call more often in a row")
    add(
        "--reuse",
        action="store_true",
        help="take the stored session of the same cell, if there is one",
    )


def check_each(options: argparse.Namespace) -> None:
    """Refuse options of batches without `--each`, and options that exclude it.

    Raises:
        MagicUsageError: there is one; the message names it.
    """
    if options.each is None:
        for name in _EACH_ONLY:
            if getattr(options, name):
                raise MagicUsageError(f"{_CELL}: --{name.replace('_', '-')} goes with --each.")
        return
    for name in _NOT_EACH:
        if getattr(options, name):
            raise MagicUsageError(f"{_CELL}: --{name} and --each exclude each other; keep one.")
    scored = [name for name in ("score", "score_regex", "score_shell") if getattr(options, name)]
    if len(scored) > 1:
        shown = " and ".join(f"--{name.replace('_', '-')}" for name in scored)
        raise MagicUsageError(f"{_CELL}: {shown} exclude each other; keep one.")


def varies_agent(options: argparse.Namespace) -> bool:
    """Check whether `--over` chooses the agent, so that no default is needed."""
    return any(text.partition("=")[0] in ("agent", "runtime", "provider") for text in options.over)


def _cost(_: argparse.Namespace, __: Mapping[str, object]) -> pd.DataFrame:
    from aod_notebook.live.batch.spending import cost_df

    frame = cost_df(connection())
    if frame.attrs["running"]:
        running = counted(frame.attrs["running"], "session")
        say(f"{running} still running: their turns in progress are not counted.")
    return frame


AOD = {
    "cost": Command("what this notebook and this day cost, by model", (), _cost),
}
