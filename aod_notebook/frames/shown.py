"""Views of the sources of frames; `viewers`, the room above, makes them."""

from typing import Any

from aod_notebook.core import current


def board(source: Any = None, *, client: Any = None, title: str = "") -> Any:
    """Return a board: sessions or runs as one live table with a filter, a search, and a selection.

    As the last line of a cell it shows itself. A click on a row opens its transcript or trace
    below; two selected sessions can be compared; `board.selected` gives the ids of the selected
    rows. Where no page is, it is a plain table.

    Args:
        source: several sessions or runs that are followed, ids, a frame of sessions or runs, a
            `Store`, a batch, a client; None for all sessions of the current connection.
        client: the client to ask; by default the current connection's.
        title: what heads it; by default what it is of.

    Returns:
        A widget; `show()` displays it, `selected` and `ids` are lists of ids.

    Raises:
        AodNotebookError: the source is none of these, or there is no connection.

    Example:
        >>> board(scan("traces"))  # doctest: +SKIP
    """
    return current.view("board")(source, client=client, title=title)
