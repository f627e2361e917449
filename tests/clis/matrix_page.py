"""The table of `make clis`, and its page in the documentation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import install_clis

BEGIN = "<!-- what `make clis` writes begins here -->\n"
CASES = (
    "hello", "three turns", "subagent", "background subagent", "MCP server", "skill",
    "system prompt", "web search", "429 once", "429 for good", "500 once", "500 for good",
    "stream cut", "stop", "timeout", "no key", "wrong model", "gateway",
    "person's configuration", "login refresh",
)  # fmt: skip
COLUMNS = {
    "case": "", "requests": "served", "unreported requests": "not reported", "input": "input",
    "output": "output", "cache read": "cache read", "cache written": "cache written",
    "cost": "cost (USD)", "calls": "calls", "failed calls": "failed", "end": "end",
}  # fmt: skip


def tables(rows):
    """Return a Markdown table per CLI; the order is that of the tests."""
    parts = []
    for name in install_clis.pinned():
        mine = [row for row in rows if row["cli"] == name]
        if mine:
            version = install_clis.pinned()[name]["version"]
            parts.append(f"## {install_clis.program(name).capitalize()} {version}\n\n{table(mine)}")
    return "\n".join(parts)


def table(rows):
    lines = [list(COLUMNS.values()), [":--", *["--:"] * (len(COLUMNS) - 2), ":--"]]
    lines += [
        [cell(row, column) for column in COLUMNS]
        for row in sorted(rows, key=lambda row: CASES.index(row["case"]))
    ]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def cell(row, column):
    if column == "end":
        ended = row["status"] if row["exit"] is None else f"{row['status']}, exit {row['exit']}"
        return f"{ended}, error" if row["error"] else ended
    value = row.get(column)
    if value is None:
        return "n/a"
    if column == "cost":
        return f"{round(value, 9):.7f}"  # in whichever order it was added up
    return f"{value:,}" if isinstance(value, int) else str(value)


def write(page, rows):
    """Replace the generated part of the page."""
    head = page.read_text(encoding="utf-8").partition(BEGIN)[0]
    page.write_text(head + BEGIN + "\n" + tables(rows), encoding="utf-8")
