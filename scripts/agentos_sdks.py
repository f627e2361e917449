"""Install the published AgentOS SDKs, each version in a folder of its own, for comparison.

They all import as `agentos`, so each is used in child processes with its folder on the path.

Usage: python scripts/agentos_sdks.py          install what is missing, print the folders
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".venv-agentos"
VERSIONS = ("0.2.0", "0.4.0")
NEWEST = VERSIONS[-1]


def folder(version: str) -> Path:
    """Give the folder of a version, which is installed if it is not there."""
    target = CACHE / version
    if not (target / "agentos").is_dir():
        command = [*_installer(), "--quiet", "--no-deps", "--target", str(target)]
        subprocess.run([*command, f"pyagentos-sdk=={version}"], check=True)  # noqa: S603 - our own command
    return target


def _installer() -> list[str]:
    """Give the command that installs packages; an environment made by uv has no pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    return ["uv", "pip", "install", "--python", sys.executable]


def main() -> int:
    """Install all versions."""
    for version in VERSIONS:
        print(folder(version).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
