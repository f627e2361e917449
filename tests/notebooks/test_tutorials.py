"""The tutorials run from top to bottom, each on an embedded service of its own."""

import re
from pathlib import Path

import nbformat
import pytest
from kernels import clean_environment, run_all

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TESTED_APART = {"quickstart", "own-logs"}
TUTORIALS = [path for path in NOTEBOOKS if path.stem not in TESTED_APART]
SHORTER = {"from-1-to-300": ("range(1, 51)", "range(1, 6)")}
"""A smaller table for the tests: 30 sessions. The build of the documentation runs all 300."""
SHOWN = {
    "from-1-to-300": [
        "30 sessions · 30 completed",
        "Bash failed 12 times with the same input",
        "First difference · step 2",
        "claude-haiku-4-5   0.4326     13",
    ],
    "cluster": ["24 sessions · 336 tool calls, 48 failed", "Bash          72   48"],
}
"""What the outputs of a notebook must hold."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_its_results(path, tmp_path):
    home = tmp_path / "home"
    environment = clean_environment(
        home, PATH="/usr/bin:/bin", HOME=str(tmp_path), AOD_NOTEBOOK_REPLAY_PACE="0"
    )
    text = path.read_text(encoding="utf-8")
    if path.stem in SHORTER:
        assert SHORTER[path.stem][0] in text
        text = text.replace(*SHORTER[path.stem])
    content = nbformat.reads(text, as_version=4)
    settings = {"resources": {"metadata": {"path": str(tmp_path)}}, "timeout": 500}
    try:
        done = run_all(content, environment, **settings)
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AOD_NOTEBOOK_HOME", str(home))
            stop_service(embedded_data_dir())
    shown = [cell for cell in done.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) > len(done.cells) / 4
    texts = "\n".join(plain(out) for cell in shown for out in cell.outputs)
    for expected in SHOWN.get(path.stem, ()):
        assert expected in texts


def plain(output):
    """Return the text of an output."""
    return output.get("text") or output.get("data", {}).get("text/plain", "")


def test_every_notebook_is_among_the_tutorials():
    page = (ROOT / "docs" / "tutorials.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^notebooks/(\S+)$", page, re.MULTILINE)) == [
        one.stem for one in NOTEBOOKS
    ]
