"""A board as static HTML and as plain text, which need no kernel."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from aod_notebook.core import words
from aod_notebook.core.text import clip, one_line
from aod_notebook.viewers.markup import MONO, QUIET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aod_notebook.viewers.board.row import BoardRow

MOST_ROWS = 50
"""More rows are read with a filter, not with the eyes."""
PLAIN_ROWS = 20
_BOX = (
    "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;"
    "line-height:20px;border:1px solid rgba(128,128,128,0.45);border-radius:8px;text-align:left;"
    "overflow-x:auto"
)
_LINE = "rgba(128,128,128,0.3)"
_TABLE = "border-collapse:collapse;table-layout:fixed;width:100%;margin:0;border:0;text-align:left"
_CELL = (
    "padding:3px 12px 3px 0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;"
    f"border:0;border-bottom:1px solid {_LINE};font-weight:"
)
# By which MathJax passes over an element, of version 3 and 4 (JupyterLab) and of 2 (nbconvert).
_NO_MATH = "mathjax_ignore tex2jax_ignore"


class _Column(NamedTuple):
    head: str
    text: Callable[[BoardRow], str]
    width: str
    is_right: bool = False
    is_code: bool = False
    chars: int = 12
    title: Callable[[BoardRow], str] = lambda _: ""


def _status(row: BoardRow) -> str:
    sign = words.GLYPHS.get(row.status, "")
    return f"{sign} {words.state_word(row.status)}".strip()


def _tools(row: BoardRow) -> str:
    made = "" if row.tools is None else f"{row.tools:,}"
    return f"{made} ✗{row.failed:,}" if row.failed else made


def _moment(row: BoardRow) -> datetime | None:
    return None if row.created is None else datetime.fromtimestamp(row.created, UTC)


_COLUMNS = (
    _Column("Status", _status, "9%", chars=14),
    _Column("Prompt", lambda row: row.prompt, "24%", chars=44, title=lambda row: row.prompt),
    _Column("Agent", lambda row: row.agent, "8%"),
    _Column("Model", lambda row: row.model, "9%", chars=18),
    _Column("Turns", lambda row: "" if row.turns is None else f"{row.turns:,}", "5%", True),
    _Column("Tools", _tools, "7%", True),
    _Column("Tokens", lambda row: words.tokens(row.tokens), "6%", True),
    _Column("Cost", lambda row: words.dollars(row.cost), "6%", True),
    _Column("Time", lambda row: words.duration(row.duration), "7%", True),
    _Column("Age", lambda row: words.age(_moment(row)), "6%", True,
            title=lambda row: words.exact(_moment(row))),
    _Column("Last line", lambda row: row.last, "16%", chars=30, title=lambda row: row.last),
    _Column("Id", lambda row: words.short_id(row.id), "8%", is_code=True, title=lambda row: row.id),
)  # fmt: skip


def board_html(title: str, facts: Sequence[str], rows: Sequence[BoardRow], again: str = "") -> str:
    """Return a board as one `<div>` with a plain table.

    Args:
        title: what heads it.
        facts: what is known of the whole.
        rows: all rows, in the order in which they are shown.
        again: the command that shows it again; empty if there is none.
    """
    summary = " · ".join(escape(one_line(fact)) for fact in (*facts, _of(rows)))
    columns = [column for column in _COLUMNS if any(column.text(row) for row in rows)]
    head = "".join(_cell("th", column, column.head, "600") for column in columns)
    body = "".join(_row(columns, row) for row in rows[:MOST_ROWS])
    table = (
        f'<table style="{_TABLE};min-width:720px">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    foot = (
        f'<div style="padding:6px 12px;{QUIET}">Reopen the live board: '
        f'<code style="{MONO}">{escape(again)}</code></div>'
        if again
        else ""
    )
    empty = f'<div style="padding:12px;{QUIET}">No sessions yet.</div>'
    return (
        f'<div class="{_NO_MATH}" style="{_BOX}"><div style="padding:8px 12px">'
        f'<b style="font-size:14px">{escape(one_line(title))}</b> <span style="{QUIET}">{summary}</span>'
        f'</div><div style="padding:0 0 0 12px">{table if rows else empty}</div>{foot}</div>'
    )


def _of(rows: Sequence[BoardRow]) -> str:
    return f"{min(len(rows), MOST_ROWS):,} of {len(rows):,}"


def _row(columns: Sequence[_Column], row: BoardRow) -> str:
    cells = (_cell("td", column, column.text(row), "400", column.title(row)) for column in columns)
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, column: _Column, text: str, weight: str, title: str = "") -> str:
    side = "right" if column.is_right else "left"
    named = f' title="{escape(one_line(title))}"' if title else ""
    code = f";{MONO}" if column.is_code and tag == "td" else ""
    code += f";width:{column.width}" if tag == "th" else ""
    return (
        f'<{tag}{named} style="{_CELL}{weight};text-align:{side}{code}">'
        f"{escape(one_line(text))}</{tag}>"
    )


def board_plain(title: str, facts: Sequence[str], rows: Sequence[BoardRow]) -> str:
    """Return a board as lines of text."""
    shown = rows[:PLAIN_ROWS]
    names = ("Status", "Prompt", "Tools", "Cost", "Time", "Age", "Id")
    columns = [column for column in _COLUMNS if column.head in names]
    columns = [column for column in columns if any(column.text(row) for row in shown)]
    table = [[column.head.upper() for column in columns]]
    table += [
        [clip(one_line(column.text(row)), column.chars) for column in columns] for row in shown
    ]
    widths = [max(map(len, each)) for each in zip(*table, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if column.is_right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in table
    ]
    count = f"{len(shown):,} of {len(rows):,}"
    return "\n".join([" · ".join([one_line(title), *facts, count]), *lines])
