"""`%%aod`: the cell is a prompt for an agent; `%aod`: what else the service can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Int, TraitError, Unicode, observe, validate

from aod_notebook.live import LiveSession, SessionStoppedError, start
from aod_notebook.live.connections import current_if_any, default_notice
from aod_notebook.live.embedded import allow_root
from aod_notebook.live.mirroring import mirror, mirror_at_end
from aod_notebook.live.start import held_id
from aod_notebook.magics import aod_commands
from aod_notebook.magics.aod_cell import (
    CELL,
    LONGEST_S,
    SHORTEST_S,
    as_code,
    as_wire,
    cell_parser,
    check,
    check_prompt,
    check_runtime,
    continue_as_code,
    request_of,
    unknown_runtime,
)
from aod_notebook.magics.command import described
from aod_notebook.magics.find import find_session
from aod_notebook.magics.notices import plain_warnings
from aod_notebook.magics.parser import HelpShown, split
from aod_notebook.magics.show import VIEWS, leave_live, say, watch
from aod_notebook.magics.template import fill, fill_options

if TYPE_CHECKING:
    import argparse

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["AodMagics"]


@magics_class
class AodMagics(Magics):
    """The magics of Agent on Demand."""

    if TYPE_CHECKING:
        shell: InteractiveShell

    runtime = Unicode(
        "claude", help="What runs a %%aod cell that names no agent, runtime or provider."
    ).tag(config=True)
    model = Unicode(
        "", help="The model of a cell that names nothing; empty for the runtime's default."
    ).tag(config=True)
    timeout = Int(
        0, help="Seconds that a turn may take if --timeout does not say; 0 for the service's."
    ).tag(config=True)
    view = Enum(VIEWS, "auto", help="How a session is shown if --view does not say.").tag(
        config=True
    )

    theme = Enum(
        ("auto", "light", "dark"), "auto", help="The theme of figures that name none: the page's."
    ).tag(config=True)

    allow_root = Bool(
        False,
        help="Let claude run as root on the embedded service: this machine is a sandbox.",
    ).tag(config=True)

    @observe("theme")
    def _draw_in_theme(self, change: dict[str, Any]) -> None:
        """Draw figures so from now on."""
        from aod_notebook import plots

        plots.use_theme(change["new"])

    @observe("allow_root")
    def _let_root(self, change: dict[str, Any]) -> None:
        """Send the choice with every session from now on."""
        allow_root(change["new"])

    @validate("timeout")
    def _check_timeout(self, proposal: dict[str, Any]) -> int:
        """Refuse what the service would refuse of every cell."""
        seconds: int = proposal["value"]
        if seconds != 0 and not SHORTEST_S <= seconds <= LONGEST_S:
            raise TraitError(
                f"AodMagics.timeout is {SHORTEST_S} to {LONGEST_S} seconds, or 0 for the service's "
                f"own limit, not {seconds}."
            )
        return seconds

    @validate("runtime")
    def _check_runtime(self, proposal: dict[str, Any]) -> str:
        """Refuse what a cell that names nothing can't run with."""
        runtime: str = proposal["value"].strip()
        if not runtime:
            raise TraitError("AodMagics.runtime can't be empty: claude, codex, shell, replay, …")
        wrong = unknown_runtime(runtime)
        if wrong is not None and _is_embedded():
            raise TraitError(f"AodMagics.runtime: {wrong}")
        return runtime

    @no_var_expand
    @line_cell_magic
    def aod(self, line: str, cell: str | None = None) -> object:
        """Run the cell as an agent's prompt (`%%aod`), or ask the service (`%aod COMMAND`)."""
        interrupted = False
        try:
            with plain_warnings():
                if cell is None:
                    return aod_commands.run(line, self.shell.user_ns)
                self._prompt(line, cell)
        except HelpShown:
            pass
        except KeyboardInterrupt:
            interrupted = True
        if interrupted:
            raise SessionStoppedError(
                "Interrupted. What runs on the service goes on: %aod sessions --status running "
                "shows it, %aod stop ID ends it."
            )
        return None

    def _prompt(self, line: str, cell: str) -> None:
        parser = cell_parser()
        options = parser.parse_args(split(line, CELL))
        if not options.raw:
            fill_options(options, self.shell.user_ns)
            cell = fill(cell, self.shell.user_ns)
        parser.check_filled(options)
        check(options)
        check_prompt(cell)
        self._take_configured(options)
        check_runtime(options, is_embedded=_is_embedded())
        if options.dry_run or options.code:
            say(self._described(options, cell))
            return
        session, position = self._begin(options, cell)
        if options.output is not None:
            self.shell.user_ns[options.output] = session
        if options.background:
            held = f", bound to {options.output}" if options.output else ""
            say(f"Session {session.id} runs in the background{held}. %aod attach last shows it.")
            if options.report:
                mirror_at_end(session)
            if not options.quiet:
                leave_live(session, start=position, view=options.view)
            return
        watch(session, start=position, quiet=options.quiet, view=options.view)
        failure = session.failed_answer()
        if failure is not None:
            say(failure)
        if options.report:
            say(str(mirror(session)))
        if not options.no_raise:
            session.raise_for_status()

    def _take_configured(self, options: argparse.Namespace) -> None:
        """Take what `%config AodMagics` says where the cell's line says nothing."""
        options.view = options.view or self.view
        options.timeout = options.timeout or self.timeout or None
        if not (options.session or options.agent or options.runtime or options.provider):
            wants_replay = options.recording is not None or options.speed is not None
            options.runtime = "replay" if wants_replay else self.runtime
            options.model = options.model or self.model or None

    def _begin(self, options: argparse.Namespace, prompt: str) -> tuple[LiveSession, int]:
        """Start or continue a session; say too where this cell's events begin."""
        if options.session is None:
            return start(request_of(options, prompt)), 0
        session = find_session(options.session, self.shell.user_ns)
        position = len(session.wait().received())
        return session.prompt(prompt, timeout=options.timeout), position

    def _described(self, options: argparse.Namespace, prompt: str) -> str:
        """Show what the cell would do, as Python or as the request."""
        if options.session is not None:
            held = self.shell.user_ns.get(options.session)
            reference = (
                held.id
                if isinstance(held, LiveSession)
                else held_id(options.session, held, "session")
            )
            return continue_as_code(reference, prompt, options.timeout)
        request = request_of(options, prompt)
        return as_code(request) if options.code else as_wire(request)


def _is_embedded() -> bool:
    """Whether the embedded service is used, or will be once one is asked; nothing is started."""
    on = current_if_any()
    return default_notice() is not None if on is None else on.is_embedded


# What `%aod?` and `%%aod?` show.
AodMagics.aod.__doc__ = described(
    AodMagics.aod.__doc__, "%aod", aod_commands.COMMANDS, cell_parser()
)
