"""Where state lives, which base URLs are accepted, and how long a call may take."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_AOD_URL = "http://localhost:8777"
"""Where Agent on Demand is looked for when neither argument nor AOD_API_URL says."""
DEFAULT_AGENTOS_URL = "https://agentos-ai.dev"
"""Where AgentOS is looked for when neither argument nor AGENTOS_BASE_URL says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds, by kind of call; None waits for ever.

    Example:
        >>> Timeouts(call=120).connect
        5.0
    """

    connect: float | None = 5.0
    """Until a connection stands, for every kind of call."""
    call: float | None = 30.0
    """Until an ordinary call makes progress (a read, a write, a free connection)."""
    no_bytes: float | None = 60.0
    """Until a stream without a single byte counts as broken: four heartbeats of 15 s."""
    no_data: float | None = 900.0
    """Until a stream of nothing but heartbeats counts as broken; AoD itself gives up
    on a quiet session after 600 s, with a `stale` event."""


def home() -> Path:
    """Directory that holds all state of this package: service data, spools, journal.

    `AOD_NOTEBOOK_HOME` if it is set, else the platform's user data directory; an empty
    variable counts as unset, as in a shell. The directory is not made here.
    """
    configured = os.environ.get("AOD_NOTEBOOK_HOME", "").strip()
    if configured:
        return Path(configured).expanduser()
    from platformdirs import user_data_path

    return user_data_path("aod-notebook", appauthor=False)


def base_url(value: str) -> str:
    """Check a service's base URL and return it without blanks and trailing slashes.

    Raises:
        ValueError: not http(s), no host, or it carries a user, a query or a fragment;
            the text names the fault and never a password or what a query may hold.

    Example:
        >>> base_url(" http://localhost:8777/ ")
        'http://localhost:8777'
    """
    import httpx

    url = value.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"base URL cannot be read: {error}") from None
    if "@" in parts.netloc:
        raise ValueError("base URL must not carry a user or password: give the token apart")
    seen = parts._replace(query="", fragment="").geturl()
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"base URL {seen!r} must look like http://host:port or https://host")
    if "?" in url or "#" in url:
        raise ValueError(f"base URL {seen!r} must not have a query or a fragment")
    if any(not character.isprintable() or character == " " for character in url):
        raise ValueError("base URL must not have blanks or control characters inside")
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"base URL {url!r} has no host that could be asked: {error}") from None
    return url


def is_loopback(url: str) -> bool:
    """Check whether the URL's host is this machine, which no proxy could reach for us.

    Example:
        >>> is_loopback("http://127.0.0.1:8777"), is_loopback("https://example.org")
        (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def tls(url: str) -> ssl.SSLContext:
    """Return the certificates that clients of this URL trust.

    Loading the authorities takes some 30 ms, which a plain connection to this machine never
    needs; without them no certificate is trusted.

    Example:
        >>> tls("http://127.0.0.1:8777").get_ca_certs()
        []
    """
    if urlsplit(url).scheme == "http" and is_loopback(url):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    import httpx

    return httpx.create_ssl_context(trust_env=not is_loopback(url))


def user_agent() -> str:
    """Name and version of this package, as sent with every request."""
    from aod_notebook._version import __version__

    return f"aod-notebook/{__version__}"
