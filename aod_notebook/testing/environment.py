"""Variables and files that connect an agent's CLI to a scripted model."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

# Obviously not a key: it is sent to a scripted model on this machine and to nobody else.
_KEY = "not-a-key"

# The CLIs' own are up to 30, and minutes of waiting: a scripted failure is repeated at once.
_RETRIES = 2


@dataclass(frozen=True, slots=True)
class CliEnvironment:
    """The environment of one CLI: variables, and files below its home by relative path.

    A request that fails is repeated twice, where the CLI can be set to it (not in opencode).
    `setup_script` writes the files as part of an AoD environment; `write` as part of a home.
    """

    variables: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def setup_script(self) -> str:
        """A shell script that writes the files below `$HOME`; empty if there are none."""
        lines = []
        for name, text in self.files.items():
            target = f'"$HOME"/{shlex.quote(name)}'
            lines.append(f'mkdir -p "$(dirname {target})"')
            lines.append(f"printf %s {shlex.quote(text)} > {target}")
        return "\n".join(lines)

    def write(self, home: str | os.PathLike[str]) -> dict[str, str]:
        """Write the files below `home`; return the variables, with `HOME` among them."""
        for name, text in self.files.items():
            target = Path(home) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return {**self.variables, "HOME": os.fspath(home)}


def environment(cli: str, url: str) -> CliEnvironment:
    """Return what the CLI needs to talk to the model server at `url`.

    Raises:
        ValueError: no such CLI.
    """
    if cli == "claude":
        return CliEnvironment(_claude(url))
    if cli == "codex":
        return CliEnvironment({"CODEX_API_KEY": _KEY}, {".codex/config.toml": _codex(url)})
    if cli == "gemini":
        variables = {"GEMINI_API_KEY": _KEY, "GOOGLE_GEMINI_BASE_URL": url}
        return CliEnvironment(variables, {".gemini/settings.json": json.dumps(_GEMINI)})
    if cli == "opencode":
        return CliEnvironment(_opencode(url))
    raise ValueError(f"unknown CLI {cli!r}: choose one of claude, codex, gemini, opencode")


def _claude(url: str) -> dict[str, str]:
    # As root Claude refuses to run without questions unless this is set: a scripted model asks
    # for nothing that the test does not ask for.
    sandbox = {"IS_SANDBOX": "1"} if os.geteuid() == 0 else {}
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": _KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": str(_RETRIES),
        **sandbox,
    }


def _codex(url: str) -> str:
    return f"""\
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "CODEX_API_KEY"
wire_api = "responses"
request_max_retries = {_RETRIES}
stream_max_retries = {_RETRIES}
"""


_GEMINI = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False, "maxAttempts": _RETRIES + 1},
}


def _opencode(url: str) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": _KEY,
        "ANTHROPIC_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": _KEY,
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
