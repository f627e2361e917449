"""An agent's skills as files in a session's home."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aod_notebook.local.credentials import make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

# Neither part may be an option of the installer, or a path: no leading `-`, no `.`, no `..`.
_PART = r"(?!-|\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"
SOURCE = re.compile(f"{_PART}/{_PART}")
"""The `owner/repo` of a skill on GitHub."""


def write_inline(root: Path, skill: dict[str, Any]) -> None:
    """Write `<root>/<name>/SKILL.md` with name and description as front matter."""
    folder = root / skill["name"]
    make_private(folder)
    head = f"---\nname: {skill['name']}\ndescription: {json.dumps(skill['description'])}\n---\n\n"
    write_private(folder / "SKILL.md", (head + skill["content"]).encode("utf-8", "replace"))


def install_command(skill: dict[str, Any], agent: str) -> list[str]:
    """Return the argument list that installs a skill from GitHub.

    Raises:
        ValueError: the source is not `owner/repo` (an agent stored by an earlier version).
    """
    if not SOURCE.fullmatch(skill["source"]):
        raise ValueError(f"source {skill['source']!r} must be 'owner/repo'")
    chosen = ["--skill", skill["name"]] if "name" in skill else []
    source = ["add", skill["source"], "--global", "--agent", agent, "--yes"]
    return ["npx", "-y", "skills@latest", *source, *chosen]
