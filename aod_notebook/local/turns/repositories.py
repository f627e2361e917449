"""A session's GitHub repositories: the paths of their clones, and their tokens for git."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_ROOTS = ("/workspace", "/home/sprite")


class MountPathError(Exception):
    """A mount path is invalid or leads out of the session's directory."""


def clone_target(workspace: Path, mount_path: str) -> Path:
    """Return the directory below the workspace that stands for an absolute path of the sandbox.

    `/workspace/x` and `/home/sprite/x` are `x` in the working directory, `/a/b` is `a/b`.

    Call it just before each clone: an earlier clone may have brought a symbolic link that is now
    a part of the path.

    Raises:
        MountPathError: the path has `..` or a NUL, or leads out of the workspace through a link.
    """
    if "\0" in mount_path:
        raise MountPathError(f"mount_path {mount_path!r} has a NUL, which no path can have")
    path = PurePosixPath("/", mount_path.lstrip("/"))  # for two leading slashes, too
    for root in _ROOTS:
        if path.is_relative_to(root):
            path = path.relative_to(root)
            break
    else:
        path = path.relative_to("/")
    if ".." in path.parts:
        raise MountPathError(f"mount_path {mount_path} leads out of the session's directory")
    target = workspace / path
    if not target.resolve().is_relative_to(workspace.resolve()):
        raise MountPathError(
            f"mount_path {mount_path} leads out of the session's directory through a symbolic link"
        )
    return target


def git_settings(resources: list[dict[str, Any]], env_vars: dict[str, str]) -> dict[str, str]:
    """Return the variables that let git use each repository's token; nothing is written.

    They come after settings of the same kind in `env_vars`.
    """
    tokens = [(entry["url"], entry["token"]) for entry in resources if entry["token"]]
    if not tokens:
        return {}
    given = env_vars.get("GIT_CONFIG_COUNT", "0")
    count = int(given) if given.isdecimal() else 0
    settings: dict[str, str] = {}
    for url, token in tokens:
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        for address in (url, f"{url}.git"):
            settings[f"GIT_CONFIG_KEY_{count}"] = f"http.{address}.extraHeader"
            settings[f"GIT_CONFIG_VALUE_{count}"] = f"Authorization: Basic {secret}"
            count += 1
    return {**settings, "GIT_CONFIG_COUNT": str(count)}
