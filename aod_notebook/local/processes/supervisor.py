"""Start, feed, read and kill child processes.

A child starts as a shell that waits for a line on its standard input and then becomes the
wanted program. The line is written only after the guard knows the child's process group, so at
no moment is there a running program that nothing would kill.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from aod_notebook.local.processes import orphans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

_GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@"', "sh")
_READ = 65536
_DRAIN_S = 2.0
_DRAIN_STEP_S = 0.1
_SOFT_KILL_S = 2.0
_GUARD_S = 1.0
_SIGNAL_BASE = 128

MARK = "AOD_LOCAL_SERVICE"


class Sink(Protocol):
    """Where a child's decoded output goes."""

    def write(
        self, stream: Literal["stdout", "stderr"], text: str, recorded_at: datetime | None = None
    ) -> None:
        """Take a piece of output; of a replay with the time of the recording."""

    async def room(self) -> None:
        """Wait until more output may come."""


@dataclass(slots=True)
class Stop:
    """Asks a turn to end: `reason` is set before the event."""

    reason: Literal["terminated", "interrupted", "shutdown"] | None = None
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, reason: Literal["terminated", "interrupted", "shutdown"]) -> None:
        """End the turn; terminating wins over interrupting."""
        if self.reason != "terminated":
            self.reason = reason
        self.event.set()


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a child ended: its exit code (128+n for signal n), or why it was killed."""

    exit_code: int | None
    killed: Literal["stopped", "timeout"] | None = None


class Supervisor:
    """Owns the guard process and every child of one service (on the service's event loop)."""

    def __init__(self, service_id: str) -> None:
        self._mark = f"{MARK}={service_id}/"
        self._runs = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def available(self) -> bool:
        """Check whether children can be started: the guard runs, or can be started again."""
        try:
            self._tell("")
        except OSError:
            return False
        return True

    def clear_orphans(self) -> None:
        """Kill what an earlier service of this data directory left behind."""
        orphans.kill_marked(self._mark)

    def close(self) -> None:
        """Kill all children and stop the guard."""
        for group in list(self._groups):
            orphans.kill_group(group)
        if self._guard is not None:
            assert self._guard.stdin is not None  # noqa: S101 - tells the type checker what was opened as a pipe
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(_GUARD_S)
            self._guard.kill()
            self._guard.wait()
            self._guard = None

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        sink: Sink,
        stop: Stop,
        time_limit: float,
        stdin: bytes = b"",
    ) -> ProcessEnd:
        """Run one program to its end and send its output to the sink.

        Raises:
            OSError: the program could not be started.
            ValueError: an argument or a variable holds a NUL character.
        """
        self._runs += 1
        name, _, value = f"{self._mark}{self._runs}".partition("=")
        child = subprocess.Popen(  # noqa: ASYNC220, S603 - a vfork of milliseconds
            [*_GATE, *argv],
            cwd=cwd,
            env={**env, name: value},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        try:
            self._register(child.pid)
            clear = functools.partial(orphans.kill_marked, f"{name}={value}", exact=True)
            return await _attend(child, _Wiring(b"\n" + stdin, sink, stop, time_limit, clear))
        finally:
            if child.returncode is None:  # once it is reaped, its id may be another's
                orphans.kill_group(child.pid)
                child.wait()
            self._unregister(child.pid)
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    pipe.close()

    def _register(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def _unregister(self, group: int) -> None:
        self._groups.discard(group)
        if self._guard is None:  # closed meanwhile: nothing would stop another guard
            return
        with contextlib.suppress(OSError):
            self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._guard is None or self._guard.poll() is not None:
            self._start_guard()
        assert self._guard is not None  # noqa: S101 - tells the type checker what was opened as a pipe
        assert self._guard.stdin is not None  # noqa: S101 - tells the type checker what was opened as a pipe
        self._guard.stdin.write(line.encode())

    def _start_guard(self) -> None:
        script = Path(__file__).with_name("guard.py")
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
        self._guard = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(script), self._mark, str(os.getpid())],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
        assert self._guard.stdin is not None  # noqa: S101 - tells the type checker what was opened as a pipe
        for group in self._groups:
            self._guard.stdin.write(f"+{group}\n".encode())


@dataclass(frozen=True, slots=True)
class _Wiring:
    """What a child is connected to; `clear` kills what left its group."""

    stdin: bytes
    sink: Sink
    stop: Stop
    timeout: float
    clear: Callable[[], None]


async def _attend(child: subprocess.Popen[bytes], wiring: _Wiring) -> ProcessEnd:
    pumps = [
        _Pump(child.stdout, "stdout", wiring.sink),
        _Pump(child.stderr, "stderr", wiring.sink),
    ]
    readers = [asyncio.create_task(pump.run()) for pump in pumps]
    writer = asyncio.create_task(_feed(child.stdin, wiring.stdin))
    ended = asyncio.create_task(_ended(child))
    stopped = asyncio.create_task(wiring.stop.event.wait())
    try:
        done, _ = await asyncio.wait(
            {ended, stopped}, timeout=wiring.timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if ended not in done:
            await _kill(child, ended, soft=wiring.stop.reason == "interrupted")
        orphans.kill_group(child.pid)  # before it is reaped: the id is still ours
        await asyncio.to_thread(wiring.clear)
        await _drain(pumps, readers)
    finally:
        for task in (*readers, writer, ended, stopped):
            task.cancel()
        await asyncio.gather(*readers, writer, ended, stopped, return_exceptions=True)
    code = child.wait()
    code = code if code >= 0 else _SIGNAL_BASE - code
    if ended in done:
        return ProcessEnd(code)
    return ProcessEnd(code, "stopped") if stopped in done else ProcessEnd(None, "timeout")


@dataclass(slots=True)
class _Pump:
    """Brings one pipe of a child to the sink; it is `held` while the sink has no room."""

    pipe: object
    stream: Literal["stdout", "stderr"]
    sink: Sink
    held: bool = False

    async def run(self) -> None:
        """Decode the pipe to its end; a character split between two reads is joined."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ, loop=loop)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), self.pipe
        )
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            while data := await reader.read(_READ):
                if text := decoder.decode(data):
                    self.sink.write(self.stream, text)
                self.held = True
                await self.sink.room()
                self.held = False
        finally:
            transport.close()
            if rest := decoder.decode(b"", final=True):
                self.sink.write(self.stream, rest)


async def _drain(pumps: list[_Pump], readers: list[asyncio.Task[None]]) -> None:
    """Wait for what an ended child left in its pipes.

    A process that cannot be killed may hold a pipe open for ever: that is waited for 2 s, but
    the time in which the sink held the pumps back does not count.
    """
    left = _DRAIN_S
    while left > 0:
        _, unfinished = await asyncio.wait(readers, timeout=_DRAIN_STEP_S)
        if not unfinished:
            return
        if not any(pump.held for pump in pumps):
            left -= _DRAIN_STEP_S


async def _feed(pipe: object, data: bytes) -> None:
    """Write all of standard input, then close it; a child that does not read is fine."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    transport.set_write_buffer_limits(0)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        writer.write(data)
        await writer.drain()
    except OSError:
        return
    finally:
        transport.abort()  # nothing is left to write, or nobody reads it


async def _ended(child: subprocess.Popen[bytes]) -> None:
    """Wait until the child has exited, without reaping it."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        threading.Thread(target=_wait_unreaped, args=(child.pid, loop, gone), daemon=True).start()
        await gone.wait()
        return
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _wait_unreaped(pid: int, loop: asyncio.AbstractEventLoop, gone: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with contextlib.suppress(RuntimeError):  # the loop has ended with the service
        loop.call_soon_threadsafe(gone.set)


async def _kill(child: subprocess.Popen[bytes], ended: asyncio.Task[None], *, soft: bool) -> None:
    """Kill the child's group; softly first if the conversation can continue."""
    if soft:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        await asyncio.wait({ended}, timeout=_SOFT_KILL_S)
    orphans.kill_group(child.pid)
    await ended
