"""Searching the transcripts of sessions."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pandas as pd

from aod_notebook.core.text import clip
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Framed, Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Gathered, with_report
from aod_notebook.frames.transcripts.pieces import Piece
from aod_notebook.transcripts import Entry, one_line

_SCHEMA = SCHEMAS["hits"]
_AROUND_CHARS = 60
"""So many characters are shown on each side of a hit."""
_NAME_CHARS = 200
"""A tool's name may be as long as its agent likes, and each hit repeats it."""


class _Hit(NamedTuple):
    session_id: str | None
    turn: int | None
    order: int
    entry: Entry
    match: str
    context: str


def search(
    source: Any,
    text: str | re.Pattern[str],
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    since: int | None = None,
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    r"""Find a text in the transcripts of sessions: in words, tools' arguments and their output.

    Args:
        source: sessions, as for `events_df`; None means all of them.
        text: a text, compared without case, or a compiled regular expression.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        since: only events after this id.
        jobs: how many sessions are asked for at the same time.
        progress: show on stderr how far it is.
        to: "pandas", "polars" or "arrow".

    Returns:
        A row per hit, with its session, its turn, the row of messages that holds it (`order`), what
        was found and the words around it.

    Raises:
        FrameError: the text is empty.
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.

    Example:
        >>> from aod_notebook import frames
        >>> body = b'data: {"type": "output", "stream": "stdout", "data": "A needle"}\n\n'
        >>> list(frames.search(body, "NEEDLE")["context"])
        ['A needle']
    """
    library(to)
    if isinstance(text, str) and not text:
        raise FrameError("The text to find is empty. Pass a word, or a compiled expression.")
    wanted = re.compile(re.escape(text), re.IGNORECASE) if isinstance(text, str) else text
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    framed = _hits_of(gathered.pieces(), wanted, columns, exclude)
    return deliver(with_report(framed, gathered.report), to)


def _hits_of(
    pieces: Iterable[Piece],
    wanted: re.Pattern[str],
    columns: Iterable[str] | None,
    exclude: Iterable[str],
) -> Framed:
    table = Table(_SCHEMA.select(columns, exclude))
    found = [hit for piece in pieces for hit in _in_piece(piece, wanted)]
    values: dict[str, Any] = {
        name: [getattr(hit, name) for hit in found]
        for name in ("session_id", "turn", "order", "match", "context")
    }
    for name in ("line_type", "block", "tool"):
        values[name] = [_name(getattr(hit.entry, name)) for hit in found]
    table.add(len(found), values)
    return finish(table, _SCHEMA, Report())


def _in_piece(piece: Piece, wanted: re.Pattern[str]) -> Iterator[_Hit]:
    for order, entry in enumerate(piece.entries, piece.first_order):
        for text in (entry.text, entry.input_json):
            for match in wanted.finditer(text or ""):
                context = _around(match)
                yield _Hit(piece.session_id, piece.turn, order, entry, match[0], context)


def _name(text: str | None) -> str | None:
    return None if text is None else clip(text, _NAME_CHARS)


def _around(match: re.Match[str]) -> str:
    """Return a hit with the words around it on one line; `…` stands for what is left out."""
    text = match.string
    start, end = max(match.start() - _AROUND_CHARS, 0), match.end() + _AROUND_CHARS
    words = one_line(text[start:end], end - start)
    return f"{'…' if start else ''}{words}{'…' if end < len(text) else ''}"
