"""Commands that maintain this machine: service, demo, outbox, doctor."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.local.options import add_options, serve_with, whole_number

if TYPE_CHECKING:
    import argparse

    from aod_notebook.cli.parser import Parser


def add_machine(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands to a parser."""
    serve = commands.add_parser("serve", help="run the embedded service until it is terminated")
    _add_data_dir(serve)
    add_options(serve)
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="run the quickstart notebook here in the terminal")
    demo.add_argument("--html", type=Path, default=Path("demo.html"), help="the page to write")
    demo.set_defaults(run=_demo)

    service = commands.add_parser("service", help="the embedded service of this user's kernels")
    actions = service.add_subparsers(required=True, metavar="ACTION")
    for name, text, action in (
        ("status", "say where it runs and what it holds", _service_status),
        ("stop", "stop it and what it runs", _service_stop),
        ("backup", "copy its database into a file, also while it serves", _service_backup),
        ("vacuum", "give free space of its database back to the disk", _service_vacuum),
        ("clean", "delete finished sessions and runs of long ago", _service_clean),
    ):
        part = actions.add_parser(name, help=text)
        _add_data_dir(part)
        part.set_defaults(run=action)
        if name == "backup":
            part.add_argument("file", type=Path, help="the file to write; it must not be there")
        if name == "clean":
            part.add_argument("--older-than", type=_days, required=True, metavar="DAYS")

    outbox = commands.add_parser("outbox", help="what was reported to AgentOS and waits here")
    emptying = outbox.add_mutually_exclusive_group()
    emptying.add_argument("--send", action="store_true", help="send what dead processes left")
    emptying.add_argument(
        "--discard",
        action="store_true",
        help="discard what dead processes left and nothing here can send",
    )
    outbox.add_argument(
        "--agent", metavar="ID", help="with --send: send this agent's records with the key at hand"
    )
    outbox.set_defaults(run=_outbox)

    doctor = commands.add_parser("doctor", help="check services, runtimes, disk and versions")
    doctor.set_defaults(run=_doctor)


def _days(text: str) -> timedelta:
    return timedelta(days=whole_number(text, 36_500))


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, help="where it keeps its data (default: in AOD_NOTEBOOK_HOME)"
    )


def _serve(options: argparse.Namespace) -> int:
    return serve_with(_data_dir(options), options)


def _demo(options: argparse.Namespace) -> None:
    from aod_notebook.demo import quickstart, run_demo

    run_demo(quickstart(), options.html, sys.stdout.write)
    print(f"\nThe page with everything: {options.html}")


def _service_status(options: argparse.Namespace) -> None:
    from aod_notebook.local.maintenance import status

    found = status(_data_dir(options))
    where = found.service
    print("not running" if where is None else f"{where.url} (process {where.pid})")
    for noun, counts in (("sessions", found.sessions), ("runs", found.runs)):
        listed = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"
        print(f"{noun}: {listed}")
    print(
        f"{found.database_bytes / 1e6:.1f} MB database, {found.workspace_bytes / 1e6:.1f} MB files"
    )


def _service_stop(options: argparse.Namespace) -> int:
    from aod_notebook.local import stop_service

    stopped = stop_service(_data_dir(options))
    print("stopped" if stopped else "not running")
    return 0 if stopped else 1


def _service_backup(options: argparse.Namespace) -> None:
    from aod_notebook.local.maintenance import backup

    try:
        backup(_data_dir(options), options.file)
    except OSError as error:
        if error.strerror is None or error.filename != str(options.file):
            raise
        raise AodNotebookError(
            f"The backup can't be written to {options.file}: {error.strerror}. Choose a file in a "
            "folder that is there and that you may write into."
        ) from error
    print(f"written: {options.file}")


def _service_vacuum(options: argparse.Namespace) -> None:
    from aod_notebook.local.maintenance import vacuum

    print(f"{vacuum(_data_dir(options)) / 1e6:.1f} MB freed")


def _service_clean(options: argparse.Namespace) -> None:
    from aod_notebook.core.text import counted
    from aod_notebook.local.maintenance import clean

    cleaned = clean(_data_dir(options), options.older_than)
    print(f"deleted: {counted(cleaned.sessions, 'session')}, {counted(cleaned.runs, 'run')}")


def _outbox(options: argparse.Namespace) -> int:
    from aod_notebook.agentos.outbox import refused, waiting
    from aod_notebook.core.text import counted
    from aod_notebook.live.outbox import by_service, discard, send, sent_lines

    lines = (
        sent_lines(send(agent=options.agent))
        if options.send
        else discard()
        if options.discard
        else []
    )
    for line in lines:
        print(line)
    spools, letters = by_service(waiting()), refused()
    for left in spools:
        sender = "their process has ended"
        if left.is_alive:
            sender = f"{', '.join(f'process {pid}' for pid in left.pids)} sends"
        print(
            f"{left.base_url}: {counted(left.records, 'record')} since {left.created_at}; {sender}"
        )
    if letters:
        print(f"{counted(len(letters), 'record')} refused by the service, kept beside the spools")
    if not spools:
        print("nothing waits")
    return 1 if lines and any(not left.is_alive for left in spools) else 0


def _doctor(_: argparse.Namespace) -> int:
    from aod_notebook.live import disconnect
    from aod_notebook.live.doctor import findings, summary

    found = list(findings())
    found.insert(0, summary(found))
    disconnect()
    for check, state, text in found:
        print(f"{state:<8} {check:<9} {text}")
    return 1 if any(state == "problem" for _, state, _ in found) else 0


def _data_dir(options: argparse.Namespace) -> Path:
    from aod_notebook.live.embedded import embedded_data_dir

    given: Path | None = options.data_dir
    return embedded_data_dir() if given is None else given
