"""Requests to the service: many at once, answered in order, each with its own error."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, Self, TypeVar

import pandas as pd

from aod_notebook.aod import AsyncClient, Client, StreamInterrupted
from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.checks import FrameError, at_least, shown
from aod_notebook.frames.decode.events import events_of_blocks
from aod_notebook.frames.report import Framed, Report, now

QUIET_S = 1.5
"""A running session's stream counts as read to its end when it is silent for so long."""

_AHEAD_BYTES = 2**22
"""So much of sessions is read ahead; the rest once they are decoded."""

S = TypeVar("S")
T = TypeVar("T")


def current_client() -> Any:
    """Return the current connection's client.

    Raises:
        AodNotebookError: there is no current connection.
    """
    from aod_notebook.core.current import client

    return client()


def client_with(noun: str, client: Any) -> Any:
    """Check that a client has sessions, or runs.

    Raises:
        FrameError: it is not.
    """
    if isinstance(client, AsyncClient) or _is_async_agentos(client):
        raise FrameError(
            f"Frames ask a sync client, not an {type(client).__name__}. In async code: "
            f"await asyncio.to_thread(frames.{noun}_df, client=…)"
        )
    if not hasattr(client, noun):
        wanted = "a Client of Agent on Demand" if noun == "sessions" else "an AgentOS client"
        raise FrameError(f"client must be {wanted}, not {shown(client)}")
    return client


def _is_async_agentos(client: Any) -> bool:
    if isinstance(client, Client):  # who has sessions only need not import the other SDK
        return False
    from aod_notebook.agentos import AsyncAgentOS

    return isinstance(client, AsyncAgentOS)


def base_url_of(client: Any) -> str | None:
    """Return the base URL of a client as text."""
    url = getattr(client, "base_url", None)
    return None if url is None else str(url)


def each(
    ids: Sequence[str],
    ask: Callable[[str], T],
    report: Report,
    *,
    jobs: int = 8,
    progress: bool = False,
    noun: str = "session",
    pool: Executor | None = None,
) -> Iterator[tuple[str, T]]:
    """Ask for every id, `jobs` at a time; yield the answers in the order of the ids.

    The asking is done by threads of its own, or by a pool, which is shut down in the end; a
    single id is asked for here. Answers that nobody takes yet are held in memory, so no more are
    asked for than twice as many.

    An id that cannot be answered is left out and noted in the report.

    Raises:
        AodNotebookError: not one id could be answered.
    """
    return each_finished(
        ids, ask, lambda answer: answer, report, jobs=jobs, progress=progress, noun=noun, pool=pool
    )


def each_finished(
    ids: Sequence[str],
    ask: Callable[[str], S],
    finish: Callable[[S], T],
    report: Report,
    *,
    jobs: int = 8,
    progress: bool = False,
    noun: str = "session",
    pool: Executor | None = None,
) -> Generator[tuple[str, T], None, None]:
    """Do as `each` does; every answer is finished in the caller's thread when it is taken."""
    at_least("jobs", jobs, 1)
    failures: list[AodNotebookError] = []
    waiting: deque[tuple[str, Future[S]]] = deque()
    to_come = iter(ids)
    with pool or _pool(min(jobs, len(ids))) as asking:

        def submit(most: int) -> None:
            more = islice(to_come, max(0, most - len(waiting)))
            waiting.extend((one, asking.submit(ask, one)) for one in more)

        submit(len(ids) if pool else jobs)
        try:
            for count in range(1, len(ids) + 1):
                one, future = waiting.popleft()
                try:
                    answer = finish(future.result())
                except AodNotebookError as error:
                    failures.append(error)
                    continue
                finally:
                    if progress:
                        _show(count, len(ids), noun)
                    submit(2 * jobs)
                yield one, answer
                del answer, future
        finally:
            for _, future in waiting:
                future.cancel()
    if failures and len(failures) == len(ids):
        raise failures[0]
    for failure in failures:
        article = "an" if noun == "agent" else "a"
        report.cut(f"{article} {noun} could not be read", str(failure))


def _pool(size: int) -> Executor:
    return ThreadPoolExecutor(size) if size > 1 else _Here()


