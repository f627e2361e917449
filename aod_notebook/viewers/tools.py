"""Rows of an agent's tool calls: what was called, what it changed, how long it took, how it ended."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import structs

from aod_notebook.core import words
from aod_notebook.core.text import counted, one_line
from aod_notebook.transcripts import KINDS, summary
from aod_notebook.viewers import diffs
from aod_notebook.viewers.checklist import Checklist, Items, headline
from aod_notebook.viewers.images import image_of
from aod_notebook.viewers.row import MAX_DEPTH, TITLE_CHARS, Extra, Kind, Row
from aod_notebook.viewers.styles import styled

if TYPE_CHECKING:
    from aod_notebook.transcripts import Entry

OPEN_LINES = 6
"""Longer results are folded at first."""
SHORT_CHARS = 2_000
JSON_CHARS = 100_000
MIN_FOLDER = 2
IN_FOLDER = ("read", "write", "edit", "notebook", "changes", "grep", "glob")
EDITS = ("edit", "write", "changes")
TODOS = ("todo", "todo item")
_TELLING = re.compile(r"^E  |\bError\b|\berror:|^\S+:\d+|\bfailed\b|\bFAILED\b")
_EXIT = re.compile(r"Exit code (-?\d{1,10})\n?")


class PendingCall(NamedTuple):
    """A call that may still get its result."""

    number: int
    row: Row
    kind: str
    at: int | None


class ToolRows:
    """Makes the rows of tool calls and of their results.

    Attributes:
        counts: the calls of the turn by tool.
        failed: those of them that failed.
        calls: the calls by their ids.
        folder: the agent's working directory, which paths in it are shown without.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.calls: dict[str, PendingCall] = {}
        self._waiting: dict[str, PendingCall] = {}
        self.folder = ""
        self._list = Checklist()
        self._last_words: dict[int, str] = {}  # by the row of a call: of the subagent below it

    def begin_turn(self) -> None:
        """Begin a turn: count from 0; a call without a result stays so."""
        self.counts, self.failed = Counter(), Counter()
        self._waiting.clear()

    def place(self, entry: Entry) -> tuple[int, int | None]:
        """Return the depth of an entry's row and the row that it is below."""
        call = self.calls.get(entry.parent_tool_use_id or "")
        return (0, None) if call is None else (min(call.row.depth + 1, MAX_DEPTH), call.number)

    def heard(self, parent: int | None, text: str) -> None:
        """Remember the last words of a subagent: its call returns them once more."""
        if parent is not None:
            self._last_words[parent] = text.strip()

    def running(self) -> PendingCall | None:
        """Return the call that has waited longest for its result; None if none waits."""
        return next(iter(self._waiting.values()), None)

    def call_rows(self, entry: Entry, number: int, at: int | None) -> list[Row]:
        """Return the row of a call; of one that changes the to-do list, that of the list, too."""
        depth, parent = self.place(entry)
        name = one_line(entry.tool or "tool", TITLE_CHARS)
        kind, given = KINDS.get(name, ""), entry.input or {}
        self.counts[name] += 1
        text = one_line(short_path(kind, summary(entry.tool, given), self.folder), TITLE_CHARS)
        row = Row(Kind.TOOL, name, text, depth, parent=parent)
        rows = [row]
        if kind in EDITS or name in ("apply_patch", "patch"):
            diff = diffs.edits(given)
            row = rows[0] = structs.replace(row, extra=None if diff is None else Extra(diff=diff))
        elif kind in TODOS:
            items = self._list.take(name, given, entry.tool_use_id or "")
            rows = self._list_rows(row, number, items)
        if entry.tool_use_id:
            call = PendingCall(number, rows[0], kind, at)
            self.calls[entry.tool_use_id] = self._waiting[entry.tool_use_id] = call
        return rows

    def list_rows(self, entry: Entry, number: int) -> list[Row]:
        """Return the rows of a list that comes outside of a call, as Codex does."""
        item = entry.fields.get("item")
        items = self._list.take("", item, "") if isinstance(item, dict) else None
        if items is None:
            return []
        row = Row(Kind.TOOL, "To-do list")
        rows = self._list_rows(row, number, items)
        return rows if len(rows) == 1 else rows[1:]

    def _list_rows(self, row: Row, number: int, items: Items | None) -> list[Row]:
        if items is None:
            return [row]
        row = structs.replace(row, text=headline(items))
        shown = structs.replace(row, extra=Extra(todo=items, note=self._updates()))
        if self._list.row is None:
            self._list.row = number
            return [shown]
        return [row, structs.replace(shown, replaces=self._list.row)]

    def _updates(self) -> str:
        return f"updated {counted(self._list.calls - 1, 'time')}" if self._list.calls > 1 else ""

    def result_rows(self, entry: Entry, number: int, at: int | None) -> list[Row]:
        """Return the row of a result, and the row of its call as it is known now."""
        key = entry.tool_use_id or ""
        call = self.calls.get(key)
        self._waiting.pop(key, None)
        is_error, text = bool(entry.is_error), _pretty(entry.text or "")
        if call is None:
            depth, parent = self.place(entry)
            text, marks = styled(text)
            return [
                Row(Kind.TOOL_RESULT, "", text, depth + 1, is_error, parent=parent, marks=marks)
            ]
        if is_error:
            self.failed[call.row.title] += 1
        beside = _beside(entry)
        rows = self._result_row(call, text, is_error, number, image_of(entry, beside))
        extra = _ended(call, entry, text, at, beside)
        extra = structs.replace(extra, folds=_folds(call, rows, extra))
        done = structs.replace(call.row, extra=extra, is_error=is_error, replaces=call.number)
        self.calls[key] = call._replace(row=structs.replace(done, replaces=None))
        if call.kind in TODOS:  # a list is shown in one place, which is not this call's
            items = self._list.created(key, text)
            if items is None:
                return rows
            self._list.row = call.number if self._list.row is None else self._list.row
            return [*rows, *self._list_rows(call.row, call.number, items)[1:]]
        return [*rows, done]

    def _result_row(
        self, call: PendingCall, text: str, is_error: bool, number: int, image: str
    ) -> list[Row]:
        """Return the row of what a call returned; none if the reader has seen that."""
        if image:
            row = Row(Kind.TOOL_RESULT, "", "", call.row.depth + 1, parent=call.number)
            return [structs.replace(row, extra=Extra(image=image))]
        seen = self._last_words.get(call.number)
        is_seen = seen and text.strip().startswith(seen)
        if not is_error and (is_seen or call.kind in (*EDITS, *TODOS)):
            return []
        found = _EXIT.match(text) if is_error else None
        shown, marks = styled(text[found.end() :] if found else text)
        if not shown.strip():
            return []
        title = "" if call.number == number - 1 else f"↳ {call.row.title}"
        extra = Extra(short=_telling(shown)) if is_error else None
        row = Row(Kind.TOOL_RESULT, title, shown, call.row.depth + 1, is_error)
        return [structs.replace(row, parent=call.number, marks=marks, extra=extra)]


