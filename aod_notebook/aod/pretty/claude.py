"""The printer for Claude's output."""

from typing import ClassVar

from aod_notebook.aod.pretty._formatter import Formatter


class ClaudeFormatter(Formatter):
    """Prints what Claude writes on stdout; see `Formatter`."""

    runtime: ClassVar[str | None] = "claude"
