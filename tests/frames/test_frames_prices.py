"""What tokens come to: the table, own prices, unknown models, a missing package."""

import importlib.metadata
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bodies import output

from aod_notebook import frames
from aod_notebook.frames import FrameError, FrameWarning, prices

COUNTS = {"input_tokens": 1000, "cached_input_tokens": 400, "output_tokens": 50}
OWN = """
version = "7"
[models."house-model"]
input = 2.0
output = 8.0
cache_read = 0.5
"""


@pytest.fixture
def own_prices(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    prices.use(path)
    yield path
    prices.use(None)


def codex(**usage):
    lines = [
        {"type": "thread.started", "thread_id": "t"},
        {"type": "turn.completed", "usage": usage or COUNTS},
    ]
    return output(1, "".join(f"{json.dumps(line)}\n" for line in lines)).encode()


def claude_result(counts, cost, model="claude-sonnet-4-6"):
    """A result line with 5-minute and 1-hour writes, as Claude has it since 2.1.319."""
    return {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "total_cost_usd": cost,
        "modelUsage": {model: {**counts, "costUSD": cost}},
        "usage": {"input_tokens": counts["inputTokens"]},
    }


def of_claude(*results):
    init = {"type": "system", "subtype": "init", "session_id": "s", "model": "m"}
    return output(1, "".join(f"{json.dumps(line)}\n" for line in (init, *results))).encode()


WRITES = {
    "inputTokens": 100,
    "outputTokens": 50,
    "cacheReadInputTokens": 1000,
    "cacheCreationInputTokens": 30,
    "cacheCreationEphemeral5mInputTokens": 10,
    "cacheCreationEphemeral1hInputTokens": 20,
}


def test_the_price_of_claudes_counts_is_claudes_own_cost():
    used = frames.model_usage_from_events(of_claude(claude_result(WRITES, 0.0015075)))
    assert used["cache_creation_1h_tokens"][0] == 20
    assert used["computed_cost_usd"][0] == pytest.approx(0.0015075, abs=1e-9)
    assert list(used["cost_source"]) == ["reported"]


def test_codex_costs_what_the_agents_model_costs():
    results = frames.results_from_events(codex(), models="gpt-5.1")
    assert results["cost_usd"].isna().all()
    rates = prices.rates("gpt-5.1")
    expected = (600 * rates.input + 400 * rates.cache_read + 50 * rates.output) / 1e6
    assert results["computed_cost_usd"][0] == pytest.approx(expected, abs=1e-12)
    assert list(results["cost_source"]) == ["computed"]
    version = importlib.metadata.version("genai-prices")
    assert results.attrs["price_version"] == f"genai-prices {version}"


def test_models_are_given_by_session():
    body = codex()
    events = frames.decode_events(body, session_id="s1")
    named = frames.model_usage_from_events(events, models={"s1": "gpt-5.1"})
    assert list(named["model"]) == ["gpt-5.1"]
    assert frames.model_usage_from_events(events, models={"s2": "x"})["model"].isna().all()


def test_a_model_without_a_price_has_no_cost_and_is_reported_once():
    later = codex(**{name: 3 * count for name, count in COUNTS.items()})
    events = frames.decode_events(codex() + later.replace(b'"turn": 1', b'"turn": 2'))
    used = frames.model_usage_from_events(events, models="no-such-model")
    assert len(used) == 2
    assert used["computed_cost_usd"].isna().all()
    assert used["cost_source"].isna().all()
    assert used.attrs["problems"] == [
        {"what": "no price is known for a model", "where": "no-such-model", "raw": ""}
    ]


def test_own_prices_come_first(own_prices):
    results = frames.results_from_events(codex(), models="house-model")
    expected = (600 * 2.0 + 400 * 0.5 + 50 * 8.0) / 1e6
    assert results["computed_cost_usd"][0] == pytest.approx(expected, abs=1e-12)
    assert results.attrs["price_version"].startswith("own prices 7, genai-prices ")


@pytest.mark.parametrize(
    "text", ["models = 3", "[models.m]\ninput = 1", "[models.m]\ninput = 1\noutput = -1", "="]
)
def test_prices_of_another_form_are_refused(tmp_path, text):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(FrameError, match="No prices can be read from"):
        prices.use(path)


def test_without_the_package_cost_is_missing_and_one_notice_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    monkeypatch.setattr(prices, "version", lambda: None)
    for cached in (prices.rates, prices._snapshot, prices.notice):
        cached.cache_clear()
    try:
        with pytest.warns(FrameWarning, match=r"aod-notebook\[prices\]"):
            results = frames.results_from_events(codex(), models="gpt-5.1")
        assert results["computed_cost_usd"].isna().all()
        assert results.attrs["price_version"] is None
        frames.results_from_events(codex(), models="gpt-5.1")  # no second notice
    finally:
        for cached in (prices.rates, prices._snapshot, prices.notice):
            cached.cache_clear()


def test_prices_are_those_of_the_time_of_use():
    january = prices.table(datetime(2026, 1, 1, tzinfo=UTC)).set_index(["provider", "model"])
    assert january.loc[("anthropic", "claude-sonnet-4-6"), "cache_creation_1h"] == 6.0
    assert {"input", "output", "web_search"} <= set(january.columns)
    assert prices.rates("anthropic/claude-sonnet-4-6") == prices.rates("claude-sonnet-4-6")


def test_the_price_of_a_captured_resumed_session_is_claudes_own_cost():
    path = Path(__file__).parents[1] / "transcripts/captures/claude/resumed-2.1.332.jsonl"
    used = frames.model_usage_from_events(output(1, path.read_text(encoding="utf-8")).encode())
    assert used["cost_usd"].sum() == pytest.approx(0.00603, abs=1e-9)
    assert used["computed_cost_usd"].sum() == pytest.approx(used["cost_usd"].sum(), abs=1e-9)


def test_a_turn_of_claude_without_a_result_line_is_named():
    line = '{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"hi"}]}}\n'
    results = frames.results_from_events(output(1, line).encode())
    assert len(results) == 0
    assert results.attrs["problems"] == [
        {"what": "a turn of Claude has no result line", "where": "turn 1", "raw": ""}
    ]


def test_a_price_of_an_unknown_name_is_refused(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('version = "1"\n[models.m]\ninput = 1\noutput = 2\ncached = 3\n')
    with pytest.raises(FrameError, match="'cached' is not a price"):
        prices.use(path)


@pytest.mark.parametrize("day", [-10_000_000, -719_163, 2_932_897, 10**15])
def test_a_day_that_no_calendar_has_costs_what_today_costs(day):
    assert prices.rates("claude-sonnet-4-6", day) == prices.rates("claude-sonnet-4-6")


@pytest.mark.parametrize("day", [-719_162, 2_932_896])
def test_the_first_and_the_last_day_of_the_calendar_have_prices(day):
    assert prices.rates("claude-sonnet-4-6", day) is not None
