"""What works of each agent CLI on this machine: program, version, login, root, trust, gateway."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aod_notebook.live import root
from aod_notebook.live.service import without_home
from aod_notebook.local.runtimes.settings import ConfigError, read
from aod_notebook.local.variables import INSTALL, cli_names, own_variables, place, refused_as_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["CLIS", "examine_clis"]

CLIS = tuple(INSTALL)
_VERSION_S = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")
_KEYS = {
    "claude": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    "codex": ("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_ACCESS_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "opencode": (),
}
_CLOUDS = (
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_GCA",
)
_LOGINS = {
    "claude": ".claude/.credentials.json",
    "codex": ".codex/auth.json",
    "gemini": ".gemini/oauth_creds.json",
    "opencode": ".local/share/opencode/auth.json",
}
_SETTINGS = {
    "claude": ".claude/settings.json",
    "codex": ".codex/config.toml",
    "gemini": ".gemini/settings.json",
    "opencode": ".config/opencode/opencode.json",
}
_HOW = {
    "claude": "run `claude` and /login, or set ANTHROPIC_API_KEY",
    "codex": "run `codex login`, or set OPENAI_API_KEY",
    "gemini": "run `gemini` and log in, or set GEMINI_API_KEY",
    "opencode": "run `opencode auth login`, or set the key of a provider",
}

Finding = tuple[str, str, str]


def examine_clis() -> Iterator[Finding]:
    """Check each CLI as a session of this process would find it; no secret is in what is found."""
    environ = own_variables()
    with ThreadPoolExecutor(len(CLIS)) as pool:
        yield from pool.map(lambda cli: _examine(cli, environ), CLIS)


def _examine(cli: str, environ: Mapping[str, str]) -> Finding:
    program = shutil.which(cli, path=environ.get("PATH", os.defpath))
    if program is None:
        return cli, "note", f"not installed here: {INSTALL[cli]}"
    version = _version(program, environ)
    if version is None:
        return cli, "problem", f"{program} is there, but `{cli} --version` does not work"
    try:
        settings = read(place(_SETTINGS[cli], environ))
    except (ConfigError, OSError) as error:
        return cli, "problem", f"{version}; your settings: {error}"
    login = _login(cli, environ, settings)
    parts = [version, login or f"neither logged in nor a key: {_HOW[cli]}"]
    parts += [
        text
        for text in (_root(cli, environ), _trust(cli), _gateway(cli, environ, settings))
        if text
    ]
    needs_root = refused_as_root(cli, environ) and not root.allowed
    return cli, "note" if login is None or needs_root else "ok", "; ".join(parts)


def _version(program: str, environ: Mapping[str, str]) -> str | None:
    """Return what `--version` says; None if it fails. It gets a home that nobody misses."""
    with tempfile.TemporaryDirectory(prefix="aod-doctor-", ignore_cleanup_errors=True) as folder:
        quiet = {"HOME": folder, "TMPDIR": folder, "DISABLE_AUTOUPDATER": "1"}
        try:
            done = subprocess.run(  # noqa: S603 - a CLI by its name on PATH
                [program, "--version"],
                env={**environ, **quiet},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_VERSION_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    found = _VERSION.search(done.stdout)
    return found[0] if done.returncode == 0 and found else None


def _login(cli: str, environ: Mapping[str, str], settings: dict[str, Any]) -> str | None:
    """Return with what the CLI will log in; None if nothing is found."""
    given = {**_strings(settings.get("env")), **environ}
    clouds = [name for name in _CLOUDS if given.get(name) and name in cli_names(cli, environ)]
    if clouds:
        return f"through {clouds[0]}"
    names = _KEYS[cli] or tuple(n for n in cli_names(cli, environ) if n.endswith("_API_KEY"))
    keys = [name for name in names if given.get(name)]
    file = place(_LOGINS[cli], environ)
    told = _login_file(file) if file.is_file() else None
    if keys and not (cli == "codex" and told and keys[0] == "OPENAI_API_KEY"):
        return f"key in {keys[0]}"
    if told is not None:
        return told
    if cli == "claude" and settings.get("apiKeyHelper"):
        return "key from the apiKeyHelper of your settings"
    return _provider(settings, environ) if cli == "codex" else None


def _provider(settings: dict[str, Any], environ: Mapping[str, str]) -> str | None:
    name = settings.get("model_provider")
    providers = settings.get("model_providers")
    provider = providers.get(name) if isinstance(providers, dict) else None
    key = provider.get("env_key") if isinstance(provider, dict) else None
    return f"key in {key}" if isinstance(key, str) and environ.get(key) else None


def _login_file(file: Path) -> str | None:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or not document:
        return None
    oauth = document.get("claudeAiOauth")
    expires: Any = (
        oauth.get("expiresAt") if isinstance(oauth, dict) else document.get("expiry_date")
    )
    where = f"logged in ({without_home(file)})"
    try:
        until = datetime.fromtimestamp(float(expires) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return where
    if until > datetime.now(UTC):
        return where
    return f"{where}, to be renewed at the next use"


def _root(cli: str, environ: Mapping[str, str]) -> str | None:
    if cli != "claude" or os.geteuid() != 0:
        return None
    if refused_as_root(cli, environ) and not root.allowed:
        return "refuses to run as root: %env IS_SANDBOX=1 or %config AodMagics.allow_root = True"
    return "root allowed"


def _trust(cli: str) -> str | None:
    """Return what is switched off for the session's own folder."""
    return "trusts the session's folder (--skip-trust)" if cli == "gemini" else None


def _gateway(cli: str, environ: Mapping[str, str], settings: dict[str, Any]) -> str | None:
    """Return the host that requests go to, if it is not the vendor's; never a secret of its URL."""
    given = {**_strings(settings.get("env")), **environ}
    names = [n for n in cli_names(cli, environ) if n.endswith("_BASE_URL") and given.get(n)]
    if names:
        return f"gateway {_host(given[names[0]])} ({names[0]})"
    providers, name = settings.get("model_providers"), settings.get("model_provider")
    provider = providers.get(name) if isinstance(providers, dict) else None
    url = provider.get("base_url") if isinstance(provider, dict) else None
    return f"gateway {_host(url)} (model_provider {name})" if isinstance(url, str) else None


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "at an address that is not a URL"
    return f"{parts.hostname}{port}" if parts.hostname else "at an address that is not a URL"


def _strings(value: object) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str)}
