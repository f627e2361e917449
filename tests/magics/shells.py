"""An IPython shell for tests."""

import atexit
import contextlib

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aod_notebook.live.registry import registry


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


@contextlib.contextmanager
def reporting_shell(service, folder):
    """Yield a shell for many tests, with the services of `service` and its state in `folder`.

    Loading the extension for each test would take too long.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder / "home"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("AOD_API_URL", service.url)
        patch.setenv("AOD_API_TOKEN", service.aod_token)
        patch.setenv("AGENTOS_BASE_URL", service.url)
        patch.setenv("AGENTOS_API_KEY", service.agentos_key)
        patch.setenv("AGENTOS_AGENT_ID", service.agent_id)
        patch.setattr(registry, "last", {})
        shell = TestingShell()
        yield shell
        shell.close()
