"""The sources of frames, and how they become events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import Any, TypeGuard
from uuid import UUID

import pandas as pd

from aod_notebook.core.ids import full_ids
from aod_notebook.frames.checks import FrameError, at_least, shown
from aod_notebook.frames.decode.events import events_of_bytes, events_of_stream
from aod_notebook.frames.exchange import is_frame, pandas_frame
from aod_notebook.frames.fetch import (
    EventBytes,
    ReadAhead,
    agent_model,
    client_with,
    current_client,
    each_finished,
)
from aod_notebook.frames.followed import followed_events, followed_pieces
from aod_notebook.frames.logs.rows import events_of_logs, is_path, sessions_at
from aod_notebook.frames.native import completed
from aod_notebook.frames.protocols import FollowedSession, SessionEvent
from aod_notebook.frames.report import Framed, Report
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.pieces import ModelOf, Piece, pieces

Events = pd.DataFrame | Iterable[SessionEvent] | Iterable[bytes] | bytes | FollowedSession | Store
"""An events frame, `StreamEvent` objects, bytes of SSE bodies, a followed session, a store."""

EVENT_COLUMNS = ("type", "stream", "data")
"""What makes a frame one of events."""
_NOTHING = object()
Derive = Callable[[Iterable[Piece], Iterable[str] | None, Iterable[str]], Framed]
"""A function from transcripts to a frame of some columns."""


class Gathered:
    """The events of any source, a frame at a time.

    Attributes:
        report: what is missing; whole once all is read.
        unread: the ids of the sessions that could not be read, once all is read.

    Args:
        source: ids, sessions, a client, followed sessions, a store, events in any form, or
            None for all sessions of the client.
        client: who is asked; by default the current connection's client.
        since: only events after this id.
        jobs: how many sessions are asked for at the same time.
        progress: show on stderr how far it is.
    """

    def __init__(
        self,
        source: Any,
        *,
        client: Any = None,
        since: int | None = None,
        jobs: int = 8,
        progress: bool = False,
    ) -> None:
        at_least("since", since or 0, 0)
        self.report = Report()
        self._source = source
        self._client = client
        self._since = since
        self._jobs = jobs
        self._progress = progress
        self._models: dict[str, str | None] = {}
        self._agents: dict[str, tuple[Any, Any]] = {}
        self.unread: list[str] = []

    def read(
        self, name: str, derive: Derive, columns: Iterable[str] | None, exclude: Iterable[str]
    ) -> Framed:
        """Make a frame of the transcripts in the source, or read it from a store."""
        stored = self.stored(name, columns, exclude)
        return stored or with_report(derive(self.pieces(), columns, exclude), self.report)

    def stored(
        self, name: str, columns: Iterable[str] | None, exclude: Iterable[str]
    ) -> Framed | None:
        """Read a frame as it is stored; None if the source is not a store, or not all is wanted."""
        if not isinstance(self._source, Store) or self._since is not None:
            return None
        return self._source.framed(name, columns, exclude)

    def pieces(self) -> Iterator[Piece]:
        """Read the transcripts in the source."""
        return chain.from_iterable(self._transcripts())

    def by_session(self) -> Iterator[list[Piece]]:
        """Read the transcripts in the source, of no more sessions at once than need be."""
        for transcript in self._transcripts():
            yield list(transcript)

    def _model_of(self, session_id: str | None) -> str | None:
        """Return the model of a session's agent; each agent is asked for once."""
        if session_id is None or session_id not in self._agents:
            return self._models.get(session_id or "")
        client, agent_id = self._agents[session_id]
        if str(agent_id) not in self._models:
            self._models[str(agent_id)] = agent_model(client, agent_id)
        return self._models[str(agent_id)]

    def frames(self) -> Iterator[pd.DataFrame]:
        """Read the source; each session is in one of the frames."""
        return map(self._frame, self._parts())

    def _frame(self, part: pd.DataFrame | FollowedSession) -> pd.DataFrame:
        if isinstance(part, pd.DataFrame):
            return part
        framed = followed_events(part)
        self._models[str(part.id)] = getattr(part, "model", None)
        self.report.join([framed.report])
        return self._after(framed.frame)

    def _transcripts(self) -> Iterator[Iterable[Piece]]:
        """Read the source; each session is in one of the transcripts."""
        for part in self._parts():
            if isinstance(part, pd.DataFrame) or self._since is not None:
                yield pieces([self._frame(part)], self._model_of)
            else:
                read, report = followed_pieces(part)
                self.report.join([report])
                yield read

    def _parts(self) -> Iterator[pd.DataFrame | FollowedSession]:
        """Read the source as far as it is not followed; a followed session stays as it is."""
        if is_path(self._source):
            logs = sessions_at(self._source, self.report)
            self._models |= {session.session_id: session.model for session in logs}
            yield self._after(events_of_logs(logs))
            return
        if _is_followed(self._source):
            yield self._source
            return
        held = held_events(self._source)
        if held is not None:
            self.report.join([held.report])
            yield self._after(held.frame)
            return
        owner, ids = asked(self._source, self._client)
        if ids is None:
            ids = [str(session.id) for session in owner.sessions.list()]
        yield from filter(_is_followed, ids)
        names = [str(item) for item in ids if not _is_followed(item)]

        ahead = ReadAhead(owner, self._since)

        def ask(one: str) -> EventBytes:
            session = owner.sessions.get(one)
            self._agents[one] = owner, session.agent_id
            return ahead.read(session)

        answers = each_finished(
            names, ask, ahead.decode, self.report, jobs=self._jobs, progress=self._progress
        )
        unread = dict.fromkeys(names)
        with closing(ahead), closing(answers):
            for one, framed in answers:
                del unread[one]
                self.report.join([framed.report])
                yield framed.frame
        self.unread = list(unread)

    def _after(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._since is None:
            return frame
        later = (frame["event_id"] > self._since).fillna(value=False)
        return frame[later.astype(bool)].reset_index(drop=True)


Models = str | Mapping[str, str] | pd.DataFrame | None
"""One model for all sessions, or a mapping or frame from `session_id` to `model`."""


def derived(
    derive: Derive,
    events: Events,
    columns: Iterable[str] | None,
    exclude: Iterable[str],
    models: Models = None,
) -> Framed:
    """Make a frame of a source that holds events.

    Raises:
        FrameError: the argument holds no events.
    """
    if _is_followed(events) and models is None:
        transcript, report = followed_pieces(events)
        return with_report(derive(transcript, columns, exclude), report)
    held = held_events(events)
    if held is None:
        if is_frame(events):
            pandas_frame(events, EVENT_COLUMNS, by="A transcript", of="frames.events_df()")
        raise FrameError(
            f"Events are an events frame, StreamEvent objects, bytes of SSE bodies, a followed "
            f"session or a Store, not {shown(events)}"
        )
    read = pieces([held.frame], _models(models))
    return with_report(derive(read, columns, exclude), held.report)


def _models(models: Models) -> ModelOf:
    if models is None or isinstance(models, str):
        one = models
        return lambda _: one
    if is_frame(models):
        of = "a frame with the columns session_id and model"
        named = pandas_frame(models, ("session_id", "model"), by="models", of=of)
        named = named.dropna(subset=["session_id", "model"])
        models = dict(zip(named["session_id"].astype(str), named["model"].astype(str), strict=True))
    elif not isinstance(models, Mapping):
        raise FrameError(
            f"models must be a model, a mapping or a frame with session_id and model, "
            f"not {shown(models)}"
        )
    given = models
    return lambda session_id: given.get(session_id or "")


def with_report(framed: Framed, report: Report) -> Framed:
    """Return a frame with what is known of its origin in its attrs."""
    whole = framed.report.join([report])
    attrs = {**whole.attrs(SCHEMAS["events"]), "schema": framed.frame.attrs["schema"]}
    framed.frame.attrs |= attrs
    return Framed(framed.frame, whole)


def held_events(source: Any) -> Framed | None:
    """Make events of a source that holds them itself; None if it only names sessions."""
    if is_frame(source):
        given = pandas_frame(source, (), by="A transcript", of="frames.events_df()")
        if set(EVENT_COLUMNS) <= set(given.columns):
            return Framed(completed(given, SCHEMAS["events"].columns), Report.of(given))
        return None
    if isinstance(source, bytes | bytearray | memoryview):
        return events_of_bytes(bytes(source))
    if isinstance(source, Store):
        stored = source.frame("events")
        return Framed(stored, Report.of(stored))
    if _is_followed(source):
        return followed_events(source)
    names_only = isinstance(source, str | UUID) or hasattr(source, "sessions")
    return _of_items(source) if isinstance(source, Iterable) and not names_only else None


def _of_items(source: Iterable[Any]) -> Framed | None:
    items = iter(source)
    first = next(items, _NOTHING)
    if first is _NOTHING:
        return events_of_bytes(b"")
    if isinstance(first, bytes | bytearray | memoryview):
        return events_of_bytes(chain([bytes(first)], items))
    if hasattr(first, "type") and hasattr(first, "extra"):
        return events_of_stream(chain([first], items))
    if items is source:
        raise FrameError("An iterator can hold events only: pass ids and sessions as a list")
    return None


def asked(source: Any, client: Any) -> tuple[Any, list[Any] | None]:
    """Find the client to ask, and ids or followed sessions; None for all.

    A session that is named twice is asked for once, and a followed one holds its own events.

    Raises:
        FrameError: the source does not name sessions, or the client is not one.
        AodNotebookError: there is no client and no current connection.
    """
    if client is not None:
        client = client_with("sessions", client)
    if hasattr(source, "sessions") and hasattr(source, "agents"):
        return client_with("sessions", source), None
    if source is None:
        return client or current_client(), None
    if is_frame(source):
        source = ids_in(source, "session_id")
    is_many = (
        isinstance(source, Iterable) and not isinstance(source, Mapping) and not _is_id(source)
    )
    ids = [item if _is_followed(item) else _id(item) for item in (source if is_many else [source])]
    if client is None:
        clients = [item.client for item in ids if _is_followed(item)]
        client = clients[0] if clients else current_client()
    owner = client

    def listed() -> list[str]:
        return [str(session.id) for session in owner.sessions.list()]

    written = [item for item in ids if isinstance(item, str)]
    whole = dict(zip(written, full_ids(written, listed, "session"), strict=True))
    ids = [whole[item] if isinstance(item, str) else item for item in ids]
    named = {str(getattr(item, "id", item)): item for item in ids}
    named |= {str(item.id): item for item in ids if _is_followed(item)}
    return client, list(named.values())


def ids_in(frame: Any, column: str) -> list[Any]:
    """Return the different ids in a column of a frame.

    Raises:
        FrameError: it has no such column.
    """
    of = "a function of frames"
    given = pandas_frame(frame, [column], by="What names sessions or runs", of=of)
    return list(dict.fromkeys(given[column].dropna()))


def _is_followed(item: Any) -> TypeGuard[FollowedSession]:
    """Check whether an item is a session that is followed.

    Raises:
        FrameError: it is a run of AgentOS, which is followed too.
    """
    if not isinstance(item, FollowedSession):
        return False
    if hasattr(item, "run_id"):
        raise FrameError(
            f"{item.id} is a run, not a session: use run_events_df, spans_df or runs_df"
        )
    return True


def _is_id(source: Any) -> bool:
    is_session = _is_followed(source) or (hasattr(source, "id") and hasattr(source, "status"))
    return isinstance(source, str | UUID) or is_session


def _id(item: Any) -> str:
    if isinstance(item, str | UUID) and str(item).strip():
        return str(item)
    if hasattr(item, "id") and hasattr(item, "status"):
        return str(item.id)
    raise FrameError(f"{shown(item)} is not a session: pass ids or sessions")


def ids_of(items: Iterable[Any]) -> list[str]:
    """Return the ids of sessions, which may be ids already."""
    return [str(getattr(item, "id", item)) for item in items]
