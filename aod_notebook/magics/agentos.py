"""`%%agentos`: the cell is reported as a run; `%agentos`: commands about runs."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.inputtransformer2 import leading_indent
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from aod_notebook.agentos.errors import is_failure
from aod_notebook.core.awaited import Heartbeat
from aod_notebook.live import NestedRunError, RunFailedError, RunStoppedError
from aod_notebook.live.embedded import ServiceNotStartedError
from aod_notebook.magics import commands
from aod_notebook.magics.display import say
from aod_notebook.magics.find import agentos_connection, input_of
from aod_notebook.magics.parser import (
    MagicParser,
    MagicUsageError,
    Offer,
    check_name,
    described,
    run,
    run_magic,
    split,
)
from aod_notebook.magics.template import fill_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

    from aod_notebook.live.connections import AgentOSConnection
    from aod_notebook.magics.cell_run import Capture, RunReport

MAGIC = "%agentos"
CELL = "%%agentos"
BEGIN = "# the code that follows is the run"
"""What the magic gets instead of a cell's code, which follows the call."""
_OURS = re.compile(r"%%agentos(?=\s|$)(?P<line>.*)")
_CALLS = ("run_line_magic('%agentos'", "run_cell_magic('agentos'")
"""What IPython makes of a `%%agentos` line below the first one, and of a first one."""
_MISSING = object()


def cell_parser() -> MagicParser:
    """Return the parser of the `%%agentos` line."""
    parser = MagicParser(
        CELL,
        "Run the cell's Python as it always runs, and report it as one run; in it, `run` is that\n"
        "run: run.emit(…), run.start_task(…), run.start_span(…), run.request_human_input(…).",
        below="The code",
    )
    add: Any = parser.add_argument
    add("--name", metavar="N", default="cell", help="what the cell is called in the run's trace")
    add(
        "--input",
        metavar="NAME",
        offers=Offer.DICTS,
        help="a variable with a dict: the run's input",
    )
    add("--external-id", metavar="ID", help="your own id; the same id is the same run")
    add("--capture", action="store_true", help="report what is printed and displayed, too")
    add("-o", "--output", metavar="NAME", help="bind the run (LiveRun) to a variable")
    return parser


