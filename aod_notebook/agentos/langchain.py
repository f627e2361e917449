"""A LangChain callback handler that records chains, models, tools and retrievers as spans.

LangChain is an extra: this module imports without it, the handlers then say what to install.

Example:
    >>> from aod_notebook.agentos.langchain import AgentOSCallbackHandler
    >>> with client.start_run() as run:  # doctest: +SKIP
    ...     chain.invoke(inputs, config={"callbacks": [AgentOSCallbackHandler(run)]})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.agentos.errors import AgentOSConfigError
from aod_notebook.agentos.report.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from uuid import UUID

    from aod_notebook.agentos._async.run import AsyncRun
    from aod_notebook.agentos._sync.run import Run
    from aod_notebook.agentos.task import Span

    class SyncBase:
        """LangChain's handler, or nothing."""

    class AsyncBase:
        """LangChain's async handler, or nothing."""
else:
    try:
        from langchain_core.callbacks import AsyncCallbackHandler as AsyncBase
        from langchain_core.callbacks import BaseCallbackHandler as SyncBase
    except ImportError:
        SyncBase = AsyncBase = object

_LONGEST = 20_000
"""Characters of JSON that a value may have; longer ones are cut."""
_MOST_OPEN = 10_000


class _Open:
    """A span that has begun: its parent's id, to find what it leaves unfinished."""

    __slots__ = ("parent", "span")

    def __init__(self, span: Span, parent: UUID | None) -> None:
        self.span = span
        self.parent = parent


