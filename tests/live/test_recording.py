"""Replays of sessions that are there: of a service, of a CLI's own log, of what a CLI printed."""

from pathlib import Path

import pytest

from aod_notebook import frames, live
from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import SessionRequest, start
from aod_notebook.live.agents import recording_of
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import LocalService

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"


@pytest.fixture(autouse=True)
def embedded(tmp_path, monkeypatch):
    """Run the embedded service of a home of this test alone, in this process."""
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    with LocalService(embedded_data_dir()):
        yield
        live.disconnect()
        bridge.stop()


def replay(recording):
    return start(SessionRequest(prompt="again", runtime="replay", recording=recording)).wait()


def test_a_session_is_replayed_turn_by_turn():
    session = start(SessionRequest(prompt="echo one; echo two", runtime="shell")).wait()
    session.prompt("echo three").wait()
    played = replay(session.id)
    assert played.text == "one\ntwo"
    assert played.prompt("go on").wait().text == "one\ntwo\nthree"
    assert played.runtime == "replay"
    recorded = played.events["recorded_at"].dropna()
    assert recorded.iloc[0] == session.events.dropna(subset="data")["created_at"].iloc[0]


@pytest.mark.parametrize("agent", [".codex", ".gemini"])
def test_a_log_of_a_cli_is_replayed_with_its_times(agent):
    log = min((SAMPLES / agent).rglob("*.jsonl"))
    own = frames.tool_calls_df(str(log))
    calls = replay(str(log)).tool_calls
    assert list(calls["tool"]) == list(own[own["turn"].eq(1)]["tool"])
    assert list(calls["duration_s"]) == list(own[own["turn"].eq(1)]["duration_s"])


def test_what_is_neither_recording_nor_session_is_refused(tmp_path):
    with pytest.raises(AodNotebookError, match="nothing-here"):
        recording_of("nothing-here", tmp_path, live.connection().client)


def test_a_recording_is_for_the_runtime_replay():
    with pytest.raises(AodNotebookError, match="runtime replay"):
        start(SessionRequest(prompt="x", runtime="shell", speed=3))