class ReportedCells:
    """The `%%agentos` cells of a shell: each begins a run, which ends with the cell.

    The cell's code is not run by a magic. An input transformer puts a call of the magic in the
    place of the `%%agentos` line, so IPython runs the rest as it runs every cell: with top-level
    await, with its last value displayed and kept, with its own traceback. The call begins the
    run, and IPython reports the end of the cell.

    Args:
        shell: the shell.
    """

    # IPython then leaves it out where it asks whether a cell is complete: in a terminal, a cell
    # magic is ended by an empty line.
    has_side_effects = True

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._open: _OpenRun | None = None

    def install(self) -> None:
        """Start to check every cell."""
        self._shell.input_transformers_cleanup.append(self)
        self._shell.events.register("post_run_cell", self._end)

    def uninstall(self) -> None:
        """Stop checking the shell's cells; an open run ends."""
        if self._open is not None:
            self._end(self._open.cell)
        self._shell.input_transformers_cleanup.remove(self)
        self._shell.events.unregister("post_run_cell", self._end)

    def __call__(self, lines: list[str]) -> list[str]:
        """Transform a cell; one with a mistake in its line is left to the magic, which reports it."""
        found = _OURS.match(lines[0]) if lines else None
        if found is None or not "".join(lines[1:]).strip() or not _is_good(found["line"]):
            return lines
        body = "".join(leading_indent(lines[1:]))  # type: ignore[no-untyped-call]
        if self.is_nested(body):
            return lines
        if body.lstrip().startswith("%%"):
            body = self._shell.transform_cell(body)  # type: ignore[no-untyped-call]
        call = f"get_ipython().run_cell_magic('agentos', {found['line'].strip()!r}, {BEGIN!r})\n"
        return [call, *body.splitlines(keepends=True)]

    def is_nested(self, body: str) -> bool:
        """Whether a cell's code has a `%%agentos` line of its own (a text that quotes one has not)."""
        if CELL not in body:
            return False
        try:
            code: str = self._shell.transform_cell(body)  # type: ignore[no-untyped-call]
        except MagicUsageError:  # a line of ours below the first one
            return True
        return any(call in code for call in _CALLS)

    def begin(self, line: str) -> None:
        """Start the run of the current cell.

        Raises:
            NestedRunError: this cell is within another one's run.
            MagicUsageError: the line is wrong, or no cell is being run.
            AgentOSError: the service refuses the run, or the key.
        """
        from aod_notebook.magics.cell_run import Capture, RunReport, start_run

        names = self._shell.user_ns
        parser = cell_parser()
        options = parser.parse_args(split(line, CELL))
        fill_options(options, names, hint="Define it first.")
        parser.check_filled(options)
        check_name(options.output, CELL)
        if options.output == "run":
            raise MagicUsageError(
                f"{CELL}: -o run: in the cell `run` is what reports; choose another name."
            )
        given = input_of(options.input, names, CELL)
        cell = self._shell.displayhook.exec_result
        if cell is None or cell.info.silent:
            raise MagicUsageError(
                f"{CELL} in a notebook that %run runs is not reported, and its code was not run. "
                "Run that cell in its own notebook, or report from a function with "
                "aod_notebook.agentos.AgentOS.start_run."
            )
        if self._open is not None:
            raise NestedRunError(
                f"{CELL} inside a cell that is reported as run {self._open.report.id} already. "
                "Use its `run` (run.start_task, run.start_span), or take the inner line away."
            )
        on = _connection_or_none()
        reported, before = start_run(on, input=given, external_run_id=options.external_id)
        if before is not None:
            say(
                f"Run {reported.run_id} with the external id {options.external_id!r} has ended "
                f"already ({before}) and stays so: choose another --external-id for this cell."
            )
        report = RunReport(reported, options.name, _provenance(cell), before)
        self._open = opened = _OpenRun(report, cell, names.get("run", _MISSING), Heartbeat())
        names["run"] = reported
        handle = report.handle(on)  # which `last` means from now on
        if options.output is not None:
            names[options.output] = handle
        if options.capture:
            opened.capture = Capture(self._shell, report.printed)

    def _end(self, cell: ExecutionResult | None) -> None:
        """End the run with its cell; IPython calls this after every cell."""
        opened = self._open
        if opened is None or (cell is not None and cell is not opened.cell):
            return
        self._open = None
        opened.heartbeat.stop()
        if opened.capture is not None:
            opened.capture.close()
        names, report = self._shell.user_ns, opened.report
        if names.get("run") is report.run:  # else the cell has bound something else to it
            if opened.run_before is _MISSING:
                del names["run"]
            else:
                names["run"] = opened.run_before
        try:
            say(_outcome(report, opened.cell, names))
        except KeyboardInterrupt:
            say(f"Run {report.id}: not waited for; what is left is sent in the background.")


@dataclass
class _OpenRun:
    """The run of the current cell."""

    report: RunReport
    cell: ExecutionResult
    run_before: object
    heartbeat: Heartbeat
    capture: Capture | None = None


def _connection_or_none() -> AgentOSConnection | None:
    """Return the connection; None without a service: the code runs anyway."""
    try:
        return agentos_connection()
    except ServiceNotStartedError as error:
        say(f"Not reported: {error}")
        return None


def _provenance(cell: ExecutionResult) -> dict[str, Any]:
    """Return the id of the cell; unknown in IPython 7."""
    known = {
        "cell_id": getattr(cell.info, "cell_id", None),
        "execution_count": cell.execution_count,
    }
    return {name: value for name, value in known.items() if value is not None}


def _is_good(line: str) -> bool:
    try:
        words = split(line, CELL)
        if {"-h", "--help"} & set(words):
            return False
        cell_parser().parse_args(words)
    except MagicUsageError:
        return False
    return True


def _outcome(report: RunReport, cell: ExecutionResult, names: Mapping[str, object]) -> str:
    error = cell.error_before_exec or cell.error_in_exec
    if error is None or not is_failure(error):
        return report.complete(cell.result)
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return report.cancel("the cell was interrupted")
    return report.fail(error, names)


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
        """Report the cell as a run (`%%agentos`), or run a command (`%agentos COMMAND`)."""
        work = (
            partial(run, MAGIC, commands.AGENTOS, line, self.shell.user_ns)
            if cell is None
            else partial(self._report, line, cell)
        )
        interrupted = RunStoppedError(
            "Interrupted. What runs on the service continues: %agentos runs --status running "
            "shows it, %agentos cancel ID ends it."
        )
        return run_magic(work, interrupted)

    def _report(self, line: str, cell: str) -> None:
        """Begin the run of the cell that is being run; its own code follows this call.

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
    AgentOSMagics.agentos.__doc__, MAGIC, commands.AGENTOS, cell_parser()
)
