"""SSE bytes to typed events, against aod-sdk 0.1.0: CPU time, median of 5, both in one run.

Usage: python tests/benchmarks/bench_sse.py [--quick]
The exit status is 1 when a ratio is below its gate, three quarters of its goal.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from aod.stream import iter_sse

from aod_notebook.aod import iter_events
from aod_notebook.aod.events import decode_batch
from aod_notebook.core.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROUNDS = 5
GATE = 0.75
CHUNK = 65536
SHORT, LONG = 126, 2000  # characters of one output's data


class Chunks(httpx.SyncByteStream):
    """A body as the network gives it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks


@dataclass
class Line:
    """One line of the table: CPU microseconds per event of both sides."""

    name: str
    theirs: float
    ours: float
    goal: float | None

    @property
    def ratio(self) -> float:
        """How many times less CPU time ours takes."""
        return self.theirs / self.ours

    def __str__(self) -> str:
        goal = f"≥ {self.goal:g}x" if self.goal else ""
        met = "" if not self.goal else "met" if self.ratio >= self.goal else "MISSED"
        return f"{self.name:<49} {self.theirs:>9.3f} {self.ours:>9.3f} {self.ratio:>7.1f}x {goal:>7} {met}"


def make_body(count: int, size: int) -> bytes:
    """A finished session: a start, a turn and `count` outputs like those of an agent."""
    data = ('{"type":"assistant","text":"' + "lorem ipsum " * size)[: size - 3] + '"}\n'
    parts = [b'data: {"type": "start", "runtime": "claude", "session_id": "8d0c"}\n\n']
    parts.append(b'data: {"type": "turn_start", "id": 1, "turn": 1}\n\n')
    payload = {"type": "output", "id": 0, "stream": "stdout", "data": data, "turn": 1}
    for number in range(1, count + 1):
        payload["id"] = number
        parts.append(b"id: %d\ndata: %s\n\n" % (number, json.dumps(payload).encode()))
    parts.append(b'id: %d\ndata: {"type": "exit", "id": %d, "code": 0}\n\n' % (count, count))
    return b"".join(parts)


def cut(body: bytes) -> list[bytes]:
    """The body in pieces as a socket gives them."""
    return [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]


def official(chunks: list[bytes]) -> Iterator[object]:
    """The published client's decoder over the same chunks."""
    request = httpx.Request("GET", "http://localhost/")
    return iter_sse(httpx.Response(200, stream=Chunks(chunks), request=request))


def texts(chunks: list[bytes]) -> list[str]:
    """The floor of collecting: each payload as text, nothing decoded; what keeping it costs."""
    decoder = SSEDecoder()
    return [data.decode() for chunk in chunks for data in decoder.feed(chunk).data]


def drain(events: Iterable[object]) -> None:
    """Take events one by one and keep none."""
    for _ in events:
        pass


def read_data(events: Iterable[object]) -> int:
    """Take events one by one and look into each."""
    return sum(len(event.extra.get("data", "")) for event in events)  # type: ignore[attr-defined]


def live(chunks: list[bytes]) -> None:
    """Our decoder alone, an event a chunk."""
    decoder = SSEDecoder()
    for chunk in chunks:
        decode_batch(decoder.feed(chunk))


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of one run; what it returns is freed outside the clock."""
    gc.collect()
    begin = time.process_time()
    kept = work()
    took = time.process_time() - begin
    del kept
    return took


def compare(
    name: str,
    count: int,
    theirs: Callable[[], object],
    ours: Callable[[], object],
    goal: float | None,
) -> Line:
    """Measure both sides in turn, so that both meet the same machine."""
    pairs = [(cpu(theirs), cpu(ours)) for _ in range(ROUNDS)]
    medians = (statistics.median(side) / count * 1e6 for side in zip(*pairs, strict=True))
    return Line(name, *medians, goal)


def decoding(count: int, size: int, label: str) -> Iterator[Line]:
    """Streaming and collected, for one size of session."""
    chunks = cut(make_body(count, size))
    streaming = 6.0
    collected = 9.0 if size == SHORT else None  # long ones: the memory of the text is the floor
    name = f"{count:,} events, {label}"
    yield compare(
        f"{name}, streaming",
        count,
        lambda: drain(official(chunks)),
        lambda: drain(iter_events(chunks)),
        streaming,
    )
    yield compare(
        f"{name}, collected",
        count,
        lambda: list(official(chunks)),
        lambda: list(iter_events(chunks)),
        collected,
    )
    yield compare(
        f"{name}, floor of collecting",
        count,
        lambda: list(official(chunks)),
        lambda: texts(chunks),
        None,
    )
    yield compare(
        f"{name}, each one's data read",
        count,
        lambda: read_data(official(chunks)),
        lambda: read_data(iter_events(chunks)),
        None,
    )


def live_tail(count: int) -> Line:
    """One event a chunk, as a live session gives them; the decoders alone."""
    body = make_body(count, SHORT)
    chunks = [event + b"\n\n" for event in body.split(b"\n\n") if event]
    return compare(
        f"{count:,} events, live tail (decoder alone)",
        count,
        lambda: drain(official(chunks)),
        lambda: live(chunks),
        None,
    )


def import_cpu(module: str) -> float:
    """CPU seconds of importing a module in a new interpreter, over an empty one's."""

    def child(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    return child(f"import {module}") - child("pass")


def imports() -> Line:
    """A bare import of this package, against httpx."""
    pairs = [(import_cpu("httpx"), import_cpu("aod_notebook")) for _ in range(ROUNDS)]
    theirs, ours = (statistics.median(side) * 1e3 for side in zip(*pairs, strict=True))
    return Line("import (ms): httpx | aod_notebook", theirs, max(ours, 0.1), 4.0)


def lines(counts: Iterable[int]) -> Iterator[Line]:
    """Everything that is measured, in the order of the table."""
    for count in counts:
        yield from decoding(count, SHORT, "short lines")
        yield from decoding(count, LONG, "long lines")
    yield live_tail(100_000)
    yield imports()


def main(arguments: list[str]) -> int:
    """Print the table, line by line; return the exit status."""
    head = "CPU µs per event, median of 5"
    print(f"{head:<49} {'aod-sdk':>9} {'ours':>9} {'ratio':>8} {'goal':>7}")
    missed = False
    for line in lines([100_000] if "--quick" in arguments else [100_000, 1_000_000]):
        print(line, flush=True)
        missed = missed or (line.goal is not None and line.ratio < GATE * line.goal)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
