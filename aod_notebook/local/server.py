"""Run the application: start and stop all parts on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import socket
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.control import agents
from aod_notebook.local.agentos.hosted import HostedRuns
from aod_notebook.local.agentos.keys import Keys
from aod_notebook.local.aod.tokens import Tokens
from aod_notebook.local.app import make_app
from aod_notebook.local.credentials import (
    Credentials,
    load_credentials,
    load_vault_key,
    make_private,
    write_private,
)
from aod_notebook.local.maintenance import vacuum
from aod_notebook.local.processes import Supervisor
from aod_notebook.local.runtimes import recover_logins
from aod_notebook.local.state import Activity, State
from aod_notebook.local.storage import Database
from aod_notebook.local.storage.database import naming_damage
from aod_notebook.local.storage.resealing import reseal
from aod_notebook.local.storage.vault import Vault
from aod_notebook.local.turns import transitions
from aod_notebook.local.turns.feeds import Feeds
from aod_notebook.local.turns.worker import TurnWorker
from aod_notebook.local.visitors import VisitorConnection, Visitors, accepted_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aod_notebook.local.config import Config

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_GRACE_S = 1
_QUEUE = 256  # one that is full makes a new client wait for a second
_SEND_BUFFER_BYTES = 144 << 10
"""About a block of a replay, as the kernel doubles it. By default it would take megabytes, which have
left the processor's cache when the client reads them."""


