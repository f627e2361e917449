"""Command-line options of the embedded service."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from typing import TYPE_CHECKING

from aod_notebook.local.launcher import NO_START

if TYPE_CHECKING:
    from pathlib import Path

HIGHEST_PORT = 65_535


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options but the data directory, which each caller adds itself."""
    parser.add_argument(
        "--port", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument("--idle-exit", type=float, metavar="S", help="leave after S idle seconds")
    parser.add_argument(
        "--json", action="store_true", help="first line: where it is and its keys, as JSON"
    )
    parser.add_argument(
        "--allow-unenforced-network",
        action="store_true",
        help="run sessions with limited networking although nothing limits them here",
    )
    parser.add_argument(
        "--allow-root", action="store_true", help="run claude as root: this machine is a sandbox"
    )
    parser.add_argument(
        "--strict-models",
        action="store_true",
        help="refuse the models that the hosted service does not know, for tests of clients",
    )


def serve_with(data_dir: Path, options: argparse.Namespace) -> int:
    """Serve until it is terminated; return 1, with one line on stderr, if that fails."""
    from aod_notebook.local.server import ServiceLockedError
    from aod_notebook.local.service import serve

    try:
        serve(
            data_dir,
            options.port,
            idle_exit_s=options.idle_exit,
            allow_unenforced_network=options.allow_unenforced_network,
            allow_root=options.allow_root,
            strict_models=options.strict_models,
            json_line=options.json,
        )
    except (ServiceLockedError, OSError, ValueError, sqlite3.Error) as error:
        sys.stderr.write(f"{NO_START} {error}\n")
        return 1
    return 0


def whole_number(text: str, most: int) -> int:
    """Parse a whole number from 0 to `most`.

    Raises:
        ArgumentTypeError: it is none.
    """
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {most}")
    return number


def _port(text: str) -> int:
    return whole_number(text, HIGHEST_PORT)
