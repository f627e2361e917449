"""Install JupyterHub and its proxy in a folder of their own, for the tests.

With the folder of its packages on the path, the environment's Python runs JupyterHub; the proxy comes
from npm.

Usage: python tests/tools/hub.py               install what is missing, print the folders
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from side_packages import ROOT, install

if TYPE_CHECKING:
    from pathlib import Path

HUB = ROOT / ".venv-hub"
PACKAGES = (
    "aiohappyeyeballs==2.7.1",
    "aiohttp==3.14.5",
    "aiosignal==1.4.0",
    "alembic==1.20.1",
    "certipy==0.2.3",
    "frozenlist==1.8.0",
    "jupyterhub==6.1.1",
    "mako==1.4.3",
    "multidict==7.2.1",
    "oauthlib==4.0.1",
    "pamela==1.2.0",
    "propcache==0.5.4",
    "yarl==1.25.1",
)
"""JupyterHub, and what it needs that the environment does not have."""
PROXY = "configurable-http-proxy@5.3.0"


def packages() -> Path:
    """Return the folder with JupyterHub, which is installed if it is not there."""
    return install(HUB / "packages", PACKAGES)


def proxy() -> Path:
    """Return the command of the proxy, which is installed if it is not there."""
    folder = HUB / PROXY
    command = folder / "node_modules" / ".bin" / "configurable-http-proxy"
    if not command.exists():
        quiet = "--silent --no-audit --no-fund --no-package-lock"
        subprocess.run(["npm", "install", *quiet.split(), "--prefix", folder, PROXY], check=True)
    return command


def main() -> int:
    """Install both."""
    for path in (packages(), proxy()):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
