"""Provisioning of a session on this machine: one stage after the other.

Stages that a laptop can't honour fail with a message; none is skipped in silence.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aod_notebook.local.credentials import make_private, write_private
from aod_notebook.local.runtimes import ConfigError, RuntimeUnavailableError
from aod_notebook.local.storage import log
from aod_notebook.local.turns import skills
from aod_notebook.local.turns.packages import (
    PackagesRefusedError,
    install_commands,
    installer_environment,
    with_proxies,
)
from aod_notebook.local.turns.repositories import MountPathError, clone_target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from aod_notebook.local.config import Config
    from aod_notebook.local.processes import Stop, Supervisor
    from aod_notebook.local.runtimes import AgentTurn, Runtime
    from aod_notebook.local.turns.output import Output

_TAIL = 2000


class StageError(Exception):
    """A stage failed; the stream shows the message."""


class CommandError(Exception):
    """A command of a stage could not be run or did not succeed."""


class StoppedError(Exception):
    """The session was stopped during provisioning."""


@dataclass(slots=True)
class _Tail:
    """The end of what a provisioning command wrote to stderr."""

    text: str = field(default="")

    def write(
        self, stream: Literal["stdout", "stderr"], text: str, recorded_at: datetime | None = None
    ) -> None:
        del recorded_at
        if stream == "stderr":
            self.text = (self.text + text)[-_TAIL:]

    async def room(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Prepares one session for its first turn."""

    turn: AgentTurn
    runtime: Runtime
    supervisor: Supervisor
    output: Output
    stop: Stop
    config: Config

    async def run(self) -> None:
        """Run every stage.

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
        if any(resource["token"] for resource in setup.resources):
            await self._stage("git_credentials", self._git_credentials)
        await self._stage("provision_setup", self._setup)
        await self._stage("runtime_config", self._runtime_config)
        if setup.skills:
            await self._stage("skills", self._skills)
        self.turn.folder.ready.touch()

    async def _stage(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        if self.stop.event.is_set():
            raise StoppedError
        self.output.add(log.stage(name, "started"))
        started = time.monotonic()
        try:
            await step()
        except (StageError, StoppedError) as error:
            message = str(error) or "the session was stopped"
            self.output.add(_ended(name, "failed", started, message))
            raise
        self.output.add(_ended(name, "done", started))

    async def _create(self) -> None:
        folder = self.turn.folder
        try:
            for path in (folder.root, folder.workspace, folder.home, folder.temporary):
                make_private(path)
        except OSError as error:
            raise StageError(f"Failed to create Sprite: {error.strerror}") from error

    async def _install_runtime(self) -> None:
        try:
            await asyncio.to_thread(self.runtime.check, self.turn)
        except RuntimeUnavailableError as error:
            raise StageError(f"Failed to install runtime: {error}") from error

    async def _network_policy(self) -> None:
        if not self.config.allow_unenforced_network:
            raise StageError(
                "Failed to prepare Sprite: this machine can't limit a session's network; use "
                "unrestricted networking, or start the service with --allow-unenforced-network"
            )
        self.output.write("stderr", "network policy: not enforced on this machine\n")

    async def _env_file(self) -> None:
        for name, value in self.turn.env.items():
            if "\0" in value:
                raise StageError(f"Failed to prepare Sprite: variable {name} holds a NUL character")
        try:
            await asyncio.to_thread(self.runtime.prepare, self.turn)
        except (ConfigError, OSError) as error:
            raise StageError(f"Failed to prepare Sprite: your settings: {error}") from error

    async def _git_credentials(self) -> None:
        if shutil.which("git", path=self.turn.env["PATH"]) is None:
            raise StageError("Failed to prepare Sprite: 'git' was not found on PATH: install it")

    async def _setup(self) -> None:
        turn = self.turn
        try:
            for manager, argv in install_commands(turn.setup.packages, turn.folder.home):
                await self._command(argv, installer_environment(turn.env, turn.own, manager))
            for entry in turn.setup.resources:
                target = clone_target(turn.folder.workspace, entry["mount_path"])
                target.parent.mkdir(parents=True, exist_ok=True)
                quiet = {**with_proxies(turn.env, turn.own), "GIT_TERMINAL_PROMPT": "0"}
                argv = ["git", "clone", "--quiet", "--", entry["url"], str(target)]
                await self._command(argv, quiet)
            if turn.setup.setup_script:
                script = turn.folder.root / "setup.sh"
                write_private(script, turn.setup.setup_script.encode())
                await self._command(["sh", "../setup.sh"], turn.env)
        except (CommandError, PackagesRefusedError, MountPathError, OSError, ValueError) as error:
            raise StageError(f"Provisioning script failed: {error}") from error

    async def _command(self, argv: list[str], env: Mapping[str, str]) -> None:
        if shutil.which(argv[0], path=env["PATH"]) is None:
            raise CommandError(f"'{argv[0]}' was not found on PATH: install it")
        limit, tail = self.config.provision_timeout_s, _Tail()
        outcome = await self.supervisor.run(
            argv,
            cwd=self.turn.folder.workspace,
            env=env,
            sink=tail,
            stop=self.stop,
            time_limit=limit,
        )
        if outcome.killed == "stopped":
            raise StoppedError
        if outcome.exit_code != 0:
            code = f"exit code {outcome.exit_code}"
            reason = f"not done after {limit:g} s" if outcome.killed else code
            raise CommandError(f"{Path(argv[0]).name}: {reason}\nstderr:\n{tail.text}")

    async def _runtime_config(self) -> None:
        try:
            self.runtime.configure(self.turn)
        except (ConfigError, OSError, AttributeError, TypeError, ValueError) as error:
            # an MCP server's values are stored unchecked: a wrong type shows up only here
            raise StageError(f"Failed to write runtime config: {error}") from error

    async def _skills(self) -> None:
        root = self.turn.folder.home / self.runtime.skills_root
        try:
            for skill in self.turn.setup.skills:
                if "type" not in skill:
                    skills.write_inline(root, skill)
                elif self.runtime.skills_agent is None:
                    raise CommandError("this runtime takes no skills from GitHub")  # noqa: TRY301 - one place names the stage
                else:
                    argv = skills.install_command(skill, self.runtime.skills_agent)
                    await self._command(argv, self.turn.env)
        except (CommandError, OSError, ValueError) as error:
            raise StageError(f"Failed to write skills: {error}") from error


def _ended(name: str, state: str, started: float, message: str | None = None) -> log.LogRow:
    duration = int((time.monotonic() - started) * 1000)
    return log.stage(name, state, duration_ms=duration, message=message)
