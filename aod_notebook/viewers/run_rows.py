"""Rows of an AgentOS run: of its recorded events, of the stream of an invoke, of its questions."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aod_notebook.contract import ACTIVE_STATUSES, RUN_ENDED, RUN_WAITING
from aod_notebook.core.text import clean, failure_text, one_line
from aod_notebook.transcripts import summary as summary_of_call
from aod_notebook.viewers.lines import Paragraphs
from aod_notebook.viewers.row import MAX_DEPTH, TITLE_CHARS, Kind, Question, Row, Summary, text_rows
from aod_notebook.viewers.styles import prose, styled
from aod_notebook.viewers.tools import seconds

if TYPE_CHECKING:
    from aod_notebook.viewers.protocols import Event

PARTIAL_CHARS = 2_000
SHORT_JSON = 100
"""A payload that is longer as JSON is shown over several lines."""
WORDS = ("text", "message", "summary", "response", "content", "action")
"""A payload that holds only one of these is shown as that text."""
SCALARS = (str, int, float)
_TYPES = (
    *("chunk", "tool", "task", "run", "done", "answer", "decision"),
    *RUN_WAITING,
)
"""Types of a run's events that have no payload."""


def is_of_run(event: Event) -> bool:
    """Check whether an event is a run's, which numbers its rows by these."""
    return "payload" in event.extra or event.type in _TYPES


