"""Claude Code's session files: `<home>/projects/<folder>/<session>.jsonl`.

A subagent has a file of its own in `<session>/subagents/`; its lines go into the turn in which
they were written, under the call that started it.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from aod_notebook.core.clock import micros
from aod_notebook.logs.claude_lines import (
    INTERRUPTED,
    Line,
    LineUsage,
    Message,
    parse,
    prompt_of,
)
from aod_notebook.logs.lines import iso, lines_of
from aod_notebook.logs.session import LogRequest, LogSession, LogTurn
from aod_notebook.transcripts import Usage
from aod_notebook.transcripts._json import as_dict, as_float, as_int, as_list, as_str, dumps, loads

_SKIPPED = (b'{"type":"api-request', b'{"type":"queue-operation', b'{"type":"tools-used')
"""Starts of lines that say nothing of the session; the first are most of a file's bytes."""
_KEPT = frozenset({"assistant", "user", "system"})
_TITLES = {"summary": "summary", "ai-title": "aiTitle", "custom-title": "customTitle"}
"""Lines that hold a title, each with its field; the one that counts most comes last."""
_SYNTHETIC = "<synthetic>"
_NEVER = datetime.min.replace(tzinfo=UTC)


class _Record(msgspec.Struct, gc=False):
    """One line of the conversation, with the call that its subagent works for."""

    line: Line
    raw: bytes
    """Empty if only the usage is read."""
    parent_tool_use_id: str | None


def is_side(path: Path) -> bool:
    """Check whether a file is a subagent's."""
    return path.parent.name == "subagents" or path.name.startswith("agent-")


def session_id_of(path: Path) -> str:
    """Return the session of a file.

    A subagent's file belongs to the session of its folder. Before there were such folders it
    stood beside its session's file, and its first line names the session.
    """
    if path.parent.name == "subagents":
        return path.parent.parent.name
    if is_side(path):
        with contextlib.suppress(OSError), path.open("rb") as file:
            return as_str(as_dict(loads(file.readline())).get("sessionId")) or path.stem
    return path.stem


def read_session(
    main: Path | None, sides: Iterable[Path] = (), *, usage_only: bool = False
) -> LogSession:
    """Read the files of one session.

    Args:
        main: the session's own file; None if only those of its subagents are left.
        sides: the files of its subagents.
        usage_only: make one turn of all requests, without lines.

    Raises:
        OSError: a file cannot be read.
    """
    files = [*([main] if main is not None else []), *sorted(sides)]
    session = LogSession(
        session_id=session_id_of(files[0]), runtime="claude", source=files[0], turns=[]
    )
    records: list[_Record] = []
    titles: list[dict[str, Any]] = []
    for path in files:
        if usage_only:
            records += _records(path, session, {}, titles, usage_only=True)
        else:
            agents = {} if path == main else _call_of_side(path)
            records += _records(path, session, agents, titles)
    records = _in_time(records)
    _describe(session, records)
    session.title = _title(titles, {record.line.uuid for record in records}) if titles else None
    if usage_only:
        _add_up(session, records)
    else:
        _split_turns(session, _link_inline_agents(records))
    return session


def _call_of_side(path: Path) -> dict[str, str]:
    """Return the agent of a subagent's file with the call that started it, if that is known."""
    agent = path.stem.removeprefix("agent-")
    meta: Any = None
    with contextlib.suppress(OSError):
        meta = loads(path.with_suffix(".meta.json").read_bytes())
    call = as_str(as_dict(meta).get("toolUseId"))
    return {agent: call} if call else {}


def _records(
    path: Path,
    session: LogSession,
    agents: dict[str, str],
    titles: list[dict[str, Any]],
    *,
    usage_only: bool = False,
) -> list[_Record]:
    """Read the lines of one file that belong to the conversation; collect those with titles."""
    records: list[_Record] = []
    unread = 0
    for number, raw in lines_of(path, _SKIPPED):
        line = parse(raw, usage_only=usage_only)
        if line is None:
            if not raw.endswith(b"\n"):
                session.note("the last line is incomplete", number)
                continue
            unread += 1
            if unread == 1:
                session.note("a line is not a JSON object with a type", number)
        elif line.type in _KEPT:
            call = agents.get(line.agent_id or "") if agents else None
            kept = b"" if usage_only else raw.rstrip(b"\r\n")
            records.append(_Record(line, kept, call))
        elif line.type in _TITLES:
            titles.append(as_dict(loads(raw)))
        elif line.type == "cost-state":
            _take_sum(session, as_dict(loads(raw)))
    if unread > 1:
        session.note(f"{unread} lines could not be read")
    return records


def _title(lines: list[dict[str, Any]], uuids: set[str | None]) -> str | None:
    """Return the title that counts most, and of several of its kind the last.

    A summary names the line that it ends at: files also hold summaries of other sessions.
    """
    found: tuple[int, str] | None = None
    for line in lines:
        kind = line["type"]
        title, rank = as_str(line.get(_TITLES[kind])), list(_TITLES).index(kind)
        if not title or (kind == "summary" and line.get("leafUuid") not in uuids):
            continue
        if found is None or rank >= found[0]:
            found = rank, title
    return None if found is None else found[1]


