"""The changes of a call of an editing tool, as the lines of a diff."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.core.text import clean, clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_LINES = 400
"""So many lines of a diff are shown."""
LINE_CHARS = 400
COMPARED = 1_000
"""Texts that differ in more lines are not compared: that is quadratic in the worst case."""
CONTEXT = 3
"""Equal lines that are shown before and after a change."""
DiffLine = tuple[str, int | None, int | None, str, int, int]
"""Sign (` `, `-`, `+`, or `@` of a heading), old and new number, text, and which part of it changed."""

_HEAD = re.compile(r"@@ -(\d{1,9})(?:,\d+)? \+(\d{1,9})(?:,\d+)? @@")


class Diff(msgspec.Struct, frozen=True):
    """Lines of a diff.

    Attributes:
        lines: the first `MAX_LINES` of them.
        added: how many lines are added; None if that is unknown.
        removed: how many lines are removed; None if that is unknown.
        cut: how many lines are not in `lines`.
    """

    lines: tuple[DiffLine, ...] = ()
    added: int | None = None
    removed: int | None = None
    cut: int = 0


def edits(given: Mapping[str, Any]) -> Diff | None:
    r"""Return what the arguments of an editing tool say that it changes; None if they don't.

    The numbers of lines are known of new files and of patches only.

    Example:
        >>> diff = edits({"old_string": "a\nb", "new_string": "a\nc"})
        >>> [(line[0], line[3]) for line in diff.lines], diff.added, diff.removed
        ([(' ', 'a'), ('-', 'b'), ('+', 'c')], 1, 1)
    """
    many = given.get("edits")
    if isinstance(many, list):
        parts = [part for part in many if isinstance(part, dict)]
        return _made(_many(parts))
    if isinstance(given.get("changes"), list):
        return _changes(given["changes"])
    content = given.get("content")
    if isinstance(content, str):
        return _made([("+", None, n, text, 0, 0) for n, text in enumerate(_lines(content), 1)])
    pair = _pair(given)
    if pair is not None:
        return _made(_compared(*pair))
    for name in ("input", "patch", "patchText"):
        if isinstance(given.get(name), str) and "*** " in given[name]:
            return _made(_unified(given[name]))
    return None


def patched(hunks: object) -> Diff | None:
    """Return the diff of a `structuredPatch`, in which Claude Code reports what it changed."""
    lines: list[DiffLine] = []
    for hunk in hunks if isinstance(hunks, list) else ():
        if not isinstance(hunk, dict) or not isinstance(hunk.get("lines"), list):
            return None
        if lines:
            lines.append(("@", None, None, "…", 0, 0))
        texts = [text for text in hunk["lines"] if isinstance(text, str)]
        lines += _numbered(texts, hunk.get("oldStart"), hunk.get("newStart"))
    return _made(lines) if lines else None


def _changes(changes: list[Any]) -> Diff | None:
    """Read the changes of Codex's `file_change`: files, and diffs where it gives them."""
    lines: list[DiffLine] = []
    found = False
    for change in changes:
        if not isinstance(change, dict):
            continue
        unified = change.get("diff") or change.get("unified_diff")
        if isinstance(unified, str):
            found = True
            lines.append(("@", None, None, clip(clean(str(change.get("path"))), LINE_CHARS), 0, 0))
            lines += _unified(unified)
    return _made(lines) if found else None


def _many(parts: list[dict[str, Any]]) -> Iterator[DiffLine]:
    for number, part in enumerate(parts, 1):
        pair = _pair(part)
        if pair is not None:
            yield "@", None, None, f"edit {number} of {len(parts)}", 0, 0
            yield from _compared(*pair)


def _pair(given: Mapping[str, Any]) -> tuple[str, str] | None:
    old = given.get("old_string", given.get("oldString"))
    new = given.get("new_string", given.get("newString"))
    return (old, new) if isinstance(old, str) and isinstance(new, str) else None


def _lines(text: str) -> list[str]:
    lines = clean(text).split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def _compared(old: str, new: str) -> Iterator[DiffLine]:
    """Compare two texts line by line, as far as that is quick."""
    before, after = _lines(old), _lines(new)
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    changed = before[head : len(before) - tail], after[head : len(after) - tail]
    yield from _same(before[max(0, head - CONTEXT) : head])
    yield from _changed(*changed)
    yield from _same(before[len(before) - tail :][:CONTEXT])


def _changed(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    if max(len(before), len(after)) > COMPARED:
        yield from _replaced(before, after)
        return
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            yield from _same(before[start:end])
        else:
            yield from _replaced(before[start:end], after[new_start:new_end])


def _same(lines: Iterable[str]) -> Iterator[DiffLine]:
    return ((" ", None, None, line, 0, 0) for line in lines)


def _replaced(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    """Yield removed and added lines; where one takes the place of another, the part that changed."""
    paired = len(before) == len(after)
    spans = [_span(a, b) if paired else (0, 0, 0) for a, b in zip(before, after, strict=False)]
    spans += [(0, 0, 0)] * (max(len(before), len(after)) - len(spans))
    for line, (start, end, _) in zip(before, spans, strict=False):
        yield "-", None, None, line, start, end
    for line, (start, _, end) in zip(after, spans, strict=False):
        yield "+", None, None, line, start, end


def _span(old: str, new: str) -> tuple[int, int, int]:
    """Return where two lines begin to differ, and where that ends in each; zeros if all differs."""
    if max(len(old), len(new)) > LINE_CHARS:
        return 0, 0, 0
    start, shorter = 0, min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < shorter - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if start + tail < shorter / 3:
        return 0, 0, 0
    return start, len(old) - tail, len(new) - tail


def _unified(text: str) -> Iterator[DiffLine]:
    """Read a patch; lines are numbered where its headings have numbers."""
    old = new = None
    for line in _lines(text):
        head = _HEAD.match(line)
        if head:
            old, new = int(head[1]), int(head[2])
        elif line.startswith(("*** End", "*** Begin", "--- ", "+++ ")):
            continue
        elif line.startswith(("*** ", "@@")):
            yield "@", None, None, line.removeprefix("*** "), 0, 0
        else:
            yield from _numbered([line], old, new)
            old, new = _after(line, old, new)


def _numbered(texts: Iterable[str], old: object, new: object) -> Iterator[DiffLine]:
    left = old if isinstance(old, int) else None
    right = new if isinstance(new, int) else None
    for text in texts:
        sign, rest = (text[0], text[1:]) if text[:1] in ("+", "-", " ") else (" ", text)
        if text.startswith("\\"):  # that the file has no newline at its end
            continue
        yield (
            sign,
            None if sign == "+" else left,
            None if sign == "-" else right,
            clean(rest).replace("\n", "⏎"),
            0,
            0,
        )
        left, right = _after(sign, left, right)


def _after(line: str, old: int | None, new: int | None) -> tuple[int | None, int | None]:
    """Return the numbers of the next lines."""
    sign = line[:1]
    return (
        old if old is None or sign == "+" else old + 1,
        new if new is None or sign == "-" else new + 1,
    )


def _made(lines: Iterable[DiffLine]) -> Diff:
    kept: list[DiffLine] = []
    count = {"+": 0, "-": 0, " ": 0, "@": 0}
    for sign, old, new, text, start, end in lines:
        count[sign] += 1
        if len(kept) < MAX_LINES:
            kept.append((sign, old, new, clip(text, LINE_CHARS), start, end))
    total = sum(count.values())
    return Diff(tuple(kept), count["+"], count["-"], total - len(kept))
