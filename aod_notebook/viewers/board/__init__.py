"""The board: sessions and runs as one live table."""

from typing import Any

from aod_notebook.viewers.board.widget import Board

__all__ = ["Board", "board"]


def board(source: Any = None, *, client: Any = None, title: str = "") -> Board:
    """Return a board; `frames.board` documents the arguments."""
    return Board(source, client=client, title=title)
