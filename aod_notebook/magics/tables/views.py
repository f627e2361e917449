"""The displayed columns of our frames, their order, caption and footer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aod_notebook.core import words
from aod_notebook.core.text import counted
from aod_notebook.magics.tables import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

    from aod_notebook.magics.tables.cells import Cell, Row


MOST_ROWS = 50
"""More rows are read with a filter, not with the eyes; the frame has them all."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a table.

    Attributes:
        head: what stands above it.
        cell: what it shows of a row.
        needs: columns of the frame, one of which must hold something.
        width: of the column, in pixels; 0 takes what is left.
        level: 1 is always shown, 2 not on narrow pages and in plain text, 3 on wide pages only.
        chars: most characters in plain text.
        is_right: set to the right, as numbers are.
        is_code: set in the type of code.
        is_fact: shown once above the table if all rows have the same.
        is_context: the same, also of a single row: what the table is of.
    """

    head: str
    cell: Callable[[Row], Cell]
    needs: tuple[str, ...]
    width: int = 0
    level: int = 1
    chars: int = 40
    is_right: bool = False
    is_code: bool = False
    is_fact: bool = False
    is_context: bool = False
    is_id: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """How a frame is shown."""

    title: str
    columns: tuple[TableColumn, ...]
    empty: str
    """One sentence with the next step; what is in backticks is code."""
    facts: Callable[[pd.DataFrame], Iterator[str]] = field(default=lambda _: iter(()))
    footer: str = ""
    paths: str = ""
    """A column with paths, which are shown without the folder that all of them are in."""


def failed_and_cost(frame: pd.DataFrame) -> Iterator[str]:
    """Explain how many rows run or failed, and what all of them cost, as far as known."""
    if "status" in frame:
        for state, word in (("running", "running"), ("failed", "failed")):
            number = int(frame["status"].eq(state).sum())
            if number:
                yield f"{number:,} {word}"
    elif "is_error" in frame:
        number = int(frame["is_error"].fillna(value=False).sum())
        if number:
            yield f"{number:,} failed"
    if "cost_usd" in frame and len(known := frame["cost_usd"].dropna()):
        some = "" if len(known) == len(frame) else f" in {len(known):,} of {len(frame):,}"
        yield f"{words.dollars(float(known.sum()))}{some}"


def _tasks(frame: pd.DataFrame) -> Iterator[str]:
    failed = int(frame["status"].eq("failed").sum())
    if failed:
        yield counted(failed, "failed task")


_SESSION = TableColumn(
    "Session", cells.identity("session_id"), ("session_id",), 76, 2, 24,
    is_code=True, is_context=True, is_id=True,
)  # fmt: skip
_RUN = TableColumn(
    "Run", cells.identity("run_id"), ("run_id",), 76, 2, 24,
    is_code=True, is_context=True, is_id=True,
)  # fmt: skip
_TURN = TableColumn("Turn", cells.number("turn"), ("turn",), 52, 1, 6, is_right=True, is_fact=True)
_STATUS = TableColumn("Status", cells.state(), ("status",), 108, 1, 17)
_MODEL = TableColumn("Model", cells.model, ("model",), 100, 2, 24, is_fact=True)
_COST = TableColumn("Cost", cells.cost(), ("cost_usd",), 68, 1, 10, is_right=True)
_TOOLS = TableColumn("Tools", cells.calls, ("tool_call_count",), 84, 1, 12, is_right=True)
_TIME = TableColumn("Time", cells.seconds("duration_s"), ("duration_s",), 72, 2, 10, is_right=True)
_IN = TableColumn("In", cells.tokens_in, ("input_tokens",), 64, 3, 8, is_right=True)
_CACHED = TableColumn("Cached", cells.cached, ("cache_read_tokens",), 64, 3, 8, is_right=True)
_OUT = TableColumn("Out", cells.tokens_out, ("output_tokens",), 56, 3, 8, is_right=True)
_RAN = TableColumn(
    "Time", cells.seconds("duration_ms", 0.001), ("duration_ms",), 72, 1, 10, is_right=True
)


def _number(head: str, name: str, width: int = 56, level: int = 2) -> TableColumn:
    return TableColumn(head, cells.number(name), (name,), width, level, 10, is_right=True)


def _count(head: str, name: str, level: int = 2) -> TableColumn:
    return TableColumn(
        head, cells.count(name), (name,), max(64, 12 + 8 * len(head)), level, 8, is_right=True
    )


def _text(head: str, *names: str, width: int = 0, level: int = 1, chars: int = 40) -> TableColumn:
    return TableColumn(head, cells.first_of(*names), names, width, level, chars)


def _age(*names: str, level: int = 1) -> TableColumn:
    return TableColumn("Age", cells.age(*names), names, 76, level, 12, is_right=True)


def _own_id(head: str, name: str) -> TableColumn:
    return TableColumn(head, cells.identity(name), (name,), 84, 2, 24, is_code=True, is_id=True)


_AOD: Final = {
    "sessions": View(
        "Sessions",
        (
            _STATUS,
            _text("Prompt", "prompt", "title"),
            TableColumn("Agent", cells.text("agent"), ("agent",), 104, 3, 20, is_fact=True),
            _MODEL,
            TableColumn("Runtime", cells.text("runtime"), ("runtime",), 80, 3, 12, is_fact=True),
            _number("Turns", "turn_count", 52, 3),
            _TOOLS,
            TableColumn("Tokens", cells.tokens_of, ("input_tokens",), 64, 3, 8, is_right=True),
            _COST,
            _TIME,
            _age("created_at"),
            _own_id("Id", "session_id"),
        ),
        "No sessions yet. `%%aod --runtime shell` at the top of a cell starts one.",
        failed_and_cost,
        "Open one: `%aod attach {id}`",
    ),
    "turns": View(
        "Turns",
        (_TURN, _text("Prompt", "prompt"), _STATUS, _TOOLS, _IN, _CACHED, _OUT, _COST, _TIME,
         _age("created_at", level=2), _SESSION),
        'No turns yet. `session.prompt("…")` sends the next prompt.',
        failed_and_cost,
    ),
    "events": View(
        "Events",
        (
            _number("#", "order", 56, 1),
            _TURN,
            TableColumn("Type", cells.text("type"), ("type",), 92, 1, 12),
            _text("From", "stage", "stream", width=120, level=2, chars=20),
            _text("Text", "message", "data", chars=60),
            TableColumn("State", cells.state("state"), ("state",), 88, 2, 10),
            _number("Exit", "exit_code", 40),
            _RAN,
            _age("created_at", "received_at", level=2),
            _SESSION,
        ),
        "No events yet. `session.wait()` waits for what comes.",
    ),
    "messages": View(
        "Messages",
        (
            _number("#", "order", 48, 1),
            _TURN,
            TableColumn("Who", cells.text("line_type"), ("line_type",), 80, 1, 10),
            TableColumn("Block", cells.text("block"), ("block",), 84, 2, 12),
            TableColumn("Tool", cells.tool, ("tool",), 92, 2, 16),
            _text("Text", "text", chars=60),
            _count("Out", "output_tokens", 3),
            _MODEL,
            _age("created_at", level=2),
            _SESSION,
        ),
        "No messages yet. `session.wait()` waits for what the agent says.",
    ),
    "tool_calls": View(
        "Tool calls",
        (
            TableColumn("#", cells.number("#"), ("order",), 32, 1, 5, is_right=True),
            _TURN,
            TableColumn("Tool", cells.tool, ("tool",), 108, 1, 18),
            TableColumn("Input", cells.path("summary"), ("summary",), 0, 1, 40, is_code=True),
            TableColumn("Result", cells.result, ("output",), 0, 2, 28),
            TableColumn("Status", cells.outcome, ("is_error", "has_result"), 84, 1, 11),
            TableColumn("Time", cells.seconds("duration_s"), ("duration_s",), 68, 1, 10, is_right=True),
            _SESSION,
        ),
        "No tool calls: the agent used no tools. `session.messages` has its messages.",
        failed_and_cost,
        paths="summary",
    ),
    "files": View(
        "Files",
        (TableColumn("#", cells.number("#"), ("order",), 32, 1, 5, is_right=True), _TURN,
         TableColumn("File", cells.path("path"), ("path",), 0, 1, 50, is_code=True),
         _text("Did", "operation", chars=8), _number("Added", "added_lines"),
         _number("Removed", "removed_lines"),
         TableColumn("Status", cells.failure, ("is_error",), 84, 1, 11), _SESSION),
        "No files: no tool call named any. `frames.tool_calls_df(...)` has all calls.",
        failed_and_cost,
        paths="path",
    ),
    "hits": View(
        "Found",
        (TableColumn("#", cells.number("#"), ("order",), 32, 1, 5, is_right=True), _TURN,
         _text("Kind", "block", chars=11), _text("Words", "context", chars=70), _SESSION),
        "No hits: the text was not found. `frames.messages_df(...)` has all messages.",
        failed_and_cost,
    ),
    "results": View(
        "Results",
        (_TURN, TableColumn("Status", cells.failure, ("is_error",), 84, 1, 11), _text("Result", "result"),
         _IN, _CACHED, _OUT, _COST, _RAN, _SESSION),
        "No results yet. A turn's result comes at its end; `session.wait()` waits for it.",
        failed_and_cost,
    ),
    "model_usage": View(
        "Model usage",
        (_TURN, TableColumn("Model", cells.model, ("model",), 0, 1, 30), _count("Input", "input_tokens"),
         _count("Cache read", "cache_read_tokens"), _count("Cache written", "cache_creation_tokens"),
         _count("Output", "output_tokens", 1), _COST,
         TableColumn("Computed", cells.cost("computed_cost_usd"), ("computed_cost_usd",), 88, 2, 10,
              is_right=True), _SESSION),
        "No model usage yet. A turn's usage comes at its end; `session.wait()` waits for it.",
        failed_and_cost,
    ),
    "insights": View(
        "Insights",
        (TableColumn("Severity", cells.state("severity"), ("severity",), 76, 1, 8),
         _text("Finding", "finding", chars=70), _TURN, _number("Times", "times"),
         _count("Tokens", "tokens"), _COST,
         TableColumn("Lost", cells.seconds("lost_s"), ("lost_s",), 72, 2, 10, is_right=True), _SESSION),
        "Nothing to report: no loop, no repeated failure, no waste was found.",
    ),
    "agents": View(
        "Agents",
        (_text("Name", "name"), TableColumn("Runtime", cells.text("runtime"), ("runtime",), 88, 1, 12,
         is_fact=True), TableColumn("Provider", cells.text("provider"), ("provider",), 88, 2, 12),
         TableColumn("Model", cells.text("model"), ("model",), 200, 1, 30, is_fact=True),
         _number("Version", "version", 68), _age("created_at"), _own_id("Id", "agent_id")),
        "No agents yet. `%aod agent create NAME --runtime claude --model MODEL` makes one.",
    ),
    "environments": View(
        "Environments",
        (_text("Name", "name"), _number("Version", "version", 68), _age("created_at"),
         _own_id("Id", "id")),
        "No environments yet. `%aod env create NAME --pip pandas` makes one.",
    ),
}  # fmt: skip

_AGENTOS: Final = {
    "runs": View(
        "Runs",
        (_STATUS, _text("Agent", "agent", "agent_id"), _text("Error", "error_message"),
         TableColumn("Trigger", cells.text("trigger_type"), ("trigger_type",), 80, 3, 10, is_fact=True),
         _count("Tokens", "total_tokens", 3), _COST, _RAN, _age("started_at"),
         _own_id("Id", "run_id")),
        "No runs yet. `%%agentos --name nightly` at the top of a cell records one.",
        failed_and_cost,
        "Open one: `%agentos watch {id}`",
    ),
    "run_events": View(
        "Run events",
        (_number("#", "order", 48, 1), TableColumn("Type", cells.text("type"), ("type",), 0, 1, 28),
         TableColumn("Level", cells.text("level"), ("level",), 56, 2, 6, is_fact=True),
         TableColumn("Tool", cells.text("tool"), ("tool",), 100, 2, 18),
         _text("Text", "error", "payload", chars=50), _MODEL,
         _count("Out", "output_tokens", 3), _RAN, _age("occurred_at", level=2), _RUN),
        'No events yet. `run.emit("…")` records one.',
    ),
    "spans": View(
        "Spans",
        (_text("Span", "path", "name"), TableColumn("Kind", cells.text("kind"), ("kind",), 72, 2, 10),
         _MODEL, TableColumn("Tool", cells.text("tool"), ("tool",), 100, 3, 18),
         TableColumn("Status", cells.failure, ("is_error",), 76, 1, 9), _text("Error", "error", level=2),
         _count("Out", "output_tokens", 3), _RAN,
         TableColumn("Self", cells.seconds("self_ms", 0.001), ("self_ms",), 72, 2, 10, is_right=True),
         _RUN),
        'No spans yet. `with run.start_span("…"):` records one.',
        failed_and_cost,
    ),
    "tasks": View(
        "Tasks",
        (_STATUS, _text("Task", "name"), _text("Output", "error_message", "output", level=2),
         TableColumn("Time", cells.ended, ("ended_at",), 72, 1, 10, is_right=True),
         _age("started_at", level=2), _own_id("Id", "task_id"), _RUN),
        'No tasks yet. `run.start_task("…")` adds one.',
        _tasks,
    ),
}  # fmt: skip

VIEWS: Final[Mapping[str, View]] = {
    **{f"aod.{name}": view for name, view in _AOD.items()},
    **{f"agentos.{name}": view for name, view in _AGENTOS.items()},
}
"""By what `df.attrs["schema"]` begins with."""
