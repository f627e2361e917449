"""Questions that a viewer asks its reader: of the code that made it, and of the run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aod_notebook.viewers.row import Question

    Taker = Callable[[str], object]
    """What takes the text of an answer; what it returns is shown."""

DECISIONS = ("Approve", "Reject")


class Questions:
    """The questions that are open, and who takes the answers; safe in any thread.

    Args:
        answer: takes the id and the answer of what a run asked.
        decide: takes the id of an approval, and whether it is approved.
    """

    def __init__(
        self,
        answer: Callable[[str, str], object] | None = None,
        decide: Callable[[str, bool], object] | None = None,
    ) -> None:
        self._answer = answer
        self._decide = decide
        self._lock = threading.Lock()  # guards the fields below
        self._own: dict[str, tuple[Question, Taker]] = {}
        self._under_way: set[str] = set()  # keys of those that are being answered

    def ask(self, question: Question, take: Taker) -> None:
        """Open a question."""
        with self._lock:
            self._under_way.discard(question.key)
            self._own[question.key] = question, take

    def settle(self, key: str) -> None:
        """Close a question."""
        with self._lock:
            self._own.pop(key, None)

    def fail(self, key: str) -> None:
        """Open a question again: its answer could not be taken."""
        with self._lock:
            self._under_way.discard(key)

    def shown(self, waiting: Iterable[Question]) -> list[Question]:
        """Return the open questions; `waiting` are those of the run."""
        with self._lock:
            every = self._every(waiting)
            self._under_way &= every.keys()
            return [each for key, (each, _) in every.items() if key not in self._under_way]

    def take(self, key: str, waiting: Iterable[Question]) -> Taker | None:
        """Return the handler for the answer to an open question, once."""
        with self._lock:
            _, taker = self._every(waiting).get(key, (None, None))
            if taker is None or key in self._under_way:
                return None
            self._under_way.add(key)
            return taker

    def _every(self, waiting: Iterable[Question]) -> dict[str, tuple[Question, Taker]]:
        every = dict(self._own)
        for question in waiting:
            key, answer, decide = question.key, self._answer, self._decide
            if question.is_approval and decide is not None:
                asked = structs.replace(question, choices=DECISIONS)
                every[key] = asked, _decider(decide, key)
            elif not question.is_approval and answer is not None:
                every[key] = question, _answerer(answer, key)
        return every


def _decider(decide: Callable[[str, bool], object], key: str) -> Taker:
    return lambda text: decide(key, text == DECISIONS[0])


def _answerer(answer: Callable[[str, str], object], key: str) -> Taker:
    return lambda text: answer(key, text)
