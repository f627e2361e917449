"""How the demo says that it did not get to its end."""

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from aod_notebook import demo
from aod_notebook.demo import DemoFailedError, run_demo


@pytest.fixture
def run(tmp_path):
    """Run a notebook of one cell; gives what was written."""

    def run(source):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbformat.write(notebook, tmp_path / "n.ipynb")
        written = []
        run_demo(tmp_path / "n.ipynb", tmp_path / "page.html", written.append)
        return "".join(written)

    return run


@pytest.mark.filterwarnings("ignore")  # of the kernel client that is left alone
@pytest.mark.parametrize(
    ("seconds", "source", "said"),
    [
        (1, "import time; time.sleep(60)", "A cell took more than 1 seconds"),
        (60, "import os; os._exit(1)", "The demo's kernel does not run: Kernel died"),
        (60, "1 / 0", "A cell failed: ZeroDivisionError"),
    ],
)
def test_a_demo_that_fails_says_why(run, monkeypatch, seconds, source, said):
    monkeypatch.setattr(demo, "CELL_TIMEOUT_S", seconds)
    with pytest.raises(DemoFailedError, match=said):
        run(source)


def test_a_demo_without_a_kernel_says_so(run, monkeypatch):
    def missing(_self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", missing)
    with pytest.raises(DemoFailedError, match="No such kernel named python3"):
        run("1")
