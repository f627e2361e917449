"""Install an environment's packages into a session's own home: names, commands, variables.

Every manager gets an explicit target there; only its cache and configuration are the person's.
System packages (`apt`) would change the machine: they are refused.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PASSED_PREFIXES = ("PIP_", "NPM_CONFIG_", "npm_config_", "CARGO_", "GO", "GEM_", "RUSTUP_")


class PackagesRefusedError(Exception):
    """The environment wants packages that this service does not install."""


def check_name(name: str, manager: str) -> None:
    """Refuse a package name that an installer would take as an option or a path upward.

    Raises:
        ValueError: the name begins with `-`, has a `..` part, or is blank.
    """
    if not name.strip() or name.lstrip().startswith("-") or ".." in re.split(r"[/\\@=:]", name):
        # the name is not quoted: `--index-url=https://user:password@…` would be one
        raise ValueError(
            f"Invalid {manager} package name: must not be blank, begin with '-' or have a '..' part"
        )


def install_commands(packages: dict[str, list[str]], home: Path) -> Iterator[list[str]]:
    """Return argument lists in the order cargo, gem, go, npm, pip.

    Names are checked here too: an environment may have been stored by a version that took more.

    Raises:
        PackagesRefusedError: apt packages are asked for, or a name is no package's.
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
        yield ["cargo", "install", "--quiet", "--root", local, "--", *names]
    if names := packages.get("gem"):  # to gem, `--` means that options for a build follow
        gems = ["--install-dir", f"{local}/gems", "--bindir", f"{local}/bin"]
        yield ["gem", "install", "--no-document", *gems, *names]
    for name in packages.get("go", []):
        module = name if "@" in name else f"{name}@latest"
        yield ["env", f"GOBIN={local}/bin", "go", "install", "--", module]
    if names := packages.get("npm"):
        yield ["npm", "install", "--silent", "--global", "--prefix", local, "--", *names]
    if names := packages.get("pip"):
        venv = home / "venv"
        yield [sys.executable, "-m", "venv", str(venv)]
        yield [str(venv / "bin" / "pip"), "install", "--quiet", "--", *names]


def installer_environment(session: dict[str, str]) -> dict[str, str]:
    """Return the session's variables with the person's home and installer settings."""
    own = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_PREFIXES)}
    return {**session, **own, "HOME": os.environ.get("HOME", session["HOME"])}
