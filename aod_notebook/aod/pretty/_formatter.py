"""The printer that all runtimes share: stream events in, readable lines out."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, ClassVar, Protocol

from aod_notebook.aod.pretty._render import Renderer
from aod_notebook.transcripts import Entry, Reader


class OutputEvent(Protocol):
    """The part of a `StreamEvent` that a formatter looks at."""

    @property
    def type(self) -> str: ...

    @property
    def extra(self) -> Mapping[str, Any]: ...


class Formatter:
    r"""Turns the agent's stdout into readable lines.

    It reads `output` events on stdout and passes over all others. Each JSON line of the
    agent gives at most one string, which may itself hold newlines; lines that are not JSON
    pass unchanged. No input makes a method raise.

    Args:
        tool_results: show what the tools gave back, too.

    Example:
        >>> from aod_notebook.aod.pretty import Formatter
        >>> fmt = Formatter()
        >>> list(fmt.feed('{"type":"turn.started"}\n{"type":"item.completed","item":'))
        []
        >>> list(fmt.feed('{"id":"i1","type":"agent_message","text":"Done."}}\n'))
        ['✉️  Done.']
    """

    runtime: ClassVar[str | None] = None
    """The runtime that wrote the lines; None recognises it from the lines themselves."""

    def __init__(self, *, tool_results: bool = False) -> None:
        self._reader = Reader(self.runtime)
        self._renderer = Renderer(tool_results=tool_results)
        self._turn: int | None = None

    def consume(self, event: OutputEvent) -> Iterator[str]:
        """Take a stream event; return the lines that it completes.

        The event is read at once, whether or not the iterator is used.
        """
        if event.type != "output" or event.extra.get("stream") != "stdout":
            return iter(())
        data, turn = event.extra.get("data"), event.extra.get("turn")
        before: list[str] = []
        if turn != self._turn:
            before, self._turn = list(self.flush()), turn
        lines = self.feed(data) if isinstance(data, str) else iter(())
        return iter([*before, *lines])

    def feed(self, chunk: str) -> Iterator[str]:
        """Take a raw piece of stdout; return the lines that it completes."""
        return iter(self._show(self._reader.feed(chunk)))

    def flush(self) -> Iterator[str]:
        """Return what is left at the end of a turn or of the stream."""
        return iter(self._show(self._reader.flush()))

    def _show(self, entries: Iterable[Entry]) -> list[str]:
        shown = []
        for _, of_one_line in groupby(entries, key=lambda entry: entry.line):
            text = self._renderer.render(list(of_one_line), self._reader.runtime)
            if text is not None:
                shown.append(text)
        return shown
