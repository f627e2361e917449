"""Where the agents' CLIs keep their logs, and which files hold which session."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from aod_notebook.contract import AGENT_RUNTIMES
from aod_notebook.logs.claude import session_id_of
from aod_notebook.transcripts._json import as_dict, loads

AGENTS: Final = AGENT_RUNTIMES
"""The CLIs with logs that can be read."""

_SNIFFED_BYTES: Final = 65_536
_split = os.path.split  # on text: paths are slow where there are thousands of files
_DATABASE: Final = b"SQLite format 3\x00"


@dataclass(frozen=True)
class LogFile:
    """The files of one session; for opencode a database of many sessions.

    Attributes:
        agent: claude, codex, gemini or opencode.
        path: the session's own file, or the database.
        sides: files that belong to it, such as those of subagents.
        stamp: changes when one of the files changes: sizes and times of all of them.
    """

    agent: str
    path: Path
    sides: tuple[Path, ...] = ()
    stamp: str = field(default="", compare=False)


def find_logs(
    where: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    agents: Iterable[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> list[LogFile]:
    """Find the log files of the agents' CLIs.

    Args:
        where: a home, a CLI's folder (`~/.claude`), a project's folder, a file, or several of
            these; None looks where the CLIs write by default, their variables included
            (`CLAUDE_CONFIG_DIR`, `CODEX_HOME`, `GEMINI_CLI_HOME`, `XDG_DATA_HOME`).
        agents: only the logs of these CLIs.
        environ: the variables to look at; by default those of the process.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: an agent is not one of `AGENTS`.

    Example:
        >>> find_logs(agents=[])
        []
    """
    wanted = list(AGENTS if agents is None else agents)
    for agent in wanted:
        if agent not in AGENTS:
            raise ValueError(f"{agent!r} has no logs to read: choose from {', '.join(AGENTS)}")
    if where is None:
        roots = _default_roots(os.environ if environ is None else environ)
    else:
        given = [where] if isinstance(where, str | os.PathLike) else list(where)
        roots = [root for path in given for root in _roots(Path(path).expanduser())]
    found: dict[tuple[str, str, str], LogFile] = {}
    resolved: dict[str, str] = {}  # to resolve each file would take longer than to find it
    for agent, root in roots:
        if agent in wanted:
            for log in _FINDERS[agent](root):
                folder, name = _split(log.path)
                if folder not in resolved:
                    resolved[folder] = os.path.realpath(folder)
                found.setdefault((agent, resolved[folder], name), log)
    return sorted(found.values(), key=lambda log: (AGENTS.index(log.agent), str(log.path)))


def _default_roots(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    home = Path(environ.get("HOME") or Path.home())
    config = environ.get("CLAUDE_CONFIG_DIR")
    named = [part.strip() for part in (config or "").split(",")]
    claude = [Path(part).expanduser() for part in named if part]
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    roots = [
        *(("claude", folder / "projects") for folder in claude),
        ("claude", home / ".claude" / "projects"),
        ("claude", home / ".config" / "claude" / "projects"),
        ("codex", Path(environ.get("CODEX_HOME") or home / ".codex")),
        ("gemini", Path(environ.get("GEMINI_CLI_HOME") or home) / ".gemini" / "tmp"),
        ("opencode", data / "opencode"),
    ]
    return [(agent, root) for agent, root in roots if root.exists()]


def _roots(path: Path) -> Iterator[tuple[str, Path]]:
    """Find out what a path holds, from its folders or from its first lines."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_file():
        agent = _agent_of(path)
        if agent is None:
            raise ValueError(f"{path} is not a log of {', '.join(AGENTS)}")
        yield agent, path
        return
    homes = _default_roots({"HOME": str(path)})
    if homes:
        yield from homes
        return
    if (path / "projects").is_dir():
        yield "claude", path / "projects"
    elif (path / "sessions").is_dir() or (path / "archived_sessions").is_dir():
        yield "codex", path
    elif (path / "tmp").is_dir():
        yield "gemini", path / "tmp"
    elif any(path.glob("opencode*.db")) or (path / "storage").is_dir():
        yield "opencode", path
    else:
        yield from _agents_below(path)


def _agents_below(path: Path) -> Iterator[tuple[str, Path]]:
    """Look into one file of each folder: its lines show which CLI wrote it."""
    for folder in sorted({file.parent for file in path.rglob("*.json*")}):
        for file in sorted([*folder.glob("*.jsonl"), *folder.glob("session-*.json")]):
            agent = _agent_of(file)
            if agent is not None:
                yield agent, file


