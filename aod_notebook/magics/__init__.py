"""The IPython extension: `%aod` and `%%aod`, `%agentos` and `%%agentos`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]


def load(shell: InteractiveShell) -> None:
    """Register the magics; print which service is used if none is configured.

    An invalid value for them in IPython's configuration is printed and removed.

    Raises:
        RestartNeededError: a library that this package needs is loaded in another version than
            the one that is installed.
    """
    from aod_notebook.magics.restart import check_loaded

    check_loaded()  # before anything of them is imported
    from aod_notebook.live.connections import default_notice, offer
    from aod_notebook.magics import complete, tables, transforms
    from aod_notebook.magics.agentos import AgentOSMagics
    from aod_notebook.magics.aod import AodMagics
    from aod_notebook.magics.display import say
    from aod_notebook.magics.notices import print_what_became

    for wrong in _drop_invalid(shell):
        say(wrong)
    aod, agentos = AodMagics(shell=shell), AgentOSMagics(shell)
    shell.register_magics(aod, agentos)
    agentos.cells.install()
    transforms.install(shell)
    complete.install(shell)
    tables.install(shell)
    _draw_sharply(shell)
    _stop_printing(shell)
    shell.events.register("post_run_cell", print_what_became)
    offer()
    notice = default_notice()
    if notice is not None:
        say(notice)


def _draw_sharply(shell: InteractiveShell) -> None:
    """Draw figures with twice the pixels, unless the configuration sets a format."""
    chosen = shell.config.InlineBackend
    if not {"figure_format", "figure_formats"} & set(chosen):
        chosen.figure_formats = {"retina"}


def unload(shell: InteractiveShell) -> None:
    """Remove the magics, stop following and close all connections."""
    from aod_notebook.core import bridge
    from aod_notebook.live import disconnect
    from aod_notebook.magics import complete, tables, transforms
    from aod_notebook.magics.agentos import AgentOSMagics, ReportedCells
    from aod_notebook.magics.aod import AodMagics

    complete.uninstall(shell)
    tables.uninstall(shell)
    _stop_printing(shell)
    for transform in list(shell.input_transformers_cleanup):
        if isinstance(transform, ReportedCells):
            transform.uninstall()
    for kind in ("line", "cell"):
        for name in ("aod", "agentos"):
            shell.magics_manager.magics[kind].pop(name, None)
    ours = (AodMagics, AgentOSMagics)
    shell.configurables[:] = [each for each in shell.configurables if not isinstance(each, ours)]
    transforms.uninstall(shell)
    disconnect()
    bridge.stop()


def _stop_printing(shell: InteractiveShell) -> None:
    from aod_notebook.magics.notices import print_what_became

    with contextlib.suppress(ValueError):  # it was not registered
        shell.events.unregister("post_run_cell", print_what_became)


def _drop_invalid(shell: InteractiveShell) -> Iterator[str]:
    """Remove each invalid value for the magics from the configuration; yield a line about it."""
    from traitlets import TraitError
    from traitlets.config import Config

    from aod_notebook.magics.aod import AodMagics

    section, ours = shell.config.get("AodMagics", {}), AodMagics.class_traits(config=True)
    for name, value in [each for each in section.items() if each[0] in ours]:
        try:
            AodMagics(config=Config({"AodMagics": {name: value}}))
        except TraitError as error:
            del section[name]
            default = ours[name].default()
            yield (
                f"aod_notebook: {error} The default, {default!r}, is used; "
                f"set another with %config AodMagics.{name} = …, or correct ipython_config.py."
            )
