"""An agent's skills as files in a session's home (CONTRACT.md A.13.1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aod_notebook.local.credentials import make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path


def write_inline(root: Path, skill: dict[str, Any]) -> None:
    """Write `<root>/<name>/SKILL.md` with name and description as front matter."""
    folder = root / skill["name"]
    make_private(folder)
    head = f"---\nname: {skill['name']}\ndescription: {json.dumps(skill['description'])}\n---\n\n"
    write_private(folder / "SKILL.md", (head + skill["content"]).encode("utf-8", "replace"))


def install_command(skill: dict[str, Any], agent: str) -> list[str]:
    """Return the argument list that installs a skill from GitHub."""
    chosen = ["--skill", skill["name"]] if "name" in skill else []
    source = ["add", skill["source"], "--global", "--agent", agent, "--yes"]
    return ["npx", "-y", "skills@latest", *source, *chosen]
