"""Sessions and runs for traces and boards that tests open: recorded, of very many spans, of very many rows."""

import json
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from driven import Driven

import aod_notebook
from aod_notebook.viewers.board import Board
from aod_notebook.viewers.stream import StreamViewer
from aod_notebook.viewers.trace.widget import TraceViewer

RECORDING = Path(aod_notebook.__file__).parent / "local/recordings/claude-coding.jsonl"
HOSTILE = "<img src=x onerror=window.ran=1>\u202e<script>window.ran=1</script>"
PROMPTS = (
    "The CSV export of innkeeper/report.py drops the last row. Fix it.",
    "Write a docstring for every public function of innkeeper/rooms.py",
    "Why does innkeeper/prices.py return None for an empty list?",
    "Add type hints to innkeeper/guests.py",
)


class Timed(Driven):
    """A session whose events say when they came about."""

    def __init__(self, runtime="claude", began=None):
        super().__init__(runtime=runtime)
        self._events.clear()
        self.began = began or datetime.now(UTC) - timedelta(minutes=2)
        self.id = "5f0c2f6e-7a41-4c0e-9d53-2b8a61c1d7e4"

    def at(self, second, type_, **extra):
        self.event(type_, created_at=(self.began + timedelta(seconds=second)).isoformat(), **extra)

    def say(self, second, **line):
        self.at(second, "output", stream="stdout", data=json.dumps(line) + "\n", turn=1)

    def call(self, second, key, tool="Bash", **given):
        block = {"type": "tool_use", "id": key, "name": tool, "input": given or {"command": key}}
        message = {"id": f"m-{key}", "model": "claude-haiku-4-5", "content": [block]}
        self.say(second, type="assistant", message=message)

    def back(self, second, key, text="done", *, is_error=False):
        block = {"type": "tool_result", "tool_use_id": key, "content": text, "is_error": is_error}
        self.say(second, type="user", message={"content": [block]})


class Run(Timed):
    """A run of AgentOS, which has a `run_id`."""

    def __init__(self):
        super().__init__(runtime=None)
        self.run_id = self.id


def coding(ends=True):
    """Return the recorded session of a coding agent, with times."""
    session = Timed()
    session.prompts = {
        1: "The report for March shows 30 nights instead of 31. Find out why and fix it."
    }
    session.at(0, "turn_start", turn=1)
    second = 0.0
    for line in RECORDING.read_text(encoding="utf-8").splitlines():
        second += 0.4 if "tool_result" in line else 3.1
        session.at(second, "output", stream="stdout", data=f"{line}\n", turn=1)
    if ends:
        session.status, session.is_final = "completed", True
        session.at(second + 1, "exit", code=0)
    return session


def hostile():
    """Return a session in which every name and value is hostile."""
    session = Timed()
    session.prompts = {1: HOSTILE}
    session.at(0, "turn_start", turn=1)
    session.call(1, "t1", HOSTILE, command=HOSTILE)
    session.back(2, "t1", HOSTILE, is_error=True)
    session.status, session.is_final = "failed", True
    session.at(3, "error", message=HOSTILE)
    return session


def spans(count):
    """Return a run that has ended, of so many spans in a tree."""
    run, chance = Run(), random.Random(1)
    began = run.began
    for number in range(count):
        parent = None if number < 10 else f"s{chance.randrange(max(1, number // 6))}"
        start = began + timedelta(milliseconds=4 * number)
        end = start + timedelta(milliseconds=chance.randrange(1, 4000))
        run.event(
            f"step {number}", span_id=f"s{number}", parent_span_id=parent,
            kind=chance.choice(["tool", "llm", None]), payload={"input": {"n": number}},
            level="error" if number % 997 == 0 else "info",
            started_at=start.isoformat(), ended_at=end.isoformat(), occurred_at=end.isoformat(),
        )  # fmt: skip
    run.status, run.is_final = "completed", True
    return run


def rows(count):
    """Return a frame of so many sessions."""
    import pandas as pd

    chance, now = random.Random(2), pd.Timestamp.now(tz="UTC")
    states = chance.choices(["completed", "failed", "terminated"], [90, 8, 2], k=count)
    return pd.DataFrame(
        {
            "session_id": [f"{n:08x}-7a41-4c0e-9d53-2b8a61c1d7e4" for n in range(count)],
            "status": states,
            "prompt": [PROMPTS[n % len(PROMPTS)] for n in range(count)],
            "agent": ["fixer" if n % 3 else "fixer-lite" for n in range(count)],
            "model": ["claude-sonnet-4-6" if n % 2 else "claude-haiku-4-5" for n in range(count)],
            "turn_count": [1 + n % 3 for n in range(count)],
            "tool_call_count": [chance.randrange(5, 40) for _ in range(count)],
            "failed_tool_call_count": [n % 4 for n in range(count)],
            "cost_usd": [chance.random() / 2 for _ in range(count)],
            "duration_s": [chance.randrange(20, 300) for _ in range(count)],
            "created_at": [now - pd.Timedelta(seconds=20 * n) for n in range(count)],
        }
    )


def running(count):
    """Return so many sessions that run."""
    made = []
    for number in range(count):
        session = Timed()
        session.id = f"{number:08x}-7a41-4c0e-9d53-2b8a61c1d7e4"
        session.prompts = {1: PROMPTS[number % len(PROMPTS)]}
        session.at(number % 60, "turn_start", turn=1)
        made.append(session)
    return made


def update(sessions, per_second, seconds):
    """Let sessions go on in turn, so often a second in all, in a thread; return the thread."""

    def work():
        began = time.perf_counter()
        for number in range(int(per_second * seconds)):
            ahead = number / per_second - (time.perf_counter() - began)
            time.sleep(max(0.0, ahead))
            session = sessions[number % len(sessions)]
            session.call(70 + number, f"t{number}")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def trace(source):
    """Return a trace whose spans open the transcript."""
    return TraceViewer(
        source, transcript=lambda order: StreamViewer(source, freeze=False, at=order)
    )


def board(source, **options):
    return Board(source, **options)
