"""The worker: provisions a session, runs its turns, and records every step."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aod_notebook.local.credentials import make_private
from aod_notebook.local.processes import ProcessEnd, Stop
from aod_notebook.local.runtimes import (
    AgentTurn,
    Runtime,
    RuntimeUnavailableError,
    Setup,
    runtime_for,
)
from aod_notebook.local.runtimes.base import Folder
from aod_notebook.local.storage.vault import SealError
from aod_notebook.local.turns import transitions
from aod_notebook.local.turns.active import end_tasks
from aod_notebook.local.turns.environ import session_environment
from aod_notebook.local.turns.output import Output
from aod_notebook.local.turns.provision import Provisioner, StageError, StoppedError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from aod_notebook.local.config import Config
    from aod_notebook.local.processes import Supervisor
    from aod_notebook.local.storage import Database
    from aod_notebook.local.storage.vault import Vault
    from aod_notebook.local.turns.feeds import Feeds

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _ActiveTurn:
    """A turn in progress."""

    stop: Stop = field(default_factory=Stop)
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _TurnJob:
    """The parts of one turn."""

    turn: AgentTurn
    runtime: Runtime
    output: Output
    stop: Stop


class TurnWorker:
    """Runs the turns of all sessions, each in a task of its own (on the service's event loop)."""

    def __init__(
        self,
        config: Config,
        database: Database,
        vault: Vault,
        feeds: Feeds,
        supervisor: Supervisor,
    ) -> None:
        self._config = config
        self._database = database
        self._vault = vault
        self._feeds = feeds
        self._supervisor = supervisor
        self._active: dict[str, _ActiveTurn] = {}
        self._own: dict[str, Mapping[str, str]] = {}  # of each session's person; never stored
        self._latest: Mapping[str, str] = os.environ
        self._background: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether any session is in progress."""
        return bool(self._active)

    def is_at_work(self, session_id: str) -> bool:
        """Whether a turn of the session is under way, so that rows may still be stored."""
        return session_id in self._active

    def available(self) -> bool:
        """Whether sessions can be run; if not, creating one answers 503."""
        return self._supervisor.available()

    def folder(self, session_id: str) -> Folder:
        """Return the session's directory."""
        return Folder(self._config.sessions_dir / session_id)

    def has_sandbox(self, session_id: str) -> bool:
        """Whether the session's directory is still there."""
        return self.folder(session_id).root.is_dir()

    def latest_own(self) -> Mapping[str, str]:
        """Return the variables that a kernel sent last, for runs that come without any."""
        return self._latest

    def start(self, session_id: str, turn: int, own: Mapping[str, str] | None = None) -> None:
        """Begin a turn after its rows are committed; `own` are the caller's variables."""
        if own is not None:
            self._own[session_id] = self._latest = own
        active = _ActiveTurn()
        self._active[session_id] = active
        active.task = asyncio.create_task(self._work(session_id, turn, active))

    def stop(self, session_id: str) -> None:
        """End the turn in flight after a terminate, then remove the session's directory."""
        active = self._active.get(session_id)
        if active is not None:
            active.stop.ask("terminated")
        self._feeds.notify(session_id)
        self._remove(session_id)

    def interrupt(self, session_id: str) -> None:
        """End the current turn; the session can continue."""
        active = self._active.get(session_id)
        if active is not None:
            active.stop.ask("interrupted")

    def discard(self, session_id: str) -> None:
        """Clean up after a deleted session."""
        self._feeds.notify(session_id)
        self._remove(session_id)

    def halt(self) -> None:
        """Kill all turns in progress when the service ends."""
        for active in self._active.values():
            active.stop.ask("shutdown")

    async def close(self) -> None:
        """Fail all turns in progress after killing their processes."""
        self.halt()
        turns = {active.task for active in self._active.values() if active.task is not None}
        await end_tasks(turns | self._background)

    def _remove(self, session_id: str) -> None:
        self._own.pop(session_id, None)
        active = self._active.get(session_id)
        turn = active.task if active is not None else None
        task = asyncio.create_task(self._remove_after(session_id, turn))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _remove_after(self, session_id: str, turn: asyncio.Task[None] | None) -> None:
        if turn is not None:
            await asyncio.wait({turn})
        root = self.folder(session_id).root
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)

    async def _work(self, session_id: str, number: int, active: _ActiveTurn) -> None:
        output = Output(self._database, self._feeds, session_id, number)
        try:
            record = await self._attempt(session_id, number, output, active.stop)
        except Exception as error:
            logger.exception("session %s, turn %d", session_id, number)
            record = _failure(f"turn failed: unexpected error: {type(error).__name__}\n")
        try:
            await output.close()
            await self._database.persist(lambda connection: record(connection, session_id, number))
        except Exception:
            logger.exception("session %s, turn %d: result not recorded", session_id, number)
        finally:
            if self._active.get(session_id) is active:  # else the next turn has begun already
                del self._active[session_id]
            self._feeds.notify(session_id)

    async def _attempt(
        self, session_id: str, number: int, output: Output, stop: Stop
    ) -> Callable[[sqlite3.Connection, str, int], None]:
        """Run the turn; return the job that records how it ended."""
        try:
            row = self._row(session_id, number)
            if row["status"] != "pending":  # terminated before this task began
                return _aborted(stop)
            turn, runtime = self._load(row, session_id, number)
            job = _TurnJob(turn, runtime, output, stop)
            if not turn.folder.ready.exists():
                await self._provision(job)
        except (StageError, RuntimeUnavailableError, SealError) as error:
            return _failure(f"provision failed: {error}\n")
        except StoppedError:
            return _aborted(stop)
        await output.close()
        began = await self._database.persist(
            lambda connection: transitions.begin_turn(connection, session_id, number, stop)
        )
        if not began:
            return _aborted(stop)
        self._feeds.notify(session_id)
        return await self._run(job)

    async def _provision(self, job: _TurnJob) -> None:
        provisioner = Provisioner(
            job.turn,
            job.runtime,
            self._supervisor,
            job.output,
            job.stop,
            self._config,
        )
        await provisioner.run()

    async def _run(self, job: _TurnJob) -> Callable[[sqlite3.Connection, str, int], None]:
        try:
            outcome = await job.runtime.run(job.turn, self._supervisor, job.output, job.stop)
        except (OSError, ValueError, RuntimeUnavailableError) as error:
            return _failure(f"turn failed: {error}\n")
        if outcome.killed == "timeout":
            return _failure(f"turn failed: timed out after {job.turn.timeout:g} s\n")
        if outcome.killed == "stopped":
            return _stopped(outcome, job.stop)
        return lambda connection, session_id, number: transitions.end_turn(
            connection, session_id, number, outcome.exit_code
        )

    def _row(self, session_id: str, number: int) -> sqlite3.Row:
        row: sqlite3.Row = (
            self._database.read()
            .execute(
                "SELECT s.status, s.runtime, s.model, s.setup, t.prompt, t.timeout FROM session s"
                " JOIN turn t ON t.session_id = s.id WHERE s.id = ? AND t.turn_number = ?",
                (session_id, number),
            )
            .fetchone()
        )
        return row

    def _load(self, row: sqlite3.Row, session_id: str, number: int) -> tuple[AgentTurn, Runtime]:
        setup = Setup(**self._vault.open(row["setup"]))
        own = self._own.get(session_id, os.environ)
        folder = self.folder(session_id)
        make_private(folder.root)
        make_private(folder.temporary)
        prompt = row["prompt"]
        if number == 1 and setup.system and row["runtime"] != "shell":
            prompt = f"{setup.system}\n\n{prompt}"
        turn = AgentTurn(
            session_id=session_id,
            number=number,
            prompt=prompt,
            model=row["model"],
            timeout=row["timeout"],
            folder=folder,
            setup=setup,
            recordings=self._config.recordings_dir,
            env=session_environment(
                session_id,
                row["runtime"],
                row["model"],
                folder=folder,
                setup=setup,
                own=own,
                allow_root=self._config.allow_root,
            ),
            own=own,
        )
        return turn, runtime_for(row["runtime"])


def _failure(text: str) -> Callable[[sqlite3.Connection, str, int], None]:
    return lambda connection, session_id, number: transitions.fail_turn(
        connection, session_id, number, text
    )


def _aborted(stop: Stop) -> Callable[[sqlite3.Connection, str, int], None]:
    return lambda connection, session_id, number: transitions.abort_turn(
        connection, session_id, number, stop
    )


def _stopped(outcome: ProcessEnd, stop: Stop) -> Callable[[sqlite3.Connection, str, int], None]:
    if stop.reason == "interrupted":
        return lambda connection, session_id, number: transitions.interrupt_turn(
            connection, session_id, number, outcome.exit_code
        )
    if stop.reason == "shutdown":
        return _failure(transitions.RECOVERED)
    return transitions.terminate_turn