class _Callbacks:
    """The callbacks, which only record and never raise into a chain."""

    name = "agentos-handler"
    raise_error = False

    def __init__(self, run: Run | AsyncRun) -> None:
        if SyncBase is object:
            raise AgentOSConfigError(
                "The callback handler needs LangChain: pip install 'aod-notebook[langchain]'"
            )
        super().__init__()
        self.run = run
        self._open: dict[UUID, _Open] = {}

    @property
    def open_spans(self) -> int:
        """How many spans have begun and not ended."""
        return len(self._open)

    def close(self) -> None:
        """Record the spans that never ended, as unfinished."""
        for run_id in list(self._open):
            self._fail(run_id, "no end was reported")

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a `step`."""
        name = _name_of(serialized, kwargs, "chain")
        self._begin(run_id, parent_run_id, name, "step", {"inputs": _cut(inputs)})

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """End it."""
        self._end(run_id, {"outputs": _cut(outputs)})

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Fail it."""
        self._fail(run_id, error)

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin an `llm` span, named after the model."""
        model = _model_of(serialized, kwargs)
        payload = {"model": model, "prompt": _cut("\n---\n".join(prompts))}
        self._begin(run_id, parent_run_id, model, "llm", payload)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin an `llm` span, named after the model."""
        model = _model_of(serialized, kwargs)
        sent = [
            {"role": getattr(each, "type", "?"), "content": getattr(each, "content", str(each))}
            for batch in messages
            for each in batch
        ]
        self._begin(run_id, parent_run_id, model, "llm", {"model": model, "messages": _cut(sent)})

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """End it, with the answer and its tokens, cached ones too."""
        self._end(run_id, {"response": _cut(_answer_of(response)), **_tokens_of(response)})

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Fail it."""
        self._fail(run_id, error)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a `tool` span."""
        name = _name_of(serialized, kwargs, "tool")
        given = inputs if inputs is not None else input_str
        payload = {"tool": name, "input": _cut(given)}
        self._begin(run_id, parent_run_id, name, "tool", payload)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """End it."""
        self._end(run_id, {"output": _cut(getattr(output, "content", output))})

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Fail it."""
        self._fail(run_id, error)

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a `retrieval` span."""
        name = _name_of(serialized, kwargs, "retriever")
        self._begin(run_id, parent_run_id, name, "retrieval", {"query": _cut(query)})

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        """End it, with the number of documents."""
        self._end(run_id, {"documents": len(documents)})

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Fail it."""
        self._fail(run_id, error)

    def _begin(
        self, run_id: UUID, parent: UUID | None, name: str, kind: str, payload: dict[str, Any]
    ) -> None:
        above = self._open.get(parent) if parent is not None else None
        if len(self._open) >= _MOST_OPEN:
            self._fail(next(iter(self._open.copy())), "no end was reported")
        span = self.run.start_span(
            name, kind=kind, parent=above.span if above else None, payload=payload
        )
        self._open[run_id] = _Open(span, parent)

    def _end(self, run_id: UUID, payload: dict[str, Any]) -> None:
        self._close_below(run_id)
        begun = self._open.pop(run_id, None)
        if begun is not None:
            begun.span.end(payload)

    def _fail(self, run_id: UUID, error: BaseException | str) -> None:
        self._close_below(run_id)
        begun = self._open.pop(run_id, None)
        if begun is not None:
            begun.span.fail(error)
        else:
            self.run.emit("langchain.error", {"error": str(error)}, level="error")

    def _close_below(self, run_id: UUID) -> None:
        """Record what a finished span leaves unfinished: no end will come for it."""
        copy = self._open.copy()  # in one go: chains run their steps in threads
        for child in [key for key, begun in copy.items() if begun.parent == run_id]:
            self._fail(child, "no end was reported")


class AgentOSCallbackHandler(_Callbacks, SyncBase):
    """Traces a chain into a run: `callbacks=[AgentOSCallbackHandler(run)]`.

    Raises:
        AgentOSConfigError: LangChain is not installed.
    """


class AsyncAgentOSCallbackHandler(_Callbacks, AsyncBase):
    """The same for chains that run on an event loop."""


def _as_coroutine(callback: Callable[..., None]) -> Callable[..., Coroutine[Any, Any, None]]:
    async def call(self: _Callbacks, *args: Any, **kwargs: Any) -> None:
        callback(self, *args, **kwargs)

    call.__name__, call.__doc__ = callback.__name__, callback.__doc__
    return call


for _name, _callback in list(vars(_Callbacks).items()):
    if _name.startswith("on_"):
        setattr(AsyncAgentOSCallbackHandler, _name, _as_coroutine(_callback))


def _name_of(serialized: dict[str, Any] | None, kwargs: dict[str, Any], fallback: str) -> str:
    if kwargs.get("name"):
        return str(kwargs["name"])
    known = serialized or {}
    path = known.get("id")
    return str(known.get("name") or (path[-1] if isinstance(path, list) and path else fallback))


def _model_of(serialized: dict[str, Any] | None, kwargs: dict[str, Any]) -> str:
    params = kwargs.get("invocation_params") or {}
    metadata = kwargs.get("metadata") or {}
    found = params.get("model") or params.get("model_name") or metadata.get("ls_model_name")
    return str(found or _name_of(serialized, kwargs, "llm"))


def _answer_of(response: Any) -> Any:
    texts = []
    for batch in getattr(response, "generations", None) or []:
        for generation in batch:
            message = getattr(generation, "message", None)
            text = getattr(generation, "text", "") or getattr(message, "content", "")
            texts.append(text if isinstance(text, str) else text or "")
    return texts[0] if len(texts) == 1 else texts


def _tokens_of(response: Any) -> dict[str, int]:
    """Add up the tokens of an answer, from its messages or else from `llm_output`."""
    total: dict[str, int] = {}
    for batch in getattr(response, "generations", None) or []:
        for generation in batch:
            usage = getattr(getattr(generation, "message", None), "usage_metadata", None) or {}
            details = usage.get("input_token_details") or {}
            counted = {
                "input_tokens": usage.get("input_tokens"),
                "output_tokens": usage.get("output_tokens"),
                "cache_read_tokens": details.get("cache_read"),
                "cache_creation_tokens": details.get("cache_creation"),
            }
            for name, count in counted.items():
                if isinstance(count, int):
                    total[name] = total.get(name, 0) + count
    if total:
        return total
    output = getattr(response, "llm_output", None) or {}
    usage = output.get("token_usage") or output.get("usage") or {}
    read = usage.get("cache_read_input_tokens")
    counted = {
        "input_tokens": usage.get("input_tokens", usage.get("prompt_tokens")),
        "output_tokens": usage.get("output_tokens", usage.get("completion_tokens")),
        "cache_read_tokens": read,
        "cache_creation_tokens": usage.get("cache_creation_input_tokens"),
    }
    return {name: count for name, count in counted.items() if isinstance(count, int)}


def _cut(value: Any) -> Any:
    """Return a value, shortened if its JSON text is too long."""
    text = snapshot(value, marked=False).text
    if len(text) <= _LONGEST:
        return msgspec.json.decode(text)
    return text[:_LONGEST].decode("utf-8", "ignore") + "…"
