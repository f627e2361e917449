"""`%aod doctor`: what works here and what doesn't, each with what to do about it."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from IPython import get_ipython

from aod_notebook import live
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home
from aod_notebook.live.connections import embedded_data_dir, without_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["examine"]

PACKAGES = ("IPython", "ipykernel", "jupyterlab", "ipywidgets", "pandas", "pyarrow", "httpx")
CLIS = ("claude", "codex", "gemini", "opencode")
ENOUGH_BYTES = 1_000_000_000

Finding = tuple[str, str, str]
"""What was looked at, `ok` / `note` / `problem`, and what was found."""


def examine() -> pd.DataFrame:
    """Check the front end, the stop button, the service, its runtimes, the disk and the versions.

    Returns:
        One row per check with the columns `check`, `state` (`ok`, `note` or `problem`) and
        `finding`. No token is in it.
    """
    import pandas as pd

    findings = [*_front_end(), *_service(), *_runtimes(), *_disk(), *_versions()]
    return pd.DataFrame(findings, columns=["check", "state", "finding"])


def _front_end() -> Iterator[Finding]:
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        yield "front end", "note", "no kernel: plain lines, no HTML transcripts"
        return
    yield "front end", "ok", f"{type(kernel).__name__} of {type(kernel).__module__.split('.')[0]}"
    subshells = bool(getattr(kernel, "_supports_kernel_subshells", False))
    yield (
        "subshells",
        "ok" if subshells else "note",
        "supported by this kernel"
        if subshells
        else "not supported: widgets in a running cell can't answer; ipykernel 7 has them",
    )
    signals = sys.platform != "win32"
    yield (
        "stop button",
        "ok" if signals else "note",
        "interrupts a waiting cell by "
        + ("signal" if signals else "polling, within half a second"),
    )


def _service() -> Iterator[Finding]:
    try:
        connection = live.connection()
        health = connection.client.health()
        count = len(connection.client.agents.list())
    except AodNotebookError as error:
        yield "service", "problem", str(error)
        return
    where = f"{connection.base_url} ({connection.sources['base_url']})"
    state = "ok" if health.get("status") == "ok" else "problem"
    yield "service", state, f"{where}: {health.get('status')}"
    yield "token", "ok", f"accepted ({connection.sources['token']}); {count} agents are visible"


def _runtimes() -> Iterator[Finding]:
    found = [name for name in CLIS if shutil.which(name)]
    missing = [name for name in CLIS if name not in found]
    yield "runtimes", "ok", ", ".join([*found, "shell", "replay"]) + " can run on this machine"
    if missing:
        yield "runtimes", "note", f"not installed here: {', '.join(missing)}"


def _disk() -> Iterator[Finding]:
    folder = home()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    text = f"{without_home(folder)}: {free / 1e9:.1f} GB free"
    yield "disk", "ok" if free > ENOUGH_BYTES else "problem", text
    data = embedded_data_dir()
    if data.exists():
        size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        yield "disk", "ok", f"the embedded service holds {size / 1e6:.1f} MB"


def _versions() -> Iterator[Finding]:
    yield "version", "ok", f"Python {platform.python_version()}"
    for package in ("aod-notebook", *PACKAGES):
        try:
            yield "version", "ok", f"{package} {version(package)}"
        except PackageNotFoundError:
            yield "version", "note", f"{package} is not installed"
