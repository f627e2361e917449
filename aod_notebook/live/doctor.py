"""Check what works on this machine and what doesn't: services, agent CLIs, disk, versions."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aod_notebook.agentos.outbox import refused, waiting
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home
from aod_notebook.core.text import counted
from aod_notebook.live.connections import agentos_connection, connection, current_if_any
from aod_notebook.live.credentials import AGENTOS, variable
from aod_notebook.live.embedded import WRITABLE_HOME, embedded_data_dir, without_home
from aod_notebook.live.registry import registry
from aod_notebook.local.runtimes.settings import ConfigError, read
from aod_notebook.local.variables import INSTALL, cli_names, own_variables, place, refused_as_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from aod_notebook.live.connections import AgentOSConnection

PACKAGES = ("IPython", "ipykernel", "jupyterlab", "ipywidgets", "pandas", "pyarrow", "httpx")
ENOUGH_BYTES = 1_000_000_000

Finding = tuple[str, str, str]
"""What was looked at, `ok` / `note` / `problem`, and what was found."""


def findings() -> Iterator[Finding]:
    """Check the services and their secrets, waiting records, runtimes, disk and versions.

    No token is in what is found.
    """
    yield from _service()
    yield from _agentos()
    yield from _outbox()
    yield from _runtimes()
    yield from _disk()
    yield from _versions()


def summary(found: Sequence[Finding]) -> Finding:
    """Return the line above the findings: which CLIs can run, and what can't.

    Example:
        >>> summary([("claude", "ok", "2.1.332"), ("disk", "problem", "0 GB free")])
        ('summary', 'note', 'ready: claude; problems: disk')
    """
    ready = [check for check, state, _ in found if check in CLIS and state == "ok"]
    problems = list(dict.fromkeys(check for check, state, _ in found if state == "problem"))
    text = f"ready: {', '.join(ready)}" if ready else "no agent CLI is ready: use shell or replay"
    trouble = f"problems: {', '.join(problems)}" if problems else "no problems"
    return "summary", "ok" if ready and not problems else "note", f"{text}; {trouble}"


def _service() -> Iterator[Finding]:
    try:
        on = connection()
        health = on.client.health()
        count = len(on.client.agents.list())
    except AodNotebookError as error:
        yield "service", "problem", str(error)
        return
    where = f"{on.base_url} ({on.sources['base_url']})"
    state = "ok" if health.get("status") == "ok" else "problem"
    yield "service", state, f"{where}: {health.get('status')}"
    yield "token", "ok", f"accepted ({on.sources['token']}); {counted(count, 'agent')} visible"


def _agentos() -> Iterator[Finding]:
    if current_if_any(AGENTOS) is None and variable(AGENTOS.variable) is None:
        yield "agentos", "note", f"{AGENTOS.variable} is not set: runs go to the embedded service"
        return
    try:
        on = agentos_connection()
        can = reach(on)
    except AodNotebookError as error:
        yield "agentos", "problem", str(error)
        return
    yield "agentos", "ok", f"{on.base_url} ({on.sources['base_url']}): {can}"
    yield "key", "ok", f"accepted ({on.sources['key']})"


def reach(on: AgentOSConnection) -> str:
    """Ask an AgentOS service; return a line about what the key may do.

    Raises:
        AgentOSError: it can't be reached, or refuses the key.
    """
    from aod_notebook.agentos import AgentOSForbiddenError

    if on.client.disabled:
        return "not asked: AGENTOS_DISABLED is set, and nothing is reported"
    try:
        on.client.runs.list(limit=1)
    except AgentOSForbiddenError:
        return "it answers; the key is an agent's, which reports and invokes, but may not read"
    return "it answers; the key may report, invoke and read"


def _outbox() -> Iterator[Finding]:
    records = sum(spool.records for spool in waiting())
    if records:
        waits = f"{counted(records, 'record')} of reported runs waiting to be sent"
        yield "outbox", "note", f"{waits}: `aod-notebook outbox --send`"
    else:
        yield "outbox", "ok", "nothing waits"
    letters = len(refused())
    if letters:
        yield "outbox", "note", f"{counted(letters, 'record')} refused; %agentos outbox --refused"


def _runtimes() -> Iterator[Finding]:
    yield from examine_clis()
    yield "runtimes", "ok", "shell and replay can run on this machine"


def _disk() -> Iterator[Finding]:
    folder = home()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    text = f"{without_home(folder)}: {free / 1e9:.1f} GB free"
    yield "disk", "ok" if free > ENOUGH_BYTES else "problem", text
    if not os.access(existing, os.W_OK) or not existing.is_dir():
        yield "disk", "problem", f"{without_home(folder)} can't be written. {WRITABLE_HOME}"
    if folder.exists() and (mode := folder.stat().st_mode & 0o777) & 0o077:
        text = f"{without_home(folder)} is open to other users (mode {mode:o}): chmod 700 closes it"
        yield "disk", "note", f"{text}; what this package writes there only you can read"
    for name, data in (
        ("the embedded service holds", embedded_data_dir()),
        ("the event logs of followed sessions hold", folder / "events"),
    ):
        if data.exists():
            size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
            yield "disk", "ok", f"{name} {size / 1e6:.1f} MB"


def _versions() -> Iterator[Finding]:
    yield "version", "ok", f"Python {platform.python_version()}"
    for package in ("aod-notebook", *PACKAGES):
        try:
            yield "version", "ok", f"{package} {package_version(package)}"
        except PackageNotFoundError:
            yield "version", "note", f"{package} is not installed"


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


def examine_clis() -> Iterator[Finding]:
    """Check each CLI as a session of this process would find it; the result has no secret."""
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
    needs_root = refused_as_root(cli, environ) and not registry.allows_root
    return cli, "note" if login is None or needs_root else "ok", "; ".join(parts)


def _version(program: str, environ: Mapping[str, str]) -> str | None:
    """Return what `--version` prints; None if it fails. It runs in a temporary home."""
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
    """Return the login that the CLI will use; None if nothing is found."""
    given = {**_strings(settings.get("env")), **environ}
    clouds = [name for name in _CLOUDS if given.get(name) and name in cli_names(cli, environ)]
    if clouds:
        return f"through {clouds[0]}"
    names = _KEYS[cli] or tuple(n for n in cli_names(cli, environ) if n.endswith("_API_KEY"))
    keys = [name for name in names if given.get(name)]
    file = place(_LOGINS[cli], environ)
    logged_in = _login_file(file) if file.is_file() else None
    if keys and not (cli == "codex" and logged_in and keys[0] == "OPENAI_API_KEY"):
        return f"key in {keys[0]}"
    if logged_in is not None:
        return logged_in
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
    if refused_as_root(cli, environ) and not registry.allows_root:
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
