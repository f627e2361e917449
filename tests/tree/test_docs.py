import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_the_documentation_builds_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*build, "-d", tmp_path / "doctrees", ROOT / "docs", tmp_path / "html"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "notebooks" / "quickstart.html").exists()


def test_every_page_is_in_a_table_of_contents():
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    listed = set()
    for text in texts.values():
        for block in re.findall(r"```\{toctree\}(.*?)```", text, re.DOTALL):
            listed |= {line.split("<")[-1].strip(" >") for line in block.splitlines()}
    assert {path.stem for path in texts} - listed == {"index"}
