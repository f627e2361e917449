"""Settings of one embedded service: limits, times and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
PACE_VARIABLE = "AOD_NOTEBOOK_REPLAY_PACE"
"""The variable with the seconds before each line of a replay that chooses neither pace nor speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Limits and waits of one service; all times are seconds.

    The defaults are the hosted service's values; tests shorten them. `allow_root` lets claude run
    as root; `strict_models` refuses the models that the hosted service does not know.
    """

    data_dir: Path
    heartbeat_s: float = 15.0
    stale_s: float = 600.0
    provision_timeout_s: float = 900.0
    human_input_hold_s: float = 270.0
    invoke_limit_s: float = 300.0
    idle_exit_s: float | None = None
    max_active_sessions: int = 100
    max_body_bytes: int = 16 * MIB
    allow_unenforced_network: bool = False
    allow_root: bool = False
    strict_models: bool = False

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "service.db"

    @property
    def sessions_dir(self) -> Path:
        """The parent of all session directories."""
        return self.data_dir / "sessions"

    @property
    def recordings_dir(self) -> Path:
        """The directory for your own recordings for the `replay` runtime."""
        return self.data_dir / "recordings"

    @property
    def service_file(self) -> Path:
        """The file with the URL and process id of a running service."""
        return self.data_dir / "service.json"

    @property
    def port_file(self) -> Path:
        """The file with the port of the last service of this directory, which the next one reuses."""
        return self.data_dir / "port"

    @property
    def lock_file(self) -> Path:
        """The file that a running service keeps locked."""
        return self.data_dir / "service.lock"