def _take_sum(session: LogSession, value: dict[str, Any]) -> None:
    session.total_cost_usd = as_float(value.get("totalCostUSD"))
    total = Usage()
    for counts in as_dict(value.get("modelUsage")).values():
        total += _usage_of_model(as_dict(counts))
    session.total = total


def _usage_of_model(counts: dict[str, Any]) -> Usage:
    return Usage(
        as_int(counts.get("inputTokens")),
        as_int(counts.get("outputTokens")),
        as_int(counts.get("cacheReadInputTokens")),
        as_int(counts.get("cacheCreationInputTokens")),
    )


def _in_time(records: list[_Record]) -> list[_Record]:
    """Sort by time; a line without one stays behind its predecessor; a repeated uuid goes."""
    seen: set[str] = set()
    kept: list[_Record] = []
    times: list[datetime] = []
    last = _NEVER
    for record in records:
        uuid = record.line.uuid
        if uuid is not None:
            if uuid in seen:
                continue
            seen.add(uuid)
        last = record.line.timestamp or last
        kept.append(record)
        times.append(last)
    if times == sorted(times):
        return kept
    order = sorted(range(len(kept)), key=times.__getitem__)
    return [kept[index] for index in order]


def _link_inline_agents(records: list[_Record]) -> list[_Record]:
    """Find the call of subagents that stand in the main file, by the prompt they were given."""
    if not any(r.line.is_sidechain and r.parent_tool_use_id is None for r in records):
        return records
    calls: dict[str, str] = {}
    current: dict[str, str] = {}
    for record in records:
        line = record.line
        if not line.is_sidechain:
            calls |= dict(_agent_calls(line))
        elif record.parent_tool_use_id is None:
            agent = line.agent_id or ""
            call = calls.get(prompt_of(line) or "") if line.type == "user" else None
            if call is not None:
                current[agent] = call
            record.parent_tool_use_id = current.get(agent)
    return records


def _agent_calls(line: Line) -> Iterator[tuple[str, str]]:
    if line.type != "assistant" or line.message is None:
        return
    for block in as_list(loads(bytes(line.message.content))):
        prompt = as_str(as_dict(as_dict(block).get("input")).get("prompt"))
        call = as_str(as_dict(block).get("id"))
        if prompt and call:
            yield prompt, call


def _describe(session: LogSession, records: list[_Record]) -> None:
    """Fill in what the lines say of the whole session."""
    lines = [record.line for record in records]
    times = [line.timestamp for line in lines if line.timestamp is not None]
    if times:
        session.created_at, session.updated_at = micros(min(times)), micros(max(times))
    newest = lines[::-1]
    session.cwd = next((line.cwd for line in lines if line.cwd), None)
    session.git_branch = next((line.git_branch for line in newest if line.git_branch), None)
    session.cli_version = next((line.version for line in newest if line.version), None)
    models = (line.message.model for line in lines if line.message is not None)
    session.model = next((model for model in models if model not in (None, "", _SYNTHETIC)), None)
    makers = (line.request_session_id for line in lines if line.request_session_id)
    session.forked_from_id = next((one for one in makers if one != session.session_id), None)


def _add_up(session: LogSession, records: list[_Record]) -> None:
    """Make one turn of all answers."""
    own, turn = _own_messages(records), LogTurn(lines=[], times=[], requests=[])
    answers: dict[str, _Answer] = {}
    for record in records:
        message = record.line.message
        if message is not None and _is_billed(record.line, message, own):
            _take_answer(answers, turn, record, message)
    turn.requests = [_request(key, answer) for key, answer in answers.items()]
    session.turns = [turn]


def _split_turns(session: LogSession, records: list[_Record]) -> None:
    """Begin a turn at each prompt of the person; put each answer in the turn that it ended in."""
    own = _own_messages(records)
    turn = LogTurn(lines=[], times=[], requests=[], denied=[])
    answers: dict[str, _Answer] = {}
    turns = [turn]
    for record in records:
        line, message = record.line, record.line.message
        prompt = None if line.is_sidechain else prompt_of(line)
        if prompt is not None:
            turn = LogTurn(prompt=prompt, lines=[], times=[], requests=[], denied=[])
            turns.append(turn)
            continue
        turn.add(_output_line(record), micros(line.timestamp))
        if message is None or line.type != "assistant":
            turn.is_error = turn.is_error or _is_interruption(line)
            turn.denied += _denied(line)
        elif message.model == _SYNTHETIC:
            turn.is_error = turn.is_error or line.is_api_error_message
        elif _is_billed(line, message, own):
            _take_answer(answers, turn, record, message)
            turn.is_error = False
    for key, answer in answers.items():
        answer.turn.requests.append(_request(key, answer))
    session.turns = [one for one in turns if one.lines or one.prompt is not None]


