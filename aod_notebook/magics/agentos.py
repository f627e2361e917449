"""`%%agentos`: the cell is reported as a run; `%agentos`: what else the service can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from aod_notebook.live import NestedRunError, RunFailedError, RunStoppedError
from aod_notebook.magics import agentos_commands
from aod_notebook.magics.agentos_cell import BEGIN, CELL, ReportedCells, cell_parser
from aod_notebook.magics.command import described
from aod_notebook.magics.notices import plain_warnings
from aod_notebook.magics.parser import HelpShown, MagicUsageError, split

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["AgentOSMagics"]


@magics_class
class AgentOSMagics(Magics):
    """The magics of AgentOS."""

    if TYPE_CHECKING:
        shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self.cells = ReportedCells(shell)

    @no_var_expand
    @line_cell_magic
    def agentos(self, line: str, cell: str | None = None) -> object:
        """Report the cell as a run (`%%agentos`), or ask the service (`%agentos COMMAND`)."""
        interrupted = False
        try:
            with plain_warnings():
                if cell is None:
                    return agentos_commands.run(line, self.shell.user_ns)
                self._report(line, cell)
        except HelpShown:
            pass
        except KeyboardInterrupt:
            interrupted = True
        if interrupted:
            raise RunStoppedError(
                "Interrupted. What runs on the service goes on: %agentos runs --status running "
                "shows it, %agentos cancel ID ends it."
            )
        return None

    def _report(self, line: str, cell: str) -> None:
        """Begin the run of the cell that is being run, whose own code follows this call.

        IPython calls this with code only where the cell was not transformed: because its line is
        wrong, it is empty, or a program called the magic.
        """
        if cell == BEGIN:
            self.cells.begin(line)
            return
        cell_parser().parse_args(split(line, CELL))
        if not cell.strip():
            raise MagicUsageError(
                f"{CELL}: the cell is empty, so no run was reported. "
                f"Write the code below the {CELL} line."
            )
        if self.cells.is_nested(cell):
            raise NestedRunError(
                f"{CELL}: the cell has a second {CELL} line, and a run can't begin within a run. "
                "Part the cell there, or use run.start_task and run.start_span."
            )
        ran = self.shell.run_cell(f"{CELL} {line}\n{cell}")  # type: ignore[no-untyped-call]
        if not ran.success:
            raise RunFailedError("The code that was to be reported as a run has failed.", "")


# What `%agentos?` and `%%agentos?` show.
AgentOSMagics.agentos.__doc__ = described(
    AgentOSMagics.agentos.__doc__, agentos_commands.MAGIC, agentos_commands.COMMANDS, cell_parser()
)
