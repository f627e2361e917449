"""Loading the extension into a kernel under which libraries were replaced, as happens on Colab."""

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from aod_notebook.magics.restart import RestartNeededError


@pytest.fixture
def bare_shell(monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("library", [pd, np])
def test_a_library_that_was_replaced_under_the_kernel_asks_for_a_restart(
    bare_shell, monkeypatch, library, capsys
):
    name, installed = library.__name__, library.__version__
    monkeypatch.setattr(library, "__version__", "1.9.3")
    done = bare_shell.run_cell("%load_ext aod_notebook")
    assert isinstance(done.error_in_exec, RestartNeededError)
    assert capsys.readouterr().out.strip() == (
        f"RestartNeededError: This kernel uses {name} 1.9.3, but {name} {installed} is installed "
        "now. Restart the kernel (in Colab: Runtime, Restart session), then load the extension again."
    )


def test_a_library_of_which_a_fix_was_installed_needs_no_restart(shell, monkeypatch):
    major, minor, *_ = pd.__version__.split(".")
    monkeypatch.setattr(pd, "__version__", f"{major}.{minor}.999")
    shell.run("%reload_ext aod_notebook")
