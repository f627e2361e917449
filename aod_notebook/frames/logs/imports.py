"""Importing the logs that the agents' CLIs keep on a person's own disk.

The lines of a log become the lines that its CLI would have printed, so that the frames of an
imported session are made by the same readers as those of any other.
"""

import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from aod_notebook.core.files import write_whole
from aod_notebook.core.settings import home
from aod_notebook.frames import prices
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.logs.rows import (
    LogPath,
    changed_at,
    found_logs,
    printed,
    printed_events,
    printed_pieces,
    read_sessions,
    recent,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.logs.workers import Worker, WorkerPipe, cores
from aod_notebook.frames.report import FrameWarning, Report
from aod_notebook.frames.store import IMPORTED, Store
from aod_notebook.frames.store.commit import commit, compact, make, open_for_writing
from aod_notebook.frames.store.manifest import StoredSession
from aod_notebook.frames.store.parts import MOST_BYTES, PartWriter
from aod_notebook.frames.store.stage import add_sessions
from aod_notebook.logs import LogFile, LogSession, LogTurn, count_once, one_each

_BATCH_BYTES: Final = 8_000_000
"""Files are read in batches of about this size: what is held in memory stays bounded."""
_BYTES_PER_JOB: Final = 100_000_000
"""A process takes about as long to start as to read so much."""
_MOST_JOBS: Final = 8
_FRAME_BYTES: Final = 6_000_000
"""Frames are made of sessions with about so many bytes of lines."""
_LONGEST_WAIT_S: Final = 30.0
"""A part is put in its place after so long, even if it is small: what is stored stays."""


class _ImportedFiles(msgspec.Struct):
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
        known = _loaded(folder / "files.msgpack", _ImportedFiles) or _ImportedFiles()
        return cls(folder, dict(known.stamps))

    def requests(self) -> dict[str, str]:
        """Return the requests that are counted, each with its session."""
        return _loaded(self.folder / "requests.msgpack", dict[str, str]) or {}

    def take(self, logs: Iterable[LogFile], requests: Mapping[str, str]) -> None:
        """Write down that logs are imported.

        Requests come first, so that a file counts once they are kept.
        """
        self.stamps |= {str(log.path): log.stamp for log in logs}
        _write(self.folder / "requests.msgpack", dict(requests))
        _write(self.folder / "files.msgpack", _ImportedFiles(self.stamps))


def _loaded(path: Path, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, value: Any) -> None:
    write_whole(path, msgspec.msgpack.encode(value))


def import_logs(
    where: LogPath | Iterable[LogPath] | None = None,
    into: LogPath | None = None,
    since: datetime | str | None = None,
    agents: Iterable[str] | None = None,
    jobs: int | None = None,
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
        jobs: how many processes share the work; None takes one for each core if there is so much
            to read that it pays.

    Returns:
        The store, with all sessions imported so far. Its `sessions` also have `title`, `cwd`,
        `git_branch`, `cli_version`, `model`, `parent_session_id`, `forked_from_id`, `source`.

    Raises:
        FrameError: a path does not exist or is not a log, or the store cannot be written.

    Warns:
        FrameWarning: some lines or files could not be read, or a CLI's own sum differs.
    """
    logs = recent(found_logs(where, agents), since)
    folder = Path(into).expanduser() if into is not None else home() / "imported"
    make(folder)
    store = Store(folder)
    index, report = _Index.of(store), Report()
    changed = [log for log in logs if index.stamps.get(str(log.path)) != log.stamp]
    if not changed:
        return store
    open_for_writing(folder)
    batches = _batches(_with_copies(logs, changed))
    jobs = _jobs(changed) if jobs is None else max(1, jobs)
    try:
        _Import(store, index, report).run(batches, min(jobs, len(batches)))
        compact(folder)
    except OSError as error:
        raise FrameError(
            f"The import into {str(store.path)!r} stopped: {error.strerror or error}. "
            "Make room or choose another folder, and import again: what is stored stays."
        ) from error
    store.problems = report.problems
    if report.problems:
        first = report.problems[0]
        text = f"{len(report.problems)} problem(s) in the imported logs; first: {first.what}"
        where_it_is = f" ({first.where})" if first.where else ""
        warnings.warn(f"{text}{where_it_is}. See store.problems.", FrameWarning, stacklevel=2)
    return store


def _with_copies(logs: list[LogFile], changed: list[LogFile]) -> list[LogFile]:
    """Add the other files of a session that has several, such as one that was archived."""
    names = {(log.agent, log.path.name) for log in changed}
    return [log for log in logs if (log.agent, log.path.name) in names]


def _jobs(logs: list[LogFile]) -> int:
    size = sum(map(_size, logs))
    return max(1, min(size // _BYTES_PER_JOB, cores(), _MOST_JOBS))


def _size(log: LogFile) -> int:
    return sum(int(part.partition(":")[0]) for part in log.stamp.split())


def _batches(logs: Iterable[LogFile]) -> list[list[LogFile]]:
    """Group files by folder and time: forks are read with the session that they copy.

    Files of one name are one session, wherever they are, and stay together.
    """
    groups: dict[tuple[str, str], list[LogFile]] = {}
    for log in sorted(logs, key=lambda log: (log.agent, str(log.path.parent), changed_at(log))):
        groups.setdefault((log.agent, log.path.name), []).append(log)
    batches: list[list[LogFile]] = [[]]
    size = 0
    for group in groups.values():
        batches[-1] += group
        size += sum(map(_size, group))
        if size >= _BATCH_BYTES:
            batches.append([])
            size = 0
    return [batch for batch in batches if batch]


class _Import:
    """An import that is going on, in this process and perhaps in others."""

    def __init__(self, store: Store, index: _Index, report: Report) -> None:
        self._store, self._index, self._report = store, index, report
        self._counted = index.requests()
        self._changed = threading.Condition()
        self._settled = 0
        """Batches that know which requests they count: the first come first."""
        self._failure: BaseException | None = None

    def run(self, batches: list[list[LogFile]], jobs: int) -> None:
        """Import files, batch by batch; this process does its share of the work.

        Raises:
            OSError: the store cannot be written.
        """
        numbered = enumerate(batches)
        with ExitStack() as stack:
            others = jobs - 1
            pool = stack.enter_context(ThreadPoolExecutor(max(1, others)))
            workers = [stack.enter_context(Worker(f"{__name__}:work")) for _ in range(others)]
            following = [pool.submit(self._follow, worker, numbered) for worker in workers]
            self._work(numbered)
            for one in following:
                one.result()

    def _work(self, numbered: "enumerate[list[LogFile]]") -> None:
        waiting: list[LogFile] = []
        with self._failing(), _Parts(self._store.path) as parts:
            for number, batch in iter(partial(self._next, numbered), None):
                waiting += batch
                report = Report()
                _import_batch(parts, batch, partial(self._settle, number), report)
                waiting = self._take(waiting, report, is_put=parts.put_if_due())
        self._take(waiting, Report(), is_put=True)

    def _follow(self, worker: Worker, numbered: "enumerate[list[LogFile]]") -> None:
        """Feed another process a batch after the other."""
        waiting: list[LogFile] = []
        with self._failing():
            worker.send((self._store.path, prices.given()))
            for number, batch in iter(partial(self._next, numbered), None):
                waiting += batch
                worker.send(batch)
                sessions = worker.receive()
                self._settle(number, sessions)
                worker.send(sessions)
                waiting = self._take(waiting, *worker.receive())
            worker.send(None)
            self._take(waiting, *worker.receive())

    def _next(self, numbered: "enumerate[list[LogFile]]") -> tuple[int, list[LogFile]] | None:
        with self._changed:
            return next(numbered, None)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let nobody wait any more after a failure."""
        try:
            yield
        except BaseException as error:
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()
            raise

    def _settle(self, number: int, sessions: list[LogSession]) -> None:
        """Decide which requests a batch counts, after those before it."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._settled == number)
            if self._failure is not None:
                raise self._failure
            count_once(sessions, self._counted)
            self._settled += 1
            self._changed.notify_all()

    def _take(self, waiting: list[LogFile], report: Report, is_put: bool) -> list[LogFile]:
        """Write down that logs are imported if they are; return those that are still not."""
        with self._changed:
            self._report.join([report])
            if not is_put:
                return waiting
            self._index.take(waiting, self._counted)
            return []


def work(pipe: WorkerPipe) -> None:
    """Import the batches that come through a pipe: what the other processes do."""

    def settle(sessions: list[LogSession]) -> None:
        pipe.send([_bare(session) for session in sessions])
        for session, kept in zip(sessions, pipe.receive(), strict=True):
            session.forked_from_id = kept.forked_from_id
            for turn, kept_turn in zip(session.turns, kept.turns, strict=True):
                turn.requests = kept_turn.requests

    path, given = pipe.receive()
    prices.take(given)
    with _Parts(path) as parts:
        while (batch := pipe.receive()) is not None:
            report = Report()
            _import_batch(parts, batch, settle, report)
            pipe.send((report, parts.put_if_due()))
    pipe.send((Report(), True))


def _bare(session: LogSession) -> LogSession:
    """Return a session with its requests, and no more than the number of its lines."""
    replace = msgspec.structs.replace
    turns = [LogTurn(None, [b""] * len(one.lines), [], one.requests) for one in session.turns]
    return replace(session, turns=turns, problems=[])


def _import_batch(
    parts: "_Parts",
    logs: list[LogFile],
    settle: Callable[[list[LogSession]], None],
    report: Report,
) -> None:
    sessions = one_each(read_sessions(logs, report))
    settle(sessions)
    for some in _frames_full(sessions):
        parts.add(some)


def _frames_full(sessions: list[LogSession]) -> Iterator[list[LogSession]]:
    some: list[LogSession] = []
    size = 0
    for session in sessions:
        some.append(session)
        size += sum(len(line) for turn in session.turns for line in turn.lines)
        if size >= _FRAME_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


class _Parts:
    """Writes sessions to parts of a store, each of which is put in its place when it is full.

    A few large parts are read faster than many, and need not be made one afterwards.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._writer: PartWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Put the last part in its place, or delete it if something failed."""
        if kind is None:
            self._put()
        elif self._writer is not None:
            self._writer.discard()

    def add(self, sessions: list[LogSession]) -> None:
        """Write sessions with all their frames."""
        entries = {session.session_id: _entry(session) for session in sessions}
        if self._writer is not None and not entries.keys().isdisjoint(self._writer.entries):
            self._put()  # a part has each session once; a later part replaces it
        own = {"sessions": sessions_of_logs(sessions), "turns": turns_of_logs(sessions)}
        lines = list(printed(sessions))
        events = printed_events(lines).to_arrow()
        self._writer = self._writer or PartWriter(self._store)
        add_sessions(self._writer, own, events, entries, partial(printed_pieces, lines))
        if self._writer.is_full:
            self._put()

    def put_if_due(self) -> bool:
        """Put the part in its place if it is large or old; return whether nothing is left."""
        writer = self._writer
        if writer is not None:
            is_late = time.monotonic() - writer.began > _LONGEST_WAIT_S
            if is_late or writer.size >= MOST_BYTES // 2:
                self._put()
        return self._writer is None

    def _put(self) -> None:
        if self._writer is not None:
            staged, self._writer = self._writer.close(), None
            commit(self._store, [staged])


def _entry(session: LogSession) -> StoredSession:
    return StoredSession(str(session.updated_at), "completed", complete=True)
