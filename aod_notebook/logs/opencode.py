"""opencode's sessions: the SQLite database of its data folder, or the JSON files before it.

The database also holds accounts and credentials. Only the tables `session`, `message` and `part`
are ever read.
"""

import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from aod_notebook.logs.session import LogRequest, LogSession, LogTurn
from aod_notebook.transcripts import Usage
from aod_notebook.transcripts._json import as_dict, as_float, as_int, as_str, dumps, loads
from aod_notebook.transcripts.opencode import usage_of

_KINDS = {
    "text": "text",
    "reasoning": "reasoning",
    "tool": "tool_use",
    "step-start": "step_start",
    "step-finish": "step_finish",
}
"""Kinds of parts that the CLI prints, each with the type of its line."""
_SESSION_COLUMNS = (
    "id",
    "parent_id",
    "directory",
    "title",
    "version",
    "cost",
    "tokens_input",
    "tokens_output",
    "tokens_reasoning",
    "tokens_cache_read",
    "tokens_cache_write",
    "model",
    "time_created",
    "time_updated",
)


_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class _MessageData(dict[str, Any]):
    """The data of a message, with its id and its parts in order."""

    id: str
    parts: list[dict[str, Any]]


def read_sessions(path: Path, *, usage_only: bool = False) -> Iterator[LogSession]:
    """Read the sessions of a database, without writing anything beside it.

    Args:
        path: the database, or a folder of the older layout (`storage`).
        usage_only: read no more than the requests of each turn; the turns have no lines.

    Raises:
        OSError: the database cannot be read.
    """
    if path.is_dir():
        yield from _read_storage(path, usage_only=usage_only)
        return
    try:
        with _open(path) as database:
            for row in _session_rows(database):
                yield _read_row(path, database, row, usage_only=usage_only)
    except sqlite3.Error as error:
        raise OSError(f"{path} could not be read as an opencode database: {error}") from error


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that opencode may be using, and create no file beside it.

    SQLite makes files of its own beside a database with a write-ahead log, read-only or not,
    unless they are there already; so a log that nobody has open is read from a copy.
    """
    if not path.is_file():
        raise OSError(f"{path} does not exist")
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    has_log = log.exists() and log.stat().st_size > 0
    with TemporaryDirectory() if has_log and not index.exists() else nullcontext() as folder:
        if folder is not None:
            for file in (path, log):
                shutil.copyfile(file, Path(folder, file.name))
            path = Path(folder, path.name)
        mode = "mode=ro" if has_log else "mode=ro&immutable=1"
        uri = f"{path.absolute().as_uri()}?{mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
            database.row_factory = sqlite3.Row
            yield database


def _session_rows(database: sqlite3.Connection) -> list[dict[str, Any]]:
    present = [row["name"] for row in database.execute("PRAGMA table_info(session)")]
    columns = [name for name in _SESSION_COLUMNS if name in present]
    if "id" not in columns:
        return []
    query = f"SELECT {', '.join(columns)} FROM session ORDER BY time_created, id"  # noqa: S608 - fixed names
    return [dict(row) for row in database.execute(query)]


def _read_row(
    path: Path, database: sqlite3.Connection, row: dict[str, Any], *, usage_only: bool
) -> LogSession:
    session = _session(path, row)
    messages: dict[str, _MessageData] = {}
    by_session = "FROM {} WHERE session_id = ? ORDER BY time_created, id"
    for found in database.execute("SELECT id, data " + by_session.format("message"), [row["id"]]):
        messages[found["id"]] = _message(session, found["id"], found["data"])
    query = "SELECT id, message_id, data " + by_session.format("part")
    for found in [] if usage_only else database.execute(query, [row["id"]]):
        message = messages.get(found["message_id"])
        part = loads(found["data"])
        if not isinstance(part, dict):
            session.note("a part is not a JSON object", found["id"])
        elif message is not None:
            message.parts.append(
                {**part, "id": found["id"], "messageID": message.id, "sessionID": row["id"]}
            )
    _split_turns(session, list(messages.values()))
    return session


def _session(path: Path, row: dict[str, Any]) -> LogSession:
    cost = as_float(row.get("cost"))
    model = as_dict(loads(row["model"])) if isinstance(row.get("model"), str) else {}
    return LogSession(
        session_id=str(row["id"]),
        runtime="opencode",
        source=path,
        title=as_str(row.get("title")),
        cwd=as_str(row.get("directory")),
        cli_version=as_str(row.get("version")),
        model=as_str(model.get("id")),
        parent_session_id=as_str(row.get("parent_id")),
        created_at=_micros(row.get("time_created")),
        updated_at=_micros(row.get("time_updated")),
        turns=[],
        total=Usage(
            as_int(row.get("tokens_input")),
            as_int(row.get("tokens_output")),
            as_int(row.get("tokens_cache_read")),
            as_int(row.get("tokens_cache_write")),
            reasoning_tokens=as_int(row.get("tokens_reasoning")),
        )
        if "tokens_input" in row
        else None,
        total_cost_usd=cost,
        problems=[],
    )


def _message(session: LogSession, key: str, data: Any) -> _MessageData:
    value = loads(data) if isinstance(data, str | bytes) else data
    if not isinstance(value, dict):
        session.note("a message is not a JSON object", key)
    message = _MessageData(as_dict(value))
    message.id, message.parts = key, []
    return message


def _split_turns(session: LogSession, messages: Iterable[_MessageData]) -> None:
    turn = LogTurn(lines=[], times=[], requests=[])
    for message in messages:
        if message.get("role") == "user":
            if turn.lines or turn.requests or turn.prompt is not None:
                session.turns.append(turn)
            texts = [p for p in message.parts if p.get("type") == "text" and not p.get("synthetic")]
            prompt = "\n".join(as_str(part.get("text")) or "" for part in texts)
            turn = LogTurn(prompt=prompt or None, lines=[], times=[], requests=[])
            continue
        session.model = session.model or as_str(message.get("modelID"))
        for part in message.parts:
            _take(turn, part)
        error = as_dict(message.get("error"))
        turn.is_error = bool(error)
        created = as_dict(message.get("time")).get("created")
        if error:
            line = {"type": "error", "sessionID": session.session_id, "error": error}
            turn.add(dumps({**line, "timestamp": created}).encode(), _micros(created))
        if isinstance(message.get("tokens"), dict):
            turn.requests.append(_request(message, _micros(created)))
    if turn.lines or turn.requests or turn.prompt is not None:
        session.turns.append(turn)


def _take(turn: LogTurn, part: dict[str, Any]) -> None:
    """Write a part as the CLI prints it; some kinds it never prints."""
    kind = _KINDS.get(as_str(part.get("type")) or "")
    if kind is None:
        return
    time = as_dict(part.get("time")) or as_dict(as_dict(part.get("state")).get("time"))
    ended = as_int(time.get("end")) or as_int(time.get("start"))
    line = {"type": kind, "timestamp": ended, "sessionID": part["sessionID"], "part": part}
    turn.add(dumps(line).encode(), _micros(ended))


def _request(message: _MessageData, at: int | None) -> LogRequest:
    usage = usage_of(as_dict(message.get("tokens")))
    model, cost = as_str(message.get("modelID")), as_float(message.get("cost"))
    # A fork copies messages under new ids; their times and counts stay the same.
    times = as_dict(message.get("time"))
    marks = (times.get("created"), times.get("completed"), model, *msgspec.structs.astuple(usage))
    key = message.id if at is None else "|".join(map(str, marks))
    return LogRequest(key, model, usage, at, cost_usd=cost, message_id=message.id)


def counted_lines(turn: LogTurn) -> list[bytes]:
    """Return the lines of a turn without the counts of requests that another session made."""
    kept = {request.message_id for request in turn.requests}
    return [_without_counts(line, kept) for line in turn.lines]


def _without_counts(line: bytes, kept: set[str | None]) -> bytes:
    if b'"step_finish"' not in line:
        return line
    value = as_dict(loads(line))
    part = as_dict(value.get("part"))
    if value.get("type") != "step_finish" or part.get("messageID") in kept:
        return line
    bare = {name: one for name, one in part.items() if name not in ("tokens", "cost")}
    return dumps({**value, "part": bare}).encode()


def _micros(ms: Any) -> int | None:
    number = as_int(ms)
    return None if number is None else number * 1000


# -- the layout before the database -------------------------------------------------------------


def _read_storage(folder: Path, *, usage_only: bool) -> Iterator[LogSession]:
    for path in sorted(folder.glob("session/*/*.json")):
        info = as_dict(loads(path.read_bytes()))
        key = as_str(info.get("id")) or path.stem
        time = as_dict(info.get("time"))
        row = {
            "id": key,
            "parent_id": info.get("parentID"),
            **{name: info.get(name) for name in ("directory", "title", "version")},
            "time_created": time.get("created"),
            "time_updated": time.get("updated"),
        }
        session = _session(path, row)
        messages = []
        if not _ID.fullmatch(key):  # its messages would be looked for in another folder
            session.note("the id of the session is not one of opencode's", path.name)
            yield session
            continue
        for file in sorted((folder / "message" / key).glob("*.json")):
            message = _message(session, file.stem, loads(file.read_bytes()))
            files = [] if usage_only else (folder / "part" / message.id).glob("*.json")
            for part_file in sorted(files):
                part = as_dict(loads(part_file.read_bytes()))
                message.parts.append({**part, "messageID": message.id, "sessionID": key})
            messages.append(message)
        _split_turns(session, messages)
        yield session
