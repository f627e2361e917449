"""The service under load: nothing lost, nothing doubled, memory flat."""

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from service_kit import Kit, frames

RATE = 10
EVENT = {"level": "info", "payload": {"text": "word " * 20}, "occurred_at": "2026-01-01T00:00:00Z"}


@pytest.fixture
def service(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "aod_notebook.local", "--data-dir", tmp_path / "d", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    said = json.loads(child.stdout.readline())
    yield said, psutil.Process(child.pid)
    child.terminate()
    child.wait(60)
    child.stdout.close()


async def follow(url, token, session_id):
    """Read a session's stream to its end, off a socket; ask again if it is closed unanswered."""
    answer = b""
    while not answer:
        with contextlib.suppress(ConnectionResetError):
            answer = await asked(url, token, session_id)
    _, _, body = answer.partition(b"\r\n\r\n")
    parts = []
    while body:
        size, _, body = body.partition(b"\r\n")
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return frames(b"".join(parts).decode())


async def asked(url, token, session_id):
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    request = f"GET /sessions/{session_id}/stream HTTP/1.1\r\nHost: {address.netloc}\r\n"
    request += f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def report(said, seconds):
    """Report events for a while; returns the run and how many were acknowledged."""
    headers = {"Authorization": f"Bearer {said['agentos_key']}"}
    clock = asyncio.get_running_loop().time
    async with httpx.AsyncClient(base_url=said["url"], headers=headers, timeout=30) as client:
        start = {"agent_id": said["agent_id"], "trigger_type": "sdk", "input": {}}
        answer = None
        while answer is None:  # among strangers, a connection may be closed before its request
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post("/api/ingest/v1/run/start", json=start)
        run_id = answer.json()["data"]["run_id"]
        count, end = 0, clock() + seconds
        while clock() < end:
            events = [{**EVENT, "type": str(count + number)} for number in range(5)]
            body = {"run_id": run_id, "events": events}
            (await client.post("/api/ingest/v1/events", json=body)).raise_for_status()
            count += len(events)
            await asyncio.sleep(0.5)
    return run_id, count


@contextlib.contextmanager
def idle_connections(said, count):
    """Let another process keep so many connections that say nothing."""
    program = Path(__file__).with_name("strangers.py")
    command = [sys.executable, program, str(urlsplit(said["url"]).port), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            yield
        finally:
            child.kill()


async def load(said, kit, process, *, sessions, reporters, seconds):
    replay = {"recording": "tick", "pace": 1 / RATE, "repeat": RATE * seconds}
    agent = kit.agent(runtime="replay", metadata={"replay": replay})
    made = [kit.session("x", agent) for _ in range(sessions)]
    reading = [follow(said["url"], said["aod_token"], session["id"]) for session in made]
    reporting = [report(said, seconds) for _ in range(reporters)]
    gathered = asyncio.gather(asyncio.gather(*reading), asyncio.gather(*reporting))
    memory = []
    task = asyncio.ensure_future(gathered)
    while not task.done():
        await asyncio.wait({task}, timeout=1)
        memory.append(process.memory_info().rss)
    streams, runs = task.result()
    return made, streams, runs, memory


def check(service, tmp_path, **size):
    said, process = service
    folder = tmp_path / "d" / "recordings"
    folder.mkdir()
    (folder / "tick.jsonl").write_text('{"type": "tick"}\n')
    headers = {"Authorization": f"Bearer {said['aod_token']}"}
    with httpx.Client(base_url=said["url"], headers=headers, timeout=30) as client:
        kit = Kit(client)
        made, streams, runs, memory = asyncio.run(load(said, kit, process, **size))
        for session, events in zip(made, streams, strict=True):
            rows = [line for line, event in events if event["type"] == "output"]
            assert len(rows) == len(set(rows)) == RATE * size["seconds"]
            assert events == frames(kit.raw(session))
            assert events[-1][1]["type"] == "exit"
        client.headers["Authorization"] = f"Bearer {said['agentos_key']}"
        for run_id, count in runs:
            answer = client.post("/api/v1/rpc/runs_get_events", json={"run_id": run_id})
            stored = [event["type"] for event in answer.json()["data"]]
            assert stored == [str(number) for number in range(count)]
    half = memory[len(memory) // 2]
    assert memory[-1] < half * 1.2, [round(size / 1e6) for size in memory]
    cpu = process.cpu_times()
    figures = f"{size}: CPU {cpu.user + cpu.system:.1f} s, memory {memory[-1] / 1e6:.0f} MB\n"
    sys.stdout.write(figures)


def test_many_sessions_readers_and_reporters_lose_and_double_nothing(service, tmp_path):
    check(service, tmp_path, sessions=30, reporters=5, seconds=2)


def test_idle_connections_beside_the_streams_lose_and_double_nothing(service, tmp_path):
    with idle_connections(service[0], 400):
        check(service, tmp_path, sessions=10, reporters=2, seconds=2)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("strangers", [400, 5000])
def test_idle_connections_beside_a_hundred_streams(service, tmp_path, strangers):
    with idle_connections(service[0], strangers):
        check(service, tmp_path, sessions=100, reporters=20, seconds=30)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_minute_of_a_hundred_sessions_and_twenty_reporters(service, tmp_path):
    check(service, tmp_path, sessions=100, reporters=20, seconds=60)
