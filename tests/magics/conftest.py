"""An IPython shell whose cells raise what they raised, and real kernels."""

import pytest
from kernels import Kernel, clean_environment
from shells import TestingShell

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.live.registry import registry
from aod_notebook.local import stop_service


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
