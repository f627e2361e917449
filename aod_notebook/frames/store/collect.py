"""Filling a store: `collect` fetches sessions, decodes them and writes their frames.

Parts are written apart, and count once the manifest names them: a collection that was killed at
any moment leaves a readable store, and the next one completes it without a doubled row.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

import pyarrow.dataset as ds

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.checks import FrameError, at_least, shown
from aod_notebook.frames.followed import followed_events
from aod_notebook.frames.protocols import FollowedSession
from aod_notebook.frames.report import Report, warn
from aod_notebook.frames.sources import asked
from aod_notebook.frames.store.cluster import staged_there
from aod_notebook.frames.store.commit import commit, compact, faults_in, make, open_for_writing
from aod_notebook.frames.store.layout import KEY, folder_of
from aod_notebook.frames.store.manifest import Manifest, StoredSession
from aod_notebook.frames.store.parts import Staged
from aod_notebook.frames.store.read import Store
from aod_notebook.frames.store.stage import FetchTask, Times, entry_of, staged

if TYPE_CHECKING:
    import dask.dataframe as dd
    import distributed

_TIMES: Final = ("event_id", "received_at")


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

    Sessions that are stored whole and have not changed since, by the service's list, cost no
    request; the others are fetched concurrently and replaced as a whole. So are those with a
    file that is missing or damaged. Stores of earlier versions are taken over. Only a followed
    session knows when its events came: pass it itself, and these times are stored and kept.

    Args:
        source: ids, sessions, followed sessions, a frame with a `session_id` column, a client;
            None means all.
        into: the directory; made if it is not there.
        client: the client to ask; by default the current connection's.
        dask: a `dask.distributed.Client` with workers that fetch, decode and write, with clients
            of their own; `into` must be a directory that they share with this process.
        jobs: how many sessions are fetched at the same time; with `dask`, by each worker.
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
    at_least("jobs", jobs, 1)
    folder = folder_of("into", into).absolute()
    if dask is not None and not hasattr(dask, "get_executor"):
        raise FrameError(f"dask must be a dask.distributed.Client, not {shown(dask)}")
    owner, items = asked(source, client)
    make(folder)
    report = Report()
    try:
        manifest = open_for_writing(folder)
        store = Store(folder)
        tasks = list(_changed(store, manifest, owner, items, report))
        if tasks:
            parts = (
                staged(folder, owner, tasks, report, jobs=jobs, progress=progress)
                if dask is None
                else staged_there(dask, folder, owner, tasks, report, jobs=jobs)
            )
            _commit_each(store, parts)
        compact(folder)
    except OSError as error:  # such as a full disk: the other sessions would fare no better
        raise FrameError(
            f"The store in {str(folder)!r} cannot be written: {_reason(error)}. "
            "Make room and call collect again for the other sessions: what is stored stays"
        ) from error
    warn(report, f"sessions into {os.fspath(into)}", stacklevel=2)
    return store if dask is None else store.dask("events")


def _reason(error: OSError) -> str:
    # Arrow's own text says in two ways that bytes could not be written
    return os.strerror(error.errno) if error.errno else str(error)


def _commit_each(store: Store, parts: Iterator[Staged]) -> None:
    for part in parts:
        commit(store.path, [part])


def _changed(
    store: Store,
    manifest: Manifest,
    client: Any,
    items: Sequence[Any] | None,
    report: Report,
) -> Iterator[FetchTask]:
    """Find what is not stored as it is now, in order of the ids."""
    faulty = faults_in(store.path, manifest)
    times = {str(item.id): _times(item) for item in items or () if _is_followed(item)}
    for session in _sessions(client, items, report):
        one = str(session.id)
        entry, known = manifest.entries.get(one), times.get(one, {})
        is_stored = entry is not None and _is_current(entry, session) and entry.part not in faulty
        if is_stored and not known:
            continue
        stored = _stored_times(store, one) if entry and entry.has_received_times else {}
        if is_stored and known.keys() <= stored.keys():
            continue
        yield FetchTask(one, {**stored, **known})


def _is_current(entry: StoredSession, session: Any) -> bool:
    now = entry_of(session)
    is_same = (entry.updated_at, entry.status) == (now.updated_at, now.status)
    return is_same and entry.complete and entry.is_whole


def _sessions(client: Any, items: Sequence[Any] | None, report: Report) -> list[Any]:
    """Ask for the sessions, by one call where that does; in order of their ids."""
    if items is None:
        return sorted(client.sessions.list(), key=_id)
    ids = list(dict.fromkeys(_id(item) for item in items))
    listed: Mapping[str, Any] = {}
    if len(ids) > 1:
        listed = {_id(session): session for session in client.sessions.list()}
    found, failures = [], []
    for one in ids:
        try:
            found.append(listed[one] if one in listed else client.sessions.get(one))
        except AodNotebookError as error:
            failures.append(error)
    if failures and not found:
        raise failures[0]
    for failure in failures:
        report.cut("a session could not be read", str(failure))
    return sorted(found, key=_id)


def _id(item: Any) -> str:
    return str(getattr(item, "id", item))


def _is_followed(item: Any) -> bool:
    return isinstance(item, FollowedSession)


def _times(session: FollowedSession) -> Times:
    """Return when the events of a followed session came, by their ids."""
    timed = followed_events(session).frame.dropna(subset=list(_TIMES))
    return dict(zip(timed["event_id"], timed["received_at"], strict=True))


def _stored_times(store: Store, session_id: str) -> Times:
    """Return those that an earlier collection stored."""
    is_it = ds.field(KEY) == session_id
    timed = store.framed("events", _TIMES, filter=is_it).frame.dropna(subset=list(_TIMES))
    return dict(zip(timed["event_id"], timed["received_at"], strict=True))
