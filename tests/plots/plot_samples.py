"""Made-up sessions and runs for the figures: the same on every machine."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

import aod_notebook.local
from aod_notebook import frames

BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SESSION = "2bc7f561-935d-44ed-92d0-4a435721ed3f"
RECORDING = Path(aod_notebook.local.__file__).parent / "recordings" / "claude-coding.jsonl"
STAGES = (
    ("create_sprite", 4_100),
    ("install_runtime", 9_800),
    ("git_credentials", 350),
    ("provision_setup", 6_200),
)
TOOLS = {
    "Bash": 4.0,
    "Read": 0.06,
    "Edit": 0.1,
    "Grep": 0.2,
    "WebFetch": 2.0,
    "mcp__tracker__find": 1.2,
}


class Stream:
    """Writes the events of a session's stream, each with the time of its receipt."""

    def __init__(self):
        self.body = []
        self.times = []
        self.now = 0.0
        self.number = 0

    def say(self, after, /, **fields):
        self.now += after
        self.number += 1
        mark = "" if fields["type"] in ("start", "turn_start") else f"id: {self.number}\n"
        self.body.append(f"{mark}data: {json.dumps({**fields, 'id': self.number})}\n\n")
        self.times.append(BEGAN + timedelta(seconds=self.now))

    def line(self, after, line, turn):
        self.say(after, type="output", stream="stdout", turn=turn, data=line + "\n")

    def frame(self):
        events = frames.decode_events("".join(self.body).encode(), SESSION)
        times = pd.Series(self.times).astype("datetime64[us, UTC]")
        return events.assign(received_at=times)


def session_events(*, stage_fails=False, ends=True):
    """The recorded session in a time as it could be, and a second turn that fails."""
    stream = Stream()
    stream.say(0, type="start", runtime="claude", session_id=SESSION)
    for stage, took in STAGES:
        fails = stage_fails and stage == STAGES[-1][0]
        stream.say(0.02, type="stage", stage=stage, state="started")
        told = {"message": "make: *** [setup] Error 2"} if fails else {}
        state = "failed" if fails else "done"
        stream.say(took / 1000, type="stage", stage=stage, state=state, duration_ms=took, **told)
        if fails:
            stream.say(0.1, type="error", message="provisioning failed")
            return stream.frame()
    stream.say(0.1, type="stage", stage="runtime_start", state="started")
    stream.say(1.6, type="turn_start", turn=1)
    dice = random.Random(8)
    for line in RECORDING.read_text(encoding="utf-8").splitlines():
        stream.line(0.3 + 3.2 * dice.random(), line, 1)
    if not ends:
        return stream.frame()
    stream.say(0.2, type="exit", code=0)
    stream.say(6.0, type="stage", stage="runtime_start", state="started")
    stream.say(1.1, type="turn_start", turn=2)
    used = {
        "type": "tool_use",
        "id": "toolu_21",
        "name": "Bash",
        "input": {"command": "make release"},
    }
    message = {"id": "msg_21", "role": "assistant", "model": "claude-sonnet-4-6", "content": [used]}
    stream.line(2.4, json.dumps({"type": "assistant", "message": message}), 2)
    stream.say(9.5, type="exit", code=137)
    return stream.frame()


def many_calls(number=600):
    """Calls as those of an agent that worked for an hour, with five subagents."""
    dice = random.Random(5)
    names = dice.choices(list(TOOLS), weights=(30, 30, 15, 15, 7, 3), k=number)
    now, rows = BEGAN, []
    for order, tool in enumerate(names, 1):
        now += timedelta(seconds=dice.expovariate(0.2))
        took = TOOLS[tool] * dice.lognormvariate(0, 0.8)
        starter = order - order % 40
        is_last = order == number
        rows.append({
            "session_id": SESSION,
            "turn": 1 + order // 250,
            "tool_use_id": f"t{order}",
            "parent_tool_use_id": f"t{starter}" if 40 < order < 240 and order % 40 in range(1, 16) else None,
            "order": order,
            "result_order": None if is_last else order + 1,
            "tool": tool,
            "summary": f"part {order // 40}",
            "is_error": None if is_last else dice.random() < (0.2 if tool == "Bash" else 0.03),
            "has_result": not is_last,
            "called_at": now,
            "returned_at": None if is_last else now + timedelta(seconds=took),
            "duration_s": None if is_last else took,
        })  # fmt: skip
    return typed(rows, "tool_calls")


