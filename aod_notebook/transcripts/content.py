"""Readable text of a tool's output, whatever shape it was sent in."""

from typing import Any

from aod_notebook.transcripts._json import dumps


def text_of(content: Any) -> str | None:
    r"""Text of a tool result: a string, a list of content blocks, or any JSON.

    Text blocks are joined with newlines; other blocks show as `[type]`.

    Example:
        >>> text_of([{"type": "text", "text": "a"}, {"type": "image"}])
        'a\n[image]'
    """
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_block_text(block) for block in content)
    return dumps(content)


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, dict):
        text = block.get("text")
        if isinstance(text, str):
            return text
        kind = block.get("type")
        if isinstance(kind, str):
            return f"[{kind}]"
    return dumps(block)
