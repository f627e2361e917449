"""A session prepared for sharing, also redacted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aod_notebook.aod import StreamEvent
from aod_notebook.viewers.static import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from aod_notebook.core.redactor import Redactor
    from aod_notebook.viewers.protocols import Event


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is known of a session, for its page and for its row in an index.

    Attributes:
        id: the session's id.
        events: its events, as they were received.
        runtime: what wrote the output; None to recognise it.
        prompts: the prompts by the numbers of their turns, as far as they are known.
        status: its state, in the service's word.
        agent: the name of the agent.
        model: the model.
        cost_usd: what it cost, in US dollars; None if unknown.
        created_at: when it was started.
        is_replay: whether it is a recording that was played.
    """

    id: str
    events: Sequence[Event]
    runtime: str | None = None
    prompts: Mapping[int, str] = field(default_factory=dict)
    status: str = "unknown"
    agent: str | None = None
    model: str | None = None
    cost_usd: float | None = None
    created_at: datetime | None = None
    is_replay: bool = False

    @property
    def title(self) -> str:
        """The first line of the first prompt; without one, the id."""
        first = self.prompts[min(self.prompts)].strip() if self.prompts else ""
        return first.partition("\n")[0] or f"Session {self.id}"

    def transcript(self) -> Transcript:
        """Return its transcript, with the prompts in their places."""
        transcript = Transcript(self.title, self.runtime, prompts=self.prompts, id=self.id)
        transcript.add(self.events)
        transcript.finish()
        return transcript


def redacted(shown: Shown, redactor: Redactor) -> Shown:
    """Return the session with its texts redacted; pieces of lines are joined first."""
    return replace(
        shown,
        events=list(_redacted_events(shown.events, redactor)),
        prompts={turn: redactor.text(text) for turn, text in shown.prompts.items()},
        agent=None if shown.agent is None else redactor.text(shown.agent),
        model=None if shown.model is None else redactor.text(shown.model),
    )


def _redacted_events(events: Iterable[Event], redactor: Redactor) -> Iterator[StreamEvent]:
    """Yield events; consecutive outputs of one stream become one event of whole lines."""
    held: list[str] = []
    last: dict[str, Any] = {}
    for event in events:
        extra = dict(event.extra)
        key = (extra.get("stream"), extra.get("turn"))
        is_output = event.type == "output" and isinstance(extra.get("data"), str)
        if held and not (is_output and key == (last.get("stream"), last.get("turn"))):
            yield from _output(held, last, redactor)
            held = []
        if is_output:
            held.append(extra["data"])
            last = extra
        else:
            yield StreamEvent(event.type, getattr(event, "id", None), redactor.value(extra))
    if held:
        yield from _output(held, last, redactor)


def _output(parts: list[str], extra: dict[str, Any], redactor: Redactor) -> Iterator[StreamEvent]:
    text = "".join(parts)
    lines = list(_redacted_lines(text.split("\n"), redactor))
    yield StreamEvent("output", None, {**extra, "data": "\n".join(lines)})


def _redacted_lines(lines: list[str], redactor: Redactor) -> Iterator[str]:
    """Yield lines of JSON redacted value by value, and what stands between them as one text."""
    plain: list[str] = []
    delta: dict[str, Any] | None = None
    for line in lines:
        value = _loads(line)
        if _is_partial(value):  # the whole message follows; a token may stand in two of them
            continue
        if delta is not None and not _continues(delta, value):
            yield json.dumps(redactor.value(delta), ensure_ascii=False)
            delta = None
        if value is None:
            plain.append(line)
            continue
        if plain:
            yield redactor.text("\n".join(plain))
            plain = []
        if _is_delta(value):
            delta = (
                value
                if delta is None
                else {**delta, "content": delta["content"] + value["content"]}
            )
            continue
        yield json.dumps(redactor.value(value), ensure_ascii=False)
    if delta is not None:
        yield json.dumps(redactor.value(delta), ensure_ascii=False)
    if plain:
        yield redactor.text("\n".join(plain))


def _loads(line: str) -> dict[str, Any] | None:
    if "{" not in line:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_partial(value: dict[str, Any] | None) -> bool:
    return value is not None and value.get("type") == "stream_event"


def _is_delta(value: dict[str, Any]) -> bool:
    """Return whether it is a piece of a message of Gemini's."""
    is_message = value.get("type") == "message" and value.get("delta") is True
    return is_message and isinstance(value.get("content"), str)


def _continues(delta: dict[str, Any], value: dict[str, Any] | None) -> bool:
    return value is not None and _is_delta(value) and value.get("role") == delta.get("role")
