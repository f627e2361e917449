"""The printer for Gemini's output."""

from typing import ClassVar

from aod_notebook.aod.pretty._formatter import Formatter


class GeminiFormatter(Formatter):
    """Prints what Gemini writes on stdout; see `Formatter`."""

    runtime: ClassVar[str | None] = "gemini"
