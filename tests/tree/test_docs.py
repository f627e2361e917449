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
