"""Where a connection's URL and token come from: variables, names, a keyring, the person."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "TOKEN_VARIABLE",
    "URL_VARIABLE",
    "TokenMissingError",
    "UnknownConnectionError",
    "find_token",
    "named_url",
    "remember_url",
    "variable",
]

URL_VARIABLE = "AOD_API_URL"
TOKEN_VARIABLE = "AOD_API_TOKEN"  # noqa: S105 - the variable's name
KEYRING_SERVICE = "aod-notebook"


class TokenMissingError(AodNotebookError):
    """A service other than the embedded one was named, but there is no token for it."""


class UnknownConnectionError(AodNotebookError):
    """No connection was remembered by that name."""


def variable(name: str) -> str | None:
    """Give an environment variable without blanks around it; None if it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def find_token(url: str, ask: Callable[[str], str] | None) -> tuple[str, str]:
    """Give the token for the service at `url`, and where it was found.

    `AOD_API_TOKEN` belongs to the service that `AOD_API_URL` names: it is not sent to another
    one. Then the keyring is asked, if one is installed, then the person; a token that was typed
    in is kept in the keyring.

    Args:
        url: the service's base URL.
        ask: called with a question, gives what was typed in; None if nobody can be asked.

    Raises:
        TokenMissingError: there is none.
    """
    token, belongs_to = variable(TOKEN_VARIABLE), variable(URL_VARIABLE)
    if token and (belongs_to is None or belongs_to.rstrip("/") == url):
        return token, TOKEN_VARIABLE
    kept = _keyring_call("get_password", url)
    if kept:
        return str(kept), "keyring"
    typed = ask(f"Token for {url}: ").strip() if ask else ""
    if typed:
        is_kept = _keyring_call("set_password", url, typed) is not _NO_KEYRING
        return typed, "typed in, kept in the keyring" if is_kept else "typed in"
    other = f" (the one that is set belongs to {belongs_to})" if token else ""
    raise TokenMissingError(
        f"No token for {url}: set {TOKEN_VARIABLE} in the kernel's environment{other}, "
        "or use the embedded service (%aod connect --local)."
    )


def named_url(name: str) -> str:
    """Give the URL that was remembered by `name`.

    Raises:
        UnknownConnectionError: none was; the names that there are stand in the message.
    """
    names = _names()
    if name not in names:
        known = ", ".join(sorted(names)) or "none yet"
        raise UnknownConnectionError(
            f"No connection is remembered as {name!r} (known: {known}). "
            f"%aod connect --url URL --name {name} remembers one."
        )
    return names[name]


def remember_url(name: str, url: str) -> None:
    """Remember a service's URL by a name; its token is not part of that."""
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({**_names(), name: url}, indent=2)
    (home() / "connections.json").write_text(text, encoding="utf-8")


def _names() -> dict[str, str]:
    try:
        found = json.loads((home() / "connections.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(url) for name, url in found.items()} if isinstance(found, dict) else {}


class _NoKeyring:
    """No keyring is installed, or it is locked, or it has no backend."""

    def __bool__(self) -> bool:
        return False


_NO_KEYRING = _NoKeyring()


def _keyring_call(function: str, *arguments: str) -> Any:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return _NO_KEYRING
    try:
        return getattr(keyring, function)(KEYRING_SERVICE, *arguments)
    except keyring.errors.KeyringError:
        return _NO_KEYRING
