"""Where the command line finds sessions: on the current service, or in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.aod import StreamEvent
from aod_notebook.contract import FINAL_EVENTS
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.ids import SHORTEST, beginning_with, full_id
from aod_notebook.core.settings import home
from aod_notebook.viewers.bundle import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

_FIELDS = {
    "stream": "stream",
    "data": "data",
    "turn": "turn",
    "stage": "stage",
    "state": "state",
    "duration_ms": "duration_ms",
    "code": "exit_code",
    "message": "message",
    "session_id": "session_id",
}
_TIMES = ("created_at", "recorded_at")


class SessionSource:
    """Sessions of one place: a store if one is given, else the current service."""

    def __init__(self, store: Path | None = None) -> None:
        from aod_notebook import frames, live

        self._client: Any = None
        self._store: Any = None
        if store is None:
            self._client = live.connection().client
            self.where = "the service"
        else:
            self._store = frames.scan(store)
            self.where = f"the store {store}"

    def ids(self) -> list[str]:
        """Return the ids of all sessions, those of a service newest first."""
        if self._store is not None:
            return list(self._store.session_ids)
        return [str(session.id) for session in self._client.sessions.list()]

    def table(self, ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the sessions with their details; of these ids only if some are given."""
        from aod_notebook import frames

        if self._store is None:
            return frames.sessions_df(
                None if ids is None else list(ids), client=self._client, details=True
            )
        table = frames.sessions_df(self._store, details=True)
        return table if ids is None else table[table["session_id"].isin(list(ids))]

    def newest(self, count: int) -> tuple[pd.DataFrame, int]:
        """Return the newest sessions with their details, and how many there are in all."""
        from aod_notebook.frames.sessions.sessions import newest_sessions

        if self._store is None:
            table = newest_sessions(self._client, count)
            return table, int(table.attrs["of"])
        table = self.table()
        newest = table.sort_values("created_at", ascending=False, kind="stable")
        return newest.head(count), len(table)

    def shown(self, ids: Iterable[str]) -> Iterator[Shown]:
        """Read sessions, one after the other."""
        for session_id in ids:
            yield self._shown(session_id)

    def to_parquet(self, ids: Sequence[str], folder: Path) -> None:
        """Write the tables of sessions into a folder, a store, which is made."""
        from aod_notebook import frames
        from aod_notebook.frames.store import STORED

        if self._store is None:
            frames.collect(list(ids), into=folder, client=self._client)
            return
        folder.mkdir(parents=True, exist_ok=True)
        for name in STORED:
            table = self._store.frame(name)
            frames.to_parquet(
                table[table["session_id"].isin(list(ids))], folder / f"{name}.parquet"
            )

    def _shown(self, session_id: str) -> Shown:
        from aod_notebook import frames

        (row,) = self.table([session_id]).to_dict("records")
        if self._store is None:
            turns = frames.turns_df(session_id, client=self._client)
            events = frames.events_df(session_id, client=self._client)
        else:
            turns = _of(self._store, "turns", session_id)
            events = _of(self._store, "events", session_id)
        prompts = turns.dropna(subset=["turn", "prompt"])
        runtime, status = _known(row.get("runtime")), str(_known(row.get("status")) or "unknown")
        return Shown(
            id=session_id,
            events=_events(events, status),
            runtime=runtime,
            prompts={
                int(turn): str(text)
                for turn, text in zip(prompts["turn"], prompts["prompt"], strict=True)
            },
            status=status,
            agent=agent_name(_known(row.get("agent")), runtime),
            model=_known(row.get("model")),
            cost_usd=_known(row.get("cost_usd")),
            created_at=_known(row.get("created_at")),
            is_replay=runtime == "replay",
        )


def source_of(store: Path | None, wanted: Sequence[str]) -> tuple[SessionSource, list[str]]:
    """Find sessions by their ids or the beginnings of these; imported ones if no service has them.

    Raises:
        AodNotebookError: there is no such session, or several begin so.
    """
    from aod_notebook.frames.store import is_store

    source = SessionSource(store)
    known = source.ids()
    imported = home() / "imported"
    missing = [one for one in wanted if not _is_in(one, known)]
    if store is None and missing and is_store(imported):
        other = SessionSource(imported)
        stored = other.ids()
        if all(_is_in(one, stored) for one in wanted):
            source, known = other, stored
    return source, [chosen(one, known, source.where) for one in wanted]


def _is_in(wanted: str, ids: Sequence[str]) -> bool:
    return wanted in ids or bool(beginning_with(wanted, ids))


def chosen(wanted: str, ids: Sequence[str], where: str) -> str:
    """Return the id that is `wanted`, or that begins with it.

    Raises:
        AmbiguousIdError: several begin so; the message lists them.
        AodNotebookError: there is none.

    Example:
        >>> chosen("5f0c", ["5f0c2f6e-7a41", "61c1d7e4-9d53"], "the service")
        '5f0c2f6e-7a41'
    """
    found = full_id(wanted, lambda: ids, "session")
    if found not in ids:
        short = "" if len(wanted) >= SHORTEST else f" An id needs {SHORTEST} characters at least."
        raise AodNotebookError(
            f"There is no session `{wanted}` in {where}.{short} `aod-notebook sessions` lists what is there."
        )
    return found


def agent_name(agent: str | None, runtime: str | None) -> str | None:
    """Return what an agent is called; the notebook's own ones are known by their runtime.

    Example:
        >>> agent_name("notebook claude anthropic/claude-sonnet-4-6", "claude")
        'claude'
    """
    is_own = agent is None or (runtime is not None and agent.startswith(f"notebook {runtime} "))
    return runtime if is_own else agent


def _of(store: Any, name: str, session_id: str) -> pd.DataFrame:
    import pyarrow.dataset as ds

    table: pd.DataFrame = store.frame(name, filter=ds.field("session_id") == session_id)
    return table


def _events(events: pd.DataFrame, status: str) -> list[StreamEvent]:
    """Make events of a frame; a store of logs holds no turn's start and no session's end."""
    made: list[StreamEvent] = []
    turn: int | None = None
    starts = events["type"].eq("turn_start").any()
    for row in events.to_dict("records"):
        extra = {
            name: value
            for name, column in _FIELDS.items()
            if (value := _known(row.get(column))) is not None
        }
        extra |= {
            name: at.isoformat() for name in _TIMES if (at := _known(row.get(name))) is not None
        }
        if not starts and row["type"] == "output" and extra.get("turn") != turn:
            turn = extra.get("turn")
            times = {name: extra[name] for name in _TIMES if name in extra}
            made.append(StreamEvent("turn_start", None, {"turn": turn, **times}))
        made.append(StreamEvent(str(row["type"]), _known(row.get("event_id")), extra))
    if status in ("completed", "failed") and not any(each.type in FINAL_EVENTS for each in made):
        ended = (
            {"exit": {"code": None}} if status == "completed" else {"error": {"message": "failed"}}
        )
        made += [StreamEvent(kind, None, dict(extra)) for kind, extra in ended.items()]
    return made


def _known(value: Any) -> Any:
    """Return a value of a frame; None where the frame has none."""
    import pandas as pd

    if isinstance(value, str):
        return value
    return None if value is None or pd.isna(value) else value
