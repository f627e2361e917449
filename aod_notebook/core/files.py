"""Folders and files below the package's home that only their owner can read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING

from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = 0o077
_NAME_CHARS = 80


def check_owner(path: Path) -> None:
    """Refuse a folder or file of another user, who may have read or planted its contents.

    A link counts as its owner's too, wherever it leads: to a file of ours that we would write
    over. All this matters most for root, who can use what belongs to anybody.

    Raises:
        PermissionError: it is another user's.
    """
    for status in (path.lstat, path.stat):
        owner = status().st_uid
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


def make_private_file(path: Path) -> Path:
    """Create an empty file for its owner alone, and return it; one that exists is narrowed to that.

    Raises:
        OSError: it can't be made, or is another user's.
    """
    with contextlib.suppress(FileExistsError):  # a link to nowhere exists, too
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    narrow(path)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    write_whole(path, data, mode=0o600)


def write_whole(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file, whole or not at all; a link in its place is replaced, not followed."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def file_name(given: str) -> str:
    """Return an id as a name that every file system takes and that leads to no other folder.

    Ids that had to be changed stay apart.

    Example:
        >>> file_name("5f0c2f6e-935d"), file_name("../x")
        ('5f0c2f6e-935d', '___x-d6b96a97')
    """
    name = re.sub(r"[^A-Za-z0-9_\-]", "_", given)[:_NAME_CHARS]
    if name and name == given:
        return name
    return f"{name}-{hashlib.sha256(given.encode(errors='replace')).hexdigest()[:8]}"
