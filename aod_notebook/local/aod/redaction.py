"""Pydantic's errors as a 422 list, without any secret.

The hosted service echoes the offending input, which can be a map of secrets or the whole body.
Here only fields that hold no secret are echoed; a field that is not known, such as a misspelt
`secret_env`, may hold one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aod_notebook.local.aod.rules import HIDDEN, MANAGERS, plain_word

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHOWN = frozenset(
    {
        *("agent_id", "description", "environment_id", "model", "mount_path", "name", "prompt"),
        *(
            "provider",
            "resources",
            "runtime",
            "skills",
            "source",
            "system",
            "timeout",
            "type",
            "url",
        ),
        *("version", "networking", "allowed_hosts", "packages", *MANAGERS),
    }
)
_URL_SECRET = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=\?)[^\s#]+")


def error_items(error: ValidationError) -> list[dict[str, Any]]:
    """Return `type`, `loc`, `msg`, `input` and `url` of each failure."""
    items = []
    for item in error.errors(include_context=False):
        loc = list(item["loc"])
        servers = "mcp_servers" in loc
        is_shown = servers or all(part in _SHOWN for part in loc if isinstance(part, str))
        items.append(
            {
                "type": item["type"],
                "loc": loc,
                "msg": item["msg"],
                "input": redact(item["input"], servers=servers)
                if is_shown
                else _hide(item["input"]),
                "url": item["url"],
            }
        )
    return items


def redact(value: Any, *, servers: bool = False) -> Any:
    """Copy a JSON value with everything hidden that may be secret; of MCP servers name and type stay."""
    if isinstance(value, dict):
        if servers:
            return {key: _of_server(key, inner) for key, inner in value.items()}
        return {
            key: redact(inner) if key in _SHOWN else _hide(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redact(inner, servers=servers) for inner in value]
    if servers:
        return _hide(value)
    return _URL_SECRET.sub(HIDDEN, value) if isinstance(value, str) else value


def _of_server(key: str, value: Any) -> Any:
    if key == "type":
        return plain_word(value)
    return redact(value) if key == "name" else _hide(value)


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return dict.fromkeys((key.partition("=")[0] for key in value), HIDDEN)  # `KEY=secret`
    return HIDDEN
