"""The agent CLIs: their programs, arguments and files.

The prompt goes in on standard input, never as an argument. A session's programs have a home of
their own, so skills, MCP servers and conversations of sessions and of the person do not mix. The
person's logins and settings are copied into it, then the environment's setup script runs, then
what the agent has is added: nothing existing is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aod_notebook.local.credentials import make_private, write_private
from aod_notebook.local.runtimes import logins, mcp, settings
from aod_notebook.local.runtimes.base import RuntimeUnavailableError
from aod_notebook.local.variables import AS_ROOT, place, refusal, refused_as_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aod_notebook.local.processes import ProcessEnd, Stop, Supervisor
    from aod_notebook.local.processes.supervisor import Sink
    from aod_notebook.local.runtimes.base import AgentTurn
    from aod_notebook.local.runtimes.settings import Document


PREFIXES = frozenset({"anthropic", "openai", "google", "kimi"})
"""What may stand before a model's name and a slash."""

_INSTEAD_OF_A_LOGIN = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_VERTEX",
)
"""With one of these claude does not use, and so not renew, its login."""

_TAIL = 2000  # characters of stderr: a refusal is one line

BUDGET = "AOD_NOTEBOOK_MAX_COST_USD"
"""The variable of a session that limits what its CLI may spend, in US dollars."""

_CLOUD = {
    "CLAUDE_CODE_USE_BEDROCK": ".aws",
    "AWS_PROFILE": ".aws",
    "CLAUDE_CODE_USE_VERTEX": ".config/gcloud",
    "GOOGLE_GENAI_USE_VERTEXAI": ".config/gcloud",
}
"""Which folder with a cloud's logins is needed when a variable is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """One agent CLI as a runtime.

    `own_files` are settings of the person's that are copied; `config_file` is the one to which
    `configured` adds what the agent and the variables ask for; `variables` makes the last
    changes to the environment of a turn; `limits` are arguments with limits that the session has.
    """

    program: str
    first: Callable[[AgentTurn], list[str]]
    later: Callable[[AgentTurn], list[str]]
    skills_root: str
    skills_agent: str
    own_files: tuple[str, ...]
    config_file: str
    configured: Callable[[Document, AgentTurn], None]
    variables: Callable[[AgentTurn], dict[str, str]] = lambda _: {}
    limits: Callable[[AgentTurn], list[str]] = lambda _: []

    @property
    def logins(self) -> tuple[logins.Login, ...]:
        """The login files of this CLI."""
        return logins.LOGINS[self.program]

    def check(self, turn: AgentTurn) -> None:
        """Raise RuntimeUnavailableError, with what to do, if the program can't run here.

        A model that the program would take as an option is refused here too: an agent may have
        been stored by a version that took it, or hosted.
        """
        if bare_model(turn).startswith("-") or turn.model.startswith("-"):
            raise RuntimeUnavailableError(f"model {turn.model!r} must not begin with '-'")
        reason = refusal(self.program, turn.env)
        if reason is not None:
            raise RuntimeUnavailableError(reason)

    def prepare(self, turn: AgentTurn) -> None:
        """Copy the person's settings and logins into the session's home."""
        for relative in self.own_files:
            source, target = place(relative, turn.own), turn.folder.home / relative
            if source.is_file() and not target.exists():
                make_private(target.parent)
                write_private(target, source.read_bytes())
        if self.program == "claude":
            _copy_claude_account(turn)
        self._copy_logins(turn)

    def configure(self, turn: AgentTurn) -> None:
        """Add the agent's MCP servers, and what the variables ask for, to the settings.

        Raises:
            ConfigError: an MCP server can't be expressed in this CLI's settings, or those can't
                be read.
        """
        logins.drop_replaced(turn.folder)
        _link_cloud(turn)
        settings.edit(
            turn.folder.home / self.config_file, lambda document: self.configured(document, turn)
        )

    def _take_login(self, turn: AgentTurn) -> None:
        """Copy the person's login again: it may have changed since the last turn."""
        with contextlib.suppress(OSError):  # then the CLI says that it is not logged in
            self._copy_logins(turn)
        logins.exchange(turn.folder, self.logins)

    def _copy_logins(self, turn: AgentTurn) -> None:
        logins.copy_in(turn.folder, self.logins, lambda relative: place(relative, turn.own))

    async def run(
        self, turn: AgentTurn, supervisor: Supervisor, sink: Sink, stop: Stop
    ) -> ProcessEnd:
        """Run the CLI; a turn after one that started it resumes the conversation."""
        begun = turn.folder.root / "conversation"
        argv = (self.later if begun.exists() else self.first)(turn)
        begun.touch()
        heard = _Heard(sink)
        await asyncio.to_thread(self._take_login, turn)
        argv += await asyncio.to_thread(self.limits, turn)
        renewal = logins.Renewal(turn.folder, self.logins)
        if not any(turn.env.get(name) for name in _INSTEAD_OF_A_LOGIN):
            await renewal.begin(stop.event)
        exchanging = asyncio.create_task(renewal.keep())
        try:
            outcome = await supervisor.run(
                argv,
                cwd=turn.folder.workspace,
                env={**turn.env, **self.variables(turn)},
                sink=heard,
                stop=stop,
                time_limit=turn.timeout,
                stdin=turn.prompt.encode(),
            )
        finally:
            exchanging.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await exchanging
            await renewal.end()
        if "root" in heard.tail and refused_as_root(self.program, turn.env):
            sink.write("stderr", f"{AS_ROOT}\n")
        return outcome