class RunRows:
    """Makes rows of the events of one run, and keeps its summary up to date.

    An event is one of these; those of other types give no row:

    - A recorded event or span: its `extra` has the `payload`, and the other
      fields of the wire.
    - An event of `invoke_stream`: `start`, `chunk`, `tool`, `done`,
      `awaiting_approval`, `awaiting_input`, `error`.
    - `task`: a task object, as it starts and as it ends.
    - `run`: a run object (`runs.get`), when its status changed.
    - `answer` (`response`, `request_id`) and `decision` (`decision`, `approval_id`,
      `decision_note`): the words of a person.

    Args:
        summary: what is known of the run.
    """

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._words = Paragraphs()
        self._calls: dict[str, deque[tuple[int, int]]] = {}  # by name: rows of calls, and depths
        self._spans: dict[str, tuple[int, int]] = {}  # by id: the row and its depth

    @property
    def partial(self) -> str:
        """The end of the paragraph that is being written."""
        return self._words.waiting(PARTIAL_CHARS)

    def flushed(self) -> list[Row]:
        """Return the row of a paragraph that nothing ended."""
        return self._text_rows(self._words.flush())

    def rows(self, event: Event, number: int) -> list[Row]:
        """Return the rows of an event; the first of them has this number."""
        extra = event.extra
        if event.type == "chunk" and "payload" not in extra:
            self._go_on()
            return self._text_rows(self._words.feed(str(extra.get("text") or "")))
        rows = self.flushed()
        number += len(rows)
        if "payload" in extra:
            return rows + self._recorded(event.type, extra, number)
        match event.type:
            case "start" if "run_id" in extra:
                self._go_on()
            case "tool":
                self._go_on()
                rows += self._tool(extra, number)
            case "task":
                rows.append(self._task(extra))
            case "awaiting_approval" | "awaiting_input":
                rows.append(self._asked(event.type, extra))
            case "answer" | "decision":
                rows.append(self._answered(extra))
            case "done" | "run":
                rows += self._ended(extra, "completed" if event.type == "done" else "")
        return rows

    # -- the stream of an invoke --------------------------------------------------------------

    def _go_on(self) -> None:
        self._summary.status, self._summary.questions = "running", ()

    def _text_rows(self, texts: list[str]) -> list[Row]:
        rows = [Row(Kind.TEXT, text=text, marks=marks) for text, marks in map(prose, texts)]
        if rows:
            self._summary.answer = rows[-1].text
        return rows

    def _tool(self, extra: Mapping[str, Any], number: int) -> list[Row]:
        name = _title(extra.get("name") or "tool")
        match extra.get("status"):
            case "calling":
                return [self._called(name, "", number)]
            case "returned" | "failed" as status:
                return [self._returned(name, status, number, is_error=status == "failed")]
            case _:
                return []

    def _called(self, name: str, text: str, number: int) -> Row:
        self._summary.tool_calls += 1
        self._calls.setdefault(name, deque()).append((number, 0))
        return Row(Kind.TOOL, name, text)

    def _returned(self, name: str, text: str, number: int, *, is_error: bool) -> Row:
        """Return the row of a result; nothing but its name says which call it is of."""
        waiting = self._calls.get(name)
        parent, depth = waiting.popleft() if waiting else (None, -1)
        title = "" if parent is not None and parent == number - 1 else f"↳ {name}"
        shown, marks = styled(text)
        return Row(
            Kind.TOOL_RESULT, title, shown, depth + 1, is_error, parent=parent, marks=marks
        )  # fmt: skip

    def _asked(self, kind: str, extra: Mapping[str, Any]) -> Row:
        self._summary.status = kind
        if kind == "awaiting_approval":
            key = clean(str(extra.get("approval_id")))
            request = _text_of(extra.get("request"))
            question = Question(key, request or "The run waits for an approval.", is_approval=True)
            title = "Approval needed"
        else:
            text = clean(str(extra.get("question") or extra.get("prompt") or ""))
            context = _text_of(extra.get("context"))
            options = extra.get("options")
            choices = options if isinstance(options, list | tuple) else ()
            question = Question(
                clean(str(extra.get("request_id"))),
                "\n".join(filter(None, [text, context])),
                tuple(clean(str(each)) for each in choices),
            )
            title = "Question"
        others = [each for each in self._summary.questions if each.key != question.key]
        self._summary.questions = (*others, question)
        options_text = "".join(f"\n· {choice}" for choice in question.choices)
        return Row(Kind.QUESTION, title, question.text + options_text)

    def _answered(self, extra: Mapping[str, Any]) -> Row:
        key = clean(str(extra.get("request_id") or extra.get("approval_id")))
        left = [each for each in self._summary.questions if each.key != key]
        self._summary.questions = tuple(left)
        if not left:
            self._summary.status = "running"
        decision = clean(str(extra.get("decision") or extra.get("response") or ""))
        note = clean(str(extra.get("decision_note") or ""))
        title = one_line(decision.capitalize(), TITLE_CHARS) if "decision" in extra else "Answer"
        text = note if "decision" in extra else decision
        return Row(Kind.QUESTION, title, text, 1, is_error=decision == "rejected")

    # -- recorded events ----------------------------------------------------------------------

    def _recorded(self, type_: str, extra: Mapping[str, Any], number: int) -> list[Row]:
        payload = extra["payload"] if isinstance(extra["payload"], Mapping) else {}
        if self._summary.status == "pending":
            self._summary.status = "running"
        if "span_id" in extra:
            return self._span(type_, extra, payload, number)
        name = _title(payload.get("tool") or "tool")
        match type_:
            case "tool.called":
                return [self._called(name, _call(name, payload.get("input")), number)]
            case "tool.returned":
                return [
                    self._returned(name, text_of(payload.get("output")), number, is_error=False)
                ]
            case "tool.failed":
                return [self._returned(name, text_of(payload.get("error")), number, is_error=True)]
            case "llm.request":
                return [self._model_row(payload, _prompt(payload))]
            case "llm.response":
                return self._response(payload)
            case "stdout.written" | "stderr.written" if isinstance(payload.get("text"), str):
                kind = Kind.OUTPUT if type_ == "stdout.written" else Kind.STDERR
                return text_rows(kind, payload["text"].split("\n"))
            case "agent.message" if isinstance(payload.get("text"), str):
                return self._text_rows([payload["text"]])
            case _:
                return [_event_row(type_, extra, payload)]

    def _model_row(self, payload: Mapping[str, Any], text: str, took: str = "") -> Row:
        model = one_line(str(payload.get("model") or ""), TITLE_CHARS)
        self._summary.model = self._summary.model or model
        return Row(Kind.MODEL, " · ".join(filter(None, [model or "model", took])), text)

    def _response(self, payload: Mapping[str, Any]) -> list[Row]:
        response = _text_of(payload.get("response"))
        before = self._summary.answer
        facts = self._count(payload)
        row = self._model_row(payload, "", facts)
        rows = [row] if facts else []
        return rows if not response or response == before else [*rows, *self._text_rows([response])]

    def _count(self, payload: Mapping[str, Any]) -> str:
        """Add up the tokens of a call; say how many they were."""
        tokens = tokens_of(payload)
        if tokens == (None, None, None):
            return ""
        whole = self._summary
        read, cached, written = tokens
        whole.tokens_in = (whole.tokens_in or 0) + (read or 0)
        whole.tokens_out = (whole.tokens_out or 0) + (written or 0)
        if cached is not None:
            whole.tokens_cached = (whole.tokens_cached or 0) + cached
        return f"{read or 0:,} tokens in, {written or 0:,} out"

    def _span(
        self, name: str, extra: Mapping[str, Any], payload: Mapping[str, Any], number: int
    ) -> list[Row]:
        """Return the rows of a span; spans come when they end, mostly before those around them."""
        parent, above = self._spans.get(str(extra.get("parent_span_id")), (None, -1))
        depth = min(above + 1, MAX_DEPTH)
        took, error = _duration(extra.get("duration_ms")), _text_of(payload.get("error"))
        self._spans[str(extra["span_id"])] = number, depth
        is_error = extra.get("level") == "error" or bool(error)
        title = " · ".join(filter(None, [_title(name), took]))
        match extra.get("kind"):
            case "tool":
                self._summary.tool_calls += 1
                row = Row(Kind.TOOL, title, _call(name, payload.get("input")), depth, parent=parent)
                result = error or _text_of(payload.get("output"))
            case "llm":
                facts = self._count(payload)
                text = _prompt(payload)
                shown = self._model_row({"model": name, **payload}, text, took)
                title = " · ".join(filter(None, [shown.title, facts]))
                row = Row(Kind.MODEL, title, text, depth, parent=parent)
                result = error or _text_of(payload.get("response"))
            case _:
                rest = {key: value for key, value in payload.items() if key != "error"}
                row = Row(
                    Kind.STEP, title, _text_of(rest), depth, is_error and not error, False, parent
                )
                result = error
        if not result:
            return [row]
        return [row, Row(Kind.TOOL_RESULT, "", result, depth + 1, is_error, parent=number)]

    # -- tasks and the run itself -------------------------------------------------------------

    @staticmethod
    def _task(extra: Mapping[str, Any]) -> Row:
        name, status = _title(extra.get("name") or "task"), _title(extra.get("status") or "running")
        if status in ACTIVE_STATUSES:
            return Row(Kind.STEP, name, _text_of(extra.get("input")))
        text = clean(str(extra.get("error_message") or "")) or _text_of(extra.get("output"))
        return Row(Kind.STEP, f"{name} {status}", text, is_error=status == "failed")

    def _ended(self, extra: Mapping[str, Any], status: str) -> list[Row]:
        """Return the rows of a run's end: what it gave, how it ended."""
        whole, status = self._summary, status or str(extra.get("status") or "running")
        was_over, whole.status = whole.status in RUN_ENDED, _title(status)
        self._take_totals(extra)
        if not status.startswith("awaiting"):
            whole.questions = ()
        if status not in RUN_ENDED:
            return []
        given = _text_of(extra.get("output"))
        rows = [Row(Kind.RESULT, "Output", given)] if given and given != whole.answer else []
        whole.answer = given or whole.answer
        if was_over:
            return rows
        error = one_line(failure_text(extra), TITLE_CHARS)
        took = _duration(extra.get("duration_ms"))
        title = " · ".join(filter(None, [status.capitalize(), took, error]))
        return [*rows, Row(Kind.END, title, is_error=status == "failed")]

    def _take_totals(self, extra: Mapping[str, Any]) -> None:
        """Take the counts of the whole run, which go before those of its calls."""
        whole, (read, cached, written) = self._summary, tokens_of(extra)
        whole.tokens_in = whole.tokens_in if read is None else read
        whole.tokens_cached = whole.tokens_cached if cached is None else cached
        whole.tokens_out = whole.tokens_out if written is None else written


