"""Codex's rollout files: `<home>/sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl`."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from aod_notebook.core.clock import micros
from aod_notebook.logs.lines import fault, lines_of
from aod_notebook.logs.session import LogRequest, LogSession, LogTurn
from aod_notebook.transcripts import Usage
from aod_notebook.transcripts._json import as_dict, as_int, as_list, as_str, dumps, loads
from aod_notebook.transcripts.codex import usage_of

_SHELLS = frozenset({"exec_command", "shell", "shell_command", "local_shell", "container.exec"})
_HARNESS = ("<environment_context>", "<user_instructions>", "<subagent_notification>", "<turn_")
"""Starts of user messages that Codex writes itself."""
_EXIT_CODE = re.compile(r"(?:exited with code|Exit code:) (-?\d+)")
_OUTPUT = re.compile(r"(?:^|\n)Output:(?:\n|$)")
"""What stands between the header of a command's output and the output."""
_COPY_GAP_US = 20_000
"""A fork copies its parent's lines without a pause; no answer comes as fast."""
_COUNTED = frozenset({"user_message", "item_completed", "token_count", "turn_aborted", "error"})
"""Events that say what was used, and where turns begin."""
_EVENTS = _COUNTED | {"exec_command_end", "stream_error"}
"""Events that are read; most others repeat what a response item says."""
_ABSENT = msgspec.Raw(b"null")
_PATCHED = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$", re.MULTILINE)
_KINDS = {"Add": "add", "Update": "update", "Delete": "delete"}


class _Count(NamedTuple):
    """One `token_count` of a version that writes no records of its own per answer."""

    at: int | None
    number: int
    usage: Usage


class _Head(msgspec.Struct, gc=False):
    """A line, with a payload that is only decoded where it is needed."""

    type: str
    timestamp: str | None = None
    payload: msgspec.Raw = _ABSENT


class _Kind(msgspec.Struct, gc=False):
    type: str = ""
    role: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode


