"""The environment variables of a session's programs.

Of the person's own only those pass that programs need to run at all and those that the agent CLI
reads (`variables.py`). Tokens of this toolkit's services never do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.local.turns.repositories import git_settings
from aod_notebook.local.variables import (
    CLI_VARIABLES,
    EVERYWHERE,
    PROXIES,
    cli_names,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aod_notebook.local.runtimes.base import Folder, Setup


def session_environment(
    session_id: str,
    runtime: str,
    model: str,
    *,
    folder: Folder,
    setup: Setup,
    own: Mapping[str, str],
    allow_root: bool = False,
) -> dict[str, str]:
    """Return the variables; later ones win: basics, ids, `env_vars`, `secret_env_vars`.

    `own` are those of the person who asked for the session.
    """
    passed = {name: own[name] for name in (*EVERYWHERE, *cli_names(runtime, own)) if name in own}
    if runtime not in CLI_VARIABLES:
        passed |= {name: without_password(passed[name]) for name in PROXIES if name in passed}
    sandbox = {"IS_SANDBOX": "1"} if allow_root and runtime == "claude" else {}
    temporary = str(folder.temporary)
    return {
        **passed,
        **sandbox,
        "HOME": str(folder.home),
        "PATH": _path(folder, own),
        **dict.fromkeys(("TMPDIR", "TMP", "TEMP", "CLAUDE_CODE_TMPDIR"), temporary),
        "AOD_SESSION_ID": session_id,
        "AOD_MODEL": model,
        **dict(sorted(setup.env_vars.items())),
        **dict(sorted(setup.secret_env_vars.items())),
        **git_settings(setup.resources, setup.env_vars),
    }


def _path(folder: Folder, own: Mapping[str, str]) -> str:
    """Return the session's own programs, the person's, and at last this Python's."""
    session = [folder.home / part for part in ("venv/bin", ".local/bin", "node_modules/.bin")]
    person = own.get("PATH", os.defpath)
    return os.pathsep.join([*map(str, session), person, str(Path(sys.executable).parent)])
