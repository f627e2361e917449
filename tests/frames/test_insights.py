"""Findings in generated sessions: each planted fault is found, and hardly anything else."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames.insights import KINDS

TOOLS = ("Bash", "Grep", "Glob", "WebFetch")


class Session:
    """Writes the lines of one Claude session, as its CLI prints them."""

    def __init__(self, rng, session_id):
        self.rng, self.id = rng, session_id
        self._now = datetime(2026, 5, 1, 8, tzinfo=UTC) + timedelta(minutes=rng.randrange(9999))
        self._number = 0
        self._context = rng.randint(8_000, 14_000)
        self.lines = []
        self.result = {"ttft_ms": rng.randint(300, 3000), "permission_denials": []}

    def wait(self, seconds):
        self._now += timedelta(seconds=seconds)

    def _stamp(self):
        self.wait(self.rng.uniform(0.5, 6))
        return self._now.isoformat(timespec="milliseconds")

    def say(self, block, *, written=0, read=None):
        self._number += 1
        self._context += self.rng.randint(50, 400)
        usage = {
            "input_tokens": 10,
            "output_tokens": 40,
            "cache_read_input_tokens": self._context if read is None else read,
            "cache_creation_input_tokens": written,
        }
        message = {"id": f"m{self._number}", "model": "claude-sonnet-4-6", "usage": usage}
        message |= {"content": [block], "stop_reason": "end_turn"}
        self._line("assistant", message=message)

    def call(self, tool, given, output="done", *, failed=False, **usage):
        key = f"t{self._number}"
        self.say({"type": "tool_use", "id": key, "name": tool, "input": given}, **usage)
        result = {"type": "tool_result", "tool_use_id": key, "content": output}
        self._line("user", message={"content": [{**result, "is_error": failed}]})

    def note(self, subtype, **fields):
        self._line("system", subtype=subtype, **fields)

    def _line(self, kind, **fields):
        stamp = self._stamp()
        self.lines.append({"type": kind, "uuid": f"{self.id}-{len(self.lines)}", **fields})
        self.lines[-1]["timestamp"] = stamp

    def ordinary(self):
        """Some honest work: other inputs each time, an edit, a check of it."""
        for _ in range(self.rng.randint(3, 8)):
            self.call(self.rng.choice(TOOLS), {"command": f"step {self.rng.random()}"})
        self.call("Read", {"file_path": f"{self.rng.random()}.py"}, "text")
        self.call("Edit", {"file_path": "a.py", "old_string": "x", "new_string": "y"})
        self.call("Bash", {"command": "pytest -q"}, "3 passed")

    def body(self):
        self.say({"type": "text", "text": "Everything is finished now."})
        end = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
        lines = [*self.lines, {**end, **self.result, "total_cost_usd": 0.1}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        event = {"type": "output", "id": 1, "stream": "stdout", "turn": 1, "data": text}
        return f"id: 1\ndata: {json.dumps(event)}\n\n".encode()


def repeated_call(s):
    for _ in range(s.rng.randint(3, 6)):
        s.call("Bash", {"command": "sleep 1; squeue"}, "still queued")


def repeated_failure(s):
    for _ in range(s.rng.randint(3, 5)):
        s.call("Bash", {"command": "make all"}, "no rule", failed=True)


def repeated_read(s):
    for _ in range(s.rng.randint(3, 5)):
        s.call("Read", {"file_path": "/srv/long.py"}, "text")
        s.call("Grep", {"pattern": str(s.rng.random())})


def unused_subagent(s):
    prompt = {"prompt": "Search the tests", "description": "Search"}
    s.call("Task", prompt, "Fixture zebra-harness lives in conftest/quagga.py")


def cold_cache(s):
    s.wait(900)
    s.say({"type": "text", "text": "Continuing."}, written=40_000, read=0)


def context_growth(s):
    s.call("Bash", {"command": "cat huge"}, "much", read=s.rng.randint(120_000, 180_000))


def compaction(s):
    s.note("compact_boundary", compact_metadata={"trigger": "auto"})


def denied(s):
    s.result["permission_denials"] = [{"tool_name": "Bash", "tool_use_id": "t1"}]


def work_after_edit(s):
    for _ in range(s.rng.randint(12, 18)):
        s.call("Bash", {"command": f"look {s.rng.random()}"})


def api_retry(s):
    for attempt in range(1, s.rng.randint(4, 7)):
        s.note("api_retry", attempt=attempt, max_retries=10, error_status=529)


def slow_start(s):
    s.result["ttft_ms"] = s.rng.randint(25_000, 60_000)


def idle(s):
    s.wait(s.rng.uniform(150, 250))
    s.say({"type": "text", "text": "Back again."})


PLANTS = {
    plant.__name__: plant
    for plant in (
        repeated_call,
        repeated_failure,
        repeated_read,
        unused_subagent,
        cold_cache,
        context_growth,
        compaction,
        denied,
        work_after_edit,
        api_retry,
        slow_start,
        idle,
    )
}
IMPLIED = {"cold_cache": {"idle"}}
"""A long pause inside a turn is also idle time."""


def findings_of(seed, planted):
    rng = random.Random(seed)
    session = Session(rng, f"s{seed}")
    session.ordinary()
    for kind in planted:
        PLANTS[kind](session)
    return frames.insights_df(session.body())


def test_every_kind_has_a_plant():
    assert set(PLANTS) == set(KINDS)


def test_planted_faults_are_found_and_hardly_anything_else():
    missed, false = Counter(), Counter()
    for seed in range(500):
        rng = random.Random(seed)
        planted = rng.sample(list(PLANTS), rng.choice((0, 1, 1, 2)))
        found = set(findings_of(seed, planted)["kind"])
        expected = set(planted).union(*(IMPLIED.get(kind, set()) for kind in planted))
        missed.update(set(planted) - found)
        false.update(found - expected)

    assert missed == Counter()
    assert sum(false.values()) <= 5, false


@pytest.mark.parametrize("kind", PLANTS)
def test_rows_of_a_finding_show_it(kind):
    found = findings_of(7, [kind])
    row = found[found["kind"] == kind].iloc[0]

    assert row["session_id"] is pd.NA or row["finding"]
    assert row["times"] >= 1
    assert all(isinstance(order, int) for order in json.loads(row["orders"]))


def test_a_limit_can_be_moved():
    assert "repeated_call" not in set(findings_with_limit(same_call=50)["kind"])


def findings_with_limit(**limits):
    session = Session(random.Random(1), "s")
    repeated_call(session)
    return frames.insights_df(session.body(), **limits)


def test_an_unknown_limit_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"unexpected limit 'same_cal'.*same_call"):
        frames.insights_df(b"", same_cal=2)


def test_no_findings_are_an_empty_frame_of_the_same_columns():
    empty, some = frames.insights_df(b""), findings_of(1, ["idle"])

    assert empty.dtypes.index.tolist() == some.dtypes.index.tolist()
    assert empty.empty