class _Rollout:
    """Reads one file line by line into a session."""

    def __init__(self, path: Path, *, usage_only: bool) -> None:
        self._usage_only = usage_only
        self.session = LogSession(session_id=path.stem[-36:], runtime="codex", source=path)
        self.session.turns = []
        self._turn = LogTurn(lines=[], times=[], requests=[])
        self._model: str | None = None
        self._calls: dict[str, dict[str, Any]] = {}
        self._details: dict[str, dict[str, Any]] = {}
        self._last_total: tuple[int | None, ...] | None = None
        self._counts: list[_Count] = []
        self._count = 0
        self._copied_until: int | None = None
        self._has_records = False
        self._started_at: int | None = None
        self._has_meta = False
        self._prompts_by_event = False

    def read(self, lines: list[tuple[int, bytes]]) -> LogSession:
        self._prompts_by_event = any(
            b'"UserMessage"' in raw or b'"user_message"' in raw for _, raw in lines
        )
        for number, raw in lines:
            head = _head(raw)
            if head is None:
                self.session.note(fault(raw, "a line is not a rollout line"), number)
                continue
            at = micros(head.timestamp)
            if at is not None:
                self.session.created_at = self.session.created_at or at
                self.session.updated_at = max(self.session.updated_at or at, at)
                self._note_copy(at)
            if self._is_needed(head):
                self._take(head.type, as_dict(loads(bytes(head.payload))), at)
        self._end_turn()
        return self.session

    def _is_needed(self, head: _Head) -> bool:
        """Check whether a line may matter: of most, only the kind is decoded."""
        if head.type not in ("response_item", "event_msg"):
            return True
        try:
            kind = _decode_kind(head.payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return True
        if head.type == "event_msg":
            return kind.type in (_COUNTED if self._usage_only else _EVENTS)
        return not self._usage_only or (kind.role == "user" and not self._prompts_by_event)

    def _take(self, kind: str, payload: dict[str, Any], at: int | None) -> None:
        if kind == "session_meta":
            self._meta(payload)
        elif kind == "turn_context":
            self._model = as_str(payload.get("model")) or self._model
            self.session.model = self.session.model or self._model
            self.session.cwd = self.session.cwd or as_str(payload.get("cwd"))
        elif kind == "response_item":
            self._item(payload, at)
        elif kind == "event_msg":
            self._event(payload, at)
        elif kind == "token_usage_record":
            self._record(payload, at)
        elif kind == "compacted":
            self._emit({"type": "compacted"}, at)

    def _meta(self, payload: dict[str, Any]) -> None:
        """Take the first header; those that follow are copies from the parent."""
        if self._has_meta:
            return
        self._has_meta = True
        session = self.session
        session.session_id = as_str(payload.get("id")) or session.session_id
        session.cwd = as_str(payload.get("cwd"))
        session.cli_version = as_str(payload.get("cli_version"))
        session.git_branch = as_str(as_dict(payload.get("git")).get("branch"))
        session.forked_from_id = as_str(payload.get("forked_from_id"))
        session.parent_session_id = as_str(payload.get("parent_thread_id"))
        self._started_at = micros(payload.get("timestamp"))

    # -- what the agent did ------------------------------------------------------------------

    def _item(self, item: dict[str, Any], at: int | None) -> None:
        kind = as_str(item.get("type")) or ""
        if kind == "message":
            self._message(item, at)
        elif kind == "reasoning":
            parts = [as_str(as_dict(part).get("text")) for part in as_list(item.get("summary"))]
            text = "\n\n".join(part for part in parts if part)
            if text:
                self._completed("reasoning", item, {"text": text}, at)
        elif kind.endswith("_output"):
            self._output(item, at)
        elif kind.endswith("_call"):
            self._call(kind, item, at)

    def _message(self, item: dict[str, Any], at: int | None) -> None:
        parts = [as_str(as_dict(part).get("text")) for part in as_list(item.get("content"))]
        text = "\n".join(part for part in parts if part)
        role = item.get("role")
        if role == "assistant":
            self._completed("agent_message", item, {"text": text}, at)
        elif role == "user" and not self._prompts_by_event and not text.startswith(_HARNESS):
            self._prompt(text)

    def _call(self, kind: str, item: dict[str, Any], at: int | None) -> None:
        call_id = as_str(item.get("call_id")) or as_str(item.get("id"))
        if call_id is None:
            return
        call = {"id": call_id, **_shape(kind, item)}
        if kind == "web_search_call":  # the search has run when it is written
            self._emit({"type": "item.completed", "item": call}, at)
            return
        self._calls[call_id] = call
        self._emit({"type": "item.started", "item": {**call, "status": "in_progress"}}, at)

    def _output(self, item: dict[str, Any], at: int | None) -> None:
        call_id = as_str(item.get("call_id")) or ""
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        detail = self._details.pop(call_id, {})
        done = {**call, **_result(call["type"], item.get("output"), detail)}
        self._emit({"type": "item.completed", "item": done}, at)

    def _completed(
        self, kind: str, item: dict[str, Any], fields: dict[str, Any], at: int | None
    ) -> None:
        done = {"id": as_str(item.get("id")), "type": kind, **fields}
        self._emit({"type": "item.completed", "item": done}, at)

    def _emit(self, value: dict[str, Any], at: int | None) -> None:
        if not self._usage_only:
            self._turn.add(dumps(value).encode(), at)

    # -- what Codex says of it ---------------------------------------------------------------

    def _event(self, event: dict[str, Any], at: int | None) -> None:
        kind = event.get("type")
        item = as_dict(event.get("item"))
        if kind == "user_message":
            self._prompt(as_str(event.get("message")) or "")
        elif kind == "item_completed" and item.get("type") == "UserMessage":
            parts = [as_str(as_dict(part).get("text")) for part in as_list(item.get("content"))]
            self._prompt("\n".join(part for part in parts if part))
        elif kind == "item_completed" and isinstance(item.get("id"), str):
            self._details[item["id"]] = item
        elif kind == "exec_command_end" and isinstance(event.get("call_id"), str):
            self._details[event["call_id"]] = event
        elif kind == "token_count":
            self._token_count(as_dict(event.get("info")), at)
        elif kind == "turn_aborted":
            self._turn.is_error = True
            reason = as_str(event.get("reason")) or "aborted"
            self._emit({"type": "error", "message": f"Turn {reason}"}, at)
        elif kind in ("error", "stream_error"):
            self._turn.is_error = kind == "error"
            self._emit({"type": "error", "message": as_str(event.get("message"))}, at)

    def _prompt(self, text: str) -> None:
        if not text.strip():
            return
        self._end_turn()
        self.session.title = self.session.title or text.strip().splitlines()[0]
        self._turn = LogTurn(prompt=text, lines=[], times=[], requests=[])

    def _record(self, record: dict[str, Any], at: int | None) -> None:
        """Count an answer by its own record, and forget the turn's sums of older versions."""
        key = as_str(record.get("response_id"))
        if key is None:
            return
        if not self._has_records:
            self._has_records = True
            self._counts.clear()
        owner = as_str(record.get("thread_id"))
        self._turn.requests.append(
            LogRequest(key, self._model, usage_of(as_dict(record.get("usage"))), at, owner)
        )
        total = as_dict(record.get("thread_token_usage"))
        if total and owner == self.session.session_id:
            self.session.total = usage_of(total)

    def _token_count(self, info: dict[str, Any], at: int | None) -> None:
        total = as_dict(info.get("total_token_usage"))
        last = as_dict(info.get("last_token_usage"))
        sums = tuple(as_int((total or last).get(name)) for name in _COUNTS)
        if not last or sums == self._last_total:
            return
        self._last_total = sums
        self._count += 1
        if not self._has_records and not self._is_copy(at):
            self._counts.append(_Count(at, self._count, usage_of(last)))

    def _end_turn(self) -> None:
        turn, session = self._turn, self.session
        for count in self._counts:
            key = f"{session.session_id}|{count.number}"
            owner = session.session_id
            turn.requests.append(LogRequest(key, self._model, count.usage, count.at, owner))
        self._counts, self._has_records = [], False
        self._calls.clear()
        self._details.clear()
        if turn.lines or turn.requests or turn.prompt is not None:
            session.turns.append(turn)
        self._turn = LogTurn(lines=[], times=[], requests=[])

    def _note_copy(self, at: int) -> None:
        """Note how far the lines reach that a fork or a subagent copied from its parent.

        They stand first, all written in the second of the fork or right after it.
        """
        session, started = self.session, self._started_at
        if started is None or (session.forked_from_id or session.parent_session_id) is None:
            return
        until = self._copied_until
        if at // 1_000_000 <= started // 1_000_000 or (
            until is not None and 0 <= at - until <= _COPY_GAP_US
        ):
            self._copied_until = at

    def _is_copy(self, at: int | None) -> bool:
        return at is not None and self._copied_until is not None and at <= self._copied_until


