"""The IPython extension: `%aod` and `%%aod`, `%agentos` and `%%agentos`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]

_PROMPT_CELL = re.compile(r"%%aod(?:\s+(?P<line>.*))?$")
_LONE_CELL_MAGIC = re.compile(r"%%agentos\b(?!\?)")


def load(shell: InteractiveShell) -> None:
    """Register the magics and say which service is used if none is configured.

    A value for them in IPython's configuration that can't be is said and taken out of it.
    """
    from aod_notebook.live.connections import default_notice, offer
    from aod_notebook.magics import complete
    from aod_notebook.magics.agentos import AgentOSMagics
    from aod_notebook.magics.aod import AodMagics
    from aod_notebook.magics.show import say

    for wrong in _mend_configuration(shell):
        say(wrong)
    aod, agentos = AodMagics(shell=shell), AgentOSMagics(shell)
    shell.register_magics(aod, agentos)
    agentos.cells.install()
    _take_transforms_away(shell)
    shell.input_transformers_cleanup.insert(0, keep_prompt)
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
    from aod_notebook.magics.agentos import AgentOSMagics
    from aod_notebook.magics.agentos_cell import ReportedCells
    from aod_notebook.magics.aod import AodMagics

    complete.uninstall(shell)
    for transform in list(shell.input_transformers_cleanup):
        if isinstance(transform, ReportedCells):
            transform.uninstall()
    for kind in ("line", "cell"):
        for name in ("aod", "agentos"):
            shell.magics_manager.magics[kind].pop(name, None)
    ours = (AodMagics, AgentOSMagics)
    shell.configurables[:] = [each for each in shell.configurables if not isinstance(each, ours)]
    _take_transforms_away(shell)
    disconnect()
    bridge.stop()


def keep_prompt(lines: list[str]) -> list[str]:
    """Make the call of the magic of a `%%aod` cell, its body as it stands.

    Left to IPython, what looks like the prompt of a Python shell (`>>> `) would be taken out of
    the body, and a cell without a body would be refused before the magic is called, with a
    message that Run All passes over.
    """
    text = "".join(lines).lstrip("\n")
    head, _, body = text.partition("\n")
    found = _PROMPT_CELL.match(head)
    if found is None:
        return lines
    line = (found["line"] or "").rstrip()
    return [f"get_ipython().run_cell_magic('aod', {line!r}, {body or chr(10)!r})\n"]


def keep_empty_cell(lines: list[str]) -> list[str]:
    """Give an `%%agentos` cell without a body an empty line.

    IPython refuses a cell magic without a body before the magic is called, with a message that
    Run All passes over; with this, the magic itself says what is missing.
    """
    if len(lines) == 1 and _LONE_CELL_MAGIC.match(lines[0]):
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


def _mend_configuration(shell: InteractiveShell) -> Iterator[str]:
    """Take each value for the magics that can't be out of the configuration; say what it was."""
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
                f"%config AodMagics.{name} = … sets another, an ipython_config.py that has it is "
                "to be mended."
            )


def _take_transforms_away(shell: InteractiveShell) -> None:
    transforms = shell.input_transformers_cleanup
    transforms[:] = [each for each in transforms if each not in (keep_prompt, keep_empty_cell)]
