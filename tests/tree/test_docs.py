import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_a_table_of_contents():
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    listed = set()
    for text in texts.values():
        for block in re.findall(r"```\{toctree\}(.*?)```", text, re.DOTALL):
            listed |= {line.split("<")[-1].strip(" >") for line in block.splitlines()}
    assert {path.stem for path in texts} - listed == {"index"}


def test_every_test_that_a_page_names_exists():
    named = {
        (page.name, path)
        for page in (ROOT / "docs").glob("*.md")
        for path in re.findall(r"`(tests/[\w/.-]+)`", page.read_text(encoding="utf-8"))
    }
    assert "guarantees.md" in {page for page, _ in named}
    assert [(page, path) for page, path in sorted(named) if not (ROOT / path).exists()] == []
