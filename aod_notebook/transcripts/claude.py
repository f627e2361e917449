"""Claude's stream-json lines."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from aod_notebook.transcripts._json import (
    as_bool,
    as_dict,
    as_float,
    as_int,
    as_list,
    as_span,
    as_str,
    loads,
)
from aod_notebook.transcripts.account import Account, Reported
from aod_notebook.transcripts.claude_wire import (
    Known,
    Line,
    Message,
    Spoken,
    Started,
    StreamEvent,
    decoded,
    decoded_together,
    entries_of,
    tidied,
)
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage

_SPEAKERS = ("assistant", "user")
_RUNNING_SINCE = (2, 1, 277)
"""From this version on, cost and `modelUsage` of a resumed session continue those of its last turn."""
_SYNTHETIC = "<synthetic>"
"""The "model" of messages that the CLI makes itself: errors of the API."""
_FEW = 64
"""So many lines are read one by one if one of them can't be decoded with the others."""
_SAMPLE = 8
"""So many lines are looked at to see whether most of a batch are of the kinds that go together."""
_SYSTEM_TEXTS = ("description", "summary", "message", "content")


class ClaudeLines(Lines):
    """Reads Claude's lines; remembers the session's model, version and lines between them."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._model: str | None = None
        self._version: tuple[int, ...] = ()
        self._session: str | None = None
        self._seen: set[str] = set()
        self._is_spoken = False
        self._is_compacted = False
        self._open: dict[str | None, tuple[str | None, dict[str, Any]]] = {}

    def read(self, raw: str) -> list[Entry] | None:
        """Read one line; None if it is not a JSON object."""
        try:
            line = decoded(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return super().read(raw)
        if line.uuid in self._seen:
            return []
        if line.uuid is not None:
            self._seen.add(line.uuid)
        if line.message is not None and line.type in _SPEAKERS:
            return self._spoken(line, line.message, raw)
        if line.type == "stream_event":
            return [self._stream_event(line, raw)]
        return [self._plain(line.type, as_dict(loads(raw)), raw)]

    def read_many(self, raws: Sequence[str], number: int) -> Iterator[Spoken | Sequence[str]]:
        """Read lines, of which the first has that number; yield those to be read by themselves."""
        self._is_spoken = self._is_spoken or _are_mostly_spoken(raws)
        if self._is_spoken:
            yield from self._read_together(raws, number)
        else:
            yield raws

    def _read_together(self, raws: Sequence[str], number: int) -> Iterator[Spoken | Sequence[str]]:
        lines = decoded_together(raws)
        if lines is None:
            few = len(raws) <= _FEW
            for start in range(0, len(raws), _FEW):
                some = raws[start : start + _FEW]
                yield from [some] if few else self._read_together(some, number + start)
            return
        start = others = 0
        blocks: list[Known] = []
        known_block = self._known_block
        for index, line in enumerate(lines):
            block = known_block(line)
            if block is not None:
                blocks.append(block)
                continue
            if blocks:
                yield Spoken(lines[start:index], blocks, raws[start:index], number + start)
            yield raws[index : index + 1]
            start, blocks, others = index + 1, [], others + 1
        if blocks:
            yield Spoken(lines[start:], blocks, raws[start:], number + start)
        self._is_spoken = 2 * others < len(lines)

    def _known_block(self, line: Line) -> Known | None:
        """Return the only block of a line that can be read without the lines before it."""
        message, uuid, seen = line.message, line.uuid, self._seen
        if message is None or uuid in seen:
            return None
        content = message.content
        if content.__class__ is not tuple or len(content) != 1:
            return None
        block: Known = content[0]
        if line.type == "assistant":
            if message.model == _SYNTHETIC:
                return None
            self._is_compacted = False
        elif line.type != "user" or (block.block != "tool_result" and self._may_be_odd(line)):
            return None
        if uuid is not None:
            seen.add(uuid)
        return block

    def _may_be_odd(self, line: Line) -> bool:
        """Whether neither the user nor a tool may have written a `user` line."""
        is_odd = line.is_synthetic or line.is_meta or line.is_compact_summary
        return self._is_compacted or line.parent_tool_use_id is not None or bool(is_odd)

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a line with fields of unusual types."""
        if self._is_repeated(as_str(value.get("uuid"))):
            return []
        line = tidied(value, raw)
        if line.message is not None and kind in _SPEAKERS:
            return self._spoken(line, line.message, raw)
        if kind == "stream_event":
            return [self._stream_event(line, raw)]
        return [self._plain(kind, value, raw)]

    def _is_repeated(self, uuid: str | None) -> bool:
        """Whether the line was read before: a stored session may hold it twice."""
        if uuid is None:
            return False
        if uuid in self._seen:
            return True
        self._seen.add(uuid)
        return False

    def _spoken(self, line: Line, message: Message, raw: str) -> list[Entry]:
        entries = entries_of(line, message, raw)
        if line.type == "assistant":
            self._is_compacted = False
            if message.model == _SYNTHETIC:
                for entry in entries:
                    entry.is_error, entry.usage = True, Usage(0, 0, 0, 0, 0, 0)
        elif (origin := self._origin(line)) is not None:
            for entry in entries:
                if entry.block != "tool_result":
                    entry.line_type, entry.subtype = "system", origin
                    self._is_compacted = False
        return entries

    def _origin(self, line: Line) -> str | None:
        """What made a `user` line that neither the user nor a tool wrote."""
        if line.parent_tool_use_id is not None:
            return "subagent_prompt"
        if line.is_compact_summary or (self._is_compacted and line.is_synthetic is not False):
            return "compact_summary"
        return "synthetic" if line.is_synthetic or line.is_meta else None

    def _plain(self, line_type: str, value: dict[str, Any], raw: str) -> Entry:
        entry = Entry(
            line_type,
            as_str(value.get("subtype")),
            uuid=as_str(value.get("uuid")),
            parent_tool_use_id=as_str(value.get("parent_tool_use_id")),
            raw=raw,
            timestamp=as_str(value.get("timestamp")),
        )
        if line_type == "result":
            self._end_of_turn(entry, value)
        elif line_type == "system":
            self._system(entry, value)
        elif line_type == "rate_limit_event":
            entry.text = _rate_limit(as_dict(value.get("rate_limit_info")))
        elif line_type == "tool_progress":
            entry.tool = as_str(value.get("tool_name"))
            entry.tool_use_id = as_str(value.get("tool_use_id"))
        return entry

    def _end_of_turn(self, entry: Entry, value: dict[str, Any]) -> None:
        since = value.get("model_usage_since_last_result")
        result = _result(value)
        entry.result = self.account.add(
            Reported(
                result=result,
                counter=as_str(value.get("session_id")) or self._session or "",
                is_running=self._version >= _RUNNING_SINCE,
                is_usage_own=True,
                since_last=_model_usage(since) if isinstance(since, dict) else None,
                model=self._model,
            )
        )
        entry.is_error = None if entry.result is None else result.is_error

    def _system(self, entry: Entry, value: dict[str, Any]) -> None:
        entry.model = as_str(value.get("model"))
        texts = (value.get(key) for key in _SYSTEM_TEXTS)
        entry.text = next((text for text in texts if isinstance(text, str)), None)
        entry.tool_use_id = as_str(value.get("tool_use_id"))
        if entry.subtype == "init":
            self._model = entry.model or self._model
            self._session = as_str(value.get("session_id")) or self._session
            self._version = _version(as_str(value.get("claude_code_version")) or "")
        elif entry.subtype == "api_retry":
            entry.text = _retry(value)
        elif entry.subtype == "compact_boundary":
            self._is_compacted = True
            entry.text = _compacted(as_dict(value.get("compact_metadata")))
        elif entry.subtype == "model_refusal_no_fallback":
            entry.text = entry.text or "The model refused, and no other one stood in"

    def _stream_event(self, line: Line, raw: str) -> Entry:
        """Take the true usage of a message, which only its `message_delta` reports."""
        event, parent = line.event or StreamEvent(), line.parent_tool_use_id
        entry = Entry(
            line.type,
            event.type,
            uuid=line.uuid,
            parent_tool_use_id=parent,
            raw=raw,
            timestamp=line.timestamp,
        )
        if event.type == "message_start":
            started = event.message or Started()
            self._open[parent] = started.id, started.usage or {}
            entry.message_id, entry.model = started.id, started.model
        elif event.type == "message_delta" and parent in self._open:
            entry.message_id, counts = self._open[parent]
            known = {k: v for k, v in (event.usage or {}).items() if v is not None}
            entry.stop_reason = None if event.delta is None else event.delta.stop_reason
            entry.usage = _usage({**counts, **known})
        elif event.type == "message_stop":
            entry.message_id, _ = self._open.pop(parent, (None, {}))
        return entry


