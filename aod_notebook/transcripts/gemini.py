"""Gemini's stream-json lines."""

from typing import Any

from aod_notebook.transcripts._json import as_dict, as_int, as_span, as_str, dumps
from aod_notebook.transcripts.account import Account, Reported
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage


class GeminiLines(Lines):
    """Reads Gemini's lines; joins consecutive deltas of one message into one entry.

    A delta is held back until a line of another kind, or the end of the turn, shows that
    its message is whole.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._model: str | None = None
        self._open: Entry | None = None
        self._parts: list[str] = []
        self._raws: list[str] = []
        self._last_text: str | None = None

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a decoded line of type `kind`."""
        if kind == "message":
            return self._message(value, raw)
        before, entry = self.pause(), self._line(kind, value, raw)
        entry.timestamp = value.get("timestamp")
        return [*before, entry]

    def pause(self) -> list[Entry]:
        """Return the message that was still growing."""
        entry = self._open
        if entry is None:
            return []
        entry.text = "".join(self._parts)
        entry.raw = self._raws[0] if len(self._raws) == 1 else f"[{','.join(self._raws)}]"
        if entry.line_type == "assistant":
            self._last_text = entry.text
        self._open, self._parts, self._raws = None, [], []
        return [entry]

    def end(self) -> list[Entry]:
        """End the turn."""
        entries = self.pause()
        self._last_text = None
        return entries

    def _message(self, value: dict[str, Any], raw: str) -> list[Entry]:
        role = as_str(value.get("role")) or "message"
        text = text_of(value.get("content"))
        is_delta = value.get("delta") is True
        before: list[Entry] = []
        if self._open is None or not is_delta or self._open.line_type != role:
            before = self.pause()
        if is_delta:
            if self._open is None:
                model = self._model if role == "assistant" else None
                self._open = Entry(role, "message", "text", 0, model=model)
            self._parts.append(text or "")
            self._raws.append(raw)
            self._open.line = self.line
            self._open.timestamp = value.get("timestamp")
            return before
        if role == "assistant":
            self._last_text = text
        model = self._model if role == "assistant" else None
        entry = Entry(role, "message", "text", 0, text, model=model, raw=raw)
        entry.timestamp = value.get("timestamp")
        return [*before, entry]

    def _line(self, line_type: str, value: dict[str, Any], raw: str) -> Entry:
        if line_type == "init":
            self._model = as_str(value.get("model"))
            return Entry("system", "init", model=self._model, raw=raw)
        if line_type == "tool_use":
            return Entry(
                "assistant",
                line_type,
                "tool_use",
                0,
                tool=as_str(value.get("tool_name")),
                tool_use_id=as_str(value.get("tool_id")),
                input_json=dumps(value.get("parameters")),
                model=self._model,
                raw=raw,
            )
        if line_type == "tool_result":
            return _tool_result(value, raw)
        if line_type == "error":
            text = as_str(value.get("message"))
            severity = as_str(value.get("severity"))
            return Entry("error", severity, text=text, is_error=severity != "warning", raw=raw)
        if line_type == "result":
            return self._result(value, raw)
        return Entry(line_type, raw=raw)

    def _result(self, value: dict[str, Any], raw: str) -> Entry:
        failed = value.get("status") != "success"
        stats = value.get("stats")
        usage = duration = None
        if isinstance(stats, dict):
            usage, duration = _usage(stats), as_span(stats.get("duration_ms"))
        message = as_str(as_dict(value.get("error")).get("message"))
        result = Result(
            subtype=as_str(value.get("status")),
            is_error=failed,
            duration_ms=duration,
            usage=usage,
            input_includes_cache=True,
            output_includes_reasoning=False,
            text=None if failed else self._last_text,
            errors=(message,) if message else (),
            model_usage=_model_usage(as_dict(stats)),
        )
        account = self.account.add(Reported(result=result, model=self._model))
        return Entry("result", result.subtype, is_error=failed, result=account, raw=raw)


def _model_usage(stats: dict[str, Any]) -> tuple[ModelUsage, ...]:
    models = as_dict(stats.get("models"))
    return tuple(ModelUsage(name, _usage(as_dict(counts))) for name, counts in models.items())


def _usage(stats: dict[str, Any]) -> Usage:
    """The counts; thoughts are in the total only, though they are billed as output."""
    read, written = as_int(stats.get("input_tokens")), as_int(stats.get("output_tokens"))
    total, thoughts = as_int(stats.get("total_tokens")), None
    if None not in (total, read, written):
        thoughts = max((total or 0) - (read or 0) - (written or 0), 0)
    return Usage(read, written, as_int(stats.get("cached")), reasoning_tokens=thoughts)


def _tool_result(value: dict[str, Any], raw: str) -> Entry:
    failed = value.get("status") == "error"
    text = text_of(value.get("output"))
    if failed and not text:
        text = as_str(as_dict(value.get("error")).get("message"))
    return Entry(
        "user",
        "tool_result",
        "tool_result",
        0,
        text,
        tool_use_id=as_str(value.get("tool_id")),
        is_error=failed,
        raw=raw,
    )