def _own_messages(records: list[_Record]) -> set[str | None]:
    """Return the messages of the main conversation, if there are side files that may repeat them."""
    if not any(r.line.is_sidechain for r in records):
        return set()
    return {r.line.message.id for r in records if not r.line.is_sidechain and r.line.message}


def _is_billed(line: Line, message: Message, own: set[str | None]) -> bool:
    if line.type != "assistant" or message.model == _SYNTHETIC:
        return False
    return not line.is_sidechain or message.id not in own or message.id is None


class _Answer(msgspec.Struct, gc=False):
    """The largest usage that the lines of one message report, and the turn of that line."""

    turn: LogTurn
    record: _Record
    usage: LineUsage
    written: int


def _take_answer(
    answers: dict[str, _Answer], turn: LogTurn, record: _Record, message: Message
) -> None:
    key = message.id or record.line.request_id or record.line.uuid
    if key is None or message.usage is None:
        return
    written = message.usage.output_tokens or 0
    known = answers.get(key)
    if known is None or written >= known.written:
        answers[key] = _Answer(turn, record, message.usage, written)


def _request(key: str, answer: _Answer) -> LogRequest:
    line, usage = answer.record.line, answer.usage
    hour, details, tools = usage.cache_creation, usage.output_tokens_details, usage.server_tool_use
    return LogRequest(
        key,
        None if line.message is None else line.message.model,
        Usage(
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            None if hour is None else hour.ephemeral_1h_input_tokens,
            None if details is None else details.thinking_tokens,
        ),
        micros(line.timestamp),
        line.request_session_id,
        web_searches=None if tools is None else tools.web_search_requests,
    )


def _denied(line: Line) -> list[str]:
    """Return the calls with results that say they were not permitted."""
    decision = line.permission_decision
    if not isinstance(decision, dict) or decision.get("decision") != "reject":
        return []
    if line.message is None:
        return []
    blocks = map(as_dict, as_list(loads(bytes(line.message.content))))
    return [call for block in blocks if (call := as_str(block.get("tool_use_id")))]


def _is_interruption(line: Line) -> bool:
    message = line.message
    return message is not None and INTERRUPTED.encode() in bytes(memoryview(message.content)[:200])


def _output_line(record: _Record) -> bytes:
    """Return the line as the CLI would have printed it: with the call of its subagent."""
    if record.line.type == "system":
        return _system_line(record.raw)
    added = b""
    if record.parent_tool_use_id is not None:
        call = msgspec.json.encode(record.parent_tool_use_id)
        added += b'"parent_tool_use_id":' + call + b","
    if record.line.is_meta or record.line.is_compact_summary:
        added += b'"isSynthetic":true,'
    if not added:
        return record.raw
    return b"{" + added + record.raw[record.raw.find(b"{") + 1 :]


def _system_line(raw: bytes) -> bytes:
    """Return a line of the CLI's own with the names that it prints."""
    value = as_dict(loads(raw))
    if value.get("subtype") == "api_error":
        error = as_dict(value.pop("error", None))
        value |= {
            "subtype": "api_retry",
            "attempt": value.pop("retryAttempt", None),
            "max_retries": value.pop("maxRetries", None),
            "retry_delay_ms": value.pop("retryInMs", None),
            "error_status": as_int(error.get("status")),
        }
    elif value.get("subtype") == "compact_boundary":
        facts = as_dict(value.pop("compactMetadata", None))
        value["compact_metadata"] = {_snake(name): one for name, one in facts.items()}
    else:
        return raw
    return dumps(value).encode()


def _snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def result_line(session: LogSession, turn: LogTurn, text: str | None) -> bytes:
    """Return the line that the CLI prints at the end of a turn, made of the turn's requests."""
    models: dict[str, dict[str, int | None]] = {}
    for name, usage, searches in _by_model(turn.requests):
        models[name] = {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "cacheReadInputTokens": usage.cache_read_tokens,
            "cacheCreationInputTokens": usage.cache_creation_tokens,
            "cacheCreationEphemeral1hInputTokens": usage.cache_creation_1h_tokens,
            "thinkingTokens": usage.reasoning_tokens,
            "webSearchRequests": searches,
        }
    first, last = turn.span
    value = {
        "type": "result",
        "subtype": "error_during_execution" if turn.is_error else "success",
        "is_error": turn.is_error,
        "session_id": session.session_id,
        "timestamp": iso(last),
        "duration_ms": None if first is None or last is None else (last - first) // 1000,
        "num_turns": len(turn.requests),
        "result": text,
        "permission_denials": [{"tool_use_id": call} for call in turn.denied],
        "modelUsage": models,
        "model_usage_since_last_result": models,
    }
    return msgspec.json.encode(value)


def _by_model(requests: Iterable[LogRequest]) -> list[tuple[str, Usage, int | None]]:
    found: dict[str, tuple[Usage, int | None]] = {}
    for request in requests:
        name = request.model or "unknown"
        usage, searches = request.usage, request.web_searches
        if name in found:
            usage = found[name][0] + usage
            searches = (found[name][1] or 0) + (searches or 0)
        found[name] = usage, searches
    return [(name, *counts) for name, counts in found.items()]
