"""The `shell` runtime: `sh` runs the prompt in the session's workspace."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aod_notebook.local.processes import ProcessEnd, Stop, Supervisor
    from aod_notebook.local.processes.supervisor import Sink
    from aod_notebook.local.runtimes.base import AgentTurn


class ShellRuntime:
    """Runs the prompt as a script; its exit code is the turn's. Model and system are not used."""

    skills_root = ".skills"
    skills_agent = None

    def check(self, turn: AgentTurn) -> None:
        """Check nothing: every machine that runs this service has `sh`."""

    def prepare(self, turn: AgentTurn) -> None:
        """Nothing to prepare."""

    def configure(self, turn: AgentTurn) -> None:
        """Nothing to configure."""

    async def run(
        self, turn: AgentTurn, supervisor: Supervisor, sink: Sink, stop: Stop
    ) -> ProcessEnd:
        """Run the script; its standard input is empty."""
        script = turn.folder.root / f"turn-{turn.number}.sh"
        descriptor = os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(turn.prompt.encode())
        return await supervisor.run(
            ["sh", f"../{script.name}"],
            cwd=turn.folder.workspace,
            env=turn.env,
            sink=sink,
            stop=stop,
            time_limit=turn.timeout,
        )
