"""The to-do list of an agent, from the calls of its to-do tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ITEMS = 200
ITEM_CHARS = 400
Items = tuple[tuple[str, str], ...]
_STATES = {"completed": "done", "in_progress": "now", "done": "done"}
_CREATED = re.compile(r"#(\d{1,9})")


class Checklist:
    """The list after the latest call.

    Attributes:
        row: the number of the row that shows the list; None before the first call.
        calls: how many calls changed it.
    """

    def __init__(self) -> None:
        self.row: int | None = None
        self.calls = 0
        self._tasks: dict[str, tuple[str, str]] = {}
        self._asked: dict[str, str] = {}  # by call: the subject of a task without a number yet

    def take(self, tool: str, given: Mapping[str, Any], call: str) -> Items | None:
        """Return the list after a call of a to-do tool; None if the call leaves it as it is.

        Example:
            >>> Checklist().take("TodoWrite", {"todos": [{"content": "Test", "status": "completed"}]}, "")
            (('done', 'Test'),)
        """
        if tool == "TaskCreate":
            self._asked[call] = str(given.get("subject") or "")
            return None
        if tool == "TaskUpdate":
            number = str(given.get("taskId"))
            state, subject = self._tasks.get(number, ("open", f"#{number}"))
            reported = given.get("status")
            if reported == "deleted":
                self._tasks.pop(number, None)
            else:
                state = state if reported is None else _STATES.get(str(reported), "open")
                self._tasks[number] = state, str(given.get("subject") or subject)
            return self._changed(tuple(self._tasks.values()))
        todos = given.get("todos") or given.get("items")
        if not isinstance(todos, list):
            return None
        return self._changed(tuple(_item(each) for each in todos if isinstance(each, dict)))

    def created(self, call: str, result: str) -> Items | None:
        """Return the list after the result of a call that created a task; None of other calls."""
        subject = self._asked.pop(call, None)
        if subject is None:
            return None
        found = _CREATED.search(result)
        self._tasks[found[1] if found else call] = "open", subject
        return self._changed(tuple(self._tasks.values()))

    def _changed(self, items: Items) -> Items:
        self.calls += 1
        return tuple((state, one_line(text, ITEM_CHARS)) for state, text in items[:MAX_ITEMS])


def headline(items: Items) -> str:
    """Return the progress of a list, and its current item.

    Example:
        >>> headline((("done", "Look"), ("now", "Write the test"), ("open", "Fix it")))
        '1 of 3: Write the test'
    """
    done = sum(state == "done" for state, _ in items)
    now = next((text for state, text in items if state == "now"), "")
    if items and done == len(items):
        now = "all done"
    return f"{done} of {len(items)}" + (f": {now}" if now else "")


def _item(given: Mapping[str, Any]) -> tuple[str, str]:
    text = str(given.get("content") or given.get("text") or given.get("description") or "")
    if "completed" in given:  # Codex's
        return ("done" if given["completed"] is True else "open"), text
    return _STATES.get(str(given.get("status")), "open"), text