_COUNTS = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)


def read_session(path: Path, *, usage_only: bool = False) -> LogSession:
    """Read one rollout file.

    Args:
        path: the file.
        usage_only: read no more than the requests of each turn; the turns have no lines.

    Raises:
        OSError: the file cannot be read.
    """
    return _Rollout(path, usage_only=usage_only).read(list(lines_of(path)))


def _head(raw: bytes) -> _Head | None:
    """Decode a line as far as its payload; None if it is not a line of a rollout."""
    try:
        return _decode_head(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = as_dict(loads(raw))
    kind = as_str(value.get("type"))
    if kind is None:
        return None
    payload = msgspec.Raw(msgspec.json.encode(value.get("payload")))
    return _Head(kind, as_str(value.get("timestamp")), payload)


def _shape(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return a call in the form in which `codex exec --json` prints it."""
    if kind == "web_search_call":
        action = as_dict(item.get("action"))
        return {"type": "web_search", "query": as_str(action.get("query")) or ""}
    name = as_str(item.get("name")) or kind.removesuffix("_call")
    given = item.get("arguments", item.get("input", item.get("action")))
    decoded = loads(given) if isinstance(given, str) else given
    arguments = decoded if isinstance(decoded, dict) else {"input": given}
    if name in _SHELLS:
        return {"type": "command_execution", "command": _command(arguments)}
    if name == "apply_patch":
        return {"type": "file_change", "changes": _changes(as_str(arguments.get("input")) or "")}
    namespace = as_str(item.get("namespace")) or ""
    if name.startswith("mcp__") or namespace.startswith("mcp__"):
        server, _, tool = f"{namespace}__{name}".strip("_").removeprefix("mcp__").partition("__")
        return {"type": "mcp_tool_call", "server": server, "tool": tool, "arguments": arguments}
    if namespace.startswith("multi_agent") or name in ("spawn_agent", "wait_agent", "send_input"):
        prompt = as_str(arguments.get("message")) or as_str(arguments.get("prompt"))
        return {"type": "collab_tool_call", "tool": name, "prompt": prompt, **_agents(arguments)}
    return {"type": name, "arguments": arguments}


def _agents(arguments: dict[str, Any]) -> dict[str, Any]:
    targets = as_list(arguments.get("targets")) or as_list(arguments.get("ids"))
    return {"receiver_thread_ids": [one for one in targets if isinstance(one, str)]}


def _command(arguments: dict[str, Any]) -> str:
    command = arguments.get("cmd", arguments.get("command"))
    if isinstance(command, list):
        words = [word for word in command if isinstance(word, str)]
        return words[-1] if len(words) == 3 and words[1] in ("-c", "-lc") else " ".join(words)  # noqa: PLR2004
    return command if isinstance(command, str) else dumps(arguments)


def _changes(patch: str) -> list[dict[str, str]]:
    return [{"path": path, "kind": _KINDS[kind]} for kind, path in _PATCHED.findall(patch)]


def _result(kind: str, output: Any, detail: dict[str, Any]) -> dict[str, Any]:
    """Return how a call ended, from its output and from what Codex noted of it."""
    text = _text(output)
    shown, exit_code = _unwrapped(text) if kind == "command_execution" else (text, None)
    noted = as_int(detail.get("exit_code"))
    exit_code = exit_code if noted is None else noted
    failed = (
        detail.get("status") == "failed"
        or exit_code not in (None, 0)
        or as_dict(output).get("success") is False
    )
    done: dict[str, Any] = {"status": "failed" if failed else "completed"}
    if kind == "command_execution":
        whole = as_str(detail.get("aggregated_output"))
        done["aggregated_output"] = shown if whole is None else whole
        done["exit_code"] = exit_code
    elif kind == "collab_tool_call":
        receivers = as_list(detail.get("receiver_thread_ids"))
        done |= {"receiver_thread_ids": receivers} if receivers else {}
        done["agents_states"] = as_dict(detail.get("agents_states"))
        done["result"] = text
    elif kind != "file_change":
        done["result"] = {"content": [{"type": "text", "text": text}]}
    return done


def _text(output: Any) -> str:
    """Return an output as text: it is text, a list of parts, or an object with its content."""
    if isinstance(output, str):
        return output
    if isinstance(output, list):
        parts = (as_str(as_dict(part).get("text")) for part in output)
        return "\n".join(part for part in parts if part is not None)
    content = as_dict(output).get("content")
    return content if isinstance(content, str) else dumps(output)


def _unwrapped(text: str) -> tuple[str, int | None]:
    """Return what a command wrote, without what Codex puts around it, and its exit code."""
    value = loads(text) if text.startswith("{") else None
    if isinstance(value, dict) and isinstance(value.get("output"), str):
        return value["output"], as_int(as_dict(value.get("metadata")).get("exit_code"))
    header, *rest = _OUTPUT.split(text, maxsplit=1)
    if not rest:
        return text, None
    found = _EXIT_CODE.search(header)
    return rest[0], None if found is None else int(found[1])


def result_line(session: LogSession, turn: LogTurn, total: Usage) -> bytes:
    """Return the line that Codex prints at the end of a turn.

    Args:
        session: the session.
        turn: the turn that ends.
        total: the sum of all turns so far, as Codex reports it.
    """
    models = list(dict.fromkeys(request.model for request in turn.requests))
    value: dict[str, Any] = {
        "type": "turn.failed" if turn.is_error else "turn.completed",
        "thread_id": session.session_id,
        "usage": {
            "input_tokens": total.input_tokens,
            "cached_input_tokens": total.cache_read_tokens,
            "cache_write_input_tokens": total.cache_creation_tokens,
            "output_tokens": total.output_tokens,
            "reasoning_output_tokens": total.reasoning_tokens,
        },
    }
    if len(models) == 1:
        value["model"] = models[0]
    return msgspec.json.encode(value)
