"""Cells of a table: short text for one value of a row, and its style."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aod_notebook.core import words
from aod_notebook.core.text import one_line
from aod_notebook.transcripts import Spent, Usage
from aod_notebook.viewers import diffs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


Row = dict[str, Any]

TITLE_CHARS = 600
TEXT_CHARS = 240
"""More of a text than any page has room for in a line."""
EDIT_CHARS = 200_000
"""Changes that are longer are not counted."""
_RUNS: Final = frozenset({"Bash", "bash", "shell", "command_execution", "run_shell_command"})
"""Tools that run a command: the last line of their output shows how it ended."""
_EXIT: Final = re.compile(r"Exit code (-?\d{1,10})\b")


class Cell(NamedTuple):
    """One cell: its text, its tooltip with the whole value, and its tone."""

    text: str = ""
    title: str = ""
    tone: str = ""
    bad: str = ""
    """What failed, in a slot of its own behind the words."""


def text(name: str) -> Callable[[Row], Cell]:
    """Show a text on one line."""

    def cell(row: Row) -> Cell:
        return _line(row.get(name))

    return cell


def first_of(*names: str) -> Callable[[Row], Cell]:
    """Show the first non-empty text."""

    def cell(row: Row) -> Cell:
        return next((_line(row[name]) for name in names if row.get(name)), Cell())

    return cell


def path(name: str) -> Callable[[Row], Cell]:
    """Show a path, or what has one in it, without the `folder` of the table's rows."""

    def cell(row: Row) -> Cell:
        whole, folder = _line(row.get(name)), row.get("folder")
        if not folder or row.get("tool") in _RUNS:
            return whole
        short = str(row[name]).replace(f"{folder}/", "").removesuffix(f" in {folder}")
        return whole._replace(text=one_line(short, TEXT_CHARS))

    return cell


def common_folder(rows: Iterable[Row], name: str) -> str:
    """Return the folder that all paths in a column are in; empty if they share none."""
    paths = [str(row[name]) for row in rows if row.get(name) and row.get("tool") not in _RUNS]
    folders = {posixpath.dirname(each) for each in paths if each.startswith("/")}
    shared = posixpath.commonpath(folders) if len(folders) > 1 else ""
    return "" if shared == "/" else shared


def _line(value: object) -> Cell:
    if value is None:
        return Cell()
    whole = str(value)
    shown = one_line(whole, TEXT_CHARS)
    return Cell(shown, one_line(whole, TITLE_CHARS) if len(shown) > 20 else "")  # noqa: PLR2004


def identity(name: str) -> Callable[[Row], Cell]:
    """Show the first characters of an id."""

    def cell(row: Row) -> Cell:
        value = row.get(name)
        return Cell(words.short_id(value), one_line(str(value), TITLE_CHARS)) if value else Cell()

    return cell


def model(row: Row) -> Cell:
    """Show a model without the prefixes of its provider and maker."""
    name = words.model_name(row.get("model"))
    return Cell(name.removeprefix("claude-"), name)


def age(*names: str) -> Callable[[Row], Cell]:
    """Show the age of the first known time; the tooltip has the time."""

    def cell(row: Row) -> Cell:
        moment = next((row[name] for name in names if row.get(name) is not None), None)
        return Cell(words.age(moment), words.exact(moment), "quiet")

    return cell


def seconds(name: str, unit: float = 1.0) -> Callable[[Row], Cell]:
    """Show a duration that is given in units of so many seconds."""

    def cell(row: Row) -> Cell:
        value = row.get(name)
        return Cell() if value is None else Cell(words.duration(float(value) * unit))

    return cell


def ended(row: Row) -> Cell:
    """Show how long a task took."""
    start, end = row.get("started_at"), row.get("ended_at")
    if start is None or end is None:
        return Cell()
    return Cell(words.duration((end - start).total_seconds()))


def cost(name: str = "cost_usd") -> Callable[[Row], Cell]:
    """Show an amount in USD."""

    def cell(row: Row) -> Cell:
        return Cell(words.dollars(row.get(name)))

    return cell


def number(name: str) -> Callable[[Row], Cell]:
    """Show a number unchanged."""

    def cell(row: Row) -> Cell:
        value = row.get(name)
        return Cell() if value is None else Cell(f"{value:,}" if name != "turn" else str(value))

    return cell


def count(name: str) -> Callable[[Row], Cell]:
    """Show a number of tokens in a few characters."""

    def cell(row: Row) -> Cell:
        return _tokens(row.get(name))

    return cell


