"""Install the published AgentOS SDKs, each version in a folder of its own, for comparison.

They all import as `agentos`, so each is used in child processes with its folder on the path.

Usage: python scripts/agentos_sdks.py          install what is missing, print the folders
"""

from __future__ import annotations

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
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", str(target)]
        subprocess.run([*command, f"pyagentos-sdk=={version}"], check=True)  # noqa: S603 - our own command
    return target


def main() -> int:
    """Install all versions."""
    for version in VERSIONS:
        print(folder(version).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
