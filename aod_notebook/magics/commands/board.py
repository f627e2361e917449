"""`%aod board` and `%aod trace`: sessions as one live table, and one of them on a time axis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aod_notebook.magics.commands.references import SESSION_OR_LAST
from aod_notebook.magics.display import is_live
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import Command, Offer, argument, check_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    import pandas as pd


def shown_as_board(frame: pd.DataFrame, client: Any) -> pd.DataFrame:
    """Return a frame of sessions that a page shows as a live board; frames derived from it stay tables.

    Where no page sent the cell, the frame is shown as a table.
    """
    if frame.empty or not is_live("auto"):
        return frame

    def show() -> None:
        from aod_notebook.viewers.board import Board
        from aod_notebook.viewers.board.sources import Service

        Board(Service(client, frame), again="%aod sessions").show()

    # IPython asks the object itself; copies and parts of the frame do not have it.
    object.__setattr__(frame, "_ipython_display_", show)
    return frame


def _board(options: argparse.Namespace, names: dict[str, object]) -> Any:
    from aod_notebook.viewers.board import Board

    check_name(options.output, "%aod board")
    made = Board(_source(options.source, names), again=f"%aod board {' '.join(options.source)}")
    if options.output is not None:
        names[options.output] = made
    return made


def _source(given: list[str], names: Mapping[str, object]) -> Any:
    """Return the source of a board: variables, ids, or the folder of a store; None for all."""
    from aod_notebook.frames import scan
    from aod_notebook.frames.store import is_store

    if not given:
        return None
    if len(given) == 1:
        held = names.get(given[0])
        if held is not None:
            return held
        if is_store(Path(given[0]).expanduser()):
            return scan(Path(given[0]).expanduser())
    return [find_session(one, names) for one in given]


def _trace(options: argparse.Namespace, names: Mapping[str, object]) -> Any:
    return find_session(options.session, names).catch_up().trace()


AOD = {
    "board": Command(
        "sessions as one live table: sort, filter, select, open",
        (
            argument(
                "source", metavar="SOURCE", offers=Offer.SESSIONS, nargs="*",
                help="a variable (sessions, a batch, a frame, a store), a store's folder, or ids; none for all",
            ),
            argument("-o", "--output", metavar="NAME", help="bind the board to a variable"),
        ),
        _board,
    ),
    "trace": Command(
        "what a session did, on a time axis",
        (SESSION_OR_LAST,),
        _trace,
    ),
}  # fmt: skip
