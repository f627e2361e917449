"""An IPython shell whose cells raise what they raised, and real kernels."""

import atexit

import pytest
from IPython.core.interactiveshell import InteractiveShell
from kernels import Kernel, clean_environment

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.live.registry import registry
from aod_notebook.local import stop_service


class TestingShell:
    """Runs cells in this process; `run` raises what the cell raised."""

    __test__ = False

    def __init__(self):
        self.ip = InteractiveShell.instance()
        self.ip.run_line_magic("load_ext", "aod_notebook")

    @property
    def names(self):
        return self.ip.user_ns

    def run(self, cell):
        result = self.ip.run_cell(cell, store_history=False)
        result.raise_error()
        return result.result

    def close(self):
        self.ip.run_line_magic("unload_ext", "aod_notebook")
        self.ip.atexit_operations()  # now, while the history's folder is there
        atexit.unregister(self.ip.atexit_operations)
        InteractiveShell.clear_instance()


@pytest.fixture
def new_shell():
    """What makes a shell."""
    return TestingShell


@pytest.fixture
def shell(service, tmp_path, monkeypatch):
    """A shell that talks to the suite's service through the environment variables."""
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    monkeypatch.setattr(registry, "last", {})
    shell = TestingShell()
    yield shell
    shell.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A state folder with a detached service of its own, which is stopped at the end."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(folder))
    yield folder
    stop_service(embedded_data_dir())


@pytest.fixture
def kernel(home):
    """A real kernel with the extension loaded and no token."""
    running = Kernel(clean_environment(home))
    running.start()
    running.run("%load_ext aod_notebook")
    yield running
    running.stop()
