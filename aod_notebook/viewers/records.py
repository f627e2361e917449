"""Send numbered records to the pages: each in its latest state, repeated on request.

A log of rows grows; the rows of a table and the spans of a trace change in place. So a page is
sent what has changed since a version, which a page that missed something asks for, too.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.viewers.feed import LAST_BEATS, Feed, PageMessage
from aod_notebook.viewers.wire import BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SLACK = 1_000
"""So many entries of the log may be out of date before it is written again."""

_encode = msgspec.json.Encoder().encode


class Records:
    """Records by number, with the order in which they changed.

    Attributes:
        head: the version: how many changes there were.

    Example:
        >>> records = Records()
        >>> records.put(0, ["a"]), records.put(1, ["b"]), records.put(0, ["c"])
        (True, True, True)
        >>> records.since(1)
        (b'[[1,"b"],[0,"c"]]', 3)
    """

    def __init__(self) -> None:
        self.head = 0
        self._bodies: dict[int, bytes] = {}
        self._versions: dict[int, int] = {}
        self._log: list[tuple[int, int]] = []  # version and number, the newest last

    def __len__(self) -> int:
        return len(self._bodies)

    def put(self, number: int, record: Sequence[Any]) -> bool:
        """Keep a record; return whether it is new or differs from the one before."""
        body = _encode([number, *record])
        if self._bodies.get(number) == body:
            return False
        self.head += 1
        self._bodies[number] = body
        self._versions[number] = self.head
        self._log.append((self.head, number))
        if len(self._log) > 2 * len(self._bodies) + SLACK:
            self._log = [each for each in self._log if self._versions[each[1]] == each[0]]
        return True

    def since(self, version: int) -> tuple[bytes, int]:
        """Return what has changed after a version, as much as fits into one message.

        Returns:
            A JSON array of the records, each behind its number, and the version that a page has
            once it has taken them and had the version asked for.
        """
        parts: list[bytes] = []
        size, reached = 2, version
        for place in range(bisect_right(self._log, (version, 2**63)), len(self._log)):
            at, number = self._log[place]
            if self._versions[number] == at:
                body = self._bodies[number]
                size += len(body) + 1
                if size > BODY_BYTES and parts:
                    return b"[" + b",".join(parts) + b"]", reached
                parts.append(body)
            reached = at
        return b"[" + b",".join(parts) + b"]", max(reached, version)


class RecordFeed(Feed):
    """What the pages of one view have been sent of its records; safe in any thread.

    Attributes:
        is_final: whether no record will change any more; its owner says so.
    """

    is_final = False

    def __init__(self) -> None:
        super().__init__()
        self._records = Records()

    def put(self, number: int, record: Sequence[Any]) -> bool:
        """Keep a record; return whether that is news."""
        with self._lock:
            return self._records.put(number, record)

    def put_all(self, records: Iterable[tuple[int, Sequence[Any]]]) -> bool:
        """Keep records, each behind its number; return whether any of them is news."""
        with self._lock:
            before = self._records.head
            for number, record in records:
                self._records.put(number, record)
            return self._records.head != before

    def ask(self, content: Mapping[str, Any]) -> None:
        """Send a page what it lacks; it has one such wish at a time."""
        with self._lock:
            version = content.get("from")
            if isinstance(version, int) and 0 <= version < self._pushed:
                self._syncs[str(content.get("page"))] = version

    def next_message(self, now: float) -> PageMessage | None:
        """Return the next message for the pages: an answer, what is new or asked for, a beat."""
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            if not self.is_watched:
                self._pushed = self._records.head  # a page that comes asks for all of it
                return None
            if self._pushed < self._records.head:
                message, self._pushed = self._message(self._pushed)
                self._beat_at, self._beats_left = now, LAST_BEATS
                return message
            if self._syncs:
                page, version = next(iter(self._syncs.items()))
                message, reached = self._message(version)
                del self._syncs[page]
                if reached < self._pushed:
                    self._syncs[page] = reached  # behind those of the other pages
                return message
            return self._beat(now)

    def is_quiet(self) -> bool:
        """Whether all was sent, often enough."""
        with self._lock:
            is_busy = bool(self._replies or self._syncs or self._beats_left) or not self.is_final
            return self._pushed == self._records.head and not (is_busy and self.is_watched)

    def _message(self, version: int) -> tuple[PageMessage, int]:
        body, reached = self._records.since(version)
        head = max(self._pushed, reached)
        content: dict[str, Any] = {"type": "records", "from": version, "to": reached, "head": head}
        if reached < self._records.head:
            content["more"] = True  # the page need not show it yet
        return PageMessage(content, [body]), reached
