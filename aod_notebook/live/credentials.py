"""The sources of a connection's URL and secret: variables, names, a keyring, a prompt."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import check_owner, make_private, write_private
from aod_notebook.core.settings import (
    DEFAULT_AGENTOS_URL,
    DEFAULT_AOD_URL,
    base_url,
    home,
    is_loopback,
)
from aod_notebook.live.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable

URL_VARIABLE = "AOD_API_URL"
TOKEN_VARIABLE = "AOD_API_TOKEN"  # noqa: S105 - the variable's name
KEYRING_SERVICE = "aod-notebook"


class Half(NamedTuple):
    """One of the two APIs that a service may have.

    Attributes:
        name: what it is called where names of connections are kept.
        service: what its service is called.
        magic: the magic that speaks to it.
        noun: what its secret is called.
        variable: the environment variable with its secret.
        url_variable: the environment variable with its URL.
        default_url: where it is when that variable is not set.
        keyring_prefix: what stands before its URL in the keyring, so that two services of one
            URL keep their secrets apart.
    """

    name: str
    service: str
    magic: str
    noun: str
    variable: str
    url_variable: str
    default_url: str
    keyring_prefix: str = ""


AOD = Half("aod", "service", "%aod", "token", TOKEN_VARIABLE, URL_VARIABLE, DEFAULT_AOD_URL)
AGENTOS = Half(
    "agentos",
    "AgentOS service",
    "%agentos",
    "key",
    "AGENTOS_API_KEY",
    "AGENTOS_BASE_URL",
    DEFAULT_AGENTOS_URL,
    keyring_prefix="agentos ",
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen service; what is not chosen comes from the environment."""

    url: str | None = None
    name: str | None = None
    local: bool = False
    agent_id: str | None = None
    workspace: str | None = None


class TokenMissingError(AodNotebookError):
    """A service other than the embedded one was named, but there is no token for it.

    Fix: Set the variables that the message names, or use the embedded service (`--local`).
    """


class PlainHttpWarning(UserWarning):
    """A secret is sent to another machine without encryption.

    Fix: Use https, or a tunnel that ends on this machine.
    """


class UnknownConnectionError(AodNotebookError):
    """No connection was remembered by that name.

    Fix: Use a name that the message lists, or pass the URL.
    """


