"""`LocalService`: the service in a thread of this process; `serve`: in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import resource
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from aod_notebook.local.config import Config
from aod_notebook.local.log import LimitedHandler
from aod_notebook.local.server import EmbeddedServer, print_line

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

# Without a handler Python prints warnings, such as uvicorn's of a stranger's broken request, to the
# stderr of the program that the service is a part of. `serve` has a handler of its own.
for _name in ("aod_notebook.local", "uvicorn.error"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

_STOP_S = 10.0
_FILES = 4096


class LocalService:
    """The embedded service as a context manager, in a thread, on a free port of 127.0.0.1.

    Without `data_dir` it works in a fresh temporary directory that is removed at the end. The
    options are those of `Config` (clocks, limits, `allow_root`, `strict_models`). Attributes: `url`, `aod_token`,
    `agentos_key` (a workspace key), `agent_key`, `agent_id` (an AgentOS agent to report to).

    Raises:
        ServiceLockedError: another service runs on that data directory.
        OSError: the port is taken, or the directory can't be written.

    Example:
        >>> with LocalService() as service:
        ...     service.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, data_dir: Path | str | None = None, port: int = 0, **options: Any) -> None:
        self._temporary = data_dir is None
        folder = tempfile.mkdtemp(prefix="aod-local-") if data_dir is None else data_dir
        self.data_dir = Path(folder).expanduser().resolve()
        try:
            self._service = EmbeddedServer(
                Config(data_dir=self.data_dir, **options), port, embedded=True
            )
        except BaseException:
            self._remove()
            raise
        self.url = self._service.url
        self.aod_token = self._service.credentials.aod_token
        self.agentos_key = self._service.credentials.agentos_key
        self.agent_key = self._service.credentials.agent_key
        self.agent_id = self._service.credentials.agent_id
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="aod-local", daemon=True)

    def __enter__(self) -> Self:
        """Start serving; requests are answered from now on."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()

    def start(self) -> None:
        """Start serving; the port already listens, so the first request only waits a moment."""
        self._thread.start()

    def stop(self) -> None:
        """End open streams, kill what runs, close the files; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._service.stop)
            self._thread.join(_STOP_S)
        elif not self._loop.is_closed():
            self._service.close()
            self._loop.close()
        self._remove()

    def issue_token(
        self,
        owner: str = "local",
        *,
        active: bool = True,
        expires_at: datetime | None = None,
        proved: bool = True,
    ) -> str:
        """Create another AoD token: for another owner, or one that is disabled or has expired.

        With `proved=False` our clients send it without a proof, so it works through a proxy or
        a tunnel, and whoever takes the port gets it.
        """
        return self._service.tokens.issue(
            owner, active=active, expires_at=expires_at, proved=proved
        )

    def issue_key(
        self,
        kind: Literal["agent", "workspace", "user"],
        agent_id: str | None = None,
        *,
        proved: bool = True,
    ) -> str:
        """Create another AgentOS key; an agent key needs its agent's id; `proved` as of tokens."""
        return self._service.keys.issue(kind, agent_id, proved=proved)

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._service.run())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _remove(self) -> None:
        if self._temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)


def serve(
    data_dir: Path,
    port: int = 0,
    *,
    idle_exit_s: float | None = None,
    allow_unenforced_network: bool = False,
    allow_root: bool = False,
    strict_models: bool = False,
    json_line: bool = False,
) -> None:
    """Serve in this process until SIGTERM, SIGINT or the idle time; blocks.

    With `json_line` the first line of standard output is one JSON object with url, aod_token,
    agentos_key, agent_key and agent_id.

    Raises:
        ServiceLockedError: another service runs on that data directory.
        OSError: the port is taken, or the directory can't be written.
    """
    _allow_many_files()
    logging.basicConfig(level=logging.WARNING, handlers=[LimitedHandler()])
    config = Config(
        data_dir=data_dir.expanduser().resolve(),
        idle_exit_s=idle_exit_s,
        allow_unenforced_network=allow_unenforced_network,
        allow_root=allow_root,
        strict_models=strict_models,
    )
    service = EmbeddedServer(config, port, embedded=False)
    line = print_line(service.credentials, service.url) if json_line else f"serving {service.url}"
    asyncio.run(_until_signal(service, line))


def _allow_many_files() -> None:
    """Raise the limit of file descriptors to what the session limit can need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FILES:
        most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _until_signal(service: EmbeddedServer, line: str) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    await service.run()
