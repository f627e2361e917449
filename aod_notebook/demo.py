"""`aod-notebook demo`: the quickstart notebook, run in the terminal, with its page written out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

CELL_TIMEOUT_S = 300
VARIABLES = ("AOD_API_URL", "AOD_API_TOKEN")


class DemoFailedError(AodNotebookError):
    """The demo did not get to its end.

    Fix: See the cell or the file that the message names; `aod-notebook doctor` checks the rest.
    """


class DemoToolsMissingError(AodNotebookError):
    """What executes notebooks is not installed.

    Fix: Install them: `pip install 'aod-notebook[lab,viz]'`.
    """


def quickstart() -> Path:
    """Return the path of the quickstart notebook, installed or in a checkout."""
    package = Path(__file__).parent
    places = (package / "notebooks", package.parent / "notebooks")
    for place in places:
        if (place / "quickstart.ipynb").exists():
            return place / "quickstart.ipynb"
    raise AodNotebookError(
        "The quickstart notebook is not part of this installation; reinstall it."
    )


def run_demo(notebook: Path, page: Path, write: Callable[[str], object]) -> None:
    """Execute a notebook in a fresh kernel and write it as one HTML page.

    Args:
        notebook: the notebook; it is not changed.
        page: the HTML file to write; it needs no network to be read.
        write: gets each piece of text as the kernel sends it.

    It runs on the embedded service, whatever service the environment names.

    Raises:
        DemoToolsMissingError: the extra `lab` is not installed.
        DemoFailedError: a cell failed or took too long, the kernel died, or the page can't be
            written.
    """
    try:
        import nbformat
        from jupyter_client.kernelspec import NoSuchKernel
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise DemoToolsMissingError(
            f"The demo needs {error.name}: "
            "install the extras with `pip install 'aod-notebook[lab,viz]'`."
        ) from error
    content = nbformat.read(notebook, as_version=4)
    environment = {name: os.environ[name] for name in os.environ if name not in VARIABLES}
    try:
        with page.open("w", encoding="utf-8") as file:
            _printing(NotebookClient)(write, content).execute(env=environment)
            exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="")
            file.write(exporter.from_notebook_node(content)[0])
    except CellExecutionError as error:
        raise DemoFailedError(f"A cell failed: {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:  # an OSError, too
        raise DemoFailedError(f"A cell took more than {CELL_TIMEOUT_S} seconds.") from error
    except (DeadKernelError, NoSuchKernel) as error:
        raise DemoFailedError(f"The demo's kernel does not run: {error}.") from error
    except OSError as error:
        raise DemoFailedError(f"{page} can't be written: {error.strerror}.") from error


def _printing(base: Any) -> Any:
    """Make a notebook client that writes what the cells print, as it comes."""

    class PrintingClient(base):  # type: ignore[misc]  # nbclient is imported on use
        def __init__(self, write: Callable[[str], object], content: Any) -> None:
            super().__init__(
                content,
                timeout=CELL_TIMEOUT_S,
                kernel_name="python3",
                # Without it the first words are ipykernel's warning that this is TCP.
                extra_arguments=["--log-level=ERROR"],
            )
            self._write = write

        async def async_execute_cell(self, cell: Any, *args: Any, **settings: Any) -> Any:
            text = "\n".join(f"    {line}" for line in cell.source.splitlines())
            marked = cell.source if cell.cell_type == "markdown" else f"\n{text}\n"
            self._write(f"\n{marked}\n")
            return await super().async_execute_cell(cell, *args, **settings)

        def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
            replaced = self.clear_before_next_output
            out = super().output(outs, msg, display_id, cell_index)
            self._write(_text(out, replaced=replaced))
            return out

    return PrintingClient


def _text(out: Any, *, replaced: bool) -> str:
    """Return the text of an output; of one that replaces printed lines, its first line."""
    if out is None:
        return ""
    if out.output_type == "stream":
        return clean(out.text)
    if out.output_type == "error":
        return clean("\n".join(out.traceback)) + "\n"
    text = clean(out.data.get("text/plain", ""))
    return (text.partition("\n")[0] if replaced else text) + "\n"
