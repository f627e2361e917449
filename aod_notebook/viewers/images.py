"""Pictures in the results of tools, as data URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aod_notebook.transcripts import Entry

MAX_CHARS = 150_000
"""Larger pictures are not shown: a message to the page takes no more."""
TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""No SVG, which may hold scripts."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def image_of(entry: Entry, beside: Any) -> str:
    """Return the picture that a tool returned as a data URL; empty if there is none to be shown.

    Args:
        entry: the result.
        beside: what the runtime says of the result beside it.
    """
    if '"base64"' not in entry.raw and '"image' not in entry.raw:
        return ""
    blocks = _blocks(entry.fields, entry.tool_use_id)
    if isinstance(beside, dict) and isinstance(beside.get("file"), dict):
        file = beside["file"]
        blocks.append({"source": {"media_type": file.get("type"), "data": file.get("base64")}})
    for block in blocks:
        source = block.get("source", block)
        if isinstance(source, dict):
            url = _url(source.get("media_type", source.get("mimeType")), source.get("data"))
            if url:
                return url
    return ""


def _blocks(line: dict[str, Any], call: str | None) -> list[dict[str, Any]]:
    """Return the blocks of type `image` of the result of a call."""
    message = line.get("message")
    results = message.get("content") if isinstance(message, dict) else None
    found = []
    for result in results if isinstance(results, list) else ():
        is_its = isinstance(result, dict) and result.get("tool_use_id") == call
        content = result.get("content") if is_its else None
        found += [
            block
            for block in (content if isinstance(content, list) else ())
            if isinstance(block, dict) and block.get("type") == "image"
        ]
    return found


def _url(media_type: object, data: object) -> str:
    if media_type not in TYPES or not isinstance(data, str) or len(data) > MAX_CHARS:
        return ""
    return f"data:{media_type};base64,{data}" if _BASE64.fullmatch(data) else ""
