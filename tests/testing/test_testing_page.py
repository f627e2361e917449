"""The example of docs/testing.md, run as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import install_clis

from aod_notebook.testing import ModelServer

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.timeout(300)
def test_notebook_of_the_page_is_tested_without_an_account(tmp_path):
    try:
        folder = install_clis.install("claude")
    except install_clis.NoNpmError as error:
        pytest.skip(str(error))
    (tmp_path / "test_report.py").write_text(BLOCKS[0], encoding="utf-8")
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join([str(folder), own, os.environ["PATH"]])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC_", "CLAUDE"))}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_report.py"],
        cwd=tmp_path, env={**kept, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_script_of_the_page_is_one():
    names = {}
    exec(BLOCKS[1], names)
    with ModelServer(names["script"]) as server:
        assert server.ledger == []
