"""Install the published AgentOS SDKs, each version in a folder of its own, for comparison.

They all import as `agentos`, so each is used in child processes with its folder on the path.

Usage: python tests/tools/agentos_sdks.py          install what is missing, print the folders
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from side_packages import ROOT, install

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("0.2.0", "0.4.0")
NEWEST = VERSIONS[-1]


def folder(version: str) -> Path:
    """Return the folder of a version, which is installed if it is not there."""
    return install(ROOT / ".venv-agentos" / version, [f"pyagentos-sdk=={version}"])


def main() -> int:
    """Install all versions."""
    for version in VERSIONS:
        print(folder(version).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
