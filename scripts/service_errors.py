"""Write the tests of each error of the embedded service into `docs/service-errors.md`.

A test belongs to a row when its docstring names it: `Rows: A.2 unknown token; A.3 no JSON.`
It must also know the row's answer: the status, and every text between backticks, have to stand
in the test, or in what the test names of its module. `<x>` in a text stands for anything.

Usage: python scripts/service_errors.py          write the last column
       python scripts/service_errors.py --check  write nothing, fail when it is out of date
Either way it fails when a row has no test, a test no row, or a test not the row's answer.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import NamedTuple

from weaknesses import ROOT, plain

PAGE = ROOT / "docs" / "service-errors.md"
TESTS = ROOT / "tests" / "local"
ROW = re.compile(r"\| ((?:[AB]\.\d+(?:\.\d+)?|DESIGN 9) .+?) \| (.+?) \| (.*)\|")


class Test(NamedTuple):
    """One test, the rows that it names, and the texts and numbers that it knows."""

    name: str
    rows: list[str]
    texts: list[str]
    numbers: set[int]

    def lacks(self, answer: str) -> list[str]:
        """Return what of an answer the test does not know."""
        status = re.match(r"\d{3}", answer)
        lacking = [status[0]] if status and int(status[0]) not in self.numbers else []
        for text in re.findall(r"`(.+?)`", answer):
            wanted = re.sub(r"<\w+>", ".+", re.escape(text))
            if not any(re.search(wanted, known, re.DOTALL) for known in self.texts):
                lacking.append(text)
        return lacking


def read_tests() -> list[Test]:
    """All tests of the service that name rows."""
    found = []
    for path in sorted(TESTS.glob("test_*.py")):
        module = ast.parse(path.read_text("utf-8"))
        named = {name: node for node in module.body for name in names_of(node)}
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                claim = re.search(r"Rows: (.+)", plain(ast.get_docstring(node) or ""))
                if claim:
                    rows = claim[1].rstrip(".").split("; ")
                    name = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                    found.append(Test(name, rows, *known(node, named)))
    return found


def names_of(node: ast.stmt) -> list[str]:
    """The names that a statement of a module gives."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def known(test: ast.AST, named: dict[str, ast.stmt]) -> tuple[list[str], set[int]]:
    """The texts and numbers of a test, and of what it names, directly or not."""
    texts, numbers = [], set()
    nodes, seen = [test], set()
    while nodes:
        for node in ast.walk(nodes.pop()):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(map(spelled, node.values)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.Constant) and isinstance(node.value, int):
                numbers.add(node.value)
            elif isinstance(node, ast.Name) and node.id in named and node.id not in seen:
                seen.add(node.id)
                nodes.append(named[node.id])
    return texts, numbers


def spelled(part: ast.expr) -> str:
    """A part of an f-string, with `_` for what is filled in."""
    return str(part.value) if isinstance(part, ast.Constant) else "_"


def fill(page: str) -> tuple[str, list[str]]:
    """Return the page with its last column written, and what is wrong with it."""
    tests = read_tests()
    problems, rows, lines = [], set(), []
    for line in page.splitlines():
        match = ROW.match(line)
        if match is None:
            lines.append(line)
            continue
        row, answer = plain(match[1]), match[2]
        rows.add(row)
        mine = [test for test in tests if row in test.rows]
        if not mine:
            problems.append(f"no test: {row}")
        for test in mine:
            problems += [
                f"{test.name} does not know of {row}: {text}" for text in test.lacks(answer)
            ]
        names = "<br>".join(f"`{test.name.removeprefix('tests/local/')}`" for test in mine)
        lines.append(f"| {match[1]} | {answer} | {names} |")
    problems += [
        f"no row: {test.name}: {row}" for test in tests for row in test.rows if row not in rows
    ]
    return "\n".join(lines) + "\n", problems


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    before = PAGE.read_text("utf-8")
    after, problems = fill(before)
    if "--check" not in arguments:
        PAGE.write_text(after, "utf-8")
    elif after != before:
        problems.append(f"{PAGE.name} is out of date: run python scripts/service_errors.py")
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
