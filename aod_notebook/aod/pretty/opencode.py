"""The printer for Opencode's output."""

from typing import ClassVar

from aod_notebook.aod.pretty._formatter import Formatter


class OpencodeFormatter(Formatter):
    """Prints what Opencode writes on stdout; see `Formatter`."""

    runtime: ClassVar[str | None] = "opencode"
