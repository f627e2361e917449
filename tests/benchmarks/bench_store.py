"""Measures what a user calls, by id and by store, against the decoders on the same bytes.

    python tests/benchmarks/bench_store.py [--quick]

The service is a process of its own that has all answers ready, and the send buffer of the embedded
one. CPU time of this process, the median of five runs, both sides in turn. Every comparison first checks that both sides hold the same values. Beside a frame by id
stands what a plain GET by httpx and the decoder take, and what the decoder takes that reads from a
bare socket: no way of asking costs less.
"""

import argparse
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1]))

import generated
import httpx
import pandas as pd
from bench_frames import SESSION, claude_lines, write_body, write_run

from aod_notebook import frames
from aod_notebook.agentos import AgentOS
from aod_notebook.aod import Client

GOALS = {"events_df": 1.15, "run_events_df": 1.15, "collect": 2.0}
RUNS = 5
READ_BYTES = 1 << 18
RUN = "0192c3d4-0000-4000-8000-00000000aaaa"
"""A whole id: a shorter one would make the client ask for the list of runs first."""
_context = multiprocessing.get_context("fork")


def serve(sessions, runs, answer):
    with generated.Generated(sessions, runs) as service:
        answer.put(service.url)
        while True:
            time.sleep(3600)


class Service:
    """The generated service in a process of its own, which costs this one nothing."""

    def __init__(self, sessions, runs=None):
        self._given = sessions, runs or {}

    def __enter__(self):
        answer = _context.Queue()
        self._process = _context.Process(target=serve, args=(*self._given, answer), daemon=True)
        self._process.start()
        self.url = answer.get(timeout=60)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()


def cpu(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def ratio(ours, decoders, runs):
    """Return how many times the decoders' CPU time ours takes, the median of pairs, and both."""
    times = [(cpu(ours), cpu(decoders)) for _ in range(runs)]
    one, other = (statistics.median(side) for side in zip(*times, strict=True))
    return statistics.median(a / b for a, b in times), one, other


def row(name, value, most, note):
    limit = "" if most is None else f"(at most {most:g})"
    print(f"{name:<52} {value:7.2f}  {limit:14}  {note}", flush=True)
    return name, value, most


def bench_by_id(folder, count, runs):
    """`events_df(id)` and `run_events_df(id)` against the decoders."""
    body, run = folder / "body", folder / "run"
    write_body(body, count)
    write_run(run, count // 5)
    sessions = {SESSION: (generated.session_of(SESSION), generated.turns_of(1), body.read_bytes())}
    data, run_data = body.read_bytes(), run.read_bytes()
    with (
        Service(sessions, {RUN: run_data}) as service,
        httpx.Client(trust_env=False) as plain,
    ):
        with Client(base_url=service.url, token="of-no-use") as client:
            pd.testing.assert_frame_equal(
                frames.events_df(SESSION, client=client), frames.decode_events(data, SESSION)
            )
            times = ratio(
                lambda: frames.events_df(SESSION, client=client),
                lambda: frames.decode_events(data, SESSION),
                runs,
            )
            most = GOALS["events_df"]
            yield row(f"events_df(id) ÷ decode_events, {count:,}", times[0], most, seconds(times))
            url = f"{service.url}/sessions/{SESSION}/stream"
            times = ratio(
                lambda: frames.decode_events(plain.get(url).content, SESSION),
                lambda: frames.decode_events(data, SESSION),
                runs,
            )
            yield row("  by httpx alone", times[0], None, seconds(times))
            times = ratio(
                lambda: frames.decode_events(received(url), SESSION),
                lambda: frames.decode_events(data, SESSION),
                runs,
            )
            yield row("  by a bare socket", times[0], None, seconds(times))
        with AgentOS(api_key="of-no-use", agent_id="a", base_url=service.url) as client:
            pd.testing.assert_frame_equal(
                frames.run_events_df(RUN, client=client),
                frames.decode_run_events(run_data, RUN),
            )
            times = ratio(
                lambda: frames.run_events_df(RUN, client=client),
                lambda: frames.decode_run_events(run_data, RUN),
                runs,
            )
            name = f"run_events_df(id) ÷ decode_run_events, {count // 5:,}"
            yield row(name, times[0], GOALS["run_events_df"], seconds(times))
            times = ratio(
                lambda: frames.decode_run_events(plain.post(service.url).content, RUN),
                lambda: frames.decode_run_events(run_data, RUN),
                runs,
            )
            yield row("  by httpx alone", times[0], None, seconds(times))


def received(url):
    """Yield the body that a service sends for a URL, with nothing but the socket in between."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(request.encode())
        head, _, rest = connection.recv(READ_BYTES).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or b"chunked" in head.lower():
            sys.exit(f"the service answered {head!r}")
        yield rest
        while came := connection.recv(READ_BYTES):
            yield came


def seconds(times):
    return f"{times[1]:.3f} s instead of {times[2]:.3f} s"


def claude_session(one, lines):
    events = [
        {"type": "start", "runtime": "claude", "session_id": one},
        {"type": "turn_start", "id": 1, "turn": 1},
    ]
    parts = [b"data: %s\n\n" % json.dumps(event).encode() for event in events]
    for number, line in enumerate(lines, 1):
        fields = {"type": "output", "id": number, "stream": "stdout", "data": line, "turn": 1}
        parts.append(b"id: %d\ndata: %s\n\n" % (number, json.dumps(fields).encode()))
    end = {"type": "exit", "id": len(lines), "code": 0}
    parts.append(b"id: %d\ndata: %s\n\n" % (len(lines), json.dumps(end).encode()))
    return generated.session_of(one), generated.turns_of(1), b"".join(parts)


def generated_sessions(count, lines):
    """Return sessions of about so many lines each, some with tools that failed."""
    pool = claude_lines(lines * 40)
    made = {}
    for number in range(count):
        one, start = generated.session_id(number), number * 7 % 39 * lines
        own = pool[start : start + lines - number % 3 * 4]
        if number % 5 == 0:
            own = [line.replace('"tool_use_id"', '"is_error":true,"tool_use_id"') for line in own]
        made[one] = claude_session(one, own)
    return made


def decoders(bodies):
    """Everything that a store holds, by the public pure functions on the same bytes."""
    events = frames.decode_events(bodies)
    frames.messages_from_events(events)
    frames.tool_calls_from_events(events)
    frames.results_from_events(events)
    frames.model_usage_from_events(events)


def bench_collect(folder, count, lines, runs):
    sessions = generated_sessions(count, lines)
    bodies = [body for _, _, body in sessions.values()]
    numbers = iter(range(runs))
    with (
        Service(sessions) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):

        def ours():
            frames.collect(into=folder / f"collect-{lines}-{next(numbers)}", client=client)

        times = ratio(ours, lambda: decoders(bodies), runs)
    name = f"collect ÷ decoders, {count:,} sessions of {lines:,} lines"
    yield row(name, times[0], GOALS["collect"], seconds(times))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, one run; no gates")
    options = parser.parse_args()
    runs = 1 if options.quick else RUNS
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows += bench_by_id(folder, 100_000 if options.quick else 1_000_000, runs)
        rows += bench_collect(folder, 20 if options.quick else 200, 2_000, runs)
    missed = [name for name, value, most in rows if most and value > most]
    if missed and not options.quick:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
