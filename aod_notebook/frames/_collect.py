"""Filling a store: `collect` fetches sessions, decodes them and writes their frames.

A file is replaced as a whole, and a session counts as stored once all its files are in their
place: a collection that was killed at any moment leaves a readable store, and the next one
completes it without a doubled row.
"""

import json
import os
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aod_notebook.frames._cluster import Service, workers
from aod_notebook.frames.checks import FrameError, at_least, shown
from aod_notebook.frames.fetch import agent_model, each, session_events
from aod_notebook.frames.protocols import FollowedSession
from aod_notebook.frames.report import Framed, Report, warn
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.frames.sessions.turns import turns_of
from aod_notebook.frames.sources import asked, followed_events
from aod_notebook.frames.store import (
    KEY,
    Store,
    arrow_schema,
    checksum,
    folder_of,
    is_intact,
    made_store,
    mark,
    place,
    read_mark,
    stored_schema,
)
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.pieces import Piece, pieces
from aod_notebook.frames.transcripts.results import model_usage_of, results_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of

if TYPE_CHECKING:
    import dask.dataframe as dd
    import distributed

_FRESH: Final = "_fresh"
_SUMS: Final = "checksums"
_LEFT_OVER_S: Final = 3600.0
"""A file that is not in its place after so long was left by a collection that was killed."""
_WRITERS: Final = 4
"""Threads that write files; most of the time they wait for the disk."""
_Times = dict[Hashable, pd.Timestamp]
_DERIVED: Final[Mapping[str, Callable[[list[Piece]], Framed]]] = {
    "messages": messages_of,
    "tool_calls": tool_calls_of,
    "results": results_of,
    "model_usage": model_usage_of,
}


@overload
def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: None = None,
    jobs: int = 8,
    progress: bool = False,
) -> Store: ...
@overload
def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: "distributed.Client",
    jobs: int = 8,
    progress: bool = False,
) -> "dd.DataFrame": ...
def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: Any = None,
    jobs: int = 8,
    progress: bool = False,
) -> Any:
    """Fetch sessions and keep all their frames in a directory.

    Sessions that are stored and have not changed since are not fetched again, unless one of
    their files is damaged; the others are fetched concurrently and replaced as a whole. Only a followed session knows when its
    events came: pass it itself, and these times are stored and kept.

    Args:
        source: ids, sessions, followed sessions, a frame with a `session_id` column, a client;
            None means all.
        into: the directory; made if it is not there.
        client: the client to ask; by default the current connection's.
        dask: a `dask.distributed.Client` whose workers fetch, decode and write, with clients
            of their own; `into` must be a directory that they share with this process.
        jobs: how many sessions are fetched at the same time; with `dask`, what its workers
            have threads for.
        progress: show on stderr how far it is.

    Returns:
        The `Store`; with `dask`, its events as a dask DataFrame (`scan(into).dask(name)`
        gives any other frame).

    Raises:
        AodNotebookError: not one session could be read, or there is no client.
        FrameError: a parameter is of no use, or no directory can be made there, or it cannot be
            written, such as for a full disk; the sessions stored until then stay.

    Warns:
        FrameWarning: sessions could not be read; the others are stored.
    """
    collected, report = _collected(source, into, client, dask, jobs=jobs, progress=progress)
    warn(report, f"sessions into {os.fspath(into)}", stacklevel=2)
    return collected


def _collected(
    source: Any,
    into: str | os.PathLike[str],
    client: Any,
    dask: Any,
    *,
    jobs: int,
    progress: bool,
) -> tuple[Any, Report]:
    """Do what `collect` does, and say what went wrong."""
    at_least("jobs", jobs, 1)
    folder = folder_of("into", into).absolute()
    if dask is not None and not hasattr(dask, "get_executor"):
        raise FrameError(f"dask must be a dask.distributed.Client, not {shown(dask)}")
    owner, ids = asked(source, client)
    if ids is None:
        ids = [session.id for session in owner.sessions.list()]
    names = list(dict.fromkeys(str(getattr(item, "id", item)) for item in ids))
    times = {str(item.id): _times(item) for item in ids if isinstance(item, FollowedSession)}
    store = made_store(folder)
    if dask is None:
        pool, ask = None, partial(_collect_one, store.path, owner, times)
    else:
        pool, ask = workers(dask), partial(_collect_there, store.path, Service.of(owner), times)
    report = Report()
    try:
        _tidy(store.path)
        for _, problems in each(names, ask, report, jobs=jobs, progress=progress, pool=pool):
            report.join([problems])
    except OSError as error:  # such as a full disk: the other sessions would fare no better
        raise FrameError(
            f"The store in {str(folder)!r} cannot be written: {error.strerror or error}. "
            "Make room and call collect again for the other sessions: what is stored stays"
        ) from error
    return store if dask is None else store.dask("events"), report


def _times(session: FollowedSession) -> _Times:
    """When the events of a followed session came, by their ids."""
    return _times_in(followed_events(session).frame)


def _times_in(events: pd.DataFrame) -> _Times:
    timed = events.dropna(subset=["event_id", "received_at"])
    return dict(zip(timed["event_id"], timed["received_at"], strict=True))


