"""The base of each runtime's line reader."""

from collections.abc import Iterator, Sequence
from typing import Any

from aod_notebook.transcripts._json import loads
from aod_notebook.transcripts.account import Account
from aod_notebook.transcripts.claude_wire import Spoken
from aod_notebook.transcripts.model import Entry


class Lines:
    """Turns the JSON lines of one runtime into entries; keeps what it must know of the turn."""

    def __init__(self, account: Account) -> None:
        self.account = account

    line = 0
    """Number of the line being read; the reader sets it."""

    def read(self, raw: str) -> list[Entry] | None:
        """Read one line; None if it is not a JSON object."""
        value = loads(raw)
        if not isinstance(value, dict):
            return None
        kind = value.get("type")
        if not isinstance(kind, str):
            return [Entry("unknown", raw=raw)]
        return self.read_object(kind, value, raw)

    def read_many(self, raws: Sequence[str], number: int) -> Iterator[Spoken | Sequence[str]]:
        """Read lines, of which the first has that number; yield those to be read by themselves."""
        del number
        return iter([raws])

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a decoded line of type `kind`."""
        raise NotImplementedError

    def pause(self) -> list[Entry]:
        """Return pending entries, before an entry from elsewhere."""
        return []

    def end(self) -> list[Entry]:
        """End the turn: return pending entries, and reset its state."""
        return []
