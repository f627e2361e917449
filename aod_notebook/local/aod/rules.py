"""Checks of skills, MCP servers, packages and variables, with the messages of the real service."""

from __future__ import annotations

import re
from typing import Any

from aod_notebook.local.turns.packages import check_name
from aod_notebook.local.turns.skills import SOURCE

HIDDEN = "**********"
MANAGERS = ("apt", "cargo", "gem", "go", "npm", "pip")
_MAX_ENTRIES = 20
_MAX_CONTENT = 65536
_MAX_DESCRIPTION = 1024
_HEREDOC = "SKILL_EOF"
_INLINE = {"content", "description", "name"}
_GITHUB = {"description", "name", "source", "type"}
_SKILL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,15}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def plain_word(value: Any) -> str:
    """Return a word such as `sse`; what may be a secret in the wrong field is hidden."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else HIDDEN


def check_skills(skills: list[Any]) -> list[Any]:
    """Return the skills unchanged; ValueError with the text of the first rule they break."""
    if len(skills) > _MAX_ENTRIES:
        raise ValueError(f"Maximum {_MAX_ENTRIES} skills per agent")
    seen: set[str] = set()
    for index, skill in enumerate(skills):
        where = f"skills[{index}]"
        if not isinstance(skill, dict):
            raise ValueError(f"{where} must be an object")  # noqa: TRY004 - pydantic takes ValueError alone
        check = _check_github if "type" in skill else _check_inline
        check(where, skill)
        _check_unique(where, skill, seen)
        if len(skill["description"]) > _MAX_DESCRIPTION:
            raise ValueError(f"{where}.description exceeds {_MAX_DESCRIPTION} chars")
    return skills


def _check_shape(
    where: str, skill: dict[str, Any], kind: str, allowed: set[str], required: tuple[str, ...]
) -> None:
    unknown = sorted(set(skill) - allowed)
    if unknown:
        raise ValueError(
            f"{where}: unknown keys {unknown}. Allowed for {kind} skills: {sorted(allowed)}"
        )
    for name in required:
        if name not in skill:
            raise ValueError(f"{where} missing required field: {name}")
    for name in sorted(skill):
        if not isinstance(skill[name], str):
            raise ValueError(f"{where}.{name} must be a string")  # noqa: TRY004 - pydantic takes ValueError alone


def _check_inline(where: str, skill: dict[str, Any]) -> None:
    _check_shape(where, skill, "inline", _INLINE, ("name", "description", "content"))
    content = skill["content"]
    if len(content.encode("utf-8", "surrogatepass")) > _MAX_CONTENT:
        raise ValueError(f"{where}.content exceeds {_MAX_CONTENT} bytes")
    if _HEREDOC in content:
        raise ValueError(f"{where}.content must not contain '{_HEREDOC}'")


def _check_github(where: str, skill: dict[str, Any]) -> None:
    _check_shape(where, skill, "github", _GITHUB, ("type", "description", "source"))
    if skill["type"] != "github":
        raise ValueError(f"{where}.type '{skill['type']}' unsupported (only 'github')")
    if not SOURCE.fullmatch(skill["source"]):
        raise ValueError(f"{where}.source '{skill['source']}' must be 'owner/repo'")


def _check_unique(where: str, skill: dict[str, Any], seen: set[str]) -> None:
    if "name" in skill:
        name = skill["name"]
        if not _SKILL_NAME.fullmatch(name):
            raise ValueError(f"{where}.name '{name}' must match [a-z0-9][a-z0-9-]{{0,63}}")
        key, text = name, f"duplicate name '{name}'"
    else:
        key = f"@github:{skill['source']}"
        text = f"duplicate source '{key}'"
    if key in seen:
        raise ValueError(f"{where}: {text}")
    seen.add(key)


def check_mcp_servers(servers: list[Any]) -> list[Any]:
    """Return the servers unchanged; ValueError with the text of the first rule they break."""
    seen: set[str] = set()
    for index, server in enumerate(servers):
        where = f"mcp_servers[{index}]"
        if not isinstance(server, dict):
            raise ValueError(f"{where} must be an object")  # noqa: TRY004 - pydantic takes ValueError alone
        if "name" not in server:
            raise ValueError(f"{where} missing required field: name")
        kind = server.get("type", "url")
        if kind not in ("url", "stdio"):
            shown = plain_word(kind)
            raise ValueError(f"{where}: unknown type '{shown}'. Must be one of: ['stdio', 'url']")
        needed = "url" if kind == "url" else "command"
        if needed not in server:
            raise ValueError(f"{where} ({kind}): missing required field: {needed}")
        name = str(server["name"])
        if name in seen:
            raise ValueError(f"{where}: duplicate name '{name}'")
        seen.add(name)
    if len(servers) > _MAX_ENTRIES:
        raise ValueError(f"Maximum {_MAX_ENTRIES} MCP servers per agent")
    return servers


def check_packages(packages: dict[str, list[str]]) -> dict[str, list[str]]:
    """Refuse an unknown package manager, and names that an installer would not take as names."""
    for manager, names in packages.items():
        if manager not in MANAGERS:
            raise ValueError(
                f"Unknown package manager: {manager}. Must be one of: {list(MANAGERS)}"
            )
        for name in names:
            check_name(name, manager)
    return packages


def check_variables(variables: dict[str, str]) -> dict[str, str]:
    """Refuse a name that is not valid for a shell variable."""
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            named, is_pair, _ = name.partition("=")
            shown = f"{named}=…" if is_pair else name  # what follows may be a secret
            raise ValueError(f"Invalid env_var key '{shown}': must match [A-Za-z_][A-Za-z0-9_]*")
    return variables


def check_networking(networking: dict[str, Any]) -> dict[str, Any]:
    """Check `type` and `allowed_hosts`; everything else is kept unchanged."""
    if networking.get("type", "unrestricted") not in ("unrestricted", "limited"):
        raise ValueError("networking.type must be 'unrestricted' or 'limited'")
    if not isinstance(networking.get("allowed_hosts", []), list):
        raise ValueError("networking.allowed_hosts must be a list")  # noqa: TRY004 - as above
    return networking
