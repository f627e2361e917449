"""Importing the logs that the agents' CLIs keep on a person's own disk.

The lines of a log become the lines that its CLI would have printed, so that the frames of an
imported session are made by the same readers as those of any other.
"""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from aod_notebook.core.settings import home
from aod_notebook.frames._collect import store_sessions
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.logs.rows import (
    LogPath,
    changed_at,
    events_of_logs,
    found_logs,
    read_sessions,
    recent,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.report import FrameWarning, Report
from aod_notebook.frames.store import IMPORTED, Store, made_store
from aod_notebook.frames.transcripts.pieces import pieces
from aod_notebook.logs import LogFile, LogSession, count_once, one_each

_BATCH_BYTES: Final = 64_000_000
"""Files are read in batches of about this size: what is held in memory stays bounded."""
_PART_BYTES: Final = 8_000_000
"""Frames are made of sessions with about so many bytes of lines."""


class _Known(msgspec.Struct):
    """What a store knows of the files it was made of."""

    stamps: dict[str, str] = {}
    """For each file, its size and time when it was read."""


@dataclass
class _Index:
    """The files and requests that earlier imports read, kept in the store."""

    folder: Path
    stamps: dict[str, str]

    @classmethod
    def of(cls, store: Store) -> "_Index":
        folder = store.path / IMPORTED
        folder.mkdir(exist_ok=True)
        known = _loaded(folder / "files.msgpack", _Known) or _Known()
        return cls(folder, dict(known.stamps))

    def requests(self) -> dict[str, str]:
        """Return the requests that are counted, each with its session."""
        return _loaded(self.folder / "requests.msgpack", dict[str, str]) or {}

    def save(self, requests: Mapping[str, str]) -> None:
        """Write what is known now; requests first, so that a file counts once they are kept."""
        _write(self.folder / "requests.msgpack", dict(requests))
        _write(self.folder / "files.msgpack", _Known(self.stamps))


def _loaded(path: Path, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, value: Any) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.msgpack.encode(value))
    fresh.replace(path)


def import_logs(
    where: LogPath | Iterable[LogPath] | None = None,
    into: LogPath | None = None,
    since: datetime | str | None = None,
    agents: Iterable[str] | None = None,
) -> Store:
    """Import the logs of Claude Code, Codex, Gemini and opencode from this machine.

    A second import reads only what has changed. The logs are only read; nothing is sent
    anywhere. Answers that several files repeat are counted once, so the sum of `model_usage`
    is what was billed.

    Args:
        where: a home, a CLI's folder such as `~/.claude`, a project's folder, a file, or
            several of these; None looks where the CLIs write by default.
        into: the folder of the store; by default `imported` in this package's own home.
        since: only files that changed at or after this time.
        agents: only the logs of these CLIs: claude, codex, gemini, opencode.

    Returns:
        The store, with all sessions imported so far. Its `sessions` also have `title`, `cwd`,
        `git_branch`, `cli_version`, `model`, `parent_session_id`, `forked_from_id`, `source`.

    Raises:
        FrameError: a path does not exist or is not a log, or the store cannot be written.

    Warns:
        FrameWarning: some lines or files could not be read, or a CLI's own sum differs.
    """
    logs = recent(found_logs(where, agents), since)
    store = made_store(Path(into).expanduser() if into is not None else home() / "imported")
    index, report = _Index.of(store), Report()
    changed = [log for log in logs if index.stamps.get(str(log.path)) != log.stamp]
    if not changed:
        return store
    counted = index.requests()
    try:
        for batch in _batches(changed):
            _import_batch(store, batch, counted, report)
            if hasattr(os, "sync"):  # one for all files of the batch
                os.sync()
            index.stamps |= {str(log.path): log.stamp for log in batch}
            index.save(counted)
    except OSError as error:
        raise FrameError(
            f"The store in {str(store.path)!r} cannot be written: {error.strerror or error}. "
            "Make room or choose another folder, and import again: what is stored stays."
        ) from error
    store.problems = report.problems
    if report.problems:
        first = report.problems[0]
        text = f"{len(report.problems)} problem(s) in the imported logs; first: {first.what}"
        where_it_is = f" ({first.where})" if first.where else ""
        warnings.warn(f"{text}{where_it_is}. See store.problems.", FrameWarning, stacklevel=2)
    return store


def _batches(logs: Iterable[LogFile]) -> Iterator[list[LogFile]]:
    """Group files by folder and time: forks are read with the session that they copy."""
    ordered = sorted(logs, key=lambda log: (log.agent, str(log.path.parent), changed_at(log)))
    batch: list[LogFile] = []
    size = 0
    for log in ordered:
        batch.append(log)
        size += sum(int(part.partition(":")[0]) for part in log.stamp.split())
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _import_batch(
    store: Store, logs: list[LogFile], counted: dict[str, str], report: Report
) -> None:
    sessions = one_each(read_sessions(logs, report))
    count_once(sessions, counted)
    for part in _parts(sessions):
        models = {session.session_id: session.model for session in part}
        events = events_of_logs(part)
        own = {"sessions": sessions_of_logs(part), "turns": turns_of_logs(part), "events": events}
        transcript = list(pieces([events], partial(_model_of, models)))
        store_sessions(store.path, own, transcript, {one.session_id: _state(one) for one in part})


def _parts(sessions: list[LogSession]) -> Iterator[list[LogSession]]:
    part: list[LogSession] = []
    size = 0
    for session in sessions:
        part.append(session)
        size += sum(len(line) for turn in session.turns for line in turn.lines)
        if size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _model_of(models: Mapping[str, str | None], session_id: str | None) -> str | None:
    return models.get(session_id or "")


def _state(session: LogSession) -> dict[str, Any]:
    return {"updated_at": session.updated_at, "status": "completed", "complete": True}