def calls(row: Row) -> Cell:
    """Show the number of tool calls, and of those that failed."""
    made, failed = row.get("tool_call_count"), row.get("failed_tool_call_count")
    if made is None:
        return Cell()
    return Cell(
        f"{made:,}", f"{failed:,} failed" if failed else "", bad=f"✗{failed}" if failed else " "
    )


def state(name: str = "status") -> Callable[[Row], Cell]:
    """Show a state by its sign and its word."""

    def cell(row: Row) -> Cell:
        value = row.get(name)
        sign = words.GLYPHS.get(str(value), "")
        return Cell(
            f"{sign} {words.state_word(value)}".strip(), "", words.STATE_TONES.get(sign, "")
        )

    return cell


def outcome(row: Row) -> Cell:
    """Show how a tool call ended."""
    if row.get("has_result") is False:
        return Cell("○ no result", "", "quiet")
    code = _EXIT.match(str(row.get("output") or "")) if row.get("is_error") else None
    return failure(row)._replace(text=f"✗ exit {code[1]}") if code else failure(row)


def failure(row: Row) -> Cell:
    """Show whether something failed; nothing if unknown."""
    is_error = row.get("is_error")
    if is_error is None:
        return Cell()
    return Cell("✗ failed", "", "bad") if is_error else Cell("✓ ok", "", "good")


def tool(row: Row) -> Cell:
    """Show a tool's name, marked if a subagent called it."""
    if row.get("tool") is None:
        return Cell()
    name = one_line(str(row["tool"]), 60)
    nested = row.get("parent_tool_use_id") is not None
    return Cell(f"↳ {name}" if nested else name, "called by a subagent" if nested else "")


def result(row: Row) -> Cell:
    """Show a tool's result: of a command the last line, of an edit how many lines it changed."""
    output = str(row.get("output") or "")
    diff = None if row.get("is_error") else _diff(row)
    if diff is not None and diff.added is not None and diff.removed is not None:
        changed = f"+{diff.added:,} \N{MINUS SIGN}{diff.removed:,}"
        return Cell(changed, one_line(output, TITLE_CHARS), "quiet")
    lines = [line for line in output[-20_000:].splitlines() if line.strip()]
    if not lines:
        return Cell()
    if row.get("tool") in _RUNS or row.get("is_error") or len(lines) == 1:
        return Cell(one_line(lines[-1], TEXT_CHARS), one_line(output, TITLE_CHARS), "quiet")
    return Cell(
        f"{output.rstrip().count(chr(10)) + 1:,} lines", one_line(output, TITLE_CHARS), "quiet"
    )


def _diff(row: Row) -> diffs.Diff | None:
    """Return what a call's arguments say that it changes in files; None if they don't."""
    given = row.get("input")
    if not isinstance(given, str) or len(given) > EDIT_CHARS:
        return None
    try:
        arguments = json.loads(given)
    except ValueError:
        return None
    return diffs.edits(arguments) if isinstance(arguments, dict) else None


def _spent(row: Mapping[str, Any]) -> Spent | None:
    """Return a row's tokens to add up; None if unknown."""
    if row.get("input_includes_cache") is None:
        return None
    counts = {name: row.get(name) for name in Usage.__struct_fields__}
    return Spent(
        usage=Usage(**counts),
        input_includes_cache=row["input_includes_cache"],
        output_includes_reasoning=row.get("output_includes_reasoning"),
    )


def tokens_in(row: Row) -> Cell:
    """Show the tokens that were read, cached ones included."""
    spent = _spent(row)
    return Cell() if spent is None else _tokens(spent.tokens_in)


def tokens_out(row: Row) -> Cell:
    """Show the tokens that were written, those of reasoning included."""
    spent = _spent(row)
    return Cell() if spent is None else _tokens(spent.tokens_out)


def tokens_of(row: Row) -> Cell:
    """Show all tokens, read and written."""
    spent = _spent(row)
    if spent is None or spent.tokens_in is None or spent.tokens_out is None:
        return Cell()
    return _tokens(spent.tokens_in + spent.tokens_out)


def cached(row: Row) -> Cell:
    """Show the cached share of the read tokens."""
    spent, read = _spent(row), row.get("cache_read_tokens")
    if spent is None or read is None or not spent.tokens_in:
        return Cell()
    return Cell(f"{100 * read / spent.tokens_in:.0f}\N{NARROW NO-BREAK SPACE}%", f"{read:,} tokens")


def _tokens(value: int | None) -> Cell:
    return Cell() if value is None else Cell(words.tokens(value), f"{value:,} tokens")