def _agent_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except OSError:
        return None
    if head.startswith(_DATABASE):
        return "opencode"
    for line in head.split(b"\n"):
        value = as_dict(loads(line))
        if "payload" in value:
            return "codex"
        if "sessionId" in value and ("projectHash" in value or "messages" in value):
            return "gemini"
        if "sessionId" in value or "parentUuid" in value or "isSidechain" in value:
            return "claude"
    if path.suffix == ".json" and b'"projectHash"' in head:
        return "gemini"
    return None


def _claude_logs(root: Path) -> Iterator[LogFile]:
    """Put the files of subagents with the file of their session."""
    if root.is_file():
        yield _log("claude", root, sorted((root.with_suffix("") / "subagents").glob("*.jsonl")))
        return
    mains: dict[tuple[str, str], _Found] = {}
    sides: dict[tuple[str, str], list[_Found]] = {}
    for folder, found in _files(str(root), ".jsonl"):
        _, name = _split(found.path)
        above, last = _split(folder)
        if last == "subagents":
            sides.setdefault(_split(above), []).append(found)
        elif name.startswith("agent-"):
            sides.setdefault((folder, session_id_of(Path(found.path))), []).append(found)
        else:
            mains[folder, name.removesuffix(".jsonl")] = found
    for key, main in mains.items():
        yield _of("claude", [main, *sorted(sides.pop(key, []))])
    for orphans in sides.values():
        yield _of("claude", sorted(orphans))


class _Found(NamedTuple):
    """A file, and what changes when it does."""

    path: str
    stamp: str


def _files(folder: str, *endings: str) -> Iterator[tuple[str, _Found]]:
    """Yield the files below a folder that end so, each with its folder."""
    deeper = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(endings):
                with contextlib.suppress(OSError):
                    yield folder, _Found(entry.path, _stamp(entry.stat()))
            elif entry.is_dir(follow_symlinks=False):  # links may go round in circles
                deeper.append(entry.path)
    for one in deeper:
        yield from _files(one, *endings)


def _stamp(state: os.stat_result) -> str:
    return f"{state.st_size}:{state.st_mtime_ns}:{state.st_ino}"


def _of(agent: str, files: list[_Found]) -> LogFile:
    first, *rest = files
    sides = tuple(Path(one.path) for one in rest)
    return LogFile(agent, Path(first.path), sides, " ".join(one.stamp for one in files))


def _codex_logs(root: Path) -> Iterator[LogFile]:
    if root.is_file():
        yield _log("codex", root)
        return
    folders = [root / "sessions", root / "archived_sessions"]
    for folder in [one for one in folders if one.is_dir()] or [root]:
        for _, found in _files(str(folder), ".jsonl"):
            if _split(found.path)[1].startswith("rollout-"):
                yield _of("codex", [found])


def _gemini_logs(root: Path) -> Iterator[LogFile]:
    if root.is_file():
        yield _log("gemini", root)
        return
    own, of_agents = root.rglob("chats/session-*.json*"), root.rglob("chats/*/*.json*")
    for file in (*own, *of_agents):
        if file.suffix in (".json", ".jsonl"):
            yield _log("gemini", file)


def _opencode_logs(root: Path) -> Iterator[LogFile]:
    if root.is_file():
        yield _log("opencode", root, [root.with_name(root.name + "-wal")])
        return
    databases = list(root.glob("opencode*.db"))
    for file in databases:
        yield _log("opencode", file, [file.with_name(file.name + "-wal")])
    if not databases and (root / "storage").is_dir():
        storage = root / "storage"
        states = [file.stat() for file in storage.rglob("*.json")]
        newest = max((state.st_mtime_ns for state in states), default=0)
        yield LogFile("opencode", storage, (), f"{sum(s.st_size for s in states)}:{newest}")


def _log(agent: str, path: Path, sides: Iterable[Path] = ()) -> LogFile:
    marks = []
    kept = []
    for file in (path, *sides):
        try:
            state = file.stat()
        except OSError:
            continue
        kept.append(file)
        marks.append(_stamp(state))
    return LogFile(agent, path, tuple(kept[1:]), " ".join(marks))


_FINDERS: Final = {
    "claude": _claude_logs,
    "codex": _codex_logs,
    "gemini": _gemini_logs,
    "opencode": _opencode_logs,
}
