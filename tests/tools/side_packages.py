"""Install pinned packages into folders of their own, beside the environment that the tests run in."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]


def install(target: Path, packages: Sequence[str]) -> Path:
    """Install packages, without what they need, into a folder that does not have just these yet.

    Args:
        target: the folder; what was in it is deleted.
        packages: each with its version.

    Returns:
        `target`: on Python's path its packages come before those of the environment.
    """
    note, wanted = target / "installed.txt", "\n".join(packages)
    if not note.is_file() or note.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(target, ignore_errors=True)
        command = [*_installer(), "--quiet", "--no-deps", "--target", str(target), *packages]
        subprocess.run(command, check=True)
        note.write_text(wanted, encoding="utf-8")
    return target


def _installer() -> list[str]:
    """Return the command that installs packages; an environment made by uv has no pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    return ["uv", "pip", "install", "--python", sys.executable]
