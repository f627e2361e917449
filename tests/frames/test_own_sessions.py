"""Imported sessions: opened one by one, and what they cost together."""

import json
from pathlib import Path

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames import FrameError

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"
CLAUDE = "11111111-1111-4111-8111-111111111111"
FORK = "4b6b04ae-38cc-498e-aebc-0d3676182156"
SUBAGENT_INPUT = 2013
"""Input tokens that were served to the subagent of the first session."""
PRICES = """version = "1"
[models.claude-sonnet-4-6]
input = 3.0
output = 15.0
cache_read = 0.3
cache_creation = 3.75
cache_creation_1h = 6.0
"""

pytestmark = pytest.mark.filterwarnings("ignore:computed_cost_usd")


@pytest.mark.parametrize("is_stored", [True, False])
def test_an_opened_session_has_its_tables(home, tmp_path, is_stored):
    where = frames.import_logs(home, into=tmp_path / "store") if is_stored else home

    session = frames.open_log(CLAUDE[:8], where)

    assert (session.id, session.runtime, session.title) == (CLAUDE, "claude", "please [[tools]]")
    assert len(session.turns) == 3
    assert set(session.tool_calls["session_id"]) == {CLAUDE}
    assert session.model_usage["input_tokens"].sum() == 12081
    assert session.received()[-1].type == "exit"


def test_a_fork_that_is_opened_alone_has_its_own_counts_only(home):
    assert frames.open_log(FORK, home).model_usage["input_tokens"].sum() == 1010


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("nowhere", "no session `nowhere`"), ("11", "too short"), ("01a223c2", "begins 2")],
)
def test_what_cannot_be_opened_is_named(home, wanted, message):
    with pytest.raises(FrameError, match=message):
        frames.open_log(wanted, home)


@pytest.fixture
def at_home(home, tmp_path, monkeypatch):
    """The person's home is that of the samples, and so is this package's beside it."""
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "own"))


def test_a_session_is_opened_from_the_default_logs_if_the_default_store_lacks_it(at_home, home):
    frames.import_logs(home / ".codex")
    assert frames.open_log(CLAUDE).title == "please [[tools]]"


def test_a_session_that_a_named_store_lacks_is_not_searched_elsewhere(at_home, home, tmp_path):
    store = frames.import_logs(home / ".codex", into=tmp_path / "store")
    with pytest.raises(FrameError, match=f"no session `{CLAUDE}` in '{store.path}'"):
        frames.open_log(CLAUDE, store)


def test_spending_is_that_of_the_default_store_or_of_a_stores_folder(at_home, home, own_prices):
    store = frames.import_logs(home / ".claude")
    expected = frames.spending_df(store)

    assert expected["input_tokens"].sum() == 13091
    pd.testing.assert_frame_equal(frames.spending_df(), expected)
    pd.testing.assert_frame_equal(frames.spending_df(str(store.path)), expected)


def test_spending_of_what_is_no_log_is_refused():
    with pytest.raises(FrameError, match=r"5 is not a store or a path of logs"):
        frames.spending_df(5)


def test_costs_of_groups_add_up_to_what_was_billed(home, own_prices):
    spent = frames.spending_df(home / ".claude", by=["day", "model"])

    assert spent["model"].tolist() == ["claude-sonnet-4-6"]
    assert spent["session_count"].tolist() == [2]
    fresh, output, read, written = 13091, 741, 2691, 481
    assert spent["input_tokens"].tolist() == [fresh]
    expected = fresh * 3 + output * 15 + read * 0.3 + written * 3.75
    assert spent["cost_usd"].sum() == pytest.approx(expected / 1e6, abs=1e-9)


def test_what_the_cache_saved_counts_its_writing_too(home, own_prices):
    spent = frames.spending_df(home / ".claude", by="model")

    saved = 2691 * (3 - 0.3) - 481 * (3.75 - 3)
    assert spent["cache_saved_usd"].sum() == pytest.approx(saved / 1e6, abs=1e-9)


def test_a_store_and_its_logs_cost_the_same(home, tmp_path, own_prices):
    store = frames.import_logs(home, into=tmp_path / "store")
    of_store, of_logs = (
        frames.spending_df(source, by="runtime").set_index("runtime")["input_tokens"].to_dict()
        for source in (store, home)
    )

    assert of_store == of_logs


def test_an_unknown_group_is_refused(home):
    with pytest.raises(FrameError, match="must name some of day, model"):
        frames.spending_df(home, by="moon")


def test_costs_by_tool_and_subagent_add_up_to_what_was_billed(home, own_prices):
    whole = frames.spending_df(home / ".claude", by="model")
    spent = frames.spending_df(home / ".claude", by=["tool", "subagent"])

    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cost_usd"):
        assert spent[name].sum() == pytest.approx(whole[name].sum(), abs=1e-12)
    by_agent = spent.groupby("subagent")["input_tokens"].sum().to_dict()
    assert by_agent == {"(main)": 13091 - SUBAGENT_INPUT, "general-purpose": SUBAGENT_INPUT}
    assert {"Bash", "Agent", "(no tool)"} <= set(spent["tool"])


def test_a_request_with_two_calls_counts_evenly_for_their_files(tmp_path, own_prices):
    read = [
        {"type": "tool_use", "id": f"t{at}", "name": "Read", "input": {"file_path": path}}
        for at, path in enumerate(("a.py", "b.py"))
    ]
    usage = {"input_tokens": 1001, "output_tokens": 10}
    message = {"id": "m1", "model": "claude-sonnet-4-6", "content": read, "usage": usage}
    message["stop_reason"] = "tool_use"
    line = {"type": "assistant", "uuid": "a", "timestamp": "2026-03-01T09:00:00Z"}
    path = tmp_path / ".claude" / "projects" / "-srv" / "s1.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**line, "message": message}) + "\n")

    spent = frames.spending_df(tmp_path, by="file").set_index("file")

    assert spent["input_tokens"].to_dict() == {"a.py": 501, "b.py": 500}
    assert spent["cost_usd"].sum() == pytest.approx((1001 * 3 + 10 * 15) / 1e6, abs=1e-12)


def test_what_no_call_can_be_charged_with_stays_na(home):
    spent = frames.spending_df(home / ".codex", by=["tool", "subagent"])

    assert spent["tool"].isna().all()
    assert spent["input_tokens"].sum() == 7121 + 2041
    assert set(spent["subagent"].dropna()) == {"(subagent)"}
