"""Gemini's chats: `<home>/tmp/<project>/chats/session-*.jsonl`, one `.json` before 2026."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from aod_notebook.core.clock import micros
from aod_notebook.logs.lines import fault, lines_of
from aod_notebook.logs.session import LogRequest, LogSession, LogTurn
from aod_notebook.transcripts import Usage
from aod_notebook.transcripts._json import as_dict, as_int, as_list, as_str, dumps, loads

_CONTEXT = "<session_context>"
"""Start of the message that the CLI itself puts before the first prompt."""
_FAILED = ("error", "cancelled")


class _Chat:
    """The messages of a chat as they stand in the end, and all that was billed."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        """By id, in the order of their first writing; the last writing counts."""
        self.billed: dict[str, dict[str, Any]] = {}
        """Messages with tokens, those that were taken back included."""
        self._known: dict[str, dict[str, Any]] = {}

    def write(self, message: dict[str, Any]) -> None:
        """Take a message, or its later form."""
        key = as_str(message.get("id"))
        if key is None:
            return
        self.messages[key] = self._known[key] = message
        if isinstance(message.get("tokens"), dict):
            self.billed[key] = message

    def set(self, fields: dict[str, Any]) -> None:
        """Take a `$set`: its history, if it has one, takes the place of the conversation.

        At a resume it repeats messages with less in them, so known ones stay as they were.
        """
        if not isinstance(fields.get("messages"), list):
            return
        self.messages = {}
        for message in map(as_dict, as_list(fields["messages"])):
            self.write(self._known.get(as_str(message.get("id")) or "", message))

    def rewind(self, key: str | None) -> None:
        """Drop a message and what follows from the conversation; all of it if it is unknown."""
        keys = list(self.messages)
        for later in keys[keys.index(key) if key in keys else 0 :]:
            del self.messages[later]


def read_session(path: Path, *, usage_only: bool = False) -> LogSession:
    """Read one chat.

    Args:
        path: the file.
        usage_only: read no more than the requests of each turn; the turns have no lines.

    Raises:
        OSError: the file cannot be read.
    """
    session = LogSession(session_id=path.stem, runtime="gemini", source=path, turns=[])
    chat = _Chat()
    if path.suffix == ".json":
        whole = as_dict(loads(path.read_bytes()))
        if not whole:
            session.note("the file is not a JSON object")
        _header(session, whole)
        chat.set(whole)
    else:
        _read_lines(path, session, chat)
    chats = path.parent
    if chats.parent.name == "chats":
        session.parent_session_id, chats = chats.name, chats.parent
    with contextlib.suppress(OSError, UnicodeError):
        session.cwd = (chats.parent / ".project_root").read_text(encoding="utf-8").strip() or None
    _split_turns(session, chat, usage_only=usage_only)
    return session


def _read_lines(path: Path, session: LogSession, chat: _Chat) -> None:
    for number, raw in lines_of(path):
        value = loads(raw)
        if not isinstance(value, dict):
            session.note(fault(raw, "a line is not a JSON object"), number)
        elif "sessionId" in value:
            _header(session, value)
        elif "$set" in value:
            fields = as_dict(value["$set"])
            chat.set(fields)
            session.updated_at = micros(fields.get("lastUpdated")) or session.updated_at
        elif "$rewindTo" in value:
            chat.rewind(as_str(value["$rewindTo"]))
        else:
            chat.write(value)


def _header(session: LogSession, value: dict[str, Any]) -> None:
    session.session_id = as_str(value.get("sessionId")) or session.session_id
    started = micros(value.get("startTime"))
    session.created_at = session.created_at or started
    session.updated_at = micros(value.get("lastUpdated")) or session.updated_at


def _split_turns(session: LogSession, chat: _Chat, *, usage_only: bool) -> None:
    turn = LogTurn(lines=[], times=[], requests=[])
    turns: list[LogTurn] = []
    left = dict(chat.billed)
    for key, message in chat.messages.items():
        at = micros(message.get("timestamp"))
        if message.get("type") == "user":
            prompt = _prompt(message)
            if prompt is None:
                continue
            if turn.lines or turn.prompt is not None:
                turns.append(turn)
            turn = LogTurn(prompt=prompt, lines=[], times=[], requests=[])
            session.title = session.title or prompt.strip().splitlines()[0]
        elif not usage_only:
            _take(session, turn, message, at)
        if key in left:
            turn.requests.append(_request(key, left.pop(key)))
    for key, message in left.items():  # taken back, but paid for
        turn.requests.append(_request(key, message))
    if turn.lines or turn.requests or turn.prompt is not None:
        turns.append(turn)
    session.turns = turns
    times = [at for one in turns for at in one.times if at is not None]
    if times:
        session.created_at = min(session.created_at or times[0], *times)
        session.updated_at = max(session.updated_at or times[0], *times)


def _prompt(message: dict[str, Any]) -> str | None:
    """Return the person's words; None for results of tools and for the CLI's own context."""
    text = _text(message.get("content"))
    return None if not text.strip() or text.startswith(_CONTEXT) else text


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = (as_dict(part) for part in as_list(content))
    return "".join(as_str(part.get("text")) or "" for part in parts if not part.get("thought"))


def _take(session: LogSession, turn: LogTurn, message: dict[str, Any], at: int | None) -> None:
    """Write a message of the model, or of the CLI, as the CLI prints it."""
    kind, time = as_str(message.get("type")), as_str(message.get("timestamp"))
    text = _text(message.get("content"))
    if kind != "gemini":
        severity = "error" if kind == "error" else "warning"
        turn.is_error = turn.is_error or kind == "error"
        line = {"type": "error", "severity": severity, "message": text, "timestamp": time}
        turn.add(dumps(line).encode(), at)
        return
    turn.is_error = False
    session.model = session.model or as_str(message.get("model"))
    for thought in map(as_dict, as_list(message.get("thoughts"))):
        words = (
            f"{as_str(thought.get('subject')) or ''}: {as_str(thought.get('description')) or ''}"
        )
        line = {"type": "thought", "content": words.strip(": "), "timestamp": time}
        turn.add(dumps(line).encode(), at)
    if text:
        line = {"type": "message", "role": "assistant", "content": text, "timestamp": time}
        turn.add(dumps(line).encode(), at)
    for call in map(as_dict, as_list(message.get("toolCalls"))):
        _take_call(turn, call, time, at)


def _take_call(turn: LogTurn, call: dict[str, Any], asked: str | None, at: int | None) -> None:
    call_id = as_str(call.get("id"))
    line: dict[str, Any] = {
        "type": "tool_use",
        "timestamp": asked,
        "tool_name": as_str(call.get("name")),
        "tool_id": call_id,
        "parameters": as_dict(call.get("args")),
    }
    turn.add(dumps(line).encode(), at)
    status = as_str(call.get("status"))
    if status not in ("success", *_FAILED):
        return
    failed = status in _FAILED
    answered = as_str(call.get("timestamp"))
    line = {
        "type": "tool_result",
        "timestamp": answered,
        "tool_id": call_id,
        "status": "error" if failed else "success",
        "output": _output(call),
    }
    turn.add(dumps(line).encode(), micros(answered) or at)


def _output(call: dict[str, Any]) -> str:
    """Return the output of a tool as the model read it."""
    texts: list[str] = []
    for part in map(as_dict, as_list(call.get("result"))):
        response = as_dict(as_dict(part.get("functionResponse")).get("response"))
        found = (as_str(response.get(name)) for name in ("output", "error"))
        texts += filter(None, found)
    shown = call.get("resultDisplay")
    return "\n".join(texts) or (shown if isinstance(shown, str) else "")


def _request(key: str, message: dict[str, Any]) -> LogRequest:
    tokens = as_dict(message.get("tokens"))
    read = [as_int(tokens.get(name)) for name in ("input", "tool")]
    usage = Usage(  # what a tool of the provider puts into the prompt is counted apart
        None if read[0] is None else read[0] + (read[1] or 0),
        as_int(tokens.get("output")),
        as_int(tokens.get("cached")),
        reasoning_tokens=as_int(tokens.get("thoughts")),
    )
    at = micros(message.get("timestamp"))
    return LogRequest(key, as_str(message.get("model")), usage, at)


def result_line(turn: LogTurn) -> bytes:
    """Return the line that the CLI prints at the end of a turn, made of the turn's requests."""
    models: dict[str, Usage] = {}
    for request in turn.requests:
        name = request.model or "unknown"
        models[name] = models[name] + request.usage if name in models else request.usage
    total = Usage()
    for usage in models.values():
        total += usage
    first, last = turn.span
    value = {
        "type": "result",
        "status": "error" if turn.is_error else "success",
        "stats": {
            **_stats(total),
            "duration_ms": None if first is None or last is None else (last - first) // 1000,
            "models": {name: _stats(usage) for name, usage in models.items()},
        },
    }
    return msgspec.json.encode(value)


def _stats(usage: Usage) -> dict[str, int | None]:
    counts = (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens)
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached": usage.cache_read_tokens,
        "total_tokens": sum(count or 0 for count in counts),
    }
