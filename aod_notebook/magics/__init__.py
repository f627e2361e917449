"""The IPython extension: `%aod` and `%%aod`, `%agentos` and `%%agentos`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]

_LONE_CELL_MAGIC = re.compile(r"%%(aod|agentos)\b(?!\?)")


def load(shell: InteractiveShell) -> None:
    """Register the magics and say which service is used if none is configured."""
    from aod_notebook.live.connections import default_notice, offer
    from aod_notebook.magics import complete
    from aod_notebook.magics.agentos import AgentOSMagics
    from aod_notebook.magics.aod import AodMagics
    from aod_notebook.magics.show import say

    agentos = AgentOSMagics(shell)
    shell.register_magics(AodMagics(shell=shell), agentos)
    agentos.cells.install()
    if keep_empty_cell not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(keep_empty_cell)
    complete.install(shell)
    offer()
    notice = default_notice()
    if notice is not None:
        say(notice)


def unload(shell: InteractiveShell) -> None:
    """Take the magics away, stop following and close what was opened."""
    from aod_notebook.core import bridge
    from aod_notebook.live import disconnect
    from aod_notebook.magics import complete
    from aod_notebook.magics.agentos_cell import ReportedCells

    complete.uninstall(shell)
    for transform in list(shell.input_transformers_cleanup):
        if isinstance(transform, ReportedCells):
            transform.uninstall()
    for kind in ("line", "cell"):
        for name in ("aod", "agentos"):
            shell.magics_manager.magics[kind].pop(name, None)
    if keep_empty_cell in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(keep_empty_cell)
    disconnect()
    bridge.stop()


def keep_empty_cell(lines: list[str]) -> list[str]:
    """Give a `%%aod` or `%%agentos` cell without a body an empty line.

    IPython refuses a cell magic without a body before the magic is called, with a message that
    Run All passes over; with this, the magic itself says what is missing.
    """
    if len(lines) == 1 and _LONE_CELL_MAGIC.match(lines[0]):
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines
