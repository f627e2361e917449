"""A TCP proxy that does to a connection what networks do: cut, reset, stall, refuse, dribble."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What befalls one connection.

    `after`: bytes of the answer that still pass (None: all). `how`: then close, rst or
    stall; refuse resets the connection before a byte is read. `chunk`: the size of the
    pieces in which the answer passes.
    """

    after: int | None = None
    how: str = "close"
    chunk: int = 65536


CLEAN = Fault()


class ChaosProxy:
    """Listens on a port of its own; connection number n suffers `faults[n]`, later ones none."""

    def __init__(self, upstream: str, faults=()):
        parts = urlsplit(upstream)
        self._upstream = parts.hostname, parts.port
        self._faults = list(faults)
        self.connections = 0

    def plan(self, *faults):
        """Apply these faults to the next connections."""
        self._faults = list(faults)

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._pass, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_):
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _stop(self):
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader, writer):
        self.connections += 1
        fault = self._faults.pop(0) if self._faults else CLEAN
        if fault.how == "refuse":
            writer.transport.abort()
            return
        async with contextlib.AsyncExitStack() as ends:
            ends.push_async_callback(_close, writer)
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
            ends.push_async_callback(_close, up_writer)
            both = [
                asyncio.ensure_future(_copy(reader, up_writer)),  # ends when the client hangs up
                asyncio.ensure_future(self._downward(up_reader, writer, fault)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)

    async def _downward(self, reader, writer, fault):
        left = fault.after
        while data := await reader.read(65536):
            data = data if left is None else data[:left]
            for at in range(0, len(data), fault.chunk):
                writer.write(data[at : at + fault.chunk])
                if fault.chunk < len(data):
                    await asyncio.sleep(0)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            if left is not None:
                left -= len(data)
                if left <= 0:
                    break
        else:
            return
        if fault.how == "rst":
            writer.transport.abort()
        elif fault.how == "stall":
            await asyncio.Event().wait()


async def _close(writer):
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