def calls_of_sessions():
    """The same calls as those of four sessions, each with its prompt."""
    calls = many_calls()
    ids = [
        f"{name}-935d-44ed-92d0-4a435721ed3f"
        for name in ("2bc7f561", "7e5ba6dc", "a1f7a3e2", "e5fc33e7")
    ]
    places = [(0, 0, 1, 2, 2, 2, 3)[n % 7] for n in range(len(calls))]
    prompts = (
        "The report for March shows 30 nights instead of 31", "Add type hints to guests.py",
        "Why does prices.py return None for an empty list?", "Speed up the CSV export",
    )  # fmt: skip
    return calls.assign(
        session_id=[ids[n] for n in places], prompt=[prompts[n] for n in places]
    ).astype({"session_id": "str"})


def typed(rows, schema):
    """The rows as a frame with the dtypes of a schema."""
    frame = pd.DataFrame(rows)
    columns = [column for column in frames.SCHEMAS[schema].columns if column.name in frame]
    return frame.astype({column.name: column.pandas_dtype for column in columns})


def run_events(run_id="run-1f2e"):
    """A run's spans: one failed, one without an end, one whose parent is unknown."""
    spans = [
        ("a", None, "triage ticket 4711", "agent", 0, 9400, {}),
        ("b", "a", "plan", "llm", 60, 1850, {"input_tokens": 1840, "output_tokens": 312}),
        ("c", "a", "gather", "step", 1950, 3900, {}),
        ("d", "c", "search knowledge base", "retrieval", 1980, 640, {}),
        ("e", "c", "read_ticket", "tool", 2640, 310, {"tool": "read_ticket"}),
        ("f", "c", "fetch_logs", "tool", 2960, 1700, {"tool": "fetch_logs", "error": "504"}),
        ("g", "c", "fetch_logs", "tool", 4700, 1120, {"tool": "fetch_logs"}),
        ("h", "a", "answer", "llm", 5900, 2950, {"input_tokens": 12_400, "output_tokens": 1240}),
        ("i", "a", "notify", "tool", 8900, None, {"tool": "notify"}),
        ("x", "gone", "webhook", "step", 9000, 300, {}),
    ]
    data = [
        {
            "id": span_id,
            "type": name,
            "level": "error" if "error" in payload else "info",
            "sequence_number": number,
            "occurred_at": at(start),
            "span_id": span_id,
            "parent_span_id": parent,
            "kind": kind,
            "started_at": at(start),
            "ended_at": None if took is None else at(start + took),
            "duration_ms": took,
            "payload": payload,
        }
        for number, (span_id, parent, name, kind, start, took, payload) in enumerate(spans, 1)
    ]
    return frames.decode_run_events(json.dumps({"data": data}), run_id)


def at(milliseconds):
    return (BEGAN + timedelta(milliseconds=milliseconds)).isoformat()


def turns(number=40):
    """Turns of a week, of which one does not tell its cost."""
    dice = random.Random(3)
    now, rows = BEGAN, []
    for place in range(number):
        now += timedelta(hours=dice.expovariate(0.25))
        took = dice.lognormvariate(3.5, 0.7)
        rows.append({
            "session_id": f"s{place // 2}",
            "turn": place % 2 + 1,
            "status": "failed" if dice.random() < 0.1 else "completed",
            "started_at": now,
            "ended_at": now + timedelta(seconds=took),
            "queue_s": 0.2 + dice.random(),
            "duration_s": took,
            "input_tokens": dice.randint(20, 400),
            "output_tokens": dice.randint(500, 6000),
            "cache_read_tokens": dice.randint(20_000, 400_000),
            "cache_creation_tokens": dice.randint(4000, 40_000),
            "cost_usd": None if place == 7 else 0.02 + 0.4 * dice.random(),
        })  # fmt: skip
    tokens = dict.fromkeys([name for name in rows[0] if name.endswith("_tokens")], "Int64")
    return typed(rows, "turns").astype({**tokens, "cost_usd": "Float64"})


def sessions(number):
    """Sessions of a batch, with what they cost."""
    dice = random.Random(4)
    states = dice.choices(
        ("completed", "failed", "terminated", "running"), weights=(75, 14, 6, 5), k=number
    )
    rows = [
        {
            "session_id": f"{dice.getrandbits(32):08x}-935d-44ed-92d0-4a435721ed3f",
            "status": state,
            "turn_count": dice.randint(1, 3),
            "created_at": BEGAN + timedelta(seconds=place),
            "duration_s": dice.gammavariate(2, 20),
            "cost_usd": None if state == "running" else 0.02 + 0.3 * dice.random(),
        }
        for place, state in enumerate(states)
    ]
    return typed(rows, "sessions").astype({"cost_usd": "Float64"})
