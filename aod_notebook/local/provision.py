"""Provisioning of a session: the stages of CONTRACT.md A.11 on this machine.

Stages that a laptop can't honour fail with a message; none is skipped in silence.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aod_notebook.local.credentials import make_private
from aod_notebook.local.runtimes import RuntimeMissingError
from aod_notebook.local.storage import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aod_notebook.local.output import Output
    from aod_notebook.local.processes import Stop, Supervisor
    from aod_notebook.local.runtimes import Runtime, Turn

_STEP = "Callable[[], Awaitable[None]]"


class StageError(Exception):
    """A stage failed; the message is the one that the stream shows."""


class StoppedError(Exception):
    """Somebody stopped the session while it was provisioned."""


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Prepares one session for its first turn."""

    turn: Turn
    runtime: Runtime
    supervisor: Supervisor
    output: Output
    stop: Stop
    allow_unenforced_network: bool

    async def run(self) -> None:
        """Take every stage.

        Raises:
            StageError: one failed.
            StoppedError: the session was stopped meanwhile.
        """
        setup = self.turn.setup
        await self._stage("create_sprite", self._create)
        await self._stage("install_runtime", self._install_runtime)
        if setup.networking.get("type") == "limited":
            await self._stage("network_policy", self._network_policy)
        await self._stage("env_file", self._env_file)
        await self._stage("provision_setup", self._setup)
        await self._stage("runtime_config", self._runtime_config)
        self.turn.folder.ready.touch()

    async def _stage(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        if self.stop.event.is_set():
            raise StoppedError
        self.output.add(log.stage(name, "started"))
        started = time.monotonic()
        try:
            await step()
        except (StageError, StoppedError) as error:
            self.output.add(_ended(name, "failed", started, str(error) or "stopped"))
            raise
        self.output.add(_ended(name, "done", started))

    async def _create(self) -> None:
        folder = self.turn.folder
        try:
            for path in (folder.root, folder.workspace, folder.home):
                make_private(path)
        except OSError as error:
            raise StageError(f"Failed to create Sprite: {error.strerror}") from error

    async def _install_runtime(self) -> None:
        try:
            await asyncio.to_thread(self.runtime.check, self.turn)
        except RuntimeMissingError as error:
            raise StageError(f"Failed to install runtime: {error}") from error

    async def _network_policy(self) -> None:
        if not self.allow_unenforced_network:
            raise StageError(
                "Failed to prepare Sprite: this machine can't limit a session's network; use "
                "unrestricted networking, or start the service with --allow-unenforced-network"
            )
        text = "network policy: not enforced on this machine\n"
        self.output.write("stderr", text)

    async def _env_file(self) -> None:
        for name, value in self.turn.env.items():
            if "\0" in value:
                raise StageError(f"Failed to prepare Sprite: variable {name} holds a NUL character")

    async def _setup(self) -> None:
        return

    async def _runtime_config(self) -> None:
        return


def _ended(name: str, state: str, started: float, message: str | None = None) -> log.Row:
    duration = int((time.monotonic() - started) * 1000)
    return log.stage(name, state, duration_ms=duration, message=message)