def _stored_times(folder: Path, session_id: str) -> _Times:
    """Those that an earlier collection stored; a file that cannot be read has none."""
    try:
        return _times_in(
            pd.read_parquet(
                place(folder, "events", session_id),
                columns=["event_id", "received_at"],
                partitioning=None,
                page_checksum_verification=True,
            )
        )
    except (OSError, pa.ArrowException, KeyError):
        return {}


def _collect_there(
    folder: Path, service: Service, times: Mapping[str, _Times], session_id: str
) -> Report:
    with service.client() as client:
        return _collect_one(folder, client, times, session_id)


def _collect_one(folder: Path, client: Any, times: Mapping[str, _Times], session_id: str) -> Report:
    session = client.sessions.get(session_id)
    done = mark(folder, session_id)
    state = {"updated_at": str(session.updated_at), "status": str(session.status)}
    kept = read_mark(done)
    sums = kept.pop(_SUMS, None)
    is_stored = kept == {**state, "complete": True} and is_intact(folder, session_id, sums)
    known = times.get(session_id, {})
    if is_stored and not known:
        return Report()
    stored = _stored_times(folder, session_id)
    if is_stored and known.keys() <= stored.keys():
        return Report()
    events = session_events(client, session)
    came = events.frame["event_id"].map({**stored, **known})
    events.frame["received_at"] = pd.to_datetime(came, utc=True).astype("datetime64[us, UTC]")
    transcript = list(pieces([events.frame], lambda _: agent_model(client, session.agent_id)))
    own = {
        "sessions": sessions_of([session]),
        "turns": turns_of([(session_id, client.sessions.turns(session_id))]),
        "events": events.frame,
    }
    store_session(
        folder, session_id, own, transcript, {**state, "complete": events.report.complete}
    )
    return events.report


def store_session(
    folder: Path,
    session_id: str,
    own: Mapping[str, pd.DataFrame],
    transcript: list[Piece],
    state: Mapping[str, Any],
) -> None:
    """Write all frames of one session, then the mark that says so.

    Args:
        folder: the store.
        session_id: the session.
        own: its frames `sessions`, `turns` and `events`.
        transcript: what the other frames are made of.
        state: what the mark says; a session with the same state is not stored again.
    """
    made = {name: _arrow(frame, name) for name, frame in _all_frames(own, transcript).items()}
    _store(folder, session_id, made, state)


def store_sessions(
    folder: Path,
    own: Mapping[str, pd.DataFrame],
    transcript: list[Piece],
    states: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write all frames of several sessions, each with its mark.

    The frames are made once for all of them, which costs far less than once for each. The disk
    need not have them yet when this returns: call `os.sync` before their presence counts.

    Args:
        folder: the store.
        own: the frames `sessions`, `turns` and `events` of all of them; the rows of each session
            stand together.
        transcript: what the other frames are made of.
        states: for each session, what its mark says.
    """
    tables, parts = {}, {}
    for name, frame in _all_frames(own, transcript).items():
        tables[name], parts[name] = _arrow(frame, name), _parts(frame[KEY])

    def write(session_id: str) -> None:
        nothing = slice(0, 0)
        made = {}
        for name, table in tables.items():
            rows = parts[name].get(session_id, nothing)
            made[name] = table.slice(rows.start, rows.stop - rows.start)
        _store(folder, session_id, made, states[session_id], synced=False)

    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(write, states))


def _all_frames(
    own: Mapping[str, pd.DataFrame], transcript: list[Piece]
) -> Mapping[str, pd.DataFrame]:
    return {**own, **{name: derive(transcript).frame for name, derive in _DERIVED.items()}}


def _parts(ids: "pd.Series[str]") -> dict[str, slice]:
    """Return where the rows of each session stand."""
    codes, names = pd.factorize(ids)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    found = pairwise([*starts.tolist(), len(codes)])
    return {str(names[codes[start]]): slice(start, stop) for start, stop in found}


def _store(
    folder: Path,
    session_id: str,
    made: Mapping[str, pa.Table],
    state: Mapping[str, Any],
    *,
    synced: bool = True,
) -> None:
    done = mark(folder, session_id)
    done.unlink(missing_ok=True)
    sums = {}
    for name, table in made.items():
        data = _parquet(table)
        sums[name] = checksum(data)
        _replace(folder, place(folder, name, session_id), data, synced=synced)
    _replace(folder, done, json.dumps({**state, _SUMS: sums}).encode(), synced=synced)


def _arrow(frame: pd.DataFrame, name: str) -> pa.Table:
    """The frame as it is stored: its categories as text, which every reader takes."""
    layout = arrow_schema(stored_schema(name, frame.columns))
    layout = layout.remove(layout.get_field_index(KEY))
    arrays = [pa.Array.from_pandas(frame[field.name], type=field.type) for field in layout]
    return pa.Table.from_arrays(arrays, schema=layout)


def _parquet(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def _replace(folder: Path, path: Path, data: Any, *, synced: bool = True) -> None:
    """Put a file in its place, whole; what is written of it before that stands elsewhere."""
    fresh = folder / _FRESH / uuid4().hex
    fresh.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with fresh.open("xb") as file:
            file.write(data)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)  # on a full disk, room for others
        raise


def _tidy(folder: Path) -> None:
    """Delete what collections that were killed left half written."""
    for path in (folder / _FRESH).glob("*"):
        try:
            if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
                path.unlink()
        except FileNotFoundError:
            continue
