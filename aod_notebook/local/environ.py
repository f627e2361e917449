"""The environment variables of a session's programs (CONTRACT.md A.13.1, adapted to a laptop).

Nothing of the service's own environment passes but what programs need to run at all, and the
keys that the agent CLIs read. Tokens of this toolkit's services never do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.local.repositories import git_settings

if TYPE_CHECKING:
    from aod_notebook.local.runtimes.base import Folder, Setup

_PASSED = (
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
)
_KEYS = {
    "claude": ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    "codex": ("OPENAI_API_KEY", "CODEX_API_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "opencode": ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
}


def session_environment(
    session_id: str, runtime: str, model: str, folder: Folder, setup: Setup
) -> dict[str, str]:
    """Return the variables; later ones win: basics, ids, `env_vars`, `secret_env_vars`."""
    own = os.environ
    passed = {name: own[name] for name in (*_PASSED, *_KEYS.get(runtime, ())) if name in own}
    locale = {name: value for name, value in own.items() if name.startswith("LC_")}
    return {
        **passed,
        **locale,
        "HOME": str(folder.home),
        "PATH": _path(folder),
        "AOD_SESSION_ID": session_id,
        "AOD_MODEL": model,
        **dict(sorted(setup.env_vars.items())),
        **dict(sorted(setup.secret_env_vars.items())),
        **git_settings(setup.resources, setup.env_vars),
    }


def _path(folder: Folder) -> str:
    """Return the session's own programs, the machine's, and at last this Python's."""
    own = [folder.home / part for part in ("venv/bin", ".local/bin", "node_modules/.bin")]
    machine = os.environ.get("PATH", os.defpath)
    return os.pathsep.join([*map(str, own), machine, str(Path(sys.executable).parent)])