@dataclass(slots=True)
class _Heard:
    """Passes output on, and keeps the end of stderr."""

    sink: Sink
    tail: str = ""

    def write(
        self, stream: Literal["stdout", "stderr"], text: str, recorded_at: datetime | None = None
    ) -> None:
        if stream == "stderr":
            self.tail = (self.tail + text)[-_TAIL:]
        self.sink.write(stream, text, recorded_at)

    async def room(self) -> None:
        await self.sink.room()


def bare_model(turn: AgentTurn) -> str:
    """Return the model's name without its provider's prefix; any other prefix is a part of it."""
    prefix, _, name = turn.model.partition("/")
    return name if prefix in PREFIXES else turn.model


def _copy_claude_account(turn: AgentTurn) -> None:
    """Copy who is logged in, and the person's own MCP servers, out of a file of much else."""
    try:
        document = settings.read(place(".claude.json", turn.own))
    except settings.ConfigError:
        return  # claude itself says what is wrong with it
    kept: Document = {
        name: document[name] for name in ("oauthAccount", "mcpServers") if name in document
    }
    if kept:
        settings.edit(turn.folder.home / ".claude.json", lambda copy: copy.update(kept))


def _link_cloud(turn: AgentTurn) -> None:
    """Link the logins of the cloud that the CLI is configured to use.

    The folder is linked: what renews a cloud's login writes a file of its own in it.
    """
    file = turn.folder.home / ".claude/settings.json"
    own = settings.read(file).get("env") if file.exists() else None
    env = {**(own if isinstance(own, dict) else {}), **turn.env}
    for relative in {folder for name, folder in _CLOUD.items() if env.get(name)}:
        source, target = place(relative, turn.own), turn.folder.home / relative
        if source.is_dir() and not target.exists():
            make_private(target.parent)
            target.symlink_to(source)


def _claude(turn: AgentTurn) -> list[str]:
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


def _claude_limits(turn: AgentTurn) -> list[str]:
    """Return Claude's own limit of cost, if the session asks for one and Claude has it."""
    amount = turn.setup.secret_env_vars.get(BUDGET)
    program = shutil.which("claude", path=turn.env.get("PATH"))
    if not amount or program is None:
        return []
    changed = Path(program).stat().st_mtime_ns
    return ["--max-budget-usd", amount] if _takes_budget(program, changed, turn) else []


_budgets: dict[tuple[str, int], bool] = {}


