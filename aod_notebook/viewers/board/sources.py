"""Where a board's rows come from: what is followed, a table, a store, a service, a batch."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import pandas as pd

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core import current, words
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames import Store, open_log, sessions_df, tool_calls_df
from aod_notebook.frames.rows import records
from aod_notebook.transcripts import Spent, Usage
from aod_notebook.transcripts.model import add
from aod_notebook.viewers.board.row import MOST_FAILING, QUEUED, BoardRow, Followed, is_active
from aod_notebook.viewers.opened import Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LOOK_S = 2.0
"""How often a service is asked for sessions that are not followed here, while one runs."""
BATCH_S = 0.5
END_S = 10.0
DETAILS_AT_ONCE = 25


class BatchProgress(Protocol):
    """The progress of a batch, such as `live.batch.Progress`; None is unknown."""

    @property
    def total(self) -> int:
        """How many sessions it has."""

    @property
    def ended(self) -> int:
        """How many have ended."""

    @property
    def cost_usd(self) -> float | None:
        """US dollars spent so far."""

    @property
    def eta_s(self) -> float | None:
        """Seconds until the end."""

    @property
    def waits(self) -> str:
        """Why sessions can't start at the moment."""

    @property
    def took_s(self) -> float | None:
        """Seconds that it took."""


class BatchLike(Protocol):
    """The part of a batch that a board reads, such as `live.batch.Batch`."""

    id: str
    is_over: bool

    @property
    def progress(self) -> BatchProgress:
        """How far it is."""

    def frame(self) -> pd.DataFrame:
        """A row per session: `session`, `status`, `text`, `cost_usd`, `tokens_in`, …."""


