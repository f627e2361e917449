"""Every Python block of the documentation runs, page by page from top to bottom, for anybody."""

import re
import shutil
from pathlib import Path

import pytest
from kernels import clean_environment, notebook, run_all

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

ROOT = Path(__file__).parents[2]
SAMPLE_HOME = ROOT / "tests" / "logs" / "samples" / "home"
BLOCK = re.compile(r"^```python\n(.*?)^```(?:\n\n```text\n(.*?)```)?", re.DOTALL | re.MULTILINE)


def blocks(page):
    """Each block of a page with what the page says that it prints, if it does."""
    text = page.read_text(encoding="utf-8")
    return [(match[1].rstrip("\n"), match[2]) for match in BLOCK.finditer(text)]


PAGES = sorted(
    page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if blocks(page)
)


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
        stop_service(embedded_data_dir())


def printed(cell):
    return "".join(out.text for out in cell.outputs if out.get("name") == "stdout")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_runs_from_top_to_bottom_and_prints_what_it_says(page, home, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    # A machine without any agent's command line.
    shutil.copytree(SAMPLE_HOME, tmp_path, dirs_exist_ok=True)  # own logs
    environment = clean_environment(home, PATH="/usr/bin:/bin", HOME=str(tmp_path))
    content = notebook(*(code for code, _ in blocks(page)))
    done = run_all(content, environment, resources={"metadata": {"path": str(folder)}})
    for cell, (_, text) in zip(done.cells, blocks(page), strict=True):
        if text is not None:
            assert printed(cell) == text
