"""Pydantic's errors as the 422 list of CONTRACT.md A.3, with every secret taken out.

Upstream echoes the offending input, which can be a map of secrets or the whole body (part C);
here the values under the keys below are replaced before anything leaves the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

HIDDEN = "**********"
_SECRET_KEYS = frozenset(
    {"env_vars", "secret_env_vars", "authorization_token", "headers", "env", "local_env"}
)


def error_items(error: ValidationError) -> list[dict[str, Any]]:
    """Return `type`, `loc`, `msg`, `input` and `url` of each failure."""
    items = []
    for item in error.errors(include_context=False):
        loc = list(item["loc"])
        secret = any(part in _SECRET_KEYS for part in loc)
        items.append(
            {
                "type": item["type"],
                "loc": loc,
                "msg": item["msg"],
                "input": _hide(item["input"]) if secret else redact(item["input"]),
                "url": item["url"],
            }
        )
    return items


def redact(value: Any) -> Any:
    """Copy a JSON value with the values under secret keys replaced."""
    if isinstance(value, dict):
        return {
            key: _hide(inner) if key in _SECRET_KEYS else redact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    return value


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return dict.fromkeys(value, HIDDEN)
    return HIDDEN
