"""Install an environment's packages into a session's own home: names, commands, variables.

Every manager gets an explicit target there; only its cache and configuration are the person's.
System packages (`apt`) would change the machine: they are refused.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from aod_notebook.local.variables import INSTALLER_VARIABLES, PROXIES, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class PackagesRefusedError(Exception):
    """The environment wants packages that this service does not install."""


def check_name(name: str, manager: str) -> None:
    """Refuse a package name that an installer would take as an option or a parent path.

    Raises:
        ValueError: the name begins with `-`, has a `..` part, or is blank.
    """
    if not name.strip() or name.lstrip().startswith("-") or ".." in re.split(r"[/\\@=:]", name):
        # the name is not quoted: `--index-url=https://user:password@…` would be one
        raise ValueError(
            f"Invalid {manager} package name: must not be blank, begin with '-' or have a '..' part"
        )


def install_commands(packages: dict[str, list[str]], home: Path) -> Iterator[tuple[str, list[str]]]:
    """Return managers and argument lists, in the order cargo, gem, go, npm, pip.

    Names are checked here too: an environment may have been stored by a version that took more.

    Raises:
        PackagesRefusedError: apt packages are asked for, or a name is not that of a package.
    """
    if packages.get("apt"):
        raise PackagesRefusedError(
            f"apt packages are not installed on this machine ({', '.join(packages['apt'])}): "
            "install them yourself and take 'apt' out of the environment's packages"
        )
    try:
        for manager, wanted in packages.items():
            for name in wanted:
                check_name(name, manager)
    except ValueError as error:
        raise PackagesRefusedError(str(error)) from None
    local = str(home / ".local")
    if names := packages.get("cargo"):
        yield "cargo", ["cargo", "install", "--quiet", "--root", local, "--", *names]
    if names := packages.get("gem"):  # to gem, `--` means that options for a build follow
        gems = ["--install-dir", f"{local}/gems", "--bindir", f"{local}/bin"]
        yield "gem", ["gem", "install", "--no-document", *gems, *names]
    for name in packages.get("go", []):
        module = name if "@" in name else f"{name}@latest"
        yield "go", ["env", f"GOBIN={local}/bin", "go", "install", "--", module]
    if names := packages.get("npm"):
        yield "npm", ["npm", "install", "--silent", "--global", "--prefix", local, "--", *names]
    if names := packages.get("pip"):
        venv = home / "venv"
        yield "pip", [sys.executable, "-m", "venv", str(venv)]
        yield "pip", [str(venv / "bin" / "pip"), "install", "--quiet", "--", *names]


def installer_environment(
    session: Mapping[str, str], own: Mapping[str, str], manager: str
) -> dict[str, str]:
    """Return a session's variables with the person's home and settings of one installer.

    The code of a package that is built sees them too; so each installer gets its own alone, and
    none a token that publishes.
    """
    names = INSTALLER_VARIABLES.get(manager, ())
    settings = {name: own[name] for name in names if name in own}
    return {**settings, **with_proxies(session, own), "HOME": own.get("HOME", session["HOME"])}


def with_proxies(session: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return a session's variables with the passwords of the person's proxies."""
    passwords = {
        name: own[name]
        for name in PROXIES
        if name in own and session.get(name) == without_password(own[name])
    }
    return {**session, **passwords}
