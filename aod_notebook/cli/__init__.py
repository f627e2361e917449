"""The `aod-notebook` command."""

from aod_notebook.cli.entry import main

__all__ = ["main"]
