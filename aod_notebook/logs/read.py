"""From a log file to its sessions, and from a session to the lines that its CLI would print."""

from collections.abc import Iterator
from functools import reduce
from operator import add

import msgspec

from aod_notebook.logs import claude, codex, gemini, opencode
from aod_notebook.logs.discover import LogFile
from aod_notebook.logs.session import LogSession, LogTurn
from aod_notebook.transcripts import Usage


def read_log(log: LogFile, *, usage_only: bool = False) -> list[LogSession]:
    """Read the sessions of a log.

    Args:
        log: its files.
        usage_only: read no more than what was used, several times as fast: each session has one
            turn of all its requests, without lines.

    Lines that cannot be read are counted in `problems`; they never stop the reading.

    Raises:
        OSError: a file cannot be read.
    """
    if log.agent == "claude":
        is_main = not claude.is_side(log.path)
        main = log.path if is_main else None
        sides = log.sides if is_main else (log.path, *log.sides)
        return [claude.read_session(main, sides, usage_only=usage_only)]
    if log.agent == "codex":
        return [codex.read_session(log.path, usage_only=usage_only)]
    if log.agent == "gemini":
        return [gemini.read_session(log.path, usage_only=usage_only)]
    return list(opencode.read_sessions(log.path, usage_only=usage_only))


def printed_turns(session: LogSession) -> Iterator[LogTurn]:
    """Yield the turns of a session, each with the line by which its CLI would report its end.

    The counts in that line are the sums of the turn's requests, so `count_once` comes first.
    """
    total = Usage()
    for turn in session.turns:
        if session.runtime == "codex":  # its lines hold the sums of all turns so far
            total = reduce(add, (request.usage for request in turn.requests), total)
        if session.runtime == "opencode":  # its own lines hold the counts
            turn = msgspec.structs.replace(turn, lines=opencode.counted_lines(turn))  # noqa: PLW2901
        line = _result_line(session, turn, total)
        if line is None:
            yield turn
            continue
        last = turn.span[1]
        yield LogTurn(
            turn.prompt, [*turn.lines, line], [*turn.times, last], turn.requests, turn.is_error
        )


def _result_line(session: LogSession, turn: LogTurn, total: Usage) -> bytes | None:
    if not turn.lines and not turn.requests:
        return None
    if session.runtime == "claude":
        return claude.result_line(session, turn, _last_words(turn))
    if session.runtime == "codex":
        return codex.result_line(session, turn, total)
    if session.runtime == "gemini":
        return gemini.result_line(turn)
    return None


class _SpokenBlock(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None


class _SpokenMessage(msgspec.Struct, gc=False):
    content: list[_SpokenBlock] = []


class _SpokenLine(msgspec.Struct, gc=False):
    type: str
    message: _SpokenMessage
    parent_tool_use_id: str | None = None


_decode = msgspec.json.Decoder(_SpokenLine).decode


def _last_words(turn: LogTurn) -> str | None:
    """Return what Claude itself, not a subagent, wrote last."""
    for line in reversed(turn.lines):
        if b'"text"' not in line:
            continue
        try:
            value = _decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        if value.type != "assistant" or value.parent_tool_use_id is not None:
            continue
        texts = [block.text for block in value.message.content if block.type == "text"]
        if texts:
            return texts[-1]
    return None
