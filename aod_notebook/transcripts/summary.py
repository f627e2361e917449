"""A short summary of a tool call."""

from collections.abc import Mapping
from typing import Any, Final

_CHARS: Final = 140
_TELLING_KEYS = ("description", "name", "query", "prompt", "path", "tool")

KINDS: Final[Mapping[str, str]] = {
    tool: kind
    for kind, tools in {
        "command": ("Bash", "bash", "command_execution", "run_shell_command"),
        "read": ("Read", "read", "read_file"),
        "write": ("Write", "write", "write_file"),
        "edit": ("Edit", "MultiEdit", "edit", "replace"),
        "notebook": ("NotebookEdit",),
        "changes": ("file_change",),
        "grep": ("Grep", "grep", "search_file_content", "grep_search"),
        "glob": ("Glob", "glob"),
        "web": ("WebFetch", "WebSearch", "webfetch", "web_fetch", "google_web_search"),
        "search": ("web_search",),
        "task": ("Task", "Agent", "task", "spawn_agent"),
        "todo": ("TodoWrite", "todowrite", "write_todos"),
        "todo item": ("TaskCreate", "TaskUpdate", "TaskGet", "TaskList"),
        "plan": ("EnterPlanMode", "ExitPlanMode"),
    }.items()
    for tool in tools
}
"""Kind of the well-known tools of all runtimes."""


def summary(tool: str | None, arguments: object) -> str:
    """Summarise a call: the command, the file, the pattern, the question; "" if unclear.

    Example:
        >>> summary("Grep", {"pattern": "def ", "path": "src"})
        'def  in src'
        >>> summary("file_change", {"changes": [{"path": "a.py"}, {"path": "b.py"}]})
        'a.py, b.py'
    """
    given = arguments if isinstance(arguments, Mapping) else {}
    kind = KINDS.get(tool or "")
    if kind is None:
        return _telling(given)
    match kind:
        case "command":
            return one_line(given.get("command"), _CHARS)
        case "read" | "write" | "edit" | "notebook":
            return _path(given)
        case "changes":
            return one_line(", ".join(_changed_paths(given)), _CHARS)
        case "grep" | "glob":
            pattern, path = str(given.get("pattern") or ""), given.get("path")
            return f"{pattern} in {path}" if path else pattern
        case "web":
            return str(given.get("url") or given.get("query") or "")
        case "task":
            return one_line(given.get("description") or given.get("prompt"), _CHARS)
        case "todo" | "todo item":
            return _todo(kind, given)
    return _telling(given)


def one_line(value: Any, limit: int) -> str:
    r"""Put the value on one line, blanks run together, cut with `…` to `limit` characters.

    Example:
        >>> one_line("ls -l \n  /tmp", 8)
        'ls -l /…'
    """
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _telling(given: Mapping[str, Any]) -> str:
    for key in _TELLING_KEYS:
        value = given.get(key)
        if isinstance(value, str) and value:
            return one_line(value, _CHARS)
    return ""


def _path(given: Mapping[str, Any]) -> str:
    for key in ("file_path", "notebook_path", "filePath", "absolute_path"):
        if given.get(key):
            return str(given[key])
    return "(no path)"


def _todo(kind: str, given: Mapping[str, Any]) -> str:
    if kind == "todo":
        todos = given.get("todos")
        return f"{len(todos) if isinstance(todos, list) else 0} todo(s)"
    number, facts = given.get("taskId"), (given.get("subject"), given.get("status"))
    words = [f"#{number}"] if isinstance(number, str | int) else []
    words += [fact for fact in facts if isinstance(fact, str)]
    return one_line(" ".join(words), _CHARS)


def _changed_paths(given: Mapping[str, Any]) -> list[str]:
    changes = given.get("changes")
    if not isinstance(changes, list):
        return []
    return [str(c["path"]) for c in changes if isinstance(c, Mapping) and "path" in c]
