"""The generated list of weaknesses and their tests."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_every_weakness_has_a_test_and_the_list_is_up_to_date():
    command = [sys.executable, SCRIPTS / "weaknesses.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_row_without_a_test_is_reported(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import weaknesses

    table = "| C.1 | `aod/nowhere.py` | never tested | |\n"
    filled, problems = weaknesses.fill(table)
    assert problems[0] == "no test: C.1 aod/nowhere.py: never tested"
    assert filled == "| C.1 | `aod/nowhere.py` | never tested |  |\n"
