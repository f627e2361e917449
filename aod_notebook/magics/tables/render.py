"""Display of our DataFrames in IPython: one line per row, important columns first, ids last.

The frames stay plain DataFrames: formatters of the shell recognise them by `df.attrs["schema"]`
and by their columns. A frame of other columns, and what `pd.DataFrame(frame)` makes, is shown as
pandas does.
"""

from __future__ import annotations

import contextlib
import html
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from aod_notebook.core import words
from aod_notebook.core.look import code_parts, styled
from aod_notebook.core.text import clip, counted, one_line
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.magics.tables.cells import Cell, common_folder
from aod_notebook.magics.tables.findings import SCHEMA as FINDINGS
from aod_notebook.magics.tables.findings import findings_html, findings_text
from aod_notebook.magics.tables.views import MOST_ROWS, VIEWS, TableColumn, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


NO_MATH = ("display.html.use_mathjax", False)
_OTHER_WIDTH = 120
_HIDDEN = {1: "", 2: "aod-opt", 3: "aod-opt aod-mid"}


@dataclass(frozen=True)
class _Table:
    """A frame with its displayed rows and columns."""

    frame: pd.DataFrame
    view: View

    @cached_property
    def columns(self) -> list[TableColumn]:
        """The non-empty columns, and those that the user added."""
        held = [each for each in self.view.columns if self._holds(each) and each not in self.facts]
        ids = [each for each in held if each.is_id]
        return [each for each in held if not each.is_id] + self._added() + ids

    @cached_property
    def facts(self) -> dict[TableColumn, str]:
        """The columns with one value for all rows, and that value."""
        found = {}
        for column in self.view.columns:
            if self._holds(column) and (
                column.is_context or (column.is_fact and len(self.frame) > 1)
            ):
                values = self.frame[column.needs[0]]
                if values.notna().all() and values.eq(values.iloc[0]).all():
                    shown = column.cell(records(self.frame.iloc[:1])[0])
                    prefix = "turn " if column.head == "Turn" else ""
                    found[column] = prefix + shown.text
        return found

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The rows that are shown."""
        return records(self.frame.iloc[:MOST_ROWS])

    @cached_property
    def folder(self) -> str:
        """The folder that all paths in the rows are in; empty if they share none."""
        return common_folder(self.records, self.view.paths) if self.view.paths else ""

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the cells of the rows that are shown."""
        for place, row in enumerate(self.records, 1):
            given = {"#": place, **row, "folder": self.folder}
            yield [column.cell(given) for column in self.columns]

    @property
    def caption(self) -> list[str]:
        """The line above the table: how many rows, common values, missing parts."""
        total, shown = len(self.frame), min(len(self.frame), MOST_ROWS)
        whole = self.frame.attrs.get("of", total)
        newest = "newest " if whole > total else "first " if shown < total else ""
        parts = [f"{newest}{shown:,} of {max(whole, total):,}"]
        folder = [f"in {one_line(self.folder, 80)}"] if self.folder else []
        return [*parts, *self.view.facts(self.frame), *self.facts.values(), *folder]

    @property
    def trouble(self) -> str:
        """What the frame lacks, from its `attrs`; empty if it is complete."""
        attrs = self.frame.attrs
        parts = []
        if attrs.get("truncated_by"):
            parts.append(f"not everything is there: {one_line(str(attrs['truncated_by']), 200)}")
        if attrs.get("dropped"):
            parts.append(f"{counted(int(attrs['dropped']), 'row')} could not be read")
        return "; ".join(parts)

    @property
    def footer(self) -> str:
        """The line below: that the frame has more columns, and the next step."""
        columns = f"All {len(self.frame.columns)} columns are in the frame."
        if not self.view.footer:
            return columns
        own = next(column for column in self.view.columns if column.is_id)
        first = words.short_id(self.frame[own.needs[0]].iloc[0])
        return f"{columns} {self.view.footer.format(id=first)}"

    def _holds(self, column: TableColumn) -> bool:
        return any(name in self.frame and self.frame[name].notna().any() for name in column.needs)

    def _added(self) -> list[TableColumn]:
        name = _schema_of(self.frame).partition(".")[2]
        schema = SCHEMAS.get(name)
        ours = set(schema.names) if schema else set()
        ours |= {each for column in self.view.columns for each in column.needs} | set(_MORE)
        return [
            TableColumn(one_line(str(each), 40), _plain_cell(each), (each,), _OTHER_WIDTH, 1, 30)
            for each in self.frame.columns
            if each not in ours
        ]


_MORE = (
    "agent", "prompt", "model", "failed_tool_call_count", "input_includes_cache", "source", "cwd",
    "output_includes_reasoning", "cache_creation_tokens", "cache_creation_1h_tokens", "title",
    "reasoning_tokens", "output_tokens", "cache_read_tokens", "git_branch", "cli_version",
    "parent_session_id", "forked_from_id", "tool_call_count", "cost_usd", "input_tokens",
)  # fmt: skip
"""Columns that our functions add on request; what the user adds has other names."""


def _plain_cell(name: Any) -> Any:
    def cell(row: dict[str, Any]) -> Cell:
        value = row.get(name)
        if value is None:
            return Cell()
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        return Cell(one_line(shown, 240))

    return cell


# -- which frames are ours ------------------------------------------------------------------------


def _schema_of(frame: pd.DataFrame) -> str:
    return str(frame.attrs.get("schema", "")).partition("/")[0]


def _shown(frame: pd.DataFrame) -> _Table | None:
    """Return how a frame is shown; None if pandas shows it."""
    name = _schema_of(frame)
    view = VIEWS.get(name)
    if view is None or frame.columns.nlevels > 1 or not frame.columns.is_unique:
        return None
    schema = SCHEMAS.get(name.partition(".")[2])
    if schema is not None:
        for column in schema.columns:
            if column.name not in frame or frame[column.name].dtype.name != column.pandas_dtype:
                return None  # chosen, grouped or made by the user: not our rows any more
    elif any(column.needs[0] not in frame for column in view.columns):
        return None
    return _Table(frame, view)


