"""Types returned by invoking an agent: results, pauses, and the events of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from aod_notebook.agentos.errors import AgentOSDecodeError, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

InvokeStatus = Literal["completed", "awaiting_approval", "awaiting_input"]


class HumanInput(TypedDict):
    """A person's answer to `run.request_human_input`."""

    input: str
    request_id: str


@dataclass(frozen=True)
class InputRequest:
    """The question that a paused run waits for; answer it with `reply()`."""

    request_id: str
    question: str
    context: dict[str, Any] | None = None
    options: list[str] | None = None


@dataclass(frozen=True)
class InvokeResult:
    """The result of a hosted run: it finished or paused; see `status`.

    Fields can be had by name too, as in the earlier SDK: `result["output"]`.

    Attributes:
        run_id: the run.
        status: `completed`, `awaiting_approval` or `awaiting_input`.
        output: the agent's output; None while the run is paused.
        duration_ms: how long it took, in milliseconds.
        session_id: the conversation that it belongs to.
        approval_id: what to decide, if it waits for an approval.
        input_request: the question, if it waits for an answer.
        extra: fields of the answer that this version does not know.

    Example:
        >>> result = InvokeResult("r1", "completed", {"summary": "done"})
        >>> result.output["summary"] == result["output"]["summary"]
        True
    """

    run_id: str
    status: InvokeStatus
    output: Any = None
    duration_ms: int | None = None
    session_id: str | None = None
    approval_id: str | None = None
    input_request: InputRequest | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Return a field by name."""
        if name in self.keys():
            return getattr(self, name)
        return self.extra[name]

    def __contains__(self, name: object) -> bool:
        """Check whether there is a field of this name."""
        return name in self.keys() or name in self.extra

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the fields."""
        return iter(self.keys())

    def keys(self) -> list[str]:
        """List the names of the fields; with `[]`, this makes `dict(result)` work."""
        return [each.name for each in fields(self) if each.name != "extra"]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field by name, or `default`."""
        return self[name] if name in self else default  # noqa: SIM401 - this is that `get`


class StreamStart(TypedDict):
    """The run has begun."""

    type: Literal["start"]
    run_id: str


class StreamChunk(TypedDict):
    """A piece of the agent's text."""

    type: Literal["chunk"]
    text: str


class StreamTool(TypedDict):
    """A tool is called, has returned or has failed."""

    type: Literal["tool"]
    status: Literal["calling", "returned", "failed"]
    name: str


class _Ended(TypedDict, total=False):
    duration_ms: int
    session_id: str


class StreamDone(_Ended):
    """The run has completed; its text is that of the chunks."""

    type: Literal["done"]
    run_id: str


class StreamAwaitingApproval(_Ended):
    """The run waits for an approval."""

    type: Literal["awaiting_approval"]
    run_id: str
    approval_id: str


class _Question(_Ended, total=False):
    context: dict[str, Any]
    options: list[str]


class StreamAwaitingInput(_Question):
    """The run waits for an answer."""

    type: Literal["awaiting_input"]
    run_id: str
    request_id: str
    question: str


InvokeStreamEvent = (
    StreamStart
    | StreamChunk
    | StreamTool
    | StreamDone
    | StreamAwaitingApproval
    | StreamAwaitingInput
)
"""What `invoke_stream()` yields: narrow on `event["type"]`. Unknown types pass through."""

LAST_TYPES = frozenset({"done", "awaiting_approval", "awaiting_input"})

_KNOWN = frozenset(
    {"run_id", "output", "duration_ms", "session_id", "awaiting_approval", "awaiting_input"}
)


def disabled_result() -> InvokeResult:
    """Return the result of an invoke that was not made."""
    return InvokeResult("disabled", "completed")


def read_result(data: Any) -> InvokeResult:
    """Read the `data` of an invoke or a reply.

    Raises:
        AgentOSDecodeError: it is not a result at all.
    """
    if not isinstance(data, dict) or not isinstance(data.get("run_id"), str):
        raise AgentOSDecodeError(
            f"The answer is not the result of a run: {describe(data)}", "INVALID_ANSWER"
        )
    approval, question = data.get("awaiting_approval"), data.get("awaiting_input")
    status: InvokeStatus = "completed"
    if approval:
        status = "awaiting_approval"
    elif question:
        status = "awaiting_input"
    return InvokeResult(
        run_id=data["run_id"],
        status=status,
        output=data.get("output"),
        duration_ms=data.get("duration_ms"),
        session_id=data.get("session_id"),
        approval_id=_field(approval, "approval_id") if approval else None,
        input_request=_question(question) if status == "awaiting_input" else None,
        extra={name: value for name, value in data.items() if name not in _KNOWN},
    )


def _question(asked: Any) -> InputRequest:
    return InputRequest(
        request_id=_field(asked, "request_id") or "",
        question=_field(asked, "question") or "",
        context=_field(asked, "context"),
        options=_field(asked, "options"),
    )


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
