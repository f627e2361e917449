"""The cells of the README and of the pages that build on it run as they stand, for anybody."""

import re
from pathlib import Path

import pytest
from kernels import clean_environment, notebook, run_all

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/index.md", "docs/transcripts.md", "docs/prepare.md", "docs/otel.md")
"""In the order in which somebody would read them, in one kernel."""
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def blocks():
    """Each block of the pages with what the page says that it prints, if it does."""
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    return [(match[1].rstrip("\n"), match[2]) for text in texts for match in BLOCK.finditer(text)]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("folder")
    content = notebook(*(code for code, _ in blocks()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(home))
        # A machine without any agent's command line.
        environment = clean_environment(home, PATH="/usr/bin:/bin")
        yield run_all(content, environment, resources={"metadata": {"path": str(folder)}})
        stop_service(embedded_data_dir())


def printed(cell):
    return "".join(out.text for out in cell.outputs if out.get("name") == "stdout")


def test_every_block_runs_and_shows_what_its_page_says(executed):
    told = [(cell, text) for cell, (_, text) in zip(executed.cells, blocks(), strict=True) if text]
    assert len(told) > 2
    assert [printed(cell) for cell, _ in told] == [text for _, text in told]


def test_the_session_in_a_script_prints_what_its_program_does(executed):
    (script,) = [cell for cell in executed.cells if "sessions.stream" in cell.source]
    assert printed(script) == "1\n2\n3\n"