def variable(name: str) -> str | None:
    """Return an environment variable without blanks around it; None if it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def settings_of(half: Half, choice: Choice, ask: Callable[[str], str] | None) -> dict[str, Any]:
    """Return the arguments of the `Connection` to a service that is not the embedded one.

    Args:
        half: the API.
        choice: the chosen service.
        ask: called with a question, returns the input; None if there is no one to ask.

    Raises:
        UnknownConnectionError: no service was remembered by the chosen name.
        TokenMissingError: there is no secret for it.
    """
    known: dict[str, str] = {}
    if choice.url:
        url, origin = choice.url, "argument"
    elif choice.name:
        known = named(choice.name, half)
        url, origin = known["url"], f"remembered as {choice.name}"
    elif configured := variable(half.url_variable):
        url, origin = configured, half.url_variable
    else:
        url, origin = half.default_url, "default"
    try:
        url = base_url(url)
    except ValueError as error:
        raise AodNotebookError(f"Not connected: {error}.") from None
    secret, secret_origin = find_token(url, ask, half)
    warn_if_in_clear(url, half)
    if choice.url and choice.name:
        remember(choice.name, half, url=url, agent=choice.agent_id, workspace=choice.workspace)
    settings = {
        "base_url": url,
        "secret": secret,
        "sources": {"base_url": origin, half.noun: secret_origin},
    }
    if half is AOD:
        return settings
    return settings | {
        "agent_id": choice.agent_id or known.get("agent") or variable("AGENTOS_AGENT_ID"),
        "workspace": choice.workspace or known.get("workspace") or variable("AGENTOS_WORKSPACE"),
    }


def find_token(url: str, ask: Callable[[str], str] | None, half: Half = AOD) -> tuple[str, str]:
    """Return the secret for the service at `url`, and where it was found.

    The one in the environment belongs to the service that the environment's URL names, or to the
    SDK's default address where it names none: it is not sent to another one. Then the keyring is asked, if one is installed, then the person; what was
    typed in is kept in the keyring.

    Args:
        url: the service's base URL.
        ask: called with a question, gives the input; None if there is no one to ask.
        half: which of the two services it is.

    Raises:
        TokenMissingError: there is none.
    """
    token, belongs_to = variable(half.variable), variable(half.url_variable) or half.default_url
    if token and belongs_to.rstrip("/") == url:
        return token, half.variable
    user = f"{half.keyring_prefix}{url}"
    kept = _keyring_call("get_password", user)
    if kept:
        return str(kept), "keyring"
    typed = ask(f"{half.noun.capitalize()} for {url}: ").strip() if ask else ""
    if typed:
        is_kept = _keyring_call("set_password", user, typed) is not _NO_KEYRING
        return typed, "typed in, kept in the keyring" if is_kept else "typed in"
    if token:
        raise TokenMissingError(
            f"No {half.noun} for {url}: {half.variable} belongs to {belongs_to} and is not sent "
            f"elsewhere. If it is for {url}, set {half.url_variable} to that."
        )
    raise TokenMissingError(
        f"No {half.noun} for {url}: set {half.variable} and {half.url_variable} in the kernel's "
        f"environment, or use the embedded service ({half.magic} connect --local)."
    )


def warn_if_in_clear(url: str, half: Half) -> None:
    """Warn, once per URL, that a secret goes to another machine unencrypted."""
    if urlsplit(url).scheme == "https" or is_loopback(url) or url in registry.warned:
        return
    registry.warned.add(url)
    warnings.warn(
        f"{url} is plain http on another machine: everyone on the way can read the {half.noun} "
        "and change what comes back. Use https, or a tunnel that ends on this machine.",
        PlainHttpWarning,
        stacklevel=2,
    )


def check_given(**words: str | None) -> None:
    """Refuse a blank URL or name: it is not the same as none.

    Raises:
        AodNotebookError: one is.
    """
    for what, word in words.items():
        if word is not None and not word.strip():
            raise AodNotebookError(
                f"Not connected: the {what} is empty; give one, or leave it out."
            )


def named(name: str, half: Half = AOD) -> dict[str, str]:
    """Return what was remembered of a service by `name`: its `url`, perhaps more.

    Raises:
        UnknownConnectionError: nothing was; the names that there are stand in the message.
    """
    names = {each: halves[half.name] for each, halves in _names().items() if half.name in halves}
    if name not in names:
        known = ", ".join(sorted(names)) or "none yet"
        raise UnknownConnectionError(
            f"No connection is remembered as {name!r} (known: {known}). "
            f"{half.magic} connect --url URL --name {name} remembers one."
        )
    return names[name]


def is_named(name: str, half: Half) -> bool:
    """Whether a service was remembered by `name`."""
    return half.name in _names().get(name, {})


def remember(name: str, half: Half, **settings: str | None) -> None:
    """Remember a service's `url`, and perhaps more, by a name, without its secret."""
    names = _names()
    given = {setting: value for setting, value in settings.items() if value}
    names[name] = {**names.get(name, {}), half.name: given}
    path = make_private(home()) / "connections.json"
    write_private(path, json.dumps(names, indent=2).encode())


def _names() -> dict[str, dict[str, dict[str, str]]]:
    """Read the remembered services: by name, then by service.

    Raises:
        AodNotebookError: another user wrote it, who would choose where a secret goes.
    """
    path = home() / "connections.json"
    try:
        check_owner(path)
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise AodNotebookError(f"Not connected: {error.strerror}.") from error
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    # A mere text is the URL that the first version remembered.
    return {
        str(name): halves if isinstance(halves, dict) else {AOD.name: {"url": str(halves)}}
        for name, halves in found.items()
    }


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
