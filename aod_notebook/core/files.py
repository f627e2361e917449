"""Folders and files below the package's home that only their owner can read."""

from __future__ import annotations

import errno
import os
import secrets
from typing import TYPE_CHECKING

from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = 0o077


def check_owner(path: Path) -> None:
    """Refuse a folder or file of another user, who may have read or planted its contents.

    This matters most for root, who can use what belongs to anybody.

    Raises:
        PermissionError: it is another user's.
    """
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise PermissionError(
            errno.EPERM,
            f"{path} belongs to another user (uid {owner}): remove it, or choose another "
            "AOD_NOTEBOOK_HOME or data directory",
        )


def make_private(folder: Path) -> Path:
    """Create a folder for its owner alone, and return it; restrict an existing one.

    So are the folders between it and the home. A home that is there already keeps its mode: it
    may be a folder that the user shares on purpose.

    Raises:
        OSError: it can't be made, or is another user's.
    """
    top = home()
    top.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in reversed((folder, *folder.parents)):  # nothing is made in another user's
        if each != top and each.is_relative_to(top):
            each.mkdir(mode=0o700, exist_ok=True)
            narrow(each)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def narrow(path: Path) -> None:
    """Restrict a folder or file to its owner.

    Raises:
        OSError: it is another user's.
    """
    check_owner(path)
    mode = path.stat().st_mode
    if mode & _OTHERS:
        path.chmod(mode & ~_OTHERS & 0o7777)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)
