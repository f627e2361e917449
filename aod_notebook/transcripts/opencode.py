"""opencode's `--format json` lines (CONTRACT A.13.5)."""

from typing import Any

from aod_notebook.transcripts._json import as_dict, as_float, as_int, as_str, dumps
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage


class OpencodeLines(Lines):
    """Reads opencode's lines; sums the steps of a turn, which has no final line of its own."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._called: set[str] = set()
        self._by_message: dict[str, Usage] = {}
        self._usage: Usage | None = None
        self._cost: float | None = None
        self._reason: str | None = None
        self._errors: list[str] = []
        self._last_text: str | None = None
        self._is_final = False

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a decoded line of type `kind`."""
        part = as_dict(value.get("part"))
        message_id = as_str(part.get("messageID"))
        if kind in ("text", "reasoning"):
            block = "text" if kind == "text" else "thinking"
            text = as_str(part.get("text"))
            if kind == "text":
                self._last_text = text
            return [Entry("assistant", kind, block, 0, text, message_id=message_id, raw=raw)]
        if kind == "tool_use":
            return self._call(part, message_id, raw)
        if kind == "step_finish":
            return [self._step_finish(part, message_id, raw)]
        if kind == "error":
            return [self._error(as_dict(value.get("error")), raw)]
        if kind == "step_start":
            self._is_final = False
            return [Entry("system", kind, message_id=message_id, raw=raw)]
        return [Entry(kind, message_id=message_id, raw=raw)]

    def end(self) -> list[Entry]:
        """Give the turn's result, if the turn came to its end, and forget the turn."""
        entries = []
        if self._is_final or self._errors:
            failed = bool(self._errors)
            result = Result(
                subtype="error" if failed else "success",
                is_error=failed,
                cost_usd=self._cost,
                usage=self._usage,
                stop_reason=self._reason,
                input_includes_cache=False,
                text=None if failed else self._last_text,
                errors=tuple(self._errors),
                model_usage=(
                    () if self._usage is None else (ModelUsage(None, self._usage, self._cost),)
                ),
            )
            entries.append(Entry("result", result.subtype, is_error=failed, result=result))
        self._forget()
        return entries

    def _call(self, part: dict[str, Any], message_id: str | None, raw: str) -> list[Entry]:
        """A call at its first sight, its result once its state is final."""
        state = as_dict(part.get("state"))
        call_id = as_str(part.get("callID"))
        entries = []
        if call_id is None or call_id not in self._called:
            if call_id is not None:
                self._called.add(call_id)
            entries.append(
                Entry(
                    "assistant",
                    "tool_use",
                    "tool_use",
                    0,
                    tool=as_str(part.get("tool")),
                    tool_use_id=call_id,
                    input_json=dumps(state.get("input")),
                    message_id=message_id,
                    raw=raw,
                )
            )
        error = state.get("error")
        if state.get("status") in ("completed", "error") or error is not None:
            failed = error is not None or state.get("status") == "error"
            entries.append(
                Entry(
                    "user",
                    "tool_use",
                    "tool_result",
                    len(entries),
                    text_of(error if error is not None else state.get("output")),
                    tool_use_id=call_id,
                    message_id=message_id,
                    is_error=failed,
                    raw=raw,
                )
            )
        return entries or [Entry("system", "tool_use", message_id=message_id, raw=raw)]

    def _step_finish(self, part: dict[str, Any], message_id: str | None, raw: str) -> Entry:
        told = part.get("tokens")
        usage = None
        if isinstance(told, dict):
            cache = as_dict(told.get("cache"))
            usage = Usage(
                as_int(told.get("input")),
                as_int(told.get("output")),
                as_int(cache.get("read")),
                as_int(cache.get("write")),
            )
            self._usage = usage if self._usage is None else self._usage + usage
        if usage is not None and message_id is not None:
            # a message's last entry carries its whole usage, so its steps are added up here
            before = self._by_message.get(message_id)
            usage = usage if before is None else before + usage
            self._by_message[message_id] = usage
        cost = as_float(part.get("cost"))
        if cost is not None:
            self._cost = cost if self._cost is None else self._cost + cost
        self._reason = as_str(part.get("reason"))
        self._is_final = self._reason != "tool-calls"
        return Entry(
            "system",
            "step_finish",
            message_id=message_id,
            stop_reason=self._reason,
            usage=usage,
            raw=raw,
        )

    def _error(self, error: dict[str, Any], raw: str) -> Entry:
        text = as_str(as_dict(error.get("data")).get("message")) or as_str(error.get("message"))
        text = text or as_str(error.get("name"))
        self._errors.append(text or "error")
        return Entry("error", as_str(error.get("name")), text=text, is_error=True, raw=raw)
