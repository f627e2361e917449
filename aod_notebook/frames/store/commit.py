"""Putting parts in their place: the manifest is replaced as a whole, under a lock."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from aod_notebook.core.files import make_private
from aod_notebook.core.settings import home
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.store.layout import (
    KEY,
    MANIFEST,
    MARKS,
    STORED,
    arrow_schema,
    conformed,
    schema_in,
    version_in,
)
from aod_notebook.frames.store.manifest import Manifest, StoredSession, locked
from aod_notebook.frames.store.parts import (
    MOST_BYTES,
    MOST_SESSIONS,
    PartWriter,
    Staged,
    fault,
    place,
    rewritten,
    tidy,
)

_MOST_SMALL: Final = 4
"""So many small parts may stand beside full ones before they are made one."""
_OLD_FILE: Final = "data.parquet"


def make(store: Path) -> None:
    """Make a store of no sessions where there is nothing yet.

    Raises:
        FrameError: no directory can be made there.
    """
    try:
        if store.absolute().is_relative_to(home()):  # private, also in a home that is shared
            make_private(store)
        store.mkdir(parents=True, exist_ok=True)
        with locked(store):
            if not (store / MANIFEST).is_file() and not (store / MARKS).is_dir():
                Manifest().write(store)
    except OSError as error:
        raise FrameError(
            f"No store can be made in {str(store)!r}: {error.strerror}: pass another directory"
        ) from error


def commit(store: Path, staged: Sequence[Staged]) -> None:
    """Put parts in their place; their sessions replace those of the same ids, wherever they are."""
    with locked(store):
        _commit(store, Manifest.read(store), staged)


def _commit(
    store: Path, manifest: Manifest, staged: Sequence[Staged], emptied: Iterable[int] = ()
) -> None:
    """Put parts in their place, and take others away: those emptied, and those with old rows."""
    fresh = {one for each in staged for one in each.entries}
    stale = {manifest.entries[one].part for one in fresh if one in manifest.entries}
    gone = sorted(stale.union(emptied))
    if stale:
        staged = [*staged, *rewritten(store, manifest, sorted(stale), fresh)]
    number = max(manifest.next_part, _highest(store) + 1)
    for each in staged:
        for name in STORED:
            path = place(store, name, number)
            path.parent.mkdir(exist_ok=True)
            (each.folder / f"{name}.parquet").replace(path)
        each.folder.rmdir()
        manifest.parts[number] = each.part
        for one, entry in each.entries.items():
            entry.part = number
            manifest.entries.pop(one, None)  # a part's sessions stand in the order of its rows
            manifest.entries[one] = entry
        number += 1
    for each_gone in gone:
        del manifest.parts[each_gone]
    manifest.next_part = number
    manifest.write(store)
    for each_gone in gone:
        for name in STORED:
            place(store, name, each_gone).unlink(missing_ok=True)


def _highest(store: Path) -> int:
    """Return the highest number of a file, also of one that a killed collection left."""
    stems = (path.stem for name in STORED for path in (store / name).glob("part-*.parquet"))
    numbers = (stem.removeprefix("part-") for stem in stems)
    return max((int(number) for number in numbers if number.isdigit()), default=-1)


def compact(store: Path) -> None:
    """Make one of many small parts, and write those of another version again."""
    with locked(store):
        manifest = Manifest.read(store)
        version, of_part = version_in(store), manifest.by_part()
        small, old = [], []
        for number, ids in of_part.items():
            if any(manifest.entries[one].version != version for one in ids):
                old.append(number)
            elif len(ids) < MOST_SESSIONS // 2 and manifest.parts[number].size < MOST_BYTES // 4:
                small.append(number)
        chosen = sorted({*old, *(small if len(small) > _MOST_SMALL else ())})
        if chosen:
            _commit(store, manifest, list(rewritten(store, manifest, chosen)), chosen)


def faults_in(store: Path, manifest: Manifest) -> dict[int, dict[str, str]]:
    """Return what is wrong with the files of the parts: by number and frame."""
    found: dict[int, dict[str, str]] = {}
    for number, part in manifest.parts.items():
        for name in STORED:
            what = fault(place(store, name, number), part.files.get(name), closely=True)
            if what is not None:
                found.setdefault(number, {})[name] = what
    return found


def open_for_writing(store: Path) -> Manifest:
    """Return the manifest; sessions in files of the first layout, one each, are taken over."""
    with locked(store):
        has_older = (store / MARKS).is_dir()
        manifest = Manifest.read(store)
        if has_older:
            if not (store / MANIFEST).is_file():
                _take_over(store, manifest)
            _delete_older(store)
        tidy(store, manifest)
        return manifest


def older_files(store: Path, name: str) -> list[tuple[str, Path]]:
    """Return the files of a frame in a store of the first layout, in the order of their ids."""
    marked = sorted(unquote(path.stem) for path in (store / MARKS).glob("*.json"))
    return [(one, _older(store, name, one)) for one in marked]


def older_entry(store: Path, session_id: str) -> StoredSession:
    """Return what a mark of the first layout says of its session."""
    try:
        mark = json.loads((store / MARKS / f"{quote(session_id, safe='')}.json").read_bytes())
    except (OSError, ValueError):
        mark = {}
    facts = mark if isinstance(mark, dict) else {}
    updated, status = (facts.get(name) for name in ("updated_at", "status"))
    return StoredSession(
        None if updated is None else str(updated),
        None if status is None else str(status),
        facts.get("complete") is True,
    )


def _older(store: Path, name: str, session_id: str) -> Path:
    return store / name / f"{KEY}={quote(session_id, safe='')}" / _OLD_FILE


def _take_over(store: Path, manifest: Manifest) -> None:
    staged, writer = [], None
    for session_id, _ in older_files(store, "events"):
        tables = _older_tables(store, session_id)
        if tables is None:
            continue  # a file of it is damaged: `collect` fetches it again
        writer = writer or PartWriter(store)
        writer.add(tables, {session_id: _timed(older_entry(store, session_id), tables)})
        if writer.is_full:
            staged.append(writer.close())
            writer = None
    if writer is not None:
        staged.append(writer.close())
    _commit(store, manifest, staged)


def _timed(entry: StoredSession, tables: dict[str, pa.Table]) -> StoredSession:
    received: Any = tables["events"]["received_at"]
    entry.has_received_times = received.null_count < len(received)
    return entry


def _older_tables(store: Path, session_id: str) -> dict[str, pa.Table] | None:
    tables = {}
    for name in STORED:
        layout = arrow_schema(schema_in(store, name))
        path = _older(store, name, session_id)
        try:
            read = pq.read_table(path, partitioning=None, page_checksum_verification=True)
        except (OSError, pa.ArrowException):
            return None
        ids = pa.array([session_id] * read.num_rows, pa.large_string())
        tables[name] = conformed(read.append_column(KEY, ids), layout)
    return tables


def _delete_older(store: Path) -> None:
    """Delete files of the first layout; the marks go last, so that a killed deletion is resumed."""
    for name in STORED:
        for path in (store / name).glob(f"{KEY}=*"):
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(store / MARKS, ignore_errors=True)