class _Here(Executor):
    """Runs what is submitted at once; a thread of its own would use fresh memory for a body."""

    def submit(self, ask: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        """Return a future that is done."""
        done: Future[T] = Future()
        try:
            done.set_result(ask(*given, **named))
        except AodNotebookError as error:
            done.set_exception(error)
        return done


def agent_model(client: Any, agent_id: Any) -> str | None:
    """Ask for the model of an agent; None if there is no such agent any more."""
    if agent_id is None:
        return None
    try:
        model = client.agents.get(str(agent_id)).model
    except (AodNotebookError, AttributeError):
        return None
    return model if isinstance(model, str) else None


def session_events(client: Any, session: Any, since: int | None = None) -> Framed:
    """Read the events of one session up to now.

    A finished turn is read to its end. A running one is read until the service has been
    silent for 1.5 s; the frame then is not `complete`.
    """
    quiet_s = QUIET_S if str(session.status) in ACTIVE_STATUSES else None
    with EventBytes(client, str(session.id), since, quiet_s) as body:
        return decoded(body, body)


def decoded(body: "EventBytes", chunks: Iterable[bytes]) -> Framed:
    """Decode the bytes of a session's events."""
    framed = events_of_blocks(chunks, body.session_id)
    known = current.received_times(body.session_id)
    if known:
        came = pd.to_datetime(framed.frame["event_id"].map(known), unit="us", utc=True)
        framed.frame["received_at"] = came.astype("datetime64[us, UTC]")
    report = framed.report
    report.base_url, report.fetched_at = base_url_of(body.client), now()
    if body.broken is not None:
        report.cut("the stream broke off", str(body.broken))
    return framed


class ReadAhead:
    """Reads the beginnings of several sessions at the same time; decodes them one after another.

    Threads that decode at the same time take more time than one, and the memory of each.
    """

    def __init__(self, client: Any, since: int | None = None) -> None:
        self._client = client
        self._since = since
        self._read: dict[EventBytes, deque[bytes]] = {}
        self._size = 0
        self._lock = threading.Lock()  # guards the size

    def read(self, session: Any) -> "EventBytes":
        """Open the events of a session, and read them as far as all that is read ahead allows.

        A session that is running is read to its end: a pause would count as its silence.
        """
        quiet_s = QUIET_S if str(session.status) in ACTIVE_STATUSES else None
        body = EventBytes(self._client, str(session.id), self._since, quiet_s)
        body.__enter__()
        chunks = self._read[body] = deque()
        try:
            for chunk in body:
                chunks.append(chunk)
                if self._is_enough(len(chunk)) and quiet_s is None:
                    break
        except BaseException:
            self.forget(body)
            raise
        return body

    def take(self, body: "EventBytes") -> Iterator[bytes]:
        """Return the bytes of a session, also those yet to come, and close its stream."""
        chunks = self._read.pop(body)
        with closing(body):
            while chunks:
                chunk = chunks.popleft()
                self._is_enough(-len(chunk))
                yield chunk
            yield from body

    def decode(self, body: "EventBytes") -> Framed:
        """Decode a session, and close its stream."""
        return decoded(body, self.take(body))

    def close(self) -> None:
        """Close the streams that nobody decodes any more."""
        for body in list(self._read):
            self.forget(body)

    def forget(self, body: "EventBytes") -> None:
        """Close the stream of a session that is not decoded."""
        self._is_enough(-sum(map(len, self._read.pop(body))))
        body.close()

    def _is_enough(self, more: int) -> bool:
        with self._lock:
            self._size += more
            return self._size > _AHEAD_BYTES


class EventBytes:
    """The bytes of a session's events, each event whole, up to the stream's end.

    Attributes:
        client: who is asked.
        session_id: the session.
        broken: what broke the stream before its end, if anything did.
    """

    def __init__(
        self, client: Any, session_id: str, since: int | None = None, quiet_s: float | None = None
    ) -> None:
        self._stream = client.sessions.stream(session_id, since=since)
        self._chunks = self._read(quiet_s)
        self.client, self.session_id = client, session_id
        self.broken: StreamInterrupted | None = None

    def __enter__(self) -> Self:
        """Open the stream."""
        self._stream.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        """Close the stream."""
        self._stream.__exit__(*failure)

    def close(self) -> None:
        """Close the stream."""
        self.__exit__(None, None, None)

    def __iter__(self) -> Iterator[bytes]:
        """Iterate to the stream's end, or until it is silent for so long; go on if left before."""
        return self._chunks

    def _read(self, quiet_s: float | None) -> Iterator[bytes]:
        stream = self._stream
        try:
            yield from stream.chunks() if quiet_s is None else _until_quiet(stream, quiet_s)
        except StreamInterrupted as error:
            self.broken = error


def _until_quiet(stream: Any, quiet_s: float) -> Iterator[bytes]:
    """Return the chunks of a stream; close it when none comes for a while."""
    last = time.monotonic()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(max(0.01, last + quiet_s - time.monotonic())):
            if time.monotonic() - last >= quiet_s:
                stream.close()
                return

    watcher = threading.Thread(target=watch, name="aod-notebook-quiet", daemon=True)
    watcher.start()
    try:
        for chunk in stream.chunks():
            last = time.monotonic()
            yield chunk
    finally:
        over.set()
        watcher.join()


def _show(done: int, total: int, noun: str) -> None:
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r{done} of {total} {noun}s{end}")
    sys.stderr.flush()
