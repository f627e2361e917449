"""The protocol of a runtime: it checks that it can run here, and runs turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aod_notebook.local.processes import ProcessEnd, Stop, Supervisor
    from aod_notebook.local.processes.supervisor import Sink


class RuntimeUnavailableError(Exception):
    """The runtime can't run on this machine; the message names what to install."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A session's directory: where its agent works, and the home that its programs see."""

    root: Path

    @property
    def workspace(self) -> Path:
        """The working directory of every turn."""
        return self.root / "workspace"

    @property
    def home(self) -> Path:
        """`HOME` of the session's programs."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """`TMPDIR` of the session's programs: what they leave there goes with the session."""
        return self.root / "tmp"

    @property
    def ready(self) -> Path:
        """A file that exists once provisioning has succeeded."""
        return self.root / "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a session was created with; it is kept sealed, because it holds the secrets."""

    system: str = ""
    skills: list[dict[str, Any]] = field(default_factory=list)
    mcp_servers: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, list[str]] = field(default_factory=dict)
    setup_script: str = ""
    networking: dict[str, Any] = field(default_factory=dict)
    env_vars: dict[str, str] = field(default_factory=dict)
    secret_env_vars: dict[str, str] = field(default_factory=dict)
    resources: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTurn:
    """One turn to run: `prompt` is the text for the agent, the system prompt put before it.

    `env` is what its programs see; `own` are the variables of the person who asked for it.
    """

    session_id: str
    number: int
    prompt: str
    model: str
    timeout: float
    folder: Folder
    setup: Setup
    recordings: Path
    env: Mapping[str, str] = field(repr=False)
    own: Mapping[str, str] = field(default_factory=dict, repr=False)


class Runtime(Protocol):
    """Runs turns. An instance holds nothing of a session.

    `skills_root` is where skills go below the session's home; `skills_agent` is the runtime's
    name for the GitHub skills installer, None where that knows none.
    """

    @property
    def skills_root(self) -> str:
        """Where skills go, below the session's home."""

    @property
    def skills_agent(self) -> str | None:
        """The runtime's name for the installer of GitHub skills."""

    def check(self, turn: AgentTurn) -> None:
        """Raise RuntimeUnavailableError if the turn could not run here."""

    def prepare(self, turn: AgentTurn) -> None:
        """Copy the person's own settings and logins, before the environment's setup."""

    def configure(self, turn: AgentTurn) -> None:
        """Write the runtime's own configuration; ConfigError if that fails."""

    async def run(
        self, turn: AgentTurn, supervisor: Supervisor, sink: Sink, stop: Stop
    ) -> ProcessEnd:
        """Run the turn to its end."""
