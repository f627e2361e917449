"""The notebook about a person's own sessions, on the logs of the samples."""

import shutil
from pathlib import Path

import nbformat
import pytest
from kernels import clean_environment, run_all

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "logs" / "samples" / "home"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("person")
    person = Path(shutil.copytree(SAMPLES, folder / "home"))
    content = nbformat.read(ROOT / "notebooks" / "own-logs.ipynb", as_version=4)
    variables = {**clean_environment(folder / "own"), "HOME": str(person)}
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_DATA_HOME"):
        variables.pop(name, None)
    return run_all(content, variables)


def displayed(content, cell_id):
    (cell,) = [cell for cell in content.cells if cell.id == cell_id]
    return [out.data for out in cell.outputs if "data" in out]


def test_the_month_is_a_picture(executed):
    assert displayed(executed, "month")[0]["image/png"]


def test_all_sessions_of_the_logs_are_imported(executed):
    assert "5 sessions" in displayed(executed, "import")[0]["text/plain"]


def test_costs_and_calls_are_tables(executed):
    assert "/srv/project" in displayed(executed, "spending")[0]["text/plain"]
    assert "tool" in displayed(executed, "newest")[0]["text/plain"]