class ServiceLockedError(Exception):
    """Another process serves this data directory.

    Fix: Use the service that runs, or end it with `aod-notebook service stop`.
    """


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handling: the embedding program decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start with a longer backlog than the connections accepted at a time."""
        await super().startup(sockets=sockets)
        for each in sockets or []:
            each.listen(_QUEUE)


class EmbeddedServer:
    """One service over one data directory.

    The constructor opens the database, recovers what an earlier service left, and binds the
    port; `run` serves until `stop` is called from the event loop's thread. An `embedded` service
    is a part of a program of its own, which nobody stops by stopping the service.

    Raises:
        ServiceLockedError: another process serves the directory.
        OSError: the port is taken or the directory can't be written.
        ValueError: its tokens or the vault's key are damaged.
        DatabaseDamagedError: its database is.
        sqlite3.DatabaseError: its database was written by a newer version, or can't be read.
    """

    def __init__(self, config: Config, port: int = 0, *, embedded: bool) -> None:
        self.config = config
        self._embedded = embedded
        make_private(config.data_dir)
        make_private(config.sessions_dir)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_locked(config))
            stack.enter_context(naming_damage(config.database))
            config.service_file.unlink(missing_ok=True)  # of a service that was killed
            self.credentials = load_credentials(config.data_dir)
            key = load_vault_key(config.data_dir)
            self._vault = Vault(key)
            self._supervisor = Supervisor(self.credentials.agent_id)
            self._supervisor.clear_orphans()
            self.database = Database(config.database)
            stack.callback(self.database.close)
            if self.database.submit(lambda c: reseal(c, self._vault, key)).result():
                _compact(config)
            self.database.submit(transitions.recover).result()
            self.database.submit(runs.recover).result()
            recover_logins(config.sessions_dir)
            recover_logins(config.data_dir / "hosted")
            proof_key = bytes.fromhex(self.credentials.proof_key)
            self.tokens = Tokens(self.database, proof_key)
            self.keys = Keys(self.database, proof_key)
            self._ensure_own()
            self._socket = stack.enter_context(_bound(port or _last_port(config)))
            self._stack = stack.pop_all()
        port = self._socket.getsockname()[1]
        write_private(config.port_file, b"%d" % port)
        self.url = f"http://{_HOST}:{port}"
        self._server: uvicorn.Server | None = None
        self._state: State | None = None
        self._stopped = False

    async def run(self) -> None:
        """Serve until stopped; then end streams, turns and processes, and close the files."""
        if self._stopped:
            self.close()
            return
        state = self._make_state()
        self._state = state
        self._server = _Uvicorn(_uvicorn_config(state))
        write_private(self.config.service_file, self._announcement())
        idle = asyncio.create_task(self._leave_when_idle(state))
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            idle.cancel()
            await asyncio.gather(idle, return_exceptions=True)
            await state.worker.close()
            await state.hosted.close()
            self.close()

    def stop(self) -> None:
        """End `run`, with open streams ended first (from the event loop's thread)."""
        self._stopped = True  # for a `run` that has not begun yet
        if self._server is not None and self._state is not None:
            self._server.should_exit = True
            self._state.worker.halt()
            self._state.hosted.halt()
            self._state.feeds.close()

    def close(self) -> None:
        """Free everything; after `run` this has been done."""
        self._supervisor.close()
        self.config.service_file.unlink(missing_ok=True)
        self._stack.close()

    def _ensure_own(self) -> None:
        """Make the directory's own token, keys and agent valid."""
        own = self.credentials
        self.tokens.ensure(own.aod_token)
        settings = {
            "provider_type": "replay",
            "description": "Takes reported runs; when invoked it plays a recorded transcript.",
        }
        self.database.submit(
            lambda connection: agents.insert(
                connection, own.agent_id, "local", settings, built_in=True
            )
        ).result()
        self.keys.ensure("workspace", own.agentos_key, None, "workspace")
        self.keys.ensure("agent", own.agent_key, own.agent_id, "local")

    def _make_state(self) -> State:
        feeds = Feeds()
        worker = TurnWorker(self.config, self.database, self._vault, feeds, self._supervisor)
        hosted = HostedRuns(self.config, self.database, feeds, self._supervisor, worker.latest_own)
        return State(
            config=self.config,
            credentials=self.credentials,
            database=self.database,
            vault=self._vault,
            tokens=self.tokens,
            keys=self.keys,
            feeds=feeds,
            worker=worker,
            hosted=hosted,
            activity=Activity(),
            visitors=Visitors(),
        )

    def _announcement(self) -> bytes:
        announced = {"url": self.url, "pid": os.getpid(), "embedded": self._embedded}
        return json.dumps(announced).encode()

    async def _leave_when_idle(self, state: State) -> None:
        limit = self.config.idle_exit_s
        if limit is None:
            return
        clock = asyncio.get_running_loop().time
        while True:
            activity = state.activity
            if activity.open or state.worker.busy or state.hosted.busy:
                activity.last = clock()
            left = activity.last + limit - clock()
            if left <= 0:
                self.stop()
                return
            await asyncio.sleep(min(left, max(limit / 10, 0.05)))


def print_line(credentials: Credentials, url: str) -> str:
    """Return the one line of `--json`: exactly five names."""
    return json.dumps(
        {
            "url": url,
            "aod_token": credentials.aod_token,
            "agentos_key": credentials.agentos_key,
            "agent_key": credentials.agent_key,
            "agent_id": credentials.agent_id,
        }
    )


def _uvicorn_config(state: State) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(state),
        http=cast("type[asyncio.Protocol]", partial(VisitorConnection, state.visitors)),
        backlog=accepted_at_once(),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # a proof is for the connection's own ends, not for what a header says
        timeout_keep_alive=60,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _compact(config: Config) -> None:
    try:
        vacuum(config.data_dir)
    except sqlite3.OperationalError as error:  # a full disk keeps no service from starting
        logger.warning("old secrets may be left in %s: %s", config.database.name, error)


@contextlib.contextmanager
def _locked(config: Config) -> Iterator[None]:
    """Hold the data directory's lock; the kernel frees it however the process ends."""
    descriptor = os.open(config.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceLockedError(
                f"another service already runs on {config.data_dir}; use it, stop it, "
                "or choose another data directory"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _last_port(config: Config) -> int:
    """Return the port that the last service of this directory had, if it is free; else 0.

    So the URL stays valid for kernels and spools that know it.
    """
    try:
        port = int(config.port_file.read_bytes())
        with _bound(port):
            return port
    except (OSError, ValueError, OverflowError):
        return 0


@contextlib.contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    # the protocol is named because asyncio sets TCP_NODELAY only on sockets that name it, and
    # without that each answer would wait 40 ms for the client's delayed acknowledgement
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind((_HOST, port))
        listener.listen(_QUEUE)
        yield listener
    finally:
        listener.close()
