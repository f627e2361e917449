"""An agent's MCP servers as each CLI's settings name them."""

from __future__ import annotations

import re
from typing import Any

from aod_notebook.local.runtimes.settings import ConfigError

Servers = list[dict[str, Any]]
Shown = dict[str, dict[str, Any]]

_BEARER = re.compile(r"Bearer \$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def claude(servers: Servers) -> Shown:
    """Return `mcpServers` of `~/.claude.json`; url servers are of type http there."""
    return {
        server["name"]: {
            "type": "http" if _is_url(server) else "stdio",
            **_kept(server, "url", "headers", "command", "args", "env"),
        }
        for server in servers
    }


def gemini(servers: Servers) -> Shown:
    """Return `mcpServers` of `~/.gemini/settings.json`."""
    return {
        server["name"]: {"httpUrl": server["url"], **_kept(server, "headers")}
        if _is_url(server)
        else _kept(server, "command", "args", "env")
        for server in servers
    }


def opencode(servers: Servers) -> Shown:
    """Return `mcp` of `~/.config/opencode/opencode.json`."""
    return {
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


def codex(servers: Servers) -> Shown:
    """Return `mcp_servers` of `~/.codex/config.toml`.

    Raises:
        ConfigError: a url server has a header other than `Authorization: Bearer ${ENV}`, or
            `url`, `command` or `args` are not text.
    """
    return {str(server["name"]): _codex_table(server) for server in servers}


def _codex_table(server: dict[str, Any]) -> dict[str, Any]:
    texts = [server["url"]] if _is_url(server) else [server["command"], *server.get("args", [])]
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(
            f"MCP server '{server['name']}': codex takes texts only for url, command and args"
        )
    if not _is_url(server):
        env = {name: str(value) for name, value in server.get("env", {}).items()}
        return {"command": server["command"], "args": server.get("args", []), "env": env}
    shown = {"url": server["url"]}
    for header, value in server.get("headers", {}).items():
        found = _BEARER.fullmatch(str(value))
        if header.lower() != "authorization" or found is None:
            raise ConfigError(
                f"MCP server '{server['name']}': codex takes no header but "
                "'Authorization: Bearer ${VARIABLE}'"
            )
        shown["bearer_token_env_var"] = found[1]
    return shown


def _is_url(server: dict[str, Any]) -> bool:
    return bool(server.get("type", "url") == "url")


def _kept(server: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: server[name] for name in names if name in server}
