"""The script of a model: the blocks of an answer, and which request gets which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """Text of the model; a plain `str` in an answer is the same."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model's reasoning, before what it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the CLI's tools; several in one answer are parallel calls.

    `name` is the CLI's own name (Claude's `Bash`, Codex's `exec_command`, Gemini's
    `run_shell_command`, opencode's `bash`; `mcp__<server>__<tool>` for Claude's and Codex's
    MCP tools). It is sent unchanged, whether or not the CLI offers such a tool.
    """

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebSearch:
    """A search of the web by the CLI's own means; nothing is fetched from anywhere."""

    query: str


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds of silence before what follows in the answer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks off here, in the middle of the stream."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the model's API: instead of an answer, or in its stream after other blocks.

    `status` is the HTTP status; `retry_after` is sent as the header of that name, in seconds.
    """

    status: int = 500
    message: str = "The scripted model fails here."
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The tokens of one answer; put one into an answer to replace the server's own.

    Each token of the input is in one of `input_tokens`, `cache_read_tokens` and
    `cache_creation_tokens`. `cache_creation_1h_tokens` is a part of `cache_creation_tokens`,
    and `reasoning_tokens` of `output_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    reasoning_tokens: int = 0


Block = Text | Thinking | ToolCall | WebSearch | Delay | Cut | Failure | Counts
"""A part of an answer."""

Answer = str | Block | Sequence[str | Block]
"""What one request gets: a text, a block, or several of them in order."""

Script = Iterable[Answer] | Mapping[str, Iterable[Answer]] | Callable[["Request"], Answer]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the model, with the fields that scripts need.

    Attributes:
        api: `messages` (Anthropic), `responses` (OpenAI) or `gemini`.
        model: the model that was asked for.
        prompts: texts of the user in the conversation, oldest first.
        tools: names of the tools that the CLI offers.
        is_side: it offers no tools: a title, a summary or a search of the CLI's own.
        searches: the model itself is asked to search the web.
        stream: the answer is wanted as server-sent events.
        body: the decoded body.
        headers: the headers, their names in lower case; keys are among them.
    """

    api: str
    model: str
    prompts: tuple[str, ...]
    tools: frozenset[str]
    searches: bool
    stream: bool
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def prompt(self) -> str:
        """The newest text of the user."""
        return self.prompts[-1] if self.prompts else ""

    @property
    def is_side(self) -> bool:
        """Whether the CLI asks for its own purposes, without tools."""
        return not self.tools


class Cursor:
    """Hands out the answers of a script, each once, to requests from several threads."""

    def __init__(self, script: Script, side: Answer) -> None:
        if isinstance(script, str):
            raise TypeError("a script is a list of answers, not a text: write [text]")
        self._side = side
        self._choose: Callable[[Request], Answer] | None = None
        self._answers: dict[str, Iterator[Answer]] = {}
        if isinstance(script, Mapping):
            self._answers = {key: iter(_several(answers)) for key, answers in script.items()}
        elif callable(script):
            self._choose = script
        else:
            self._answers = {"": iter(_several(script))}
        # Parallel sessions and subagents ask at the same time, and an iterator is not thread-safe.
        self._lock = threading.Lock()

    def answer(self, request: Request) -> tuple[Block, ...]:
        """Return the blocks that this request gets."""
        if request.is_side:
            searched = (WebSearch(request.prompt),) if request.searches else ()
            return (*searched, *_blocks(self._side))
        with self._lock:
            if self._choose is not None:
                return _blocks(self._choose(request))
            key = self._key(request)
            if key is None:
                return (Failure(400, f"The script has no key that occurs in {request.prompt!r}."),)
            found = next(self._answers[key], None)
        if found is None:
            of = f" for {key!r}" if key else ""
            return (Failure(400, f"The script has no answer left{of}."),)
        return _blocks(found)

    def _key(self, request: Request) -> str | None:
        """Return the key that stands last in the newest prompt that has one."""
        for prompt in reversed(request.prompts or ("",)):
            places = {key: prompt.rfind(key) for key in self._answers}
            best = max(places, key=lambda key: places[key], default=None)
            if best is not None and places[best] >= 0:
                return best
        return None


def _several(answers: Iterable[Answer]) -> Iterable[Answer]:
    if isinstance(answers, str):
        raise TypeError("a script's value is a list of answers, not a text: write [text]")
    return answers


def _blocks(answer: Any) -> tuple[Block, ...]:
    parts = [answer] if isinstance(answer, str | Block) else list(answer)
    blocks = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    for block in blocks:
        if not isinstance(block, Block):
            raise TypeError(f"{block!r} is not a block of an answer")
    return blocks
