"""The agent CLIs: what is started, with which arguments and files (CONTRACT.md A.13).

The prompt goes in on standard input, never as an argument. A session's programs have a home of
their own, so skills, MCP servers and conversations of sessions and of the person do not mix; the
person's login is linked into it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.local.credentials import make_private, write_private
from aod_notebook.local.runtimes import mcp
from aod_notebook.local.runtimes.base import RuntimeMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aod_notebook.local.processes import Outcome, Stop, Supervisor
    from aod_notebook.local.processes.supervisor import Sink
    from aod_notebook.local.runtimes.base import Turn


PREFIXES = frozenset({"anthropic", "openai", "google", "kimi"})
"""What may stand before a model's name and a slash (CONTRACT.md A.7.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """One agent CLI as a runtime."""

    program: str
    install: str
    first: Callable[[Turn], list[str]]
    later: Callable[[Turn], list[str]]
    skills_root: str
    skills_agent: str
    logins: tuple[str, ...]
    config_file: str
    config: Callable[[mcp.Servers], str]
    model_variable: str | None = None

    def check(self, turn: Turn) -> None:
        """Raise RuntimeMissingError, with what to install, if the program is not on PATH.

        A model that the program would take as an option is refused here too: an agent may have
        been stored by a version that took it, or hosted.
        """
        if bare_model(turn).startswith("-") or turn.model.startswith("-"):
            raise RuntimeMissingError(f"model {turn.model!r} must not begin with '-'")
        if shutil.which(self.program, path=turn.env["PATH"]) is None:
            raise RuntimeMissingError(
                f"'{self.program}' was not found on PATH: install it ({self.install}), "
                "or use the runtime shell or replay"
            )

    def configure(self, turn: Turn) -> None:
        """Link the person's login into the session's home and write the MCP servers there.

        Raises:
            ConfigError: an MCP server can't be expressed in this CLI's configuration.
        """
        for login in self.logins:
            source, target = Path.home() / login, turn.folder.home / login
            if source.is_file() and not target.exists():
                make_private(target.parent)
                target.symlink_to(source)
        if turn.setup.mcp_servers:
            target = turn.folder.home / self.config_file
            make_private(target.parent)
            write_private(target, self.config(turn.setup.mcp_servers).encode())

    async def run(self, turn: Turn, supervisor: Supervisor, sink: Sink, stop: Stop) -> Outcome:
        """Run the CLI; a turn after one that started it resumes the conversation."""
        begun = turn.folder.root / "conversation"
        argv = (self.later if begun.exists() else self.first)(turn)
        begun.touch()
        env = dict(turn.env)
        if self.model_variable is not None:
            env.setdefault(self.model_variable, bare_model(turn))
        return await supervisor.run(
            argv,
            cwd=turn.folder.workspace,
            env=env,
            sink=sink,
            stop=stop,
            time_limit=turn.timeout,
            stdin=turn.prompt.encode(),
        )


def bare_model(turn: Turn) -> str:
    """Return the model's name without its provider's prefix; any other prefix is a part of it."""
    prefix, _, name = turn.model.partition("/")
    return name if prefix in PREFIXES else turn.model


def _claude(turn: Turn) -> list[str]:
    return [
        "claude",
        "--dangerously-skip-permissions",
        "--print",
        "--verbose",
        "--output-format",
        "stream-json",
        "--model",
        bare_model(turn),
    ]


_CODEX_FLAGS = ["--dangerously-bypass-approvals-and-sandbox", "--json"]
_GEMINI_FORMAT = ["--output-format", "stream-json"]


def _opencode(turn: Turn) -> list[str]:
    return ["opencode", "run", "--model", turn.model, "--format", "json"]


CLAUDE = Cli(
    program="claude",
    install="npm install -g @anthropic-ai/claude-code",
    first=lambda turn: [*_claude(turn), "--session-id", turn.session_id],
    later=lambda turn: [*_claude(turn), "--resume", turn.session_id],
    skills_root=".claude/skills",
    skills_agent="claude-code",
    logins=(".claude/.credentials.json",),
    config_file=".claude.json",
    config=mcp.claude,
)
CODEX = Cli(
    program="codex",
    install="npm install -g @openai/codex",
    first=lambda turn: ["codex", "exec", "-m", bare_model(turn), *_CODEX_FLAGS],
    later=lambda turn: ["codex", "exec", "resume", "--last", "-m", bare_model(turn), *_CODEX_FLAGS],
    skills_root=".codex/skills",
    skills_agent="codex",
    logins=(".codex/auth.json",),
    config_file=".codex/config.toml",
    config=mcp.codex,
)
GEMINI = Cli(
    program="gemini",
    install="npm install -g @google/gemini-cli",
    first=lambda _: ["gemini", *_GEMINI_FORMAT],
    later=lambda _: ["gemini", "--resume", *_GEMINI_FORMAT],
    skills_root=".gemini/skills",
    skills_agent="gemini-cli",
    logins=(".gemini/oauth_creds.json", ".gemini/google_accounts.json"),
    config_file=".gemini/settings.json",
    config=mcp.gemini,
    model_variable="GEMINI_MODEL",
)
OPENCODE = Cli(
    program="opencode",
    install="npm install -g opencode-ai",
    first=_opencode,
    later=lambda turn: [*_opencode(turn), "--continue"],
    skills_root=".config/opencode/skills",
    skills_agent="opencode",
    logins=(".local/share/opencode/auth.json",),
    config_file=".config/opencode/opencode.json",
    config=mcp.opencode,
)
CLIS = {cli.program: cli for cli in (CLAUDE, CODEX, GEMINI, OPENCODE)}
