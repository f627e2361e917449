"""`python -m aod_notebook.local`: the embedded service as a program."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from pathlib import Path

from aod_notebook.local.server import ServiceLockedError
from aod_notebook.local.service import serve


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve; 1 with one line on stderr if that can't be."""
    parser = argparse.ArgumentParser(prog="python -m aod_notebook.local", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where all state is kept")
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument("--idle-exit", type=float, metavar="S", help="leave after S idle seconds")
    parser.add_argument("--json", action="store_true", help="first line: URL and keys as JSON")
    parser.add_argument(
        "--allow-unenforced-network",
        action="store_true",
        help="run sessions with limited networking although nothing limits them here",
    )
    options = parser.parse_args(arguments)
    try:
        serve(
            options.data_dir,
            options.port,
            idle_exit_s=options.idle_exit,
            allow_unenforced_network=options.allow_unenforced_network,
            json_line=options.json,
        )
    except (ServiceLockedError, OSError, ValueError, sqlite3.Error) as error:
        sys.stderr.write(f"aod-notebook: the service can't start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
