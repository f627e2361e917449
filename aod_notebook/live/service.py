"""A service of either kind: its secret, its clients, and where the embedded one is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from abc import ABC, abstractmethod
from concurrent.futures import CancelledError
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast

from pydantic import SecretStr

from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home
from aod_notebook.core.text import one_line
from aod_notebook.core.unpicklable import Unpicklable
from aod_notebook.live.credentials import variable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Future

    from aod_notebook.local import ServiceInfo


class Closable(Protocol):
    """What the clients of both SDKs have in common here."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, for good."""


C = TypeVar("C", bound=Closable)
A = TypeVar("A", bound=Closable)
T = TypeVar("T")

EMBEDDED = "embedded local service"
WRITABLE_HOME = (
    "Make that folder yours and writable, or set AOD_NOTEBOOK_HOME to one that is before the kernel "
    "starts."
)
"""What to do where the state folder can't be written."""


class ServiceNotStartedError(AodNotebookError):
    """The embedded service could not be found or started."""


class Service(Unpicklable, ABC, Generic[C, A]):
    """A service, the secret for it and the clients that speak to it.

    A client that somebody closed (`with connect().client as client`) is replaced when it is next
    asked for.

    Args:
        base_url: where the service answers.
        secret: its token or key; it is never shown.
        sources: for each setting where its value came from.
    """

    is_embedded = False
    noun = "service"

    def _instead_of_a_copy(self) -> str:
        return "Call aod_notebook.connect() where it is needed."

    def __init__(self, base_url: str, secret: str, sources: Mapping[str, str]) -> None:
        self.base_url = base_url
        self.sources = dict(sources)
        self._secret = SecretStr(secret)
        self._client: C | None = None
        self._making = threading.Lock()  # one client, however many threads ask for the first
        self._by_loop: dict[asyncio.AbstractEventLoop, A] = {}
        self._retired: list[C] = []
        self._retired_async: list[A] = []
        self._tasks: set[asyncio.Task[Any]] = set()  # of `in_background`; used on its loop only

    @abstractmethod
    def _make_client(self) -> C: ...

    @abstractmethod
    def _make_async_client(self) -> A: ...

    @abstractmethod
    def _close_client(self, client: C) -> None: ...

    @abstractmethod
    async def _close_async_client(self, client: A) -> None: ...

    @property
    def key(self) -> str:
        """What the journal knows the service by, also after it was started again."""
        return self.base_url

    @property
    def client(self) -> C:
        """The sync client, for tables and for the user's own calls."""
        with self._making:
            if self._client is None or self._client.is_closed:
                opened.add(self)
                self._client = self._make_client()
            return self._client

    @property
    def async_client(self) -> A:
        """An async client for the caller's event loop: one per loop.

        A client belongs to the loop that uses it first; so where none runs, each call makes a new
        one, which is the caller's to close.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._make_async_client()
        for ended in [each for each in self._by_loop if each.is_closed()]:
            del self._by_loop[ended]
        client = self._by_loop.get(loop)
        if client is None or client.is_closed:
            opened.add(self)
            client = self._by_loop[loop] = self._make_async_client()
        return client

    @cached_property
    def background_client(self) -> A:
        """The async client of the background loop (`core.bridge`): it is used there only."""
        opened.add(self)
        return self._make_async_client()

    def in_background(self, work: Callable[[A], Awaitable[T]]) -> Future[T]:
        """Start `work(client)` on the background loop; it ends with the connection at the latest."""
        return bridge.submit(self._until_closed, work, self.background_client)

    async def _until_closed(self, work: Callable[[A], Awaitable[T]], client: A) -> T:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)
        try:
            return await work(client)
        finally:
            self._tasks.discard(task)

    def is_same(self, other: Service[C, A]) -> bool:
        """Whether it is the same service and the same secret."""
        return (self.key, self._secret) == (other.key, other._secret)

    def ensure(self) -> Self:
        """Make sure that the service is there, as far as that is in our hands."""
        return self

    def revive(self) -> None:
        """Start the service again if it was killed, as far as that is in our hands."""

    def close(self) -> None:
        """Close every client that was made."""
        opened.discard(self)
        self._retire()
        clients, self._retired = self._retired, []
        async_clients, self._retired_async = self._retired_async, []
        for client in clients:
            self._close_client(client)
        for async_client in async_clients:
            if bridge.is_running():
                with contextlib.suppress(CancelledError):  # the loop is being stopped
                    bridge.call(self._end_work_and_close, async_client)

    async def _end_work_and_close(self, client: A) -> None:
        """Close a client that nothing uses any more: what connects meanwhile would stay open."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close_async_client(client)

    def forget(self) -> None:
        """In a forked child: the parent's connections are not ours to use or to close."""
        self.__dict__.pop("background_client", None)
        self._client, self._by_loop, self._making = None, {}, threading.Lock()
        self._retired, self._retired_async, self._tasks = [], [], set()

    def _retire(self) -> None:
        """Make new clients from now on; what still reads from the old ones may go on."""
        with self._making:
            if self._client is not None:
                self._retired.append(self._client)
                self._client = None
        if "background_client" in self.__dict__:
            self._retired_async.append(self.__dict__.pop("background_client"))
        by_loop, self._by_loop = self._by_loop, {}
        for loop, client in by_loop.items():
            if loop.is_running():  # that loop may be waiting for us, so we don't wait for it
                asyncio.run_coroutine_threadsafe(self._close_async_client(client), loop)

    def __repr__(self) -> str:
        kind = EMBEDDED if self.is_embedded else self.noun
        return f"<{type(self).__name__.removeprefix('Embedded')} to the {kind} at {self.base_url}>"


opened: set[Service[Any, Any]] = set()
"""The connections that have clients to be closed."""


def was_killed(data_dir: Path) -> bool:
    """Check whether the embedded service ended without taking its leave."""
    from aod_notebook.local import was_killed as service_was_killed

    return service_was_killed(data_dir)


def start_embedded(data_dir: Path) -> ServiceInfo:
    """Return the embedded service of a data folder, started if it is not there.

    Raises:
        ServiceNotStartedError: it does not start.
    """
    from aod_notebook.local import ServiceStartError, ensure_service

    try:
        return ensure_service(data_dir)
    except (OSError, ServiceStartError) as error:
        if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError)) or (
            isinstance(error, OSError) and error.errno == errno.EROFS
        ):
            raise ServiceNotStartedError(
                f"The {EMBEDDED} did not start: {without_home(data_dir)} can't be written "
                f"({error.strerror}). {WRITABLE_HOME}"
            ) from error
        said = error.strerror if isinstance(error, OSError) else one_line(error.reason)
        reason = f": {said}" if said else ""
        raise ServiceNotStartedError(
            f"The {EMBEDDED} did not start{reason}. Its log is "
            f"{without_home(data_dir / 'service.log')}; `aod-notebook serve` shows why."
        ) from error


def embedded_data_dir() -> Path:
    """The folder in which the embedded service keeps its data and its tokens."""
    return home() / "service"


def without_home(path: Path) -> str:
    """Write a path without the user's name, so that a saved notebook does not tell it."""
    configured = variable("AOD_NOTEBOOK_HOME")
    for folder, name in ((configured, "$AOD_NOTEBOOK_HOME"), (str(Path.home()), "~")):
        if folder and path.is_relative_to(folder):
            return str(Path(name) / path.relative_to(folder))
    return str(path)