def _takes_budget(program: str, changed: int, turn: AgentTurn) -> bool:
    """Check the program's help for the option, once per version."""
    if (program, changed) not in _budgets:
        try:
            help_text = subprocess.run(  # noqa: S603 - the program that is about to run the turn
                [program, "--help"],
                env=dict(turn.env),
                capture_output=True,
                check=False,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        _budgets[program, changed] = b"--max-budget-usd" in help_text.stdout
    return _budgets[program, changed]


def _claude_settings(document: Document, turn: AgentTurn) -> None:
    if servers := mcp.claude(turn.setup.mcp_servers):
        settings.table(document, "mcpServers").update(servers)


_CODEX_FLAGS = ["--dangerously-bypass-approvals-and-sandbox", "--json"]
_GATEWAY = "openai-base-url"


def _codex_settings(document: Document, turn: AgentTurn) -> None:
    """Add MCP servers, and a provider for `OPENAI_BASE_URL`, which codex itself does not read."""
    if servers := mcp.codex(turn.setup.mcp_servers):
        settings.table(document, "mcp_servers").update(servers)
    base_url = turn.env.get("OPENAI_BASE_URL")
    if not base_url or document.get("model_provider"):
        return
    document["model_provider"] = _GATEWAY
    provider = {"name": "OPENAI_BASE_URL", "base_url": base_url, "wire_api": "responses"}
    key = next((name for name in ("OPENAI_API_KEY", "CODEX_API_KEY") if turn.env.get(name)), None)
    if key is not None:
        provider["env_key"] = key
    settings.table(document, "model_providers")[_GATEWAY] = provider


def _codex_variables(turn: AgentTurn) -> dict[str, str]:
    """Return the key under the name that codex reads, unless the person is logged in.

    A key that the session was given by name wins over a login.
    """
    given = {**turn.setup.env_vars, **turn.setup.secret_env_vars}
    key = given.get("OPENAI_API_KEY")
    if key is None and not (turn.folder.home / ".codex/auth.json").exists():
        key = turn.env.get("OPENAI_API_KEY")
    return {"CODEX_API_KEY": key} if key and not turn.env.get("CODEX_API_KEY") else {}


_GEMINI_FLAGS = ["--yolo", "--skip-trust", "--output-format", "stream-json"]


def _gemini_settings(document: Document, turn: AgentTurn) -> None:
    """Add MCP servers, and how gemini is to log in if the person's settings do not say."""
    if servers := mcp.gemini(turn.setup.mcp_servers):
        settings.table(document, "mcpServers").update(servers)
    method = _gemini_method(turn)
    if method is not None and "selectedAuthType" not in document:  # its name before 2025
        settings.table(document, "security", "auth").setdefault("selectedType", method)


def _gemini_method(turn: AgentTurn) -> str | None:
    if turn.env.get("GOOGLE_GENAI_USE_GCA") == "true":
        return "oauth-personal"
    if turn.env.get("GOOGLE_GENAI_USE_VERTEXAI") == "true":
        return "vertex-ai"
    if turn.env.get("GEMINI_API_KEY"):
        return "gemini-api-key"
    return "oauth-personal" if (turn.folder.home / ".gemini/oauth_creds.json").exists() else None


def _gemini_variables(turn: AgentTurn) -> dict[str, str]:
    return {} if "GEMINI_MODEL" in turn.env else {"GEMINI_MODEL": bare_model(turn)}


def _opencode(turn: AgentTurn) -> list[str]:
    return ["opencode", "run", "--model", turn.model, "--format", "json", "--auto"]


def _opencode_settings(document: Document, turn: AgentTurn) -> None:
    """Add MCP servers, and Gemini's gateway, which opencode reads from its settings only."""
    if servers := mcp.opencode(turn.setup.mcp_servers):
        settings.table(document, "mcp").update(servers)
    if base_url := turn.env.get("GOOGLE_GEMINI_BASE_URL"):
        options = settings.table(document, "provider", "google", "options")
        options.setdefault("baseURL", f"{base_url.rstrip('/')}/v1beta")


CLAUDE = Cli(
    program="claude",
    first=lambda turn: [*_claude(turn), "--session-id", turn.session_id],
    later=lambda turn: [*_claude(turn), "--resume", turn.session_id],
    skills_root=".claude/skills",
    skills_agent="claude-code",
    own_files=(".claude/settings.json",),
    config_file=".claude.json",
    configured=_claude_settings,
    limits=_claude_limits,
)
CODEX = Cli(
    program="codex",
    first=lambda turn: ["codex", "exec", "-m", bare_model(turn), *_CODEX_FLAGS],
    later=lambda turn: ["codex", "exec", "resume", "--last", "-m", bare_model(turn), *_CODEX_FLAGS],
    skills_root=".codex/skills",
    skills_agent="codex",
    own_files=(".codex/config.toml",),
    config_file=".codex/config.toml",
    configured=_codex_settings,
    variables=_codex_variables,
)
GEMINI = Cli(
    program="gemini",
    first=lambda _: ["gemini", *_GEMINI_FLAGS],
    later=lambda _: ["gemini", *_GEMINI_FLAGS, "--resume"],
    skills_root=".gemini/skills",
    skills_agent="gemini-cli",
    own_files=(".gemini/settings.json", ".gemini/.env"),
    config_file=".gemini/settings.json",
    configured=_gemini_settings,
    variables=_gemini_variables,
)
OPENCODE = Cli(
    program="opencode",
    first=_opencode,
    later=lambda turn: [*_opencode(turn), "--continue"],
    skills_root=".config/opencode/skills",
    skills_agent="opencode",
    own_files=tuple(
        f".config/opencode/{name}" for name in ("opencode.json", "opencode.jsonc", "config.json")
    ),
    config_file=".config/opencode/opencode.json",
    configured=_opencode_settings,
)
CLIS = {cli.program: cli for cli in (CLAUDE, CODEX, GEMINI, OPENCODE)}
