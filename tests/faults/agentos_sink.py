"""A service that only counts what it is sent, and misbehaves on request; a process of its own.

It prints its port, then serves until its stdin closes. `POST /control` sets what it does
(`Behaviour`), `GET /report` tells what it has got.
"""

# ruff: noqa: T201 - it prints its port

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Behaviour:
    """What the sink does to reporting requests, until it is told otherwise."""

    delay: float = 0.0  # seconds before each answer
    fail_for: float = 0.0  # seconds for which every answer is a 500
    gone_for: float = 0.0  # seconds for which every connection is reset
    lose_answers: int = 0  # how many batches are stored and then not answered
    refuse_bad: bool = False  # a batch with an event of type "bad" is a 400
    revoked_after: int = -1  # requests after which the key is no good; -1: never
    revoked_for: float = 1e9  # seconds for which it is no good
    event_ids: bool = False  # announce support for event ids, and drop duplicates


@dataclass
class Book:
    """What has come: events by number, requests, ends."""

    seen: Counter = field(default_factory=Counter)
    ids: set = field(default_factory=set)
    ends: Counter = field(default_factory=Counter)
    requests: int = 0
    first: float = 0.0
    last: float = 0.0
    disorder: int = 0  # events of a run that came before an earlier one of it
    highest: dict = field(default_factory=dict)


class Sink:
    def __init__(self):
        self.behave({})

    def behave(self, wishes):
        self.behaviour = Behaviour(**wishes)
        self.since = time.monotonic()
        self.revoked_at = None
        self.book = Book()

    def report(self):
        book = self.book
        return {
            "numbers": list(book.seen),
            "duplicated": sum(count - 1 for count in book.seen.values()),
            "ends": dict(book.ends),
            "requests": book.requests,
            "seconds": book.last - book.first,
            "disorder": book.disorder,
        }

    def answer(self, path, body):
        """Return status and body; None resets the connection."""
        behaviour, book = self.behaviour, self.book
        elapsed = time.monotonic() - self.since
        if elapsed < behaviour.gone_for:
            return None
        if elapsed < behaviour.fail_for:
            return 500, error("INTERNAL_ERROR")
        book.requests += 1
        if 0 <= behaviour.revoked_after < book.requests:
            self.revoked_at = self.revoked_at or time.monotonic()
            if time.monotonic() - self.revoked_at < behaviour.revoked_for:
                return 401, error("UNAUTHENTICATED")
        if path.endswith("/run/start"):
            data = {"run_id": "run-" + body["external_run_id"]}
            if behaviour.event_ids:
                data["accepts"] = ["event_id"]
            return 200, {"data": data}
        if path.endswith("/events"):
            return self.events(body)
        if "/run/" in path:
            book.ends[path.rpartition("/")[2]] += 1
        return 200, {"data": {}}

    def events(self, body):
        behaviour, book = self.behaviour, self.book
        if behaviour.refuse_bad and any(event["type"] == "bad" for event in body["events"]):
            return 400, error("VALIDATION_ERROR")
        book.last = time.monotonic()
        book.first = book.first or book.last
        run, seen, highest = body["run_id"], book.seen, book.highest
        for event in body["events"]:
            number = event["payload"]["i"]
            if "event_id" in event:
                if event["event_id"] in book.ids:
                    continue
                book.ids.add(event["event_id"])
            if number < highest.get(run, -1) and number not in seen:
                book.disorder += 1
            highest[run] = max(number, highest.get(run, -1))
            seen[number] += 1
        if behaviour.lose_answers > 0:
            behaviour.lose_answers -= 1
            return None
        return 200, {"data": {}}


def error(code):
    return {"error": {"code": code, "message": code}}


async def serve(sink, reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = line.split(" ")
            length = next(
                (int(each[15:]) for each in lines if each.lower().startswith("content-length:")), 0
            )
            body = json.loads(await reader.readexactly(length)) if length else {}
            if path == "/control":
                sink.behave(body)
                result = 200, {}
            elif method == "GET":
                result = 200, sink.report()
            else:
                result = sink.answer(path, body)
                if sink.behaviour.delay:
                    await asyncio.sleep(sink.behaviour.delay)
            if result is None:
                writer.transport.abort()
                return
            status, content = result
            data = json.dumps(content).encode()
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (status, len(data), data)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def main(port):
    sink = Sink()
    server = await asyncio.start_server(
        lambda reader, writer: serve(sink, reader, writer), "127.0.0.1", port, limit=1 << 24
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