# -- HTML -----------------------------------------------------------------------------------------


def table_html(frame: pd.DataFrame) -> str | None:
    """Return a frame's HTML: ours for our frames, pandas' for all others."""
    if _schema_of(frame) == FINDINGS and "finding" in frame:
        return findings_html(frame)
    table = _shown(frame)
    if table is None:
        ours = "schema" in frame.attrs  # dollar signs in it are money, not mathematics
        with pd.option_context(*NO_MATH) if ours else contextlib.nullcontext():
            return cast("str | None", frame._repr_html_())  # type: ignore[operator]
    if frame.empty:
        return styled(
            f'<div class="aod-empty" style="{_EMPTY}">{code_parts(table.view.empty)}</div>'
        )
    caption = html.escape(" · ".join(table.caption))
    trouble = (
        f'<span class="aod-warn">! {html.escape(table.trouble)}</span>' if table.trouble else ""
    )
    return styled(
        f'<div style="{_CAPTION}"><b>{html.escape(table.view.title)}</b> '
        f'<span class="aod-quiet">{caption}</span> {trouble}</div>'
        f'<div style="overflow-x:auto">{_table_html(table)}</div>'
        f'<div class="aod-quiet" style="{_CAPTION}">{code_parts(table.footer)}</div>'
    )


_CAPTION = "padding:4px 0;font-size:12px;line-height:20px;text-align:left"
_EMPTY = "padding:12px 16px;border:1px solid rgba(128,128,128,0.35);border-radius:8px"
_TABLE = (
    "border-collapse:collapse;table-layout:fixed;width:100%;margin:0;border:0;text-align:left;"
    "font-size:12px;line-height:20px"
)
_CELL = (
    "padding:3px 12px 3px 0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;text-align:"
)
_SLOT = "display:inline-block;min-width:20px;text-align:left"
_CODE = ";font-family:var(--jp-code-font-family,ui-monospace,monospace)"


def _table_html(table: _Table) -> str:
    widths = "".join(
        f'<col class="{_HIDDEN[column.level]}"'
        + (f' style="width:{column.width}px">' if column.width else ">")
        for column in table.columns
    )
    head = "".join(
        f'<th scope="col" class="aod-quiet {_HIDDEN[column.level]}" style="{_cell_style(column).removesuffix(_CODE)}">'
        f"{html.escape(column.head)}</th>"
        for column in table.columns
    )
    rows = "".join(
        f"<tr>{''.join(_cell_html(column, cell) for column, cell in zip(table.columns, row, strict=True))}</tr>"
        for row in table.rows()
    )
    least = sum(column.width or 160 for column in table.columns)  # where a page drops the style
    return (
        f'<table class="aod-tb" style="{_TABLE};min-width:{least}px"><colgroup>{widths}</colgroup>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell_style(column: TableColumn) -> str:
    return _CELL + ("right" if column.is_right else "left") + (_CODE if column.is_code else "")


def _cell_html(column: TableColumn, cell: Cell) -> str:
    title = f' title="{html.escape(cell.title)}"' if cell.title else ""
    tone = f"aod-{cell.tone}" if cell.tone else "aod-quiet" if column.is_id else ""
    kind = " ".join(filter(None, (_HIDDEN[column.level], tone)))
    named = f' class="{kind}"' if kind else ""
    bad = (
        f' <span class="aod-bad" style="{_SLOT}">{html.escape(cell.bad)}</span>' if cell.bad else ""
    )
    return f'<td{named}{title} style="{_cell_style(column)}">{html.escape(cell.text)}{bad}</td>'


# -- plain text -----------------------------------------------------------------------------------


def table_text(frame: pd.DataFrame) -> str | None:
    """Return a frame of ours as plain text; None for any other."""
    if _schema_of(frame) == FINDINGS and "finding" in frame:
        return findings_text(frame)
    table = _shown(frame)
    if table is None:
        return None
    if frame.empty:
        return table.view.empty
    trouble = f" · ! {table.trouble}" if table.trouble else ""
    columns = [each for each in table.columns if each.level == 1 or each.is_id]
    places = [table.columns.index(each) for each in columns]
    rows = [
        [_text_of(row[at], column) for at, column in zip(places, columns, strict=True)]
        for row in table.rows()
    ]
    lines = [[column.head.upper() for column in columns], *rows]
    return "\n".join([
        f"{table.view.title} · {' · '.join(table.caption)}{trouble}",
        *_aligned(lines, columns),
        table.footer,
    ])  # fmt: skip


def _text_of(cell: Cell, column: TableColumn) -> str:
    return clip(f"{cell.text} {cell.bad}".rstrip(), column.chars)


def _aligned(lines: list[list[str]], columns: Sequence[TableColumn]) -> Iterator[str]:
    widths = [max(map(_width, texts)) for texts in zip(*lines, strict=True)]
    for line in lines:
        padded = []
        for text, width, column in zip(line, widths, columns, strict=True):
            blank = " " * (width - _width(text))
            padded.append(blank + text if column.is_right else text + blank)
        yield "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """Return the width of a text in terminal columns."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


# -- the shell ------------------------------------------------------------------------------------


def print_table(frame: pd.DataFrame, printer: Any, is_cycle: bool) -> None:
    """Print our frames as tables, and others as pandas does."""
    del is_cycle
    text = table_text(frame)
    if text is None:
        text = repr(frame)
    for number, line in enumerate(text.split("\n")):
        if number:
            printer.break_()
        printer.text(line)
