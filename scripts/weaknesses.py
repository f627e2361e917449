"""Write the tests of each weakness into its row of `docs/*-weaknesses.md`.

A test belongs to a row when its docstring begins with the row's section and place
(`C.1 aod/_http.py:parse_body:`); where rows share a place, it quotes the row's whole text.

Usage: python scripts/weaknesses.py          write the last column
       python scripts/weaknesses.py --check  write nothing, fail when it is out of date
Either way it fails when a row has no test, or a test no row.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TABLES = {
    "12": ROOT / "docs" / "aod-weaknesses.md",
    "34": ROOT / "docs" / "agentos-weaknesses.md",
}
"""The tables, by the numbers of their sections (`C.1`, `C.2` and so on)."""
ROW = re.compile(r"\| (C\.\d) \| (.+?) \| (.+?) \| (.*)\|")


class Row(NamedTuple):
    """One weakness, in plain text: code marks and runs of blanks left out."""

    section: str
    where: str
    defect: str


class Test(NamedTuple):
    """One test that names a weakness."""

    name: str
    says: str


def plain(text: str) -> str:
    """Return the words of a text, without marks and line ends."""
    return " ".join(text.replace("`", "").split())


def read_rows(table: str) -> list[Row]:
    """All rows of the table."""
    return [
        Row(*map(plain, match.groups()[:3]))
        for match in map(ROW.match, table.splitlines())
        if match
    ]


def read_tests(sections: str) -> list[Test]:
    """All tests whose docstring begins with one of these sections."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                says = plain(ast.get_docstring(node) or "")
                if re.match(rf"C\.[{sections}] ", says):
                    found.append(Test(f"{path.relative_to(ROOT).as_posix()}::{node.name}", says))
    return found


def tests_of(row: Row, rows: list[Row], tests: list[Test]) -> list[Test]:
    """The tests that belong to a row."""
    place = f"{row.section} {row.where}:"
    is_shared = sum(other[:2] == row[:2] for other in rows) > 1
    return [
        test
        for test in tests
        if test.says.startswith(place) and (not is_shared or row.defect in test.says)
    ]


def fill(table: str, sections: str = "12") -> tuple[str, list[str]]:
    """Return the table with its last column written, and what is wrong with it."""
    rows, tests = read_rows(table), read_tests(sections)
    problems, used, lines = [], set(), []
    for line in table.splitlines():
        match = ROW.match(line)
        if match is None:
            lines.append(line)
            continue
        row = Row(*map(plain, match.groups()[:3]))
        mine = tests_of(row, rows, tests)
        used.update(mine)
        if not mine:
            problems.append(f"no test: {row.section} {row.where}: {row.defect}")
        names = "<br>".join(f"`{test.name}`" for test in mine)
        lines.append(f"| {match[1]} | {match[2]} | {match[3]} | {names} |")
    problems += [f"no row: {test.name}: {test.says}" for test in tests if test not in used]
    return "\n".join(lines) + "\n", problems


def main(arguments: list[str]) -> int:
    """Write or check the tables; return the exit status."""
    problems = []
    for sections, path in TABLES.items():
        before = path.read_text("utf-8")
        after, found = fill(before, sections)
        problems += found
        if "--check" not in arguments:
            path.write_text(after, "utf-8")
        elif after != before:
            problems.append(f"{path.name} is out of date: run python scripts/weaknesses.py")
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