def _are_mostly_spoken(raws: Sequence[str]) -> bool:
    """Check by a few lines whether it pays to decode all together: other kinds are decoded twice."""
    looked_at = range(0, len(raws), max(1, len(raws) // _SAMPLE))
    spoken = 0
    for index in looked_at:
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            spoken += decoded(raws[index]).message is not None
    return 2 * spoken >= len(looked_at)


def _result(value: dict[str, Any]) -> Result:
    denials = value.get("permission_denials")
    is_error = as_bool(value.get("is_error"))
    text = as_str(value.get("result"))
    errors = [e for e in as_list(value.get("errors")) if isinstance(e, str)]
    if is_error and text:  # an error of the API, not the answer
        errors, text = [*errors, text], None
    return Result(
        subtype=as_str(value.get("subtype")),
        is_error=is_error,
        num_turns=as_int(value.get("num_turns")),
        duration_ms=as_span(value.get("duration_ms")),
        duration_api_ms=as_span(value.get("duration_api_ms")),
        ttft_ms=as_span(value.get("ttft_ms")),
        cost_usd=as_float(value.get("total_cost_usd")),
        usage=_usage(value["usage"]) if isinstance(value.get("usage"), dict) else None,
        stop_reason=as_str(value.get("stop_reason")),
        terminal_reason=as_str(value.get("terminal_reason")),
        api_error_status=as_int(value.get("api_error_status")),
        input_includes_cache=False,
        output_includes_reasoning=True,
        text=text,
        errors=tuple(errors),
        permission_denials=tuple(d for d in as_list(denials) if isinstance(d, dict)),
        denial_count=len(denials) if isinstance(denials, list) else None,
        model_usage=_model_usage(as_dict(value.get("modelUsage"))),
    )


def _usage(counts: dict[str, Any]) -> Usage:
    return Usage(
        as_int(counts.get("input_tokens")),
        as_int(counts.get("output_tokens")),
        as_int(counts.get("cache_read_input_tokens")),
        as_int(counts.get("cache_creation_input_tokens")),
        as_int(as_dict(counts.get("cache_creation")).get("ephemeral_1h_input_tokens")),
        as_int(as_dict(counts.get("output_tokens_details")).get("thinking_tokens")),
    )


def _model_usage(models: dict[str, Any]) -> tuple[ModelUsage, ...]:
    rows = []
    for name, counts in models.items():
        known = as_dict(counts)
        usage = Usage(
            as_int(known.get("inputTokens")),
            as_int(known.get("outputTokens")),
            as_int(known.get("cacheReadInputTokens")),
            as_int(known.get("cacheCreationInputTokens")),
            as_int(known.get("cacheCreationEphemeral1hInputTokens")),
            as_int(known.get("thinkingTokens")),
        )
        rows.append(
            ModelUsage(
                name,
                usage,
                as_float(known.get("costUSD")),
                as_int(known.get("webSearchRequests")),
                as_int(known.get("contextWindow")),
                as_int(known.get("maxOutputTokens")),
            )
        )
    return tuple(rows)


def _version(text: str) -> tuple[int, ...]:
    """The numbers of a version; empty if there are none.

    Example:
        >>> _version("2.1.332 (beta)")
        (2, 1, 332)
    """
    found = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", text)
    return () if found is None else tuple(map(int, found.groups()))


def _retry(value: dict[str, Any]) -> str:
    """A line about a retry: `API 529, retry 3 of 10 in 4 s`."""
    reason = as_int(value.get("error_status", value.get("status")))
    attempt, limit = as_int(value.get("attempt")), as_int(value.get("max_retries"))
    delay = as_float(value.get("retry_delay_ms", value.get("delay")))
    text = f"API {reason or as_str(value.get('error')) or 'error'}, retry"
    text += "" if attempt is None else f" {attempt}"
    text += "" if limit is None else f" of {limit}"
    return text if delay is None else f"{text} in {round(max(delay, 0) / 1000, 1):g} s"


def _compacted(facts: dict[str, Any]) -> str:
    trigger, before = as_str(facts.get("trigger")), as_int(facts.get("pre_tokens"))
    details = [trigger] if trigger else []
    details += [] if before is None else [f"{before} tokens before"]
    return "Conversation compacted" + (f" ({', '.join(details)})" if details else "")


def _rate_limit(facts: dict[str, Any]) -> str | None:
    status, kind = as_str(facts.get("status")), as_str(facts.get("rateLimitType"))
    if status in (None, "allowed"):
        return None
    return f"Rate limit{f' ({kind})' if kind else ''}: {status}"
