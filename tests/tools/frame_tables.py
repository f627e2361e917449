"""Write the tables of all frames' columns into `docs/frames.md`, from `frames/schema/`.

Usage: python tests/tools/frame_tables.py          write the tables
       python tests/tools/frame_tables.py --check  write nothing, fail when they are out of date
"""

import sys
from pathlib import Path

from aod_notebook.frames.schema import DETAIL_COLUMNS, SCHEMAS, TURN_RESULT_COLUMNS, Column, Schema

PAGE = Path(__file__).resolve().parents[2] / "docs" / "frames.md"
BEGIN, END = "<!-- columns: begin -->", "<!-- columns: end -->"


def rows(columns: tuple[Column, ...]) -> list[str]:
    """The lines of a table of columns."""
    lines = ["| column | dtype | unit | meaning | OpenTelemetry |", "|---|---|---|---|---|"]
    for column in columns:
        dtype = "str (JSON)" if column.dtype == "json" else column.pandas_dtype
        otel = f"`{column.otel}`" if column.otel else ""
        meaning = column.meaning
        if column.categories:
            known = ", ".join(f"`{value}`" for value in column.categories)
            meaning += f" ({known})"
        lines.append(f"| `{column.name}` | {dtype} | {column.unit} | {meaning} | {otel} |")
    return lines


def section(schema: Schema) -> list[str]:
    """The part of the page that is about one frame."""
    lines = [f"### {schema.name}", "", f"{schema.meaning} Schema `{schema.id}`.", ""]
    lines += [*rows(schema.columns), ""]
    if schema.name == "sessions":
        lines += ["With `details=True` also:", "", *rows(DETAIL_COLUMNS), ""]
    if schema.name == "turns":
        lines += ["With `results=True` also:", "", *rows(TURN_RESULT_COLUMNS), ""]
    return lines


def page(text: str) -> str:
    """The page with fresh tables between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(line for schema in SCHEMAS.values() for line in section(schema))
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def main() -> int:
    """Write the page, or with `--check` compare it."""
    text = PAGE.read_text(encoding="utf-8")
    fresh = page(text)
    if "--check" in sys.argv[1:]:
        if fresh != text:
            print(f"{PAGE.name} is out of date: run python tests/tools/frame_tables.py")
        return int(fresh != text)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
