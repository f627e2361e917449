"""An agent's MCP servers in the configuration formats of the CLIs (CONTRACT.md A.13.1)."""

from __future__ import annotations

import json
import re
from typing import Any

Servers = list[dict[str, Any]]

_BEARER = re.compile(r"Bearer \$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ConfigError(Exception):
    """A server can't be expressed in a CLI's configuration."""


def claude(servers: Servers) -> str:
    """Return `~/.claude.json`; url servers are of type http there."""
    shown = {
        server["name"]: {
            "type": "http" if _is_url(server) else "stdio",
            **_kept(server, "url", "headers", "command", "args", "env"),
        }
        for server in servers
    }
    return json.dumps({"mcpServers": shown}, indent=2)


def gemini(servers: Servers) -> str:
    """Return `~/.gemini/settings.json`."""
    shown = {
        server["name"]: {"httpUrl": server["url"], **_kept(server, "headers")}
        if _is_url(server)
        else _kept(server, "command", "args", "env")
        for server in servers
    }
    return json.dumps({"mcpServers": shown}, indent=2)


def opencode(servers: Servers) -> str:
    """Return `~/.config/opencode/opencode.json`."""
    shown = {
        server["name"]: {
            "type": "remote",
            "url": server["url"],
            "enabled": True,
            **_kept(server, "headers"),
        }
        if _is_url(server)
        else {
            "type": "local",
            "command": [server["command"], *server.get("args", [])],
            "environment": server.get("env", {}),
            "enabled": True,
        }
        for server in servers
    }
    return json.dumps({"mcp": shown}, indent=2)


def codex(servers: Servers) -> str:
    """Return `~/.codex/config.toml`.

    Raises:
        ConfigError: a url server has a header other than `Authorization: Bearer ${ENV}`, or
            `url`, `command` or `args` are no texts.
    """
    return "\n".join(line for server in servers for line in _codex_table(server)) + "\n"


def _codex_table(server: dict[str, Any]) -> list[str]:
    lines = [f"[mcp_servers.{_toml(str(server['name']))}]"]
    texts = [server["url"]] if _is_url(server) else [server["command"], *server.get("args", [])]
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(
            f"MCP server '{server['name']}': codex takes texts only for url, command and args"
        )
    if _is_url(server):
        lines.append(f"url = {_toml(server['url'])}")
        for header, value in server.get("headers", {}).items():
            found = _BEARER.fullmatch(str(value))
            if header.lower() != "authorization" or found is None:
                raise ConfigError(
                    f"MCP server '{server['name']}': codex takes no header but "
                    "'Authorization: Bearer ${VARIABLE}'"
                )
            lines.append(f"bearer_token_env_var = {_toml(found[1])}")
        return lines
    lines.append(f"command = {_toml(server['command'])}")
    lines.append(f"args = {_toml(server.get('args', []))}")
    pairs = ", ".join(
        f"{_toml(name)} = {_toml(str(value))}" for name, value in server.get("env", {}).items()
    )
    return [*lines, f"env = {{ {pairs} }}"]


def _toml(value: Any) -> str:
    """Write a text or a list of texts: as JSON, but for what TOML wants plain, or escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_url(server: dict[str, Any]) -> bool:
    return bool(server.get("type", "url") == "url")


def _kept(server: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: server[name] for name in names if name in server}
