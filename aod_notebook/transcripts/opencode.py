"""opencode's `--format json` lines."""

from typing import Any

from aod_notebook.transcripts._json import as_dict, as_float, as_int, as_str, dumps
from aod_notebook.transcripts.account import Account, Reported
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, Result, Usage


class OpencodeLines(Lines):
    """Reads opencode's lines; sums the steps of a turn, which has no final line of its own."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._forget()

    def _forget(self) -> None:
        self._called: dict[str, Entry] = {}
        self._by_message: dict[str, Usage] = {}
        self._usage: Usage | None = None
        self._cost: float | None = None
        self._reason: str | None = None
        self._errors: list[str] = []
        self._last_text: str | None = None
        self._has_steps = self._is_open = False

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a decoded line of type `kind`."""
        part = as_dict(value.get("part"))
        message_id = as_str(part.get("messageID"))
        if kind in ("text", "reasoning"):
            block = "text" if kind == "text" else "thinking"
            text = as_str(part.get("text"))
            if kind == "text":
                self._last_text = text
            entries = [Entry("assistant", kind, block, 0, text, message_id=message_id, raw=raw)]
        elif kind == "tool_use":
            entries = self._call(part, message_id, raw)
        elif kind == "step_finish":
            entries = [self._step_finish(part, message_id, raw)]
        elif kind == "error":
            entries = [self._error(as_dict(value.get("error")), raw)]
        elif kind == "step_start":
            self._is_open = True
            entries = [Entry("system", kind, message_id=message_id, raw=raw)]
        else:
            entries = [Entry(kind, message_id=message_id, raw=raw)]
        for entry in entries:
            if entry.timestamp is None:
                entry.timestamp = value.get("timestamp")
        return entries

    def end(self) -> list[Entry]:
        """Return the turn's result, if any step of it finished or failed; forget the turn."""
        entries = []
        if self._has_steps or self._errors:
            result = self.account.add(self._report())
            subtype = None if result is None else result.subtype
            failed = None if result is None else result.is_error
            entries.append(Entry("result", subtype, is_error=failed, result=result))
        self._forget()
        return entries

    def _report(self) -> Reported:
        """The sums of the steps so far: there is no line that reports the turn."""
        errors = self._errors
        if not errors and (self._is_open or self._reason != "stop"):
            end = f"after a step that ended with {self._reason or 'no reason'}"
            errors = [f"The turn broke off {'in the middle of a step' if self._is_open else end}"]
        result = Result(
            subtype="error" if errors else "success",
            is_error=bool(errors),
            cost_usd=self._cost,
            usage=self._usage,
            stop_reason=self._reason,
            input_includes_cache=False,
            output_includes_reasoning=False,
            text=None if errors else self._last_text,
            errors=tuple(errors),
        )
        return Reported(result=result)

    def _call(self, part: dict[str, Any], message_id: str | None, raw: str) -> list[Entry]:
        """A call at its first sight, its result once its state is final."""
        state, tool = as_dict(part.get("state")), as_str(part.get("tool"))
        call_id, times = as_str(part.get("callID")), as_dict(state.get("time"))
        given = dumps(state.get("input"))
        known = self._called.get(call_id) if call_id is not None else None
        entries = []
        if known is not None:
            # the call was given out with what was known of its input then
            known.input_json = max(known.input_json or "", given, key=len)
        else:
            call = Entry(
                "assistant",
                "tool_use",
                "tool_use",
                0,
                tool=tool,
                tool_use_id=call_id,
                input_json=given,
                message_id=message_id,
                raw=raw,
                timestamp=times.get("start"),
            )
            entries.append(call)
            if call_id is not None:
                self._called[call_id] = call
        error = state.get("error")
        if state.get("status") in ("completed", "error") or error is not None:
            entries.append(
                Entry(
                    "user",
                    "tool_use",
                    "tool_result",
                    len(entries),
                    text_of(error if error is not None else state.get("output")),
                    tool_use_id=call_id,
                    message_id=message_id,
                    is_error=_has_failed(tool, state),
                    raw=raw,
                    timestamp=times.get("end"),
                )
            )
        return entries or [Entry("system", "tool_use", message_id=message_id, raw=raw)]

    def _step_finish(self, part: dict[str, Any], message_id: str | None, raw: str) -> Entry:
        counts = part.get("tokens")
        usage = None
        if isinstance(counts, dict):
            usage = usage_of(counts)
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
        self._has_steps, self._is_open = True, False
        self._errors = []  # of a try that was repeated with success
        self.account.report_later(self._report)
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


def _has_failed(tool: str | None, state: dict[str, Any]) -> bool:
    """Whether a call failed; opencode itself completes a command that exits with an error."""
    if state.get("error") is not None or state.get("status") == "error" or tool == "invalid":
        return True
    return tool == "bash" and as_dict(state.get("metadata")).get("exit") not in (None, 0)


def usage_of(counts: dict[str, Any]) -> Usage:
    """Return the tokens that opencode counts."""
    cache = as_dict(counts.get("cache"))
    return Usage(
        as_int(counts.get("input")),
        as_int(counts.get("output")),
        as_int(cache.get("read")),
        as_int(cache.get("write")),
        reasoning_tokens=as_int(counts.get("reasoning")),
    )