class BoardSource(Protocol):
    """Rows that may change; any thread may ask."""

    title: str
    rows: list[BoardRow]

    @property
    def is_final(self) -> bool:
        """Whether no row will change any more."""

    def changed(self, now: float) -> Iterable[int]:
        """Update `rows`; return the numbers of those that are new or changed."""

    def progress(self) -> BatchProgress | None:
        """The progress, of a batch."""

    def opened(self, row: BoardRow) -> Any:
        """Return what the viewers take to show a row's transcript or trace."""

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` at changes; call the result to stop."""

    @property
    def compared_in(self) -> Any:
        """Where `compare` finds the rows' ids; None for the current connection."""


def source_of(source: Any, client: Any = None) -> BoardSource:
    """Return the rows of a store, a batch, a table, a service, or of several sessions and runs.

    Raises:
        AodNotebookError: it is none of these, or there is no connection.
    """
    if isinstance(source, Store):
        return _TableRows(_stored_rows(source), f"{source.path.name} · store", store=source)
    if isinstance(source, pd.DataFrame):
        return _TableRows(_framed_rows(source), "Runs" if "run_id" in source else "Sessions")
    if hasattr(source, "changed") and hasattr(source, "rows"):
        return cast("BoardSource", source)
    if hasattr(source, "progress") and hasattr(source, "frame"):
        return _Batch(source)
    if source is None or hasattr(source, "sessions"):
        return Service(client if source is None else source)
    items = list(source) if isinstance(source, list | tuple | set) else [source]
    followed = [item for item in items if hasattr(item, "received") and hasattr(item, "listen")]
    if len(followed) == len(items):
        return _Handles(followed)
    ids = [str(getattr(item, "id", item)) for item in items]
    return _TableRows(_framed_rows(sessions_df(ids, client=client, details=True)), "Sessions")


def _opened(row: BoardRow) -> Any:
    if not row.id:
        raise AodNotebookError("The session has not been created yet.")
    return current.opened("run" if row.is_run else "session", row.id)


class _Fixed:
    """The base of sources that are not followed."""

    rows: list[BoardRow]
    compared_in: Any = None

    def progress(self) -> BatchProgress | None:
        return None

    def opened(self, row: BoardRow) -> Any:
        return _opened(row)

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        del wake
        return lambda: None


@dataclass
class _TableRows(_Fixed):
    """The rows of a table or a store."""

    rows: list[BoardRow]
    title: str
    store: Store | None = None
    _is_read: bool = False

    def __post_init__(self) -> None:
        self.compared_in = self.store

    @property
    def is_final(self) -> bool:
        return self._is_read

    def changed(self, now: float) -> Iterable[int]:
        del now
        if self._is_read:
            return ()
        self._is_read = True
        return range(len(self.rows))

    def opened(self, row: BoardRow) -> Any:
        if self.store is None:
            return _opened(row)
        return Opened(open_log(row.id, self.store))


class _Handles(_Fixed):
    """Sessions and runs that this kernel follows."""

    def __init__(self, sources: Sequence[Any]) -> None:
        self._followed = [Followed(source) for source in sources]
        self._by_id = {str(source.id): source for source in sources}
        self._news = set(range(len(sources)))
        self._lock = threading.Lock()  # guards _news
        self.rows = [each.row() for each in self._followed]
        is_runs = all(row.is_run for row in self.rows)
        self.title = "Runs" if self.rows and is_runs else "Sessions"

    @property
    def is_final(self) -> bool:
        return not self._news and all(each.is_over for each in self._followed)

    def changed(self, now: float) -> Iterable[int]:
        del now
        with self._lock:
            news, self._news = self._news, set()
        for number in news:
            self._followed[number].read()
            self.rows[number] = self._followed[number].row()
        return news

    def opened(self, row: BoardRow) -> Any:
        return self._by_id[row.id]

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        def heard(number: int) -> Callable[[], None]:
            def tell() -> None:
                with self._lock:
                    self._news.add(number)
                wake()

            return tell

        stops = [each.source.listen(heard(at)) for at, each in enumerate(self._followed)]
        for number, each in enumerate(self._followed):  # what came before we listened
            if not each.is_over:
                self._news.add(number)
        wake()

        def stop() -> None:
            for each in stops:
                each()

        return stop


class _Batch(_Fixed):
    """The sessions of a batch, which is checked twice a second."""

    def __init__(self, batch: BatchLike) -> None:
        self._batch = batch
        self._due = 0.0
        items = getattr(getattr(batch, "plan", None), "items", ())
        self._prompts = [str(getattr(item, "prompt", "")) for item in items]
        self._runtimes = [getattr(item, "runtime", None) for item in items]
        self._models = [getattr(item, "model", None) for item in items]
        self.title = f"batch {batch.id}"
        self.rows = []
        self.is_final = False

    def changed(self, now: float) -> Iterable[int]:
        is_over = self._batch.is_over
        if self.is_final or (now < self._due and not is_over):
            return ()
        self._due, self.is_final = now + BATCH_S, is_over  # rows that are read now are the last
        before, frame = self.rows, self._batch.frame().reset_index(drop=True)
        self.rows = [self._row(number, row) for number, row in enumerate(records(frame))]
        return [
            number
            for number, row in enumerate(self.rows)
            if number >= len(before) or row != before[number]
        ]

    def _row(self, number: int, row: dict[str, Any]) -> BoardRow:
        def planned(values: list[Any]) -> str:
            return str(values[number] or "") if number < len(values) else ""

        prompt = planned(self._prompts).strip().partition("\n")[0] or str(row.get("prompt") or "")
        last = str(row.get("error") or row.get("text") or "").strip().rpartition("\n")[2]
        return BoardRow(
            id=str(row.get("session") or ""),
            status=str(row.get("status") or QUEUED),
            prompt=prompt,
            agent=planned(self._runtimes),
            model=words.model_name(planned(self._models)),
            tokens=add(row.get("tokens_in"), row.get("tokens_out")),
            cost=row.get("cost_usd"),
            duration=row.get("duration_s"),
            last=last,
        )

    def progress(self) -> BatchProgress | None:
        return self._batch.progress


class Service(_Fixed):
    """The sessions of a service; their details come after them, the newest first.

    Args:
        client: the client to ask; None for the current connection's.
        frame: the sessions to show, with their details; None for all, and those to come.
    """

    title = "Sessions"

    def __init__(self, client: Any, frame: pd.DataFrame | None = None) -> None:
        self._client = client or current.client()
        self._is_all = frame is None
        self.rows = _framed_rows(sessions_df(self._client) if frame is None else frame)
        self._places = {row.id: number for number, row in enumerate(self.rows)}
        self._news = set(range(len(self.rows)))
        self._stopped = threading.Event()
        self._is_filled = False

    @property
    def is_final(self) -> bool:
        """Whether all sessions have ended and were read."""
        return self._is_filled and not self._news

    def changed(self, now: float) -> Iterable[int]:
        """Return the numbers of the rows that are new or changed."""
        del now
        news, self._news = self._news, set()
        return news

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Read details in a thread, and call `wake` at changes."""
        filling = threading.Thread(
            target=self._fill, args=(wake,), name="aod-notebook board", daemon=True
        )
        filling.start()

        def stop() -> None:
            self._stopped.set()
            filling.join(END_S)  # its requests end before somebody closes their client

        return stop

    def _fill(self, wake: Callable[[], None]) -> None:
        """Read details until all sessions have ended; on the board's own thread."""
        wanted = [row.id for row in self.rows if self._is_all or is_active(row)]
        try:
            while not self._stopped.is_set():
                for start in range(0, len(wanted), DETAILS_AT_ONCE):
                    if self._stopped.is_set():
                        return
                    some = wanted[start : start + DETAILS_AT_ONCE]
                    self._take(_framed_rows(sessions_df(some, client=self._client, details=True)))
                    wake()
                wanted = [row.id for row in self.rows if is_active(row)]
                if not wanted:
                    break
                self._stopped.wait(LOOK_S)
                wanted += self._find_new() if self._is_all else []
        except (AodNotebookError, RuntimeError):  # it went away, or its client was closed
            pass
        finally:
            self._is_filled = True
            wake()

    def _find_new(self) -> list[str]:
        listed = _framed_rows(sessions_df(self._client))
        fresh = [row for row in listed if row.id not in self._places]
        self._take(fresh)
        return [row.id for row in fresh]

    def _take(self, rows: Iterable[BoardRow]) -> None:
        for row in rows:
            number = self._places.setdefault(row.id, len(self.rows))
            if number == len(self.rows):
                self.rows.append(row)
            self.rows[number] = row
            self._news.add(number)


# -- rows of tables -------------------------------------------------------------------------------


def _stored_rows(store: Store) -> list[BoardRow]:
    rows = _framed_rows(sessions_df(store, details=True))
    calls = tool_calls_df(store, columns=["session_id", "tool", "is_error"])
    bad = calls[calls["is_error"].fillna(value=False).astype(bool)]
    by_id = {row.id: row for row in rows}
    failing: dict[str, Counter[str]] = {}
    for call in records(bad, ["session_id", "tool"]):
        failing.setdefault(str(call["session_id"]), Counter())[str(call["tool"])] += 1
    for session, tools in failing.items():
        if session in by_id:
            by_id[session].failing = tuple(tools.most_common(MOST_FAILING))
    return rows


_NEEDED = (
    *("session_id", "status", "prompt", "title", "agent", "runtime", "provider", "model"),
    *("turn_count", "tool_call_count", "failed_tool_call_count", "cost_usd", "duration_s"),
    *("input_includes_cache", "output_includes_reasoning", *Usage.__struct_fields__),
    *("run_id", "duration_ms", "name", "external_run_id", "agent_id", "total_tokens"),
    "error_message",
)


def _framed_rows(frame: pd.DataFrame) -> list[BoardRow]:
    """Make rows of a frame of sessions or of runs; what it lacks is unknown.

    Raises:
        AodNotebookError: the frame has neither sessions nor runs.
    """
    of_run = "run_id" in frame
    if not of_run and "session_id" not in frame:
        raise AodNotebookError(
            "A board needs a frame of sessions or runs. Use frames.sessions_df() or runs_df()."
        )
    rows = records(frame, [name for name in _NEEDED if name in frame])
    made = [_run_row(row) if of_run else _session_row(row) for row in rows]
    began = frame.get("started_at" if of_run else "created_at")
    for row, at in zip(made, () if began is None else _seconds(began), strict=False):
        row.created = at
    return made


def _session_row(row: dict[str, Any]) -> BoardRow:
    status = str(row.get("status") or "")
    first = str(row.get("prompt") or row.get("title") or "").strip().partition("\n")[0]
    return BoardRow(
        id=str(row["session_id"]),
        status=status,
        prompt=first or f"Session {words.short_id(row['session_id'])}",
        agent=str(row.get("agent") or row.get("runtime") or row.get("provider") or ""),
        model=words.model_name(row.get("model")),
        turns=row.get("turn_count"),
        tools=row.get("tool_call_count"),
        failed=row.get("failed_tool_call_count"),
        tokens=_tokens(row),
        cost=row.get("cost_usd"),
        duration=None if status in ACTIVE_STATUSES else row.get("duration_s"),
    )


def _run_row(row: dict[str, Any]) -> BoardRow:
    took = row.get("duration_ms")
    counts = [row.get(name) for name in ("input_tokens", "output_tokens")]
    known = [count for count in counts if count is not None]
    return BoardRow(
        id=str(row["run_id"]),
        status=str(row.get("status") or ""),
        prompt=str(
            row.get("name") or row.get("external_run_id") or f"Run {words.short_id(row['run_id'])}"
        ),
        agent=str(row.get("agent") or words.short_id(row.get("agent_id"))),
        tokens=row.get("total_tokens", sum(known) if known else None),
        cost=row.get("cost_usd"),
        duration=None if took is None else took / 1000,
        last=str(row.get("error_message") or ""),
        is_run=True,
    )


def _tokens(row: dict[str, Any]) -> int | None:
    """Return the tokens read and written; None if the runtime did not report it."""
    if row.get("input_includes_cache") is None:
        return None
    spent = Spent(
        usage=Usage(**{name: row.get(name) for name in Usage.__struct_fields__}),
        input_includes_cache=row["input_includes_cache"],
        output_includes_reasoning=row.get("output_includes_reasoning"),
    )
    return add(spent.tokens_in, spent.tokens_out)


def _seconds(moments: pd.Series[Any]) -> list[float | None]:
    """Return times as seconds since 1970."""
    times = pd.to_datetime(moments, utc=True)
    known = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return [None if at != at else at for at in known.tolist()]  # noqa: PLR0124 - NaN
