"""Which files a tool call touches, and how many lines of them, from its input alone."""

import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

from aod_notebook.transcripts._json import as_dict, as_list, as_str

Operation = Literal["read", "write", "edit", "delete"]

_MOST_LINES = 5_000
"""Texts of more lines are not compared: the comparison is quadratic in the worst case."""


class Touch(NamedTuple):
    """One file that a call touches; line counts are None where the input does not show them."""

    path: str
    operation: Operation
    added_lines: int | None = None
    removed_lines: int | None = None


def touched(tool: str | None, call_input: Any) -> list[Touch]:
    r"""Return the files that a tool call touches.

    Args:
        tool: the tool's name, in any of the four runtimes.
        call_input: the decoded arguments of the call.

    Example:
        >>> touched("Edit", {"file_path": "a.py", "old_string": "x", "new_string": "y\nz"})
        [Touch(path='a.py', operation='edit', added_lines=2, removed_lines=1)]
    """
    find = _TOOLS.get(tool or "")
    if find is None or not isinstance(call_input, dict):
        return []
    return [touch for touch in find(call_input) if touch.path]


def _path(given: dict[str, Any]) -> str:
    for name in ("file_path", "filePath", "absolute_path", "path", "notebook_path"):
        if isinstance(given.get(name), str):
            return str(given[name])
    return ""


def _read(given: dict[str, Any]) -> Iterator[Touch]:
    yield Touch(_path(given), "read")


def _read_many(given: dict[str, Any]) -> Iterator[Touch]:
    for path in as_list(given.get("include")) or as_list(given.get("paths")):
        if isinstance(path, str):
            yield Touch(path, "read")


def _write(given: dict[str, Any]) -> Iterator[Touch]:
    content = as_str(given.get("content"))
    added = None if content is None else len(content.splitlines())
    yield Touch(_path(given), "write", added)


def _edit(given: dict[str, Any]) -> Iterator[Touch]:
    old = as_str(given.get("old_string", given.get("oldString")))
    new = as_str(given.get("new_string", given.get("newString")))
    every = given.get("replace_all", given.get("replaceAll")) is True
    counts = (None, None) if every or old is None or new is None else changed_lines(old, new)
    yield Touch(_path(given), "edit", *counts)


def _multi_edit(given: dict[str, Any]) -> Iterator[Touch]:
    added: int | None = 0
    removed: int | None = 0
    for edit in map(as_dict, as_list(given.get("edits"))):
        for touch in _edit({**edit, "path": _path(given)}):
            added = (
                None if added is None or touch.added_lines is None else added + touch.added_lines
            )
            removed = (
                None
                if removed is None or touch.removed_lines is None
                else removed + touch.removed_lines
            )
    yield Touch(_path(given), "edit", added, removed)


def _notebook_edit(given: dict[str, Any]) -> Iterator[Touch]:
    source = as_str(given.get("new_source"))
    yield Touch(_path(given), "edit", None if source is None else len(source.splitlines()))


_KINDS: dict[str, Operation] = {"add": "write", "update": "edit", "delete": "delete"}
_PATCHED = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+?)\s*$", re.MULTILINE)


def _file_change(given: dict[str, Any]) -> Iterator[Touch]:
    for change in map(as_dict, as_list(given.get("changes"))):
        kind = _KINDS.get(as_str(change.get("kind")) or "update", "edit")
        yield Touch(as_str(change.get("path")) or "", kind)


def _patch(given: dict[str, Any]) -> Iterator[Touch]:
    """Read a patch in the form that Codex's and opencode's tools take."""
    text = next((v for v in given.values() if isinstance(v, str) and "*** " in v), "")
    heads = list(_PATCHED.finditer(text))
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        lines = text[head.end() : end].splitlines()
        added = sum(line.startswith("+") for line in lines)
        removed = sum(line.startswith("-") for line in lines)
        kind = _KINDS[head[1].lower()]
        yield Touch(head[2], kind, added, None if kind == "delete" else removed)


_TOOLS: dict[str, Callable[[dict[str, Any]], Iterator[Touch]]] = {
    **dict.fromkeys(("Read", "NotebookRead", "read_file", "read", "view_image"), _read),
    "read_many_files": _read_many,
    **dict.fromkeys(("Write", "write_file", "write"), _write),
    **dict.fromkeys(("Edit", "replace", "edit"), _edit),
    "MultiEdit": _multi_edit,
    "NotebookEdit": _notebook_edit,
    "file_change": _file_change,
    **dict.fromkeys(("apply_patch", "patch"), _patch),
}


def changed_lines(old: str, new: str) -> tuple[int | None, int | None]:
    """Return how many lines a replacement adds and removes; None for texts of many lines."""
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > _MOST_LINES:
        return None, None
    added = removed = 0
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag != "equal":
            removed += end - start
            added += new_end - new_start
    return added, removed
