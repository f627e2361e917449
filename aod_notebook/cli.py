"""The `aod-notebook` command: the embedded service, and the demo."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.core.errors import AodNotebookError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code (1: it failed, and one line says why)."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except AodNotebookError as error:
        print(f"aod-notebook: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("aod-notebook", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the embedded service until it is terminated")
    _add_data_dir(serve)
    serve.add_argument("--port", type=int, default=0, help="0: any free one (default)")
    serve.add_argument(
        "--json", action="store_true", help="first line: where it is and its keys, as JSON"
    )
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="run the quickstart notebook here in the terminal")
    demo.add_argument("--html", type=Path, default=Path("demo.html"), help="the page to write")
    demo.set_defaults(run=_demo)

    service = commands.add_parser("service", help="the embedded service of this user's kernels")
    actions = service.add_subparsers(required=True, metavar="ACTION")
    for name, text, action in (
        ("status", "say where it runs", _service_status),
        ("stop", "stop it and what it runs", _service_stop),
    ):
        part = actions.add_parser(name, help=text)
        _add_data_dir(part)
        part.set_defaults(run=action)
    return parser


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, help="where it keeps its data (default: in AOD_NOTEBOOK_HOME)"
    )


def _serve(options: argparse.Namespace) -> int:
    from aod_notebook.local.__main__ import main as serve

    words = ["--data-dir", str(_data_dir(options)), "--port", str(options.port)]
    return serve([*words, "--json"] if options.json else words)


def _demo(options: argparse.Namespace) -> None:
    from aod_notebook.demo import quickstart, run_demo

    run_demo(quickstart(), options.html, sys.stdout.write)
    print(f"\nThe page with everything: {options.html}")  # noqa: T201 - a command line speaks


def _service_status(options: argparse.Namespace) -> int:
    from aod_notebook.local import find_service

    found = find_service(_data_dir(options))
    print("not running" if found is None else f"{found.url} (process {found.pid})")  # noqa: T201
    return 0 if found else 1


def _service_stop(options: argparse.Namespace) -> int:
    from aod_notebook.local import stop_service

    stopped = stop_service(_data_dir(options))
    print("stopped" if stopped else "not running")  # noqa: T201 - a command line speaks
    return 0 if stopped else 1


def _data_dir(options: argparse.Namespace) -> Path:
    from aod_notebook.live.connections import embedded_data_dir

    given: Path | None = options.data_dir
    return embedded_data_dir() if given is None else given


if __name__ == "__main__":
    sys.exit(main())
