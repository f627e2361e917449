"""The `aod-notebook` command: sessions, transcripts, the embedded service, the outbox, the doctor."""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import TYPE_CHECKING

from aod_notebook._version import __version__
from aod_notebook.cli.machine import add_machine
from aod_notebook.cli.parser import Parser
from aod_notebook.cli.sessions import add_sessions
from aod_notebook.core.errors import AodNotebookError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (1: it failed, and one line says why)."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if "run" not in options:
        parser.print_help()
        return 0
    try:
        code = int(options.run(options) or 0)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more, as in `aod-notebook sessions | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 141  # as of a program that SIGPIPE ended
    except (AodNotebookError, OSError, sqlite3.Error) as error:
        print(f"aod-notebook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command with all its commands."""
    parser = Parser("aod-notebook", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"aod-notebook {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    add_sessions(commands)
    add_machine(commands)
    return parser
