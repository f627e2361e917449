"""The embedded service: replay against raw Starlette, ingest, first answer after start.

    python tests/benchmarks/bench_service.py

CPU time is that of the serving process alone; the reader takes the bytes off a socket without
looking at them. Each figure is the median of five.
"""

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

EVENTS = 100_000
ROUNDS = 5
READS = 20  # per round: the kernel counts CPU time in steps of 10 ms
BATCH = 200
GATE = 0.5 * 0.75

RAW = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

body = open(sys.argv[1], "rb").read()
size = int(sys.argv[2])
chunks = [body[at : at + size] for at in range(0, len(body), size)]

async def stream(request):
    async def parts():
        for chunk in chunks:
            yield chunk
    return StreamingResponse(parts(), media_type="text/event-stream")

app = Starlette(routes=[Route("/", stream)])
uvicorn.run(app, port=int(sys.argv[3]), http="h11", ws="none", log_level="critical")
"""


@contextlib.contextmanager
def service(folder):
    """Run the service in a process of its own; gives what it said and the process."""
    command = [sys.executable, "-m", "aod_notebook.local", "--data-dir", folder, "--json"]
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(child.stdout.readline())
        httpx.get(f"{said['url']}/health").raise_for_status()
        said["first_answer_s"] = time.perf_counter() - started
        yield said, psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()
        child.stdout.close()


@contextlib.contextmanager
def raw_starlette(body, size, folder):
    """Serve the same bytes with Starlette alone, in equal chunks."""
    path = Path(folder) / "body"
    path.write_bytes(body)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen([sys.executable, "-c", RAW, str(path), str(size), str(port)])
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()


def read(url, path="/", token=""):
    """Read one chunked answer off a socket; returns the bytes, and the sizes of the chunks."""
    address = urlsplit(url)
    request = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"{request}Connection: close\r\n\r\n".encode())
        parts = []
        while part := connection.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def reads(*arguments):
    """Read the same answer several times."""
    for _ in range(READS):
        read(*arguments)


def unchunk(answer):
    """Take an answer apart into the chunks of its body."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    chunks = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        chunks.append(rest[:length])
        rest = rest[length + 2 :]
    return [chunk for chunk in chunks if chunk]


def cpu_seconds(process, work):
    """Return the CPU time that the process needs for one call of `work`."""
    before = process.cpu_times()
    work()
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system


def medians(*pairs):
    """Return the median CPU time of each (process, work), measured in turns."""
    rounds = [[cpu_seconds(*pair) for pair in pairs] for _ in range(ROUNDS + 1)]
    return [statistics.median(times) for times in zip(*rounds[1:], strict=True)]


def make_session(client, folder):
    """Replay a recording of typical lines until a session of `EVENTS` events is finished."""
    line = {"type": "assistant", "message": {"content": [{"type": "text", "text": "word " * 20}]}}
    recording = Path(folder) / "lines.jsonl"
    recording.write_text(f"{json.dumps(line)}\n" * 100)
    replay = {"recording": str(recording), "repeat": EVENTS // 100}
    agent = {"name": "b", "model": "m", "runtime": "replay", "metadata": {"replay": replay}}
    agent_id = client.post("/agents", json=agent).json()["id"]
    body = {"agent_id": agent_id, "prompt": "x", "timeout": 3600}
    session_id = client.post("/sessions", json=body).json()["id"]
    while client.get(f"/sessions/{session_id}").json()["status"] != "completed":
        time.sleep(0.05)
    return session_id


def bench_replay(folder):
    """Compare the replay of a finished session with raw Starlette; returns the ratio."""
    with service(folder) as (said, process):
        headers = {"Authorization": f"Bearer {said['aod_token']}"}
        with httpx.Client(base_url=said["url"], headers=headers) as client:
            started = time.perf_counter()
            session_id = make_session(client, folder)
            made = time.perf_counter() - started
        path = f"/sessions/{session_id}/stream"
        chunks = unchunk(read(said["url"], path, said["aod_token"]))
        body = b"".join(chunks)
        size = len(body) // len(chunks)
        with raw_starlette(body, size, folder) as (url, rival):
            ours, raw = (
                seconds / READS
                for seconds in medians(
                    (process, lambda: reads(said["url"], path, said["aod_token"])),
                    (rival, lambda: reads(url)),
                )
            )
    count = body.count(b'"type": "output"')
    print(f"replay: {count} events, {len(body) / 1e6:.1f} MB, chunks of {size / 1024:.0f} KiB")
    print(f"  recorded in        {made:.2f} s ({count / made:,.0f} events/s)")
    print(f"  service            {ours * 1000:.1f} ms CPU ({count / ours:,.0f} events/s)")
    print(f"  raw Starlette      {raw * 1000:.1f} ms CPU")
    print(f"  ratio              {raw / ours:.2f} (goal 0.5)")
    return raw / ours


def bench_ingest(folder):
    """Count the events per second that a reporting client gets acknowledged."""
    event = {
        "type": "tool.called",
        "level": "info",
        "payload": {"tool": "search", "input": {"query": "word " * 10}},
        "occurred_at": "2026-01-01T00:00:00.000001Z",
    }
    with service(folder) as (said, process):
        headers = {"Authorization": f"Bearer {said['agentos_key']}"}
        with httpx.Client(base_url=said["url"], headers=headers) as client:
            start = {"agent_id": said["agent_id"], "trigger_type": "sdk", "input": {}}
            answer = client.post("/api/ingest/v1/run/start", json=start).json()
            run_id = answer["data"]["run_id"]
            body = json.dumps({"run_id": run_id, "events": [event] * BATCH}).encode()

            def report():
                for _ in range(50):
                    client.post("/api/ingest/v1/events", content=body).raise_for_status()

            (cpu,) = medians((process, report))
            started = time.perf_counter()
            report()
            wall = time.perf_counter() - started
    count = 50 * BATCH
    print(f"ingest: batches of {BATCH}")
    print(f"  acknowledged       {count / wall:,.0f} events/s ({count / cpu:,.0f} per CPU second)")


def bench_start(folder):
    """Time from the start of the process to its first answer."""
    times = []
    for _ in range(ROUNDS):
        with service(folder) as (said, process):
            times.append(said["first_answer_s"])
            memory = process.memory_info().rss
            before = process.cpu_times()
            time.sleep(2)
            after = process.cpu_times()
    idle = (after.user + after.system - before.user - before.system) / 2
    print(f"first answer after   {statistics.median(times):.2f} s")
    print(f"memory when idle     {memory / 1e6:.0f} MB, CPU when idle {idle:.2%}")


def main():
    """Run all; exit code 1 if the replay is below its gate."""
    with tempfile.TemporaryDirectory() as folder:
        ratio = bench_replay(folder)
        bench_ingest(folder)
        bench_start(folder)
    return 0 if ratio >= GATE else 1


if __name__ == "__main__":
    sys.exit(main())
