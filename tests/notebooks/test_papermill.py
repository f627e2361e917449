"""The command `papermill`: a notebook with parameters on the embedded service, as a job runs it."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import nbformat
import pytest
from kernels import clean_environment, notebook

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

DEADLINE_S = 200
LATER = "print('later')"


@dataclass
class Job:
    """What a run of the command left."""

    exit_code: int
    stderr: str
    saved: Any

    def outputs(self, source):
        """Return the outputs of the one cell with this source."""
        (found,) = [cell for cell in self.saved.cells if cell.source == source]
        return found.outputs


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder))
        yield folder
        stop_service(embedded_data_dir())


@pytest.fixture
def run(home, tmp_path):
    """Run the command on a notebook with this agent cell; `run(cell, month="March")`."""

    def job(cell, **parameters):
        content = notebook('month = "no month"', "%load_ext aod_notebook", cell, LATER)
        content.cells[0].metadata.tags = ["parameters"]
        content.metadata.kernelspec = {
            "name": "python3", "display_name": "Python 3", "language": "python",
        }  # fmt: skip
        nbformat.write(content, tmp_path / "in.ipynb")
        given = [word for name, value in parameters.items() for word in ("-p", name, value)]
        done = subprocess.run(
            [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", *given], cwd=tmp_path,
            env=clean_environment(home, PYTHONWARNINGS="ignore"), timeout=DEADLINE_S,
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert (tmp_path / "out.ipynb").exists(), done.stderr
        saved = nbformat.read(tmp_path / "out.ipynb", as_version=4)
        return Job(done.returncode, done.stderr, saved)

    return job


def test_a_parameter_reaches_the_agent_and_its_static_transcript_is_saved(run):
    cell = "%%aod --runtime shell\necho {{month}} has $((30 + 1)) nights"
    job = run(cell, month="March")
    assert job.exit_code == 0, job.stderr
    (shown,) = job.outputs(cell)
    assert set(shown.data) == {"text/html", "text/plain"}
    assert all("March has 31 nights" in text for text in shown.data.values())
    assert "widgets" not in job.saved.metadata


def test_a_session_that_fails_fails_the_job_and_its_transcript_is_saved(run):
    cell = "%%aod --runtime shell\necho words; exit 3"
    job = run(cell)
    assert job.exit_code == 1
    assert "SessionFailedError" in job.stderr
    shown = [out.data["text/plain"] for out in job.outputs(cell) if "data" in out]
    assert "words" in shown[-1]
    assert job.outputs(LATER) == []


def test_no_raise_lets_the_job_continue(run):
    job = run("%%aod --runtime shell --no-raise\necho words; exit 3")
    assert job.exit_code == 0, job.stderr
    assert job.outputs(LATER)[0].text == "later\n"
