"""The `replay` runtime: a recording's rhythm, its times, its turns, of every agent's CLI."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.local.runtimes.recordings import RecordedLine, gaps, load, write

CAPTURES = Path(__file__).parents[1] / "transcripts" / "captures"
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def outputs(kit, session):
    return [event for event in kit.stream(session) if event["type"] == "output"]


def replaying(kit, **options):
    return kit.agent(runtime="replay", metadata={"replay": options})


def lines_at(*seconds):
    return [
        RecordedLine(json.dumps({"n": n}) + "\n", BEGAN + timedelta(seconds=at))
        for n, at in enumerate(seconds)
    ]


@pytest.fixture
def folder(fresh_service):
    return fresh_service.data_dir / "recordings"


def test_a_speed_plays_the_recorded_rhythm_that_much_faster(fresh_kit, folder):
    write(folder / "slow.jsonl", [lines_at(0, 2, 30, 60)])
    session = fresh_kit.session("go", replaying(fresh_kit, recording="slow", speed=100))
    played = [datetime.fromisoformat(event["created_at"]) for event in outputs(fresh_kit, session)]
    waited = [(after - before).total_seconds() for before, after in pairwise(played)]
    assert waited[1] >= 0.2
    assert waited[2] >= 0.2
    assert waited[0] < waited[1]


def test_events_have_the_real_and_the_recorded_time(fresh_kit, folder):
    write(folder / "slow.jsonl", [lines_at(0, 2)])
    asked = datetime.now(UTC)
    session = fresh_kit.session("go", replaying(fresh_kit, recording="slow", pace=0))
    events = fresh_kit.stream(session)
    played = [event for event in events if event["type"] == "output"]
    recorded = [datetime.fromisoformat(event["recorded_at"]) for event in played]
    assert recorded == [BEGAN, BEGAN + timedelta(seconds=2)]
    assert all(datetime.fromisoformat(event["created_at"]) > asked for event in played)
    (began,) = [event for event in events if event["type"] == "turn_start"]
    assert datetime.fromisoformat(began["recorded_at"]) == BEGAN


def test_lines_of_unknown_time_are_not_given_one(fresh_kit, folder):
    write(folder / "bare.jsonl", [[RecordedLine('{"n": 1}\n')]])
    session = fresh_kit.session("go", replaying(fresh_kit, recording="bare", pace=0))
    assert all("recorded_at" not in event for event in fresh_kit.stream(session))


def test_tool_calls_of_a_replay_take_as_long_as_recorded(fresh_kit):
    session = fresh_kit.session("go", replaying(fresh_kit, pace=0))
    events = frames.decode_events(fresh_kit.raw(session).encode(), session["id"])
    calls = frames.tool_calls_from_events(events)
    assert (calls["duration_s"] > 0).all()
    took = calls.set_index("tool_use_id")["duration_s"]
    assert took["toolu_09"] == pytest.approx(1.722, abs=0.001)
    recorded = events["recorded_at"].dropna()
    assert (recorded.iloc[-1] - recorded.iloc[0]).total_seconds() == pytest.approx(74.3, abs=0.5)
    assert events["created_at"].dropna().min() > pd.Timestamp(recorded.max())


def test_a_long_turn_is_compressed_to_ten_seconds_without_long_gaps():
    pauses = gaps(lines_at(*range(0, 600, 10), 4000), seconds=10, speed=None)
    assert sum(pauses) == pytest.approx(10, abs=0.01)
    assert max(pauses) <= 2


def test_a_short_turn_keeps_its_own_rhythm():
    assert gaps(lines_at(0, 0.5, 1.25), seconds=10, speed=None) == [0, 0.5, 0.75]


def test_lines_without_times_come_evenly():
    assert gaps([RecordedLine("x\n")] * 100, seconds=10, speed=None) == [0.1] * 100


@pytest.mark.parametrize("runtime", ["claude", "codex", "gemini", "opencode"])
def test_recordings_of_every_cli_play_turn_by_turn(fresh_kit, runtime):
    capture = CAPTURES / runtime / "turns.jsonl"
    agent = replaying(fresh_kit, recording=str(capture), pace=0)
    session = fresh_kit.session("one", agent)
    for prompt in ("two", "three", "four"):
        fresh_kit.finish(session)
        fresh_kit.post(f"/sessions/{session['id']}/prompt", {"prompt": prompt}, 202)
    fresh_kit.finish(session)
    played = outputs(fresh_kit, session)
    recorded = capture.read_text().splitlines(keepends=True)
    assert [event["data"] for event in played if event["turn"] < 4] == recorded
    assert {event["turn"] for event in played} == {1, 2, 3, 4}
    events = frames.decode_events(fresh_kit.raw(session).encode(), session["id"])
    said = frames.messages_from_events(events)
    last = said[said["turn"].eq(4)]["text"].dropna()
    assert last.str.contains("This is a replay").any()


def test_the_packaged_recording_has_a_time_for_each_line(tmp_path):
    (turn,) = load(tmp_path, "claude-coding").turns
    times = [line.at for line in turn]
    assert None not in times
    assert times == sorted(times)


def test_times_that_do_not_fit_the_lines_are_left_out(tmp_path):
    write(tmp_path / "mine.jsonl", [lines_at(0, 1)])
    (tmp_path / "mine.times").write_text(f"1 {BEGAN.isoformat()}\n")
    assert [line.at for turn in load(tmp_path, "mine").turns for line in turn] == [None, None]


def test_the_services_variable_paces_agents_that_choose_nothing(fresh_kit, folder, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_REPLAY_PACE", "0.1")
    write(folder / "three.jsonl", [lines_at(0, 0, 0)])
    session = fresh_kit.session("go", replaying(fresh_kit, recording="three"))
    played = [datetime.fromisoformat(event["created_at"]) for event in outputs(fresh_kit, session)]
    assert (played[-1] - played[0]).total_seconds() > 0.15
