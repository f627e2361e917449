"""The tutorials run from top to bottom, each on an embedded service of its own."""

from pathlib import Path

import nbformat
import pytest
from kernels import clean_environment, run_all

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TESTED_APART = {"quickstart", "own-logs"}
TUTORIALS = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in TESTED_APART)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, tmp_path):
    home = tmp_path / "home"
    environment = clean_environment(home, PATH="/usr/bin:/bin", HOME=str(tmp_path))
    content = nbformat.read(path, as_version=4)
    try:
        done = run_all(content, environment, resources={"metadata": {"path": str(tmp_path)}})
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AOD_NOTEBOOK_HOME", str(home))
            stop_service(embedded_data_dir())
    shown = [cell for cell in done.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) > len(done.cells) / 4
