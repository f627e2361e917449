"""The commands that read sessions: `sessions`, `show`, `export` and `import`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.cli.source import SessionSource, agent_name, source_of
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted, one_line

if TYPE_CHECKING:
    import argparse

    import pandas as pd

    from aod_notebook.cli.parser import Parser
    from aod_notebook.viewers.row import Row

NEWEST = 20
_SHOWN = (
    *("session_id", "status", "prompt", "title", "agent", "runtime", "model", "cost_usd"),
    "created_at",
)
_BOLD, _DIM, _RED, _CYAN, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[36m", "\x1b[0m"
_QUIET = frozenset({"stages", "stage", "system", "thinking", "end", "tool_result"})


def add_sessions(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands to a parser."""
    listing = commands.add_parser("sessions", help=f"list the newest {NEWEST} sessions")
    listing.add_argument("--all", action="store_true", help="list all of them")
    _add_store(listing)
    listing.set_defaults(run=_sessions)

    show = commands.add_parser("show", help="print the transcript of a session")
    show.add_argument("id", metavar="ID", help="its id, or the first characters of it")
    _add_store(show)
    show.set_defaults(run=_show)

    export = commands.add_parser("export", help="write sessions as web pages or as Parquet files")
    export.add_argument("ids", metavar="ID", nargs="*", help="ids; with --all none")
    export.add_argument("--all", action="store_true", help="write every session")
    export.add_argument(
        "--html", type=Path, metavar="DIR", help="write an index and a page for each"
    )
    export.add_argument("--parquet", type=Path, metavar="DIR", help="write a store of their tables")
    export.add_argument(
        "--no-redact", action="store_true", help="leave secrets and paths in the pages"
    )
    _add_store(export)
    export.set_defaults(run=_export)

    importing = commands.add_parser("import", help="read the logs that agents' CLIs keep here")
    importing.add_argument(
        "where", metavar="WHERE", nargs="*", help="homes, folders or files of logs"
    )
    importing.add_argument("--into", type=Path, metavar="DIR", help="the store that takes them")
    importing.add_argument("--since", metavar="DATE", help="only files changed since then")
    importing.add_argument("--agents", metavar="A,B", help="claude, codex, gemini, opencode")
    importing.set_defaults(run=_import)


def _add_store(parser: Parser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help="read a store, not the service")


def _sessions(options: argparse.Namespace) -> None:
    source = SessionSource(options.store)
    count = sys.maxsize if options.all else NEWEST
    table, of = source.newest(count)
    if not of:
        print(f"There are no sessions in {source.where}. `aod-notebook demo` makes some.")
        return
    for line in _lines(table):
        print(line)
    if len(table) < of:
        print(f"{len(table)} of {of} sessions; --all lists the others.")


def _lines(table: pd.DataFrame) -> list[str]:
    """Return a table of sessions as lines: aligned, as wide as the terminal, ids last."""
    from aod_notebook.core import words
    from aod_notebook.frames.rows import records

    head = ("Status", "Prompt", "Agent", "Model", "Cost", "Age", "Id")
    columns = [name for name in _SHOWN if name in table]
    length = _id_length(list(table["session_id"]))
    rows = [
        (
            words.state_word(row["status"]),
            one_line(row["prompt"] or row.get("title") or ""),
            agent_name(row["agent"], row["runtime"]) or "",
            words.model_name(row["model"]) if row["model"] else "",
            words.dollars(row["cost_usd"]),
            words.age(row["created_at"]),
            row["session_id"][:length],
        )
        for row in records(table, columns)
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    width, prompt = _width(), 1
    for name in (2, 3):  # of an agent or a model: the prompt says more of a session
        widths[name] = min(widths[name], width // 6)
    widths[prompt] = max(12, min(widths[prompt], width - sum(widths) + widths[prompt] - 12))
    right = (4, 5)
    return [
        "  ".join(
            _cell(text, widths[place], right=place in right) for place, text in enumerate(row)
        ).rstrip()
        for row in (head, *rows)
    ]


def _id_length(ids: list[str]) -> int:
    """Return how many characters of ids tell them apart: 8, or as many as that takes."""
    return next(
        (length for length in range(8, 40) if len({one[:length] for one in ids}) == len(ids)), 40
    )


def _width() -> int:
    return shutil.get_terminal_size((110, 24)).columns


def _cell(text: str, width: int, *, right: bool) -> str:
    text = text if len(text) <= width else f"{text[: width - 1]}…"
    return text.rjust(width) if right else text.ljust(width)


def _show(options: argparse.Namespace) -> None:
    from aod_notebook.viewers.plain import about, status_word

    source, (session_id,) = source_of(options.store, [options.id])
    (shown,) = source.shown([session_id])
    transcript = shown.transcript()
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    replay = "replay of a recording" if shown.is_replay else ""
    facts = [
        status_word(shown.status),
        shown.agent or "",
        about(transcript.summary),
        replay,
        session_id,
    ]
    print(_styled(one_line(shown.title), _BOLD, colours))
    print(_styled(" · ".join(filter(None, facts)), _DIM, colours))
    after = None
    for row in transcript.rows:
        for line in _row_lines(row, after):
            print(_styled(line, _look(row), colours))
        after = row


def _row_lines(row: Row, after: Row | None) -> list[str]:
    from aod_notebook.viewers.plain import plain_text

    return list(plain_text([row], after))


def _look(row: Row) -> str:
    if row.is_error:
        return _RED
    if row.kind.value == "prompt":
        return _CYAN
    if row.kind.value in ("turn", "tool"):
        return _BOLD
    return _DIM if row.kind.value in _QUIET else ""


def _styled(text: str, look: str, on: bool) -> str:
    return f"{look}{text}{_OFF}" if on and look and text else text


def _export(options: argparse.Namespace) -> None:
    if options.html is None and options.parquet is None:
        raise AodNotebookError("Say what is to be written: --html DIR, --parquet DIR or both.")
    if bool(options.ids) == options.all:
        raise AodNotebookError("Give the ids of sessions, or --all.")
    if options.all:
        source = SessionSource(options.store)
        ids = source.ids()
    else:
        source, ids = source_of(options.store, options.ids)
    if not ids:
        raise AodNotebookError(f"There are no sessions in {source.where}.")
    if options.html is not None:
        _export_html(source, ids, options)
    if options.parquet is not None:
        source.to_parquet(ids, options.parquet)
        print(f"{counted(len(ids), 'session')} as Parquet, not redacted: {options.parquet}")


def _export_html(source: SessionSource, ids: list[str], options: argparse.Namespace) -> None:
    from aod_notebook.cli.redaction import redactor
    from aod_notebook.viewers.bundle import write_bundle

    hides = None if options.no_redact else redactor()
    try:
        index, *_ = write_bundle(options.html, source.shown(ids), hides)
    except OSError as error:
        raise AodNotebookError(
            f"The pages can't be written to {options.html}: {error.strerror or error}. Choose "
            "another folder."
        ) from error
    print(f"{counted(len(ids), 'session')} written: {index}")
    if hides is None:
        print("Not redacted: look through the pages before you share them.")
    else:
        print(f"Redacted: {hides.report()}. Look through the pages before you share them.")


def _import(options: argparse.Namespace) -> None:
    from aod_notebook import frames

    agents = None if options.agents is None else options.agents.split(",")
    store = frames.import_logs(options.where or None, options.into, options.since, agents)
    count = len(store.session_ids)
    print(f"{counted(count, 'session')} in {store.path}")
    if count:
        print(f"`aod-notebook sessions --store {store.path}` lists them.")
