"""A shell for many tests that reports to a service: loading it anew for each would cost too much."""

import contextlib

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aod_notebook.live.registry import registry


class Shell:
    """Runs cells in this process; `run` raises what the cell raised."""

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


@contextlib.contextmanager
def reporting_shell(service, folder):
    """Return a shell whose services are those of `service`, with its state in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder / "home"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("AOD_API_URL", service.url)
        patch.setenv("AOD_API_TOKEN", service.aod_token)
        patch.setenv("AGENTOS_BASE_URL", service.url)
        patch.setenv("AGENTOS_API_KEY", service.agentos_key)
        patch.setenv("AGENTOS_AGENT_ID", service.agent_id)
        patch.setattr(registry, "last", {})
        shell = Shell()
        yield shell
        shell.ip.run_line_magic("unload_ext", "aod_notebook")
        InteractiveShell.clear_instance()
