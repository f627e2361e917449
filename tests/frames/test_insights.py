"""Findings in generated sessions: each planted fault is found, and hardly anything else."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from aod_notebook import frames, local
from aod_notebook.frames.insights import KINDS
from aod_notebook.frames.insights.session import decoded

TOOLS = ("Bash", "Grep", "Glob", "WebFetch")


class Session:
    """Writes the lines of one Claude session, as its CLI prints them."""

    def __init__(self, rng, session_id):
        self.rng, self.id = rng, session_id
        self._now = datetime(2026, 5, 1, 8, tzinfo=UTC) + timedelta(minutes=rng.randrange(9999))
        self._number = self.calls_after_edit = 0
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

    def call(self, tool, given, output="done", *, failed=False, takes=0, **usage):
        key = f"t{self._number}"
        self.calls_after_edit = 0 if tool == "Edit" else self.calls_after_edit + 1
        self.say({"type": "tool_use", "id": key, "name": tool, "input": given}, **usage)
        self.wait(takes)
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


def session_of(seed, planted, decoys=()):
    session = Session(random.Random(seed), f"s{seed}")
    session.ordinary()
    for decoy in decoys:
        decoy(session)
    for kind in planted:
        PLANTS[kind](session)
    return session


def events_of(session):
    return frames.decode_events([session.body()], session_id=session.id)


def findings_of(seed, planted):
    return frames.insights_df(events_of(session_of(seed, planted)))


def two_equal_calls(s):
    for _ in range(2):
        s.call("Bash", {"command": "git status"}, "clean")


def fixed_after_failures(s):
    for _ in range(3):
        s.call("Bash", {"command": "pytest"}, "1 failed", failed=True)
        s.call("Edit", {"file_path": "b.py", "old_string": "x", "new_string": str(s.rng.random())})


def reads_between_edits(s):
    for _ in range(3):
        s.call("Read", {"file_path": "/srv/c.py"}, "text")
        s.call("Edit", {"file_path": "/srv/c.py", "old_string": "x", "new_string": "y"})


def reads_of_parts(s):
    for part in range(1, 6):
        s.call("Read", {"file_path": "/srv/long.py", "offset": part * 100}, "text")


def a_subagent_that_helped(s):
    s.call("Task", {"prompt": "Find the fixture"}, "It lives in conftest/okapi.py")
    s.call("Read", {"file_path": f"conftest/okapi.py{s.rng.random()}"}, "text")


def a_slow_tool(s):
    s.call("Bash", {"command": "make everything"}, "built", takes=260)


def a_short_pause(s):
    s.wait(60)
    s.say({"type": "text", "text": "On."}, written=2_000)


DECOYS = (
    two_equal_calls,
    fixed_after_failures,
    reads_between_edits,
    reads_of_parts,
    a_subagent_that_helped,
    a_slow_tool,
    a_short_pause,
)
"""Honest work that looks like a fault."""


def test_every_kind_has_a_plant():
    assert set(PLANTS) == set(KINDS)


def test_planted_faults_are_found_and_hardly_anything_else():
    expected, events = {}, []
    for seed in range(500):
        rng = random.Random(seed)
        planted = rng.sample(list(PLANTS), rng.choice((0, 1, 1, 2)))
        session = session_of(seed, planted, rng.sample(DECOYS, rng.choice((0, 1, 2))))
        events.append(events_of(session))
        implied = set().union(*(IMPLIED.get(kind, set()) for kind in planted))
        if session.calls_after_edit >= frames.insights.Limits.calls_after_edit:
            implied.add("work_after_edit")
        expected[session.id] = set(planted), implied

    found = frames.insights_df(pd.concat(events, ignore_index=True))

    kinds = found.groupby("session_id")["kind"].agg(set).to_dict()
    missed, false = Counter(), Counter()
    for session, (planted, implied) in expected.items():
        missed.update(planted - kinds.get(session, set()))
        false.update(kinds.get(session, set()) - planted - implied)
    assert missed == Counter()
    assert sum(false.values()) <= 5, false


@pytest.mark.parametrize("kind", PLANTS)
def test_a_finding_names_session_turn_and_rows(kind):
    session = session_of(7, [kind])
    events = events_of(session)
    found = frames.insights_df(events)
    row = found[found["kind"] == kind].iloc[0]
    orders = json.loads(row["orders"])

    assert (row["session_id"], row["turn"]) == ("s7", 1)
    assert orders
    assert set(orders) <= set(frames.messages_from_events(events)["order"])


@pytest.fixture
def own_prices(tmp_path):
    path = tmp_path / "prices.toml"
    rates = "input = 3.0\noutput = 15.0\ncache_read = 0.3\ncache_creation = 3.75\n"
    path.write_text(f'version = "1"\n[models.claude-sonnet-4-6]\n{rates}')
    frames.prices.use(path)
    yield
    frames.prices.use(None)


def test_a_loop_costs_its_requests_after_the_first(own_prices):
    session = Session(random.Random(1), "s")
    for _ in range(3):
        session.call("Bash", {"command": "squeue"}, "queued", read=1000, written=100)

    row = frames.insights_df(events_of(session), kinds=["repeated_call"]).iloc[0]

    assert row["tokens"] == 2 * (10 + 40 + 1000 + 100)
    each = 10 * 3.0 + 40 * 15.0 + 1000 * 0.3 + 100 * 3.75
    assert row["cost_usd"] == pytest.approx(2 * each / 1e6, abs=1e-12)


def test_a_cold_cache_costs_what_was_written_again(own_prices):
    session = session_of(7, ["cold_cache"])

    row = frames.insights_df(events_of(session), kinds=["cold_cache"]).iloc[0]

    assert row["tokens"] == 40_000
    assert row["cost_usd"] == pytest.approx(40_000 * 3.75 / 1e6, abs=1e-12)
    assert row["lost_s"] > 900


def test_counts_of_a_stream_that_are_placeholders_cost_nothing_known(own_prices):
    session = Session(random.Random(1), "s")
    repeated_call(session)
    for line in session.lines:
        line.get("message", {}).pop("stop_reason", None)

    row = frames.insights_df(events_of(session), kinds=["repeated_call"]).iloc[0]

    assert row[["tokens", "cost_usd"]].isna().all()


def test_a_limit_can_be_moved():
    assert "repeated_call" not in set(findings_with_limit(same_call=50)["kind"])


def findings_with_limit(**limits):
    session = Session(random.Random(1), "s")
    repeated_call(session)
    return frames.insights_df(session.body(), **limits)


CAPTURES = Path(__file__).parents[1] / "transcripts" / "captures" / "claude"
TRUE = {
    "denied": {"denied"},  # one Write was rejected
    "subagent": {"unused_subagent"},  # it says "There are no files."; the agent never uses it
}
"""What really happened in recorded sessions of Claude: every other one went well."""


RECORDING = Path(local.__file__).parent / "recordings" / "claude-coding.jsonl"


@pytest.mark.parametrize(
    "path", [*sorted(CAPTURES.glob("*.jsonl")), RECORDING], ids=lambda path: path.stem
)
def test_what_is_found_in_recorded_sessions_is_true(path):
    event = {"type": "output", "id": 1, "stream": "stdout", "turn": 1, "data": path.read_text()}
    found = frames.insights_df(f"id: 1\ndata: {json.dumps(event)}\n\n".encode())

    assert set(found["kind"]) == TRUE.get(path.stem, set())


def test_an_unknown_limit_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"unexpected limit 'same_cal'.*same_call"):
        frames.insights_df(b"", same_cal=2)


def test_no_findings_are_an_empty_frame_of_the_same_columns():
    empty, some = frames.insights_df(b""), findings_of(1, ["idle"])

    assert empty.dtypes.index.tolist() == some.dtypes.index.tolist()
    assert empty.empty


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"unexpected kind 'idles': there are .*idle"):
        frames.insights_df(b"", kinds=["idles"])


def test_findings_in_a_store_are_those_of_its_logs(tmp_path):
    session = session_of(7, ["repeated_call", "compaction"])
    path = tmp_path / ".claude" / "projects" / "-srv" / f"{session.id}.jsonl"
    path.parent.mkdir(parents=True)
    prompt = {"type": "user", "uuid": "p", "message": {"role": "user", "content": "Go."}}
    path.write_text("".join(json.dumps(line) + "\n" for line in [prompt, *session.lines]))
    store = frames.import_logs(tmp_path, into=tmp_path / "store")

    found = frames.insights_df(store)

    assert {"repeated_call", "compaction"} <= set(found["kind"])
    pd.testing.assert_frame_equal(found, frames.insights_df(tmp_path), check_categorical=False)


def test_a_loop_of_an_unnamed_model_has_tokens_and_no_cost(own_prices):
    session = Session(random.Random(1), "s")
    repeated_call(session)
    for line in session.lines:
        line.get("message", {}).pop("model", None)

    row = frames.insights_df(events_of(session), kinds=["repeated_call"]).iloc[0]

    assert row["tokens"] > 0
    assert pd.isna(row["cost_usd"])


def test_a_context_that_no_message_counts_does_not_grow():
    session = Session(random.Random(1), "s")
    context_growth(session)
    for line in session.lines:
        line.get("message", {}).pop("usage", None)

    assert frames.insights_df(session.body(), kinds=["context_growth"]).empty


@pytest.mark.parametrize("text", ["not JSON", "[" * 100_000])
def test_an_input_that_cannot_be_decoded_is_none(text):
    assert decoded(text) is None
