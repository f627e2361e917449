"""From raw chunks of an agent's stdout to entries."""

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy

from aod_notebook.contract import AGENT_RUNTIMES
from aod_notebook.transcripts._json import as_str, loads
from aod_notebook.transcripts.account import Account
from aod_notebook.transcripts.claude import ClaudeLines
from aod_notebook.transcripts.claude_wire import Spoken
from aod_notebook.transcripts.codex import CodexLines
from aod_notebook.transcripts.gemini import GeminiLines
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry
from aod_notebook.transcripts.opencode import OpencodeLines
from aod_notebook.transcripts.recognise import runtime_of

RUNTIMES = (*AGENT_RUNTIMES, "shell")
"""The names that `Reader(runtime=…)` takes."""

_SHORT = 8
"""Fewer lines than this are no faster by columns."""
_BEFORE_JSON = re.compile(
    r"(?:\s|\ufeff|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~])*+(?={)"
)
"""A byte order mark and what a login shell sends its terminal (`ESC[?2004h`)."""

_LINES: dict[str, type[Lines]] = {
    "claude": ClaudeLines,
    "codex": CodexLines,
    "gemini": GeminiLines,
    "opencode": OpencodeLines,
}


class Reader:
    r"""Reads the stdout of one session, turn by turn.

    Args:
        runtime: claude, codex, gemini, opencode; `shell` reads every line as text; None
            recognises the runtime from the lines themselves. Any other name counts as None.
        first_turn: the number of the first turn that is read. After turns that were not
            read, counts that a CLI adds up over a session are unknown for that turn.

    No input makes a method raise. Work is linear in the length of the input.

    Example:
        >>> reader = Reader()
        >>> reader.feed('{"type":"assistant","message":{"content":[{"type":"te')
        []
        >>> [e.text for e in reader.feed('xt","text":"Hi"}]}}\nplain\n')]
        ['Hi', 'plain']
        >>> reader.runtime
        'claude'
    """

    def __init__(self, runtime: str | None = None, *, first_turn: int = 1) -> None:
        self.runtime = runtime if runtime in RUNTIMES else None
        """The runtime given or recognised so far."""
        self.account = Account(first_turn)
        """What the session's turns used and cost so far."""
        self._lines = _LINES[self.runtime](self.account) if self.runtime in _LINES else None
        self._parts: list[str] = []
        self.line = 0
        """Number of lines read so far."""

    def feed(self, data: str) -> list[Entry]:
        """Take a chunk; return the entries of the lines that it completes."""
        if "\n" not in data:
            if data:
                self._parts.append(data)
            return []
        first, *lines = _encodable(data).split("\n")
        self._parts.append(first)
        lines.insert(0, _encodable("".join(self._parts)))
        rest = lines.pop()
        self._parts = [rest] if rest else []
        return self.feed_lines(lines)

    def feed_lines(self, lines: Iterable[str]) -> list[Entry]:
        """Take whole lines, without their newlines and without surrogates."""
        entries: list[Entry] = []
        for line in lines:
            self.line += 1
            entries += self._read(line.removesuffix("\r"))
        return entries

    @property
    def is_between_lines(self) -> bool:
        """Whether the last chunk ended with a line."""
        return not self._parts

    def read_lines(self, lines: Sequence[str]) -> Iterator[Sequence[Entry]]:
        """Take whole lines as `feed_lines` does; most of Claude's become `Spoken`, which is faster.

        Nothing else may be read before the last part was taken; no part is empty.
        """
        entries: list[Entry] = []
        start = 0
        while self._lines is None and start < len(lines):
            entries += self.feed_lines(lines[start : start + 1])
            start += 1
        rest = lines[start:]
        for part in self._lines.read_many(rest, self.line + 1) if self._lines else ():
            if not isinstance(part, Spoken):
                entries += self.feed_lines(part)
            elif len(part) < _SHORT:
                self.line += len(part)
                entries += part
            else:
                if entries:
                    yield entries
                    entries = []
                self.line += len(part)
                yield part
        if entries:
            yield entries

    def flush(self) -> list[Entry]:
        """End the turn: read what is left without a newline, and return pending entries."""
        entries: list[Entry] = []
        if self._parts:
            rest = _encodable("".join(self._parts))
            self._parts = []
            self.line += 1
            entries += self._read(rest.removesuffix("\r"))
        if self._lines is not None:
            entries += self._number(self._lines.end())
        self.account.end()
        return entries

    def rest(self) -> list[Entry]:
        """Return what `flush` would return now, without ending the turn."""
        return deepcopy(self).flush()

    def _read(self, raw: str) -> list[Entry]:
        if not raw and self.runtime != "shell":
            return []
        if self.runtime == "shell":
            return self._text(raw)
        if raw[0] != "{":
            before = _BEFORE_JSON.match(raw)
            if before is None or not isinstance(loads(raw[before.end() :]), dict):
                return self._text(raw)
            raw = raw[before.end() :]
        if self._lines is None:
            self._recognise(raw)
        if self._lines is None:
            return self._unknown(raw)
        self._lines.line = self.line
        entries = self._lines.read(raw)
        return self._text(raw) if entries is None else self._number(entries)

    def _recognise(self, raw: str) -> None:
        runtime = runtime_of(loads(raw))
        if runtime is not None:
            self.runtime, self._lines = runtime, _LINES[runtime](self.account)

    def _unknown(self, raw: str) -> list[Entry]:
        """Read a JSON line before the runtime is known."""
        value = loads(raw)
        if not isinstance(value, dict):
            return self._text(raw)
        if value.get("type") == "error":
            text = as_str(value.get("message"))
            return self._number([Entry("error", text=text, is_error=True, raw=raw)])
        return self._number([Entry(as_str(value.get("type")) or "unknown", raw=raw)])

    def _text(self, raw: str) -> list[Entry]:
        held = [] if self._lines is None else self._lines.pause()
        return self._number([*held, Entry("text", block="text", text=raw, raw=raw)])

    def _number(self, entries: list[Entry]) -> list[Entry]:
        for entry in entries:
            entry.line = entry.line or self.line
        return entries


def _encodable(text: str) -> str:
    """The same text, with `?` for lone surrogates, which cannot be encoded."""
    if text.isascii():  # known without looking, where an encoding makes a copy
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text
