"""A directory of Parquet files that grows with the sessions: `collect` fills, `scan` reads it.

`DIR/<frame>/session_id=<id>/data.parquet`, one directory per frame, in the hive layout that
pyarrow, dask, polars, duckdb, Ray and Spark read as it is. A file is replaced as a whole, and
a session counts as stored once all its files are in place: a collection that was killed at
any moment leaves a readable store, and the next one completes it without a doubled row.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, overload

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from aod_notebook.frames._deliver import Framed, Problem, Report, warn
from aod_notebook.frames._fetch import each, session_events
from aod_notebook.frames._native import arrow_type, conform
from aod_notebook.frames.messages import messages_of
from aod_notebook.frames.results import model_usage_of, results_of
from aod_notebook.frames.schema import SCHEMAS, Schema
from aod_notebook.frames.sessions import sessions_of, turns_of
from aod_notebook.frames.sources import asked
from aod_notebook.frames.tool_calls import tool_calls_of

_KEY: Final = "session_id"
_FILE: Final = "data.parquet"
_DONE: Final = "_sessions"
_DERIVED: Final[Mapping[str, Callable[[list[pd.DataFrame]], Framed]]] = {
    "messages": messages_of,
    "tool_calls": tool_calls_of,
    "results": results_of,
    "model_usage": model_usage_of,
}
STORED: Final = ("sessions", "turns", "events", *_DERIVED)
"""Frames that a store holds."""


class Store:
    """A directory of stored sessions; nothing is read before it is asked for.

    Example:
        >>> store = scan("sessions")  # doctest: +SKIP
        >>> store.frame("tool_calls", columns=["tool", "is_error"])  # doctest: +SKIP
        >>> store.dataset("events").count_rows()  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"<Store {str(self.path)!r} of {len(self.session_ids)} sessions>"

    @property
    def session_ids(self) -> list[str]:
        """Ids of the sessions that are stored whole."""
        return sorted(path.stem for path in (self.path / _DONE).glob("*.json"))

    def dataset(self, name: str) -> ds.Dataset:
        """One frame of all sessions as a lazy `pyarrow.dataset.Dataset`.

        Raises:
            KeyError: the store holds no frame of this name.
        """
        schema = _arrow_schema(_stored(name))
        folder = self.path / name
        if not folder.is_dir():
            return ds.dataset(schema.empty_table())
        keys = ds.partitioning(pa.schema([(_KEY, pa.string())]), flavor="hive")
        return ds.dataset(folder, schema=schema, format="parquet", partitioning=keys)

    def frame(
        self,
        name: str,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's name for it
    ) -> pd.DataFrame:
        """One frame of all sessions, with the dtypes of its schema, sessions in order of their id.

        Args:
            name: `sessions`, `turns`, `events`, `messages`, `tool_calls`, `results` or
                `model_usage`.
            columns: only these columns.
            exclude: all columns but these.
            filter: a `pyarrow.dataset` expression of the rows to read.

        Raises:
            KeyError: the store holds no frame of this name.
        """
        schema = _stored(name)
        wanted = schema.select(columns, exclude)
        read = self.dataset(name).to_table(columns=[c.name for c in wanted], filter=filter)
        frame = pd.DataFrame(
            {c.name: conform(read[c.name].to_pandas(), c) for c in wanted},
            index=pd.RangeIndex(read.num_rows),
        )
        states = [_read_json(path) for path in (self.path / _DONE).glob("*.json")]
        report = Report(complete=all(state.get("complete") for state in states))
        frame.attrs = report.attrs(schema)
        return frame


def scan(path: str | os.PathLike[str]) -> Store:
    """Open a directory that `collect` filled; nothing is read yet.

    Example:
        >>> scan("no such directory").frame("turns").shape
        (0, 10)
    """
    return Store(path)


@overload
def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    jobs: int = 8,
    progress: bool = False,
    strict: Literal[True] = True,
) -> Store: ...
@overload
def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    jobs: int = 8,
    progress: bool = False,
    strict: Literal[False],
) -> tuple[Store, list[Problem]]: ...
def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    jobs: int = 8,
    progress: bool = False,
    strict: bool = True,
) -> Store | tuple[Store, list[Problem]]:
    """Fetch sessions and keep all their frames in a directory.

    Sessions that are stored and have not changed since are not fetched again; the others
    are fetched concurrently and replaced as a whole.

    Args:
        source: ids, sessions, a frame with a `session_id` column, a client; None means all.
        into: the directory; made if it is not there.
        client: the client to ask; by default the current connection's.
        jobs: how many sessions are fetched at the same time.
        progress: say on stderr how far it is.
        strict: False returns `(store, problems)` and warns of nothing.

    Raises:
        AodNotebookError: not one session could be read, or there is no client.

    Warns:
        FrameWarning: sessions could not be read; the others are stored.
    """
    store = Store(into)
    owner, ids = asked(source, client)
    if ids is None:
        ids = [session.id for session in owner.sessions.list()]
    names = list(dict.fromkeys(str(getattr(item, "id", item)) for item in ids))
    report = Report()
    ask = partial(_collect_one, store.path, owner)
    for _, problems in each(names, ask, report, jobs=jobs, progress=progress):
        report.join([problems])
    if not strict:
        return store, report.problems
    warn(report, f"{len(names)} sessions into {store.path}", stacklevel=2)
    return store


def _collect_one(folder: Path, client: Any, session_id: str) -> Report:
    session = client.sessions.get(session_id)
    done = folder / _DONE / f"{session_id}.json"
    state = {"updated_at": str(session.updated_at), "status": str(session.status)}
    if _read_json(done) == {**state, "complete": True}:
        return Report()
    events = session_events(client, session_id)
    made = {
        "sessions": sessions_of([session]),
        "turns": turns_of([(session_id, client.sessions.turns(session_id))]),
        "events": events.frame,
        **{name: derive([events.frame]).frame for name, derive in _DERIVED.items()},
    }
    done.unlink(missing_ok=True)
    for name, frame in made.items():
        _write(folder / name / f"{_KEY}={session_id}", frame, SCHEMAS[name])
    _replace(done, json.dumps({**state, "complete": events.report.complete}).encode())
    return events.report


def _write(folder: Path, frame: pd.DataFrame, schema: Schema) -> None:
    """Write a frame of one session; categories as plain text, which every reader takes."""
    texts = {c.name: "str" for c in schema.columns if c.dtype == "category"}
    plain = frame.drop(columns=_KEY).astype(texts)
    layout = _arrow_schema(schema)
    layout = layout.remove(layout.get_field_index(_KEY))
    table = pa.Table.from_pandas(plain, schema=layout, preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), sink, compression="zstd")
    _replace(folder / _FILE, sink.getvalue())


def _replace(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_bytes(data)
    fresh.replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _stored(name: str) -> Schema:
    if name not in STORED:
        raise KeyError(f"A store has no frame {name!r}: there are {', '.join(STORED)}")
    return SCHEMAS[name]


def _arrow_schema(schema: Schema) -> pa.Schema:
    return pa.schema([(column.name, arrow_type(column)) for column in schema.columns])
