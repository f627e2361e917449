"""Lines of text out of chunks that end anywhere."""

from __future__ import annotations

__all__ = ["TextLines"]


class TextLines:
    r"""Gives the lines that each chunk completes; linear, however the text is cut.

    Example:
        >>> lines = TextLines()
        >>> lines.feed("one\ntw"), lines.feed("o\n"), lines.flush()
        (['one'], ['two'], [])
    """

    def __init__(self) -> None:
        self._parts: list[str] = []

    def feed(self, data: str) -> list[str]:
        """Take a chunk; give the lines that it completes, without their ends."""
        if "\n" not in data:
            if data:
                self._parts.append(data)
            return []
        lines = data.split("\n")
        if self._parts:
            lines[0] = "".join([*self._parts, lines[0]])
        rest = lines.pop()
        self._parts = [rest] if rest else []
        return lines

    def flush(self) -> list[str]:
        """Give what is left without an end."""
        rest, self._parts = "".join(self._parts), []
        return [rest] if rest else []
