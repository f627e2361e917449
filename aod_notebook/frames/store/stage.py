"""Fetching sessions and writing them to parts: bytes of streams in, Arrow out."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from aod_notebook.contract import FINAL_EVENTS
from aod_notebook.core import current
from aod_notebook.frames import prices
from aod_notebook.frames.decode.wire import EventRows, read_blocks
from aod_notebook.frames.fetch import EventBytes, ReadAhead, agent_model, base_url_of, each_finished
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Filled, Problem, Report, now
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.frames.sessions.turns import turns_of
from aod_notebook.frames.store.layout import arrow_table, pandas_table
from aod_notebook.frames.store.manifest import StoredSession
from aod_notebook.frames.store.parts import PartWriter, Staged
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.pieces import NEEDED, Piece, pieces
from aod_notebook.frames.transcripts.results import model_usage_of, results_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of

Times = dict[Hashable, pd.Timestamp]
"""When the events of a session came, by their ids."""
_EVENTS: Final = SCHEMAS["events"]
_BATCH_BYTES: Final = 8_000_000
_BATCH_SESSIONS: Final = 200
"""The frames of so many bytes, or sessions, are made in one go."""
_LONGEST_WAIT_S: Final = 15.0
"""A part is put in its place after so long, even if it is small: what is stored stays."""
_DERIVED: Final[Mapping[str, Callable[..., Filled]]] = {
    "messages": messages_of,
    "tool_calls": tool_calls_of,
    "results": results_of,
    "model_usage": model_usage_of,
}


@dataclass
class FetchTask:
    """A session to fetch."""

    id: str
    times: Times = field(default_factory=dict)
    """When its events came, as far as that is known."""


@dataclass
class _Asked:
    session: Any
    turns: list[Any]
    body: EventBytes


@dataclass
class _Fetched:
    session: Any
    turns: list[Any]
    events: pa.Table
    size: int
    """Bytes of the events: to count them takes as long as a small session takes to decode."""
    report: Report
    has_times: bool
    model: Callable[[], str | None]


def staged(
    store: Path,
    client: Any,
    tasks: Sequence[FetchTask],
    report: Report,
    *,
    jobs: int = 8,
    progress: bool = False,
) -> Iterator[Staged]:
    """Fetch sessions and write their frames, a part at a time.

    Raises:
        AodNotebookError: not one of them could be read.
        OSError: the disk takes no more.
    """
    by_id = {task.id: task for task in tasks}
    ahead = ReadAhead(client)
    models: dict[str, str | None] = {}
    answers = each_finished(
        list(by_id),
        partial(_ask, client, ahead),
        partial(_decode, by_id, ahead, models),
        report,
        jobs=jobs,
        progress=progress,
    )
    writer: PartWriter | None = None
    batch: list[_Fetched] = []
    try:
        for _, fetched in answers:
            report.join([fetched.report])
            batch.append(fetched)
            if _is_batch(batch):
                writer = _add(store, writer, batch)
            is_late = writer is not None and time.monotonic() - writer.began > _LONGEST_WAIT_S
            if writer is not None and (writer.is_full or is_late):
                yield writer.close()
                writer = None
        if batch:
            writer = _add(store, writer, batch)
        if writer is not None:
            yield writer.close()
            writer = None
    finally:
        answers.close()
        ahead.close()
        if writer is not None:
            writer.discard()


def _is_batch(batch: Sequence[_Fetched]) -> bool:
    size = sum(fetched.size for fetched in batch)
    return size >= _BATCH_BYTES or len(batch) >= _BATCH_SESSIONS


def _add(store: Path, writer: PartWriter | None, batch: list[_Fetched]) -> PartWriter:
    """Make the frames of a batch, add them to the part, and empty the batch."""
    writer = writer or PartWriter(store)
    events = pa.concat_tables([fetched.events for fetched in batch])
    own = {
        "sessions": sessions_of([fetched.session for fetched in batch]),
        "turns": turns_of([(str(fetched.session.id), fetched.turns) for fetched in batch]),
    }
    entries = {str(fetched.session.id): _entry(fetched) for fetched in batch}
    models = {str(fetched.session.id): fetched.model for fetched in batch}
    batch.clear()
    frame = pandas_table(events, [_EVENTS[name] for name in NEEDED])

    def read() -> Iterator[Piece]:
        return pieces([frame], lambda one: models[one or ""]())

    add_sessions(writer, own, events, entries, read)
    return writer


def add_sessions(
    writer: PartWriter,
    own: Mapping[str, pd.DataFrame],
    events: pa.Table,
    entries: Mapping[str, StoredSession],
    read: Callable[[], Iterable[Piece]],
) -> None:
    """Add all frames of some sessions to a part.

    Args:
        writer: the part.
        own: the frames `sessions` and `turns`, in the order of the entries.
        events: the events, likewise.
        entries: what the manifest says of each session.
        read: reads the transcripts in the events, each time that it is called.
    """
    tables = {name: arrow_table(frame, writer.schemas[name]) for name, frame in own.items()}
    problems: dict[str, list[Problem]] = {}
    # Entries of transcripts take several times the room of their lines: of much text they are
    # made again for each frame instead of being kept.
    is_kept = events.nbytes < 4 * _BATCH_BYTES
    kept = list(read()) if is_kept else []
    for name, derive in _DERIVED.items():
        made = derive(kept if is_kept else read())
        tables[name] = made.to_arrow()
        problems[name] = made.report.problems
    writer.add({**tables, "events": events}, entries, problems, prices.version())


def _entry(fetched: _Fetched) -> StoredSession:
    entry = entry_of(fetched.session)
    entry.complete = fetched.report.complete
    entry.has_received_times = fetched.has_times
    entry.take(fetched.report)
    return entry


def entry_of(session: Any) -> StoredSession:
    """Return what decides whether a session has changed: when, and its status."""
    return StoredSession(str(session.updated_at), str(session.status), complete=True)


def _ask(client: Any, ahead: ReadAhead, one: str) -> _Asked:
    session = client.sessions.get(one)  # the list does not have all of it
    body = ahead.read(session)
    try:
        return _Asked(session, list(client.sessions.turns(one)), body)
    except BaseException:
        ahead.forget(body)
        raise


def _decode(
    tasks: Mapping[str, FetchTask], ahead: ReadAhead, models: dict[str, str | None], asked: _Asked
) -> _Fetched:
    session, body = asked.session, asked.body
    client, one = body.client, body.session_id
    report, table = Report(), Table(_EVENTS.columns)
    rows = EventRows(table, report, one)
    read_blocks(ahead.take(body), rows)
    report.complete = rows.last_type in FINAL_EVENTS
    report.base_url, report.fetched_at = base_url_of(client), now()
    if body.broken is not None:
        report.cut("the stream broke off", str(body.broken))
    events, has_times = _timed(table.to_arrow(), tasks[one].times, one)

    def model() -> str | None:
        agent = str(session.agent_id)
        if agent not in models:
            models[agent] = agent_model(client, session.agent_id)
        return models[agent]

    return _Fetched(session, asked.turns, events, events.nbytes, report, has_times, model)


def _timed(events: pa.Table, times: Times, session_id: str) -> tuple[pa.Table, bool]:
    """Put in when the events came, where that is known."""
    followed: Any = current.received_times(session_id)
    micros: dict[Hashable, int] = {**followed}
    micros |= {number: time.value // 1000 for number, time in times.items()}
    if not micros:
        return events, False
    column = _EVENTS["received_at"]
    ids = events["event_id"].to_pylist()
    known = pa.array([micros.get(number) for number in ids], events.schema.field(column.name).type)
    at = events.schema.get_field_index(column.name)
    return events.set_column(at, events.schema.field(at), known), known.null_count < len(known)
