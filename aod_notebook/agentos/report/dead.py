"""The dead-letter file: records that the service refused, each with the reason."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.core.clock import now
from aod_notebook.core.files import make_private

if TYPE_CHECKING:
    from pathlib import Path

    from aod_notebook.agentos.errors import AgentOSError
    from aod_notebook.agentos.report.record import Record

_NAME = "dead-letters.jsonl"


def keep_dead(
    folder: Path | None, records: list[Record], error: AgentOSError, run: dict[str, str | None]
) -> Path | None:
    """Append refused records, one JSON object per line; return the file, None if it can't be written.

    Example:
        >>> keep_dead(None, [], AgentOSError("no"), {}) is None  # doctest: +SKIP
        True
    """
    if folder is None:
        return None
    lines = [
        msgspec.json.encode(
            {
                "refused_at": now(),
                "reason": str(error),
                "code": error.code,
                "status": error.status,
                **run,
                "kind": record.k,
                "body": record.b,
            }
        )
        for record in records
    ]
    path = folder / _NAME
    try:
        make_private(folder)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, b"".join(line + b"\n" for line in lines))
        finally:
            os.close(fd)
    except OSError:
        return None
    return path


def read_dead(folder: Path) -> list[dict[str, Any]]:
    """Read the dead letters of a folder, oldest first; a line that is not JSON is left out."""
    try:
        lines = (folder / _NAME).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return found