def _event_row(type_: str, extra: Mapping[str, Any], payload: Mapping[str, Any]) -> Row:
    level = extra.get("level")
    title = _title(type_ if level in (None, "info", "error") else f"{type_} · {level}")
    text, marks = styled(text_of(payload))
    return Row(Kind.EVENT, title, text, 0, level == "error", is_minor=level == "debug", marks=marks)


def _title(value: object) -> str:
    return one_line(str(value), TITLE_CHARS)


def _duration(milliseconds: object) -> str:
    return seconds(milliseconds / 1000) if isinstance(milliseconds, int | float) else ""


def tokens_of(counts: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Return tokens read (those of the cache included), read from the cache, and written."""

    def count(name: str) -> int | None:
        value = counts.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    read, cached = count("input_tokens"), count("cache_read_tokens")
    parts = [part for part in (read, cached, count("cache_creation_tokens")) if part is not None]
    return sum(parts) if parts else None, cached, count("output_tokens")


def _call(tool: str, given: object) -> str:
    """Return in a line what a call is about."""
    return one_line(summary_of_call(tool, given) or text_of(given), TITLE_CHARS)


def _prompt(payload: Mapping[str, Any]) -> str:
    """Return what a model was asked: a text, or messages, each with its role."""
    given = payload.get("prompt", payload.get("messages"))
    if not isinstance(given, Sequence) or isinstance(given, str):
        return _text_of(given)
    texts = []
    for message in given:
        is_message = isinstance(message, Mapping) and "content" in message
        role = clean(f"{message.get('role')}: ") if is_message else ""
        texts.append(role + _text_of(message["content"] if is_message else message))
    return "\n".join(texts)


def _text_of(value: object) -> str:
    return clean(text_of(value))


def text_of(value: object) -> str:
    """Return a value as a reader wants it: text as it is, `name: value`s on a line, else JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return _mapping_text(value) if isinstance(value, Mapping) else _json(value)


def _mapping_text(value: Mapping[Any, object]) -> str:
    if not value:
        return ""
    if len(value) == 1:
        ((key, only),) = value.items()
        if key in WORDS and isinstance(only, str):
            return only
    for each in value.values():  # no generator: traces ask this of each of very many spans
        if not isinstance(each, SCALARS):
            return _json(value)
    line = ", ".join([f"{key}: {each}" for key, each in value.items()])
    return line if len(line) <= SHORT_JSON and "\n" not in line else _json(value)


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
        if len(text) > SHORT_JSON:
            text = json.dumps(value, ensure_ascii=False, default=str, indent=2)
    except (ValueError, TypeError, RecursionError):
        return f"[{type(value).__name__} that is not JSON]"
    return text