def short_path(kind: str, text: str, folder: str) -> str:
    """Return what a call is about without the agent's working directory.

    Example:
        >>> short_path("read", "/app/innkeeper/dates.py", "/app")
        'innkeeper/dates.py'
    """
    if len(folder) < MIN_FOLDER or kind not in IN_FOLDER:
        return text
    return text.replace(f"{folder}/", "").removesuffix(f" in {folder}")


def seconds(duration: float) -> str:
    """Return a duration for people.

    Example:
        >>> seconds(0.02), seconds(9.24), seconds(74.3), seconds(128), seconds(7500)
        ('<0.1 s', '9.2 s', '74 s', '2 min 08 s', '2 h 05')
    """
    text = words.duration(duration)
    return f"{text} s" if " min " in text else text


def _beside(entry: Entry) -> Any:
    """Return what Claude Code reports of a result beside its text."""
    if '"tool_use_result"' not in entry.raw:
        return None
    return entry.fields.get("tool_use_result")


def _ended(call: PendingCall, entry: Entry, text: str, at: int | None, beside: Any) -> Extra:
    extra = call.row.extra or Extra()
    took = None if at is None or call.at is None or at <= call.at else (at - call.at) / 1e6
    patch = diffs.patched(beside.get("structuredPatch")) if isinstance(beside, dict) else None
    diff = patch if patch is not None and not entry.is_error else extra.diff
    found = _EXIT.match(text)
    bad = (f"exit code {found[1]}" if found else "failed") if entry.is_error else ""
    lines = text.rstrip("\n").count("\n") + 1 if text else 0
    note = ""
    if not entry.is_error and text:
        if call.kind == "read":
            note = counted(lines, "line")
        elif call.kind in ("grep", "glob") and not text.startswith("No "):
            note = "1 match" if lines == 1 else f"{lines:,} matches"
    return structs.replace(extra, took=took, diff=diff, bad=bad, note=note)


def _folds(call: PendingCall, rows: list[Row], extra: Extra) -> bool:
    if extra.bad or not rows:
        return call.kind == "task"
    is_long = rows[0].text.count("\n") >= OPEN_LINES
    return call.kind in ("read", "task") or (is_long and rows[0].kind is Kind.TOOL_RESULT)


def _telling(text: str) -> str:
    """Return the lines of a failure that say most; empty if there are few lines anyway."""
    lines = text.strip("\n").split("\n")
    if len(lines) <= OPEN_LINES:
        return ""
    telling = [line for line in lines[:-1] if _TELLING.search(line)][: OPEN_LINES - 1]
    return "\n".join([*telling, lines[-1]])[:SHORT_CHARS]


def _pretty(text: str) -> str:
    """Return JSON over several lines; any other text unchanged."""
    if len(text) > JSON_CHARS or text[:1] not in ("{", "[") or "\n" in text.strip():
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    if not isinstance(value, dict | list) or not value:
        return text
    return json.dumps(value, indent=2, ensure_ascii=False)
