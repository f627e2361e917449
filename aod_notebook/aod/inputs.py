"""Typed inputs of requests, and the service's own rules for them.

Everywhere a typed input is taken, a plain dict of the same shape is taken too, as is what
a read returned. The checks run before sending and give the texts that the service would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import BaseModel, SecretStr

_SKILL_BYTES = 65536
_SKILL_MARK = "SKILL_EOF"
_DESCRIPTION_CHARS = 1024
_MAX_SKILLS = _MAX_MCP_SERVERS = 20
_MAX_RESOURCES = 10
_MANAGERS = ["apt", "cargo", "gem", "go", "npm", "pip"]
_SOURCE = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_SKILL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REPO = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+(\.git)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class McpServerUrl:
    """A tool server reached by URL; `headers` may hold secrets and stay out of the repr.

    Example:
        >>> McpServerUrl(name="docs", url="https://example.org/mcp")
        McpServerUrl(name='docs', url='https://example.org/mcp')
    """

    name: str
    url: str
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    type: str = field(default="url", init=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class McpServerStdio:
    """A tool server started as a process; `env` may hold secrets and stays out of the repr.

    Example:
        >>> McpServerStdio(name="files", command="npx", args=["server-files"]).type
        'stdio'
    """

    name: str
    command: str
    args: Sequence[str] | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)
    type: str = field(default="stdio", init=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class InlineSkill:
    """A skill given as text: at most 65536 bytes of UTF-8.

    Example:
        >>> InlineSkill(name="tidy", description="How to tidy", content="# Tidy").name
        'tidy'
    """

    name: str
    description: str
    content: str


@dataclass(frozen=True, kw_only=True)
class GithubSkill:
    """A skill of a public repository `owner/repo`; without `name`, all of its skills.

    Example:
        >>> GithubSkill(source="owner/repo", description="House style").type
        'github'
    """

    source: str
    description: str
    name: str | None = None
    type: str = field(default="github", init=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class GithubRepoResource:
    """A repository to clone into the sandbox, by default at `/workspace/<repo>`.

    `authorization_token` (text or SecretStr) is write-only and stays out of the repr.

    Example:
        >>> GithubRepoResource(url="https://github.com/owner/repo", mount_path="/src").mount_path
        '/src'
    """

    url: str
    mount_path: str | None = None
    authorization_token: str | SecretStr | None = field(default=None, repr=False)
    type: str = field(default="github_repository", init=False, repr=False)


def plain(value: Any) -> Any:
    """Convert typed inputs and models to plain JSON values.

    Example:
        >>> plain([GithubSkill(source="o/r", description="d")])
        [{'source': 'o/r', 'description': 'd', 'type': 'github'}]
    """
    match value:
        case SecretStr():
            return value.get_secret_value()
        case BaseModel():
            return value.model_dump(mode="json", exclude_unset=True)
        case (
            McpServerUrl() | McpServerStdio() | InlineSkill() | GithubSkill() | GithubRepoResource()
        ):
            pairs = ((each.name, getattr(value, each.name)) for each in fields(value))
            return {name: plain(item) for name, item in pairs if item is not None}
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def check_skills(skills: list[Any]) -> list[Any]:
    """Apply the rules for skills; the first failure is raised as ValueError."""
    if len(skills) > _MAX_SKILLS:
        raise ValueError("Maximum 20 skills per agent")
    seen: set[str] = set()
    for index, skill in enumerate(skills):
        at = f"skills[{index}]"
        if not isinstance(skill, dict):
            raise ValueError(f"{at} must be an object")  # noqa: TRY004 - pydantic wants ValueError
        if "type" in skill:
            _check_shape(at, skill, "github", ["type", "description", "source"], ["name"])
            _check_github_skill(at, skill)
        else:
            _check_shape(at, skill, "inline", ["name", "description", "content"], [])
            _check_inline_skill(at, skill)
        name = skill.get("name")
        if name is not None and not _SKILL_NAME.fullmatch(name):
            raise ValueError(f"{at}.name '{name}' must match [a-z0-9][a-z0-9-]{{0,63}}")
        key = f"@github:{skill.get('source')}" if name is None else name
        if key in seen:
            raise ValueError(f"{at}: duplicate {'source' if name is None else 'name'} '{key}'")
        seen.add(key)
        if len(skill["description"]) > _DESCRIPTION_CHARS:
            raise ValueError(f"{at}.description exceeds 1024 chars")
    return skills


def _check_shape(
    at: str, skill: dict[str, Any], kind: str, required: list[str], optional: list[str]
) -> None:
    allowed = sorted(required + optional)
    unknown = sorted(str(key) for key in skill.keys() - set(allowed))
    if unknown:
        raise ValueError(f"{at}: unknown keys {unknown}. Allowed for {kind} skills: {allowed}")
    for name in required:
        if name not in skill:
            raise ValueError(f"{at} missing required field: {name}")
    for name, value in skill.items():
        if not isinstance(value, str):
            raise ValueError(f"{at}.{name} must be a string")  # noqa: TRY004 - as above


def _check_github_skill(at: str, skill: dict[str, str]) -> None:
    if skill["type"] != "github":
        raise ValueError(f"{at}.type '{skill['type']}' unsupported (only 'github')")
    if not _SOURCE.fullmatch(skill["source"]):
        raise ValueError(f"{at}.source '{skill['source']}' must be 'owner/repo'")


def _check_inline_skill(at: str, skill: dict[str, str]) -> None:
    if len(skill["content"].encode("utf-8", "surrogatepass")) > _SKILL_BYTES:
        raise ValueError(f"{at}.content exceeds 65536 bytes")
    if _SKILL_MARK in skill["content"]:
        raise ValueError(f"{at}.content must not contain '{_SKILL_MARK}'")


def check_mcp_servers(servers: list[Any]) -> list[Any]:
    """Apply the rules for MCP servers; each entry is sent verbatim."""
    needed = {"url": "url", "stdio": "command"}
    seen: set[Any] = set()
    for index, server in enumerate(servers):
        at = f"mcp_servers[{index}]"
        if not isinstance(server, dict):
            raise ValueError(f"{at} must be an object")  # noqa: TRY004 - as above
        name, kind = server.get("name"), server.get("type", "url")
        if not name:
            raise ValueError(f"{at} missing required field: name")
        if kind not in needed:
            raise ValueError(f"{at}: unknown type '{kind}'. Must be one of: ['stdio', 'url']")
        if not server.get(needed[kind]):
            raise ValueError(f"{at} ({kind}): missing required field: {needed[kind]}")
        if name in seen:
            raise ValueError(f"{at}: duplicate name '{name}'")
        seen.add(name)
    if len(servers) > _MAX_MCP_SERVERS:
        raise ValueError("Maximum 20 MCP servers per agent")
    return servers


def check_env_vars(variables: dict[str, str]) -> dict[str, str]:
    """Apply the rule for names of environment variables."""
    for key in variables:
        if not _ENV_KEY.fullmatch(key):
            named, is_pair, _ = key.partition("=")
            shown = f"{named}=…" if is_pair else key  # what follows may be a secret
            raise ValueError(f"Invalid env_var key '{shown}': must match [A-Za-z_][A-Za-z0-9_]*")
    return variables


def check_packages(packages: dict[str, list[str]]) -> dict[str, list[str]]:
    """Apply the rule for package managers."""
    for manager in packages:
        if manager not in _MANAGERS:
            raise ValueError(f"Unknown package manager: {manager}. Must be one of: {_MANAGERS}")
    return packages


def check_networking(networking: dict[str, Any]) -> dict[str, Any]:
    """Apply the rules for networking; further keys are sent verbatim."""
    if networking.get("type", "unrestricted") not in {"unrestricted", "limited"}:
        raise ValueError("networking.type must be 'unrestricted' or 'limited'")
    if not isinstance(networking.get("allowed_hosts", []), list):
        raise ValueError("networking.allowed_hosts must be a list")  # noqa: TRY004 - as above
    return networking


def check_repo_url(url: str) -> str:
    """Apply the rule for a repository's URL."""
    if not _REPO.fullmatch(url):
        raise ValueError("Must be a valid https://github.com/<owner>/<repo> URL")
    return url


def check_mount_path(path: str | None) -> str | None:
    """Apply the rules for a mount path."""
    if path is not None:
        if not path.startswith("/"):
            raise ValueError("mount_path must be an absolute path")
        if path in {"/", "/home/sprite"}:
            raise ValueError("mount_path must not be the Sprite root")
    return path


def check_resources(
    resources: list[Any], mount_path: Callable[[Any], str | None], url: Callable[[Any], str]
) -> list[Any]:
    """Apply the rules for the repositories of a session taken together."""
    if len(resources) > _MAX_RESOURCES:
        raise ValueError("Maximum 10 resources per session")
    seen: set[str] = set()
    for each in resources:
        repo = url(each).removesuffix(".git").rpartition("/")[2]
        path = mount_path(each) or f"/workspace/{repo}"
        if path in seen:
            raise ValueError("Duplicate mount_path in resources")
        seen.add(path)
    return resources
