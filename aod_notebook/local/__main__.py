"""`python -m aod_notebook.local`: the embedded service as a program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aod_notebook.local.options import add_options, serve_with


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve; return 1, with one line on stderr, if that fails."""
    parser = argparse.ArgumentParser(prog="python -m aod_notebook.local", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where all state is kept")
    add_options(parser)
    options = parser.parse_args(arguments)
    return serve_with(options.data_dir, options)


if __name__ == "__main__":
    sys.exit(main())
