"""Lines and paragraphs of text out of chunks that end anywhere."""

from __future__ import annotations

PARAGRAPH_CHARS = 8_000
"""Text without an empty line is cut after so many characters, where a line ends."""


class TextLines:
    r"""Cuts text into the lines that each chunk completes; linear, however the text is cut.

    Example:
        >>> lines = TextLines()
        >>> lines.feed("one\ntw"), lines.feed("o\n"), lines.flush()
        (['one'], ['two'], [])
    """

    def __init__(self) -> None:
        self._parts: list[str] = []

    def feed(self, data: str) -> list[str]:
        """Take a chunk; return the lines that it completes, without their ends."""
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
        """Return what is left without an end."""
        rest, self._parts = "".join(self._parts), []
        return [rest] if rest else []

    def waiting(self, limit: int) -> str:
        """Return the last `limit` characters of what waits for its end."""
        return _last(self._parts, limit)


class Paragraphs:
    r"""Cuts text into the paragraphs that each chunk completes, those that come at once as one text.

    Example:
        >>> words = Paragraphs()
        >>> words.feed("One.\n"), words.feed("\nTwo"), words.waiting(10), words.flush()
        ([], ['One.'], 'Two', ['Two'])
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def feed(self, data: str) -> list[str]:
        """Take a chunk; return the paragraphs that it completes, without empty lines around them."""
        if not data:
            return []
        seam = self._parts[-1][-1:] + data if self._parts else data
        self._parts.append(data)
        self._length += len(data)
        if "\n\n" not in seam and self._length < PARAGRAPH_CHARS:
            return []
        whole = "".join(self._parts)
        done, end, rest = whole.rpartition("\n\n")
        if not end:
            done, end, rest = whole.rpartition("\n")
        if not end:
            done, rest = rest, ""
        self._parts, self._length = ([rest] if rest else []), len(rest)
        return _without_margins(done)

    def flush(self) -> list[str]:
        """Return what is left without an end."""
        rest, self._parts, self._length = "".join(self._parts), [], 0
        return _without_margins(rest)

    def waiting(self, limit: int) -> str:
        """Return the last `limit` characters of what waits for its end."""
        return _last(self._parts, limit)


def _without_margins(text: str) -> list[str]:
    text = text.strip("\n")
    return [text] if text and not text.isspace() else []


def _last(parts: list[str], limit: int) -> str:
    taken, length = [], 0
    for part in reversed(parts):
        taken.append(part[-limit:])
        length += len(part)
        if length >= limit:
            break
    return "".join(reversed(taken))[-limit:]
