"""The printer for Codex's output."""

from typing import ClassVar

from aod_notebook.aod.pretty._formatter import Formatter


class CodexFormatter(Formatter):
    """Prints what Codex writes on stdout; see `Formatter`."""

    runtime: ClassVar[str | None] = "codex"
