"""What logs say was used: a row per billed request, equal to what an import finds."""

import json
from pathlib import Path

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames import FrameError

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"
PRICES = """version = "1"
[models.claude-sonnet-4-6]
input = 3.0
output = 15.0
cache_read = 0.3
cache_creation = 3.75
[models."gpt-4.1"]
input = 2.0
output = 8.0
[models."gemini-2.5-pro"]
input = 1.25
output = 10.0
"""
SUMS = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"]

pytestmark = pytest.mark.filterwarnings("ignore:computed_cost_usd")


def test_tokens_and_costs_are_those_of_an_import(home, own_prices):
    used = frames.usage_df(home)
    imported = frames.model_usage_df(home)

    names = [*SUMS, "computed_cost_usd"]
    ours = used.groupby("session_id")[names].sum()
    theirs = imported.groupby("session_id")[names].sum()
    assert (ours[SUMS] == theirs.loc[ours.index, SUMS]).all(axis=None)
    difference = ours["computed_cost_usd"] - theirs["computed_cost_usd"]
    assert difference.abs().max() < 1e-9


def test_a_row_says_when_and_where_and_how_it_counts(home):
    used = frames.usage_df(home / ".claude")
    row = used.iloc[0]

    assert row["model"] == "claude-sonnet-4-6"
    assert row["cwd"] == "/srv/project"
    assert str(row["created_at"]).startswith("2026-11-28")
    assert not row["input_includes_cache"]
    assert used["request_id"].is_unique


def test_a_plain_sum_of_the_same_lines_is_wrong(home):
    """Claude writes each message once per block, and a fork writes its origin's again."""
    plain = 0
    for path in (home / ".claude").rglob("*.jsonl"):
        for line in path.read_text().splitlines():
            message = json.loads(line).get("message") or {}
            plain += message.get("usage", {}).get("input_tokens", 0)

    assert frames.usage_df(home / ".claude")["input_tokens"].sum() == 12081 + 1010
    assert plain > 12081 + 1010


def test_columns_can_be_chosen(home):
    used = frames.usage_df(home, columns=["model", "output_tokens"])

    assert list(used.columns) == ["model", "output_tokens"]


def test_no_logs_are_an_empty_frame_of_the_same_columns(home, tmp_path):
    (tmp_path / "none" / ".claude" / "projects").mkdir(parents=True)
    empty = frames.usage_df(tmp_path / "none")

    assert empty.empty
    assert empty.dtypes.to_dict().keys() == frames.usage_df(home).dtypes.to_dict().keys()


def test_a_path_that_does_not_exist_is_named():
    with pytest.raises(FrameError, match="no-such-home does not exist"):
        frames.usage_df("./no-such-home")


def claude_log(home, cost, model="claude-sonnet-4-6"):
    """Write a session of one request that costs $0.00045 by the price table."""
    message = {"id": "m1", "model": model, "content": []}
    message["usage"] = {"input_tokens": 100, "output_tokens": 10}
    line = {"type": "assistant", "uuid": "a", "timestamp": "2026-03-01T09:00:00Z"}
    counts = {"inputTokens": 100, "outputTokens": 10, "costUSD": cost}
    state = {"type": "cost-state", "totalCostUSD": cost}
    state["modelUsage"] = {"claude-sonnet-4-6": counts}
    path = home / ".claude" / "projects" / "-srv" / "s1.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**line, "message": message}) + "\n" + json.dumps(state) + "\n")


@pytest.mark.parametrize(("cost", "problems"), [(0.00045, 0), (0.0009, 1)])
def test_a_cost_that_the_cli_states_otherwise_is_reported(tmp_path, cost, problems):
    claude_log(tmp_path, cost)

    found = frames.usage_df(tmp_path).attrs["problems"]

    assert len(found) == problems
    assert all("own cost is $0.0009" in one["what"] for one in found)


def test_a_request_without_a_model_has_tokens_and_no_cost(tmp_path, own_prices):
    claude_log(tmp_path, 0.00045, model=None)

    (row,) = frames.usage_df(tmp_path).to_dict("records")

    assert (row["input_tokens"], row["output_tokens"]) == (100, 10)
    assert pd.isna(row["model"])
    assert pd.isna(row["computed_cost_usd"])


def test_a_sum_of_a_session_without_requests_is_not_compared(tmp_path):
    path = tmp_path / ".claude" / "projects" / "-srv" / "s1.jsonl"
    path.parent.mkdir(parents=True)
    lines = [
        {"type": "user", "uuid": "a", "message": {"role": "user", "content": "Hello"}},
        {"type": "cost-state", "totalCostUSD": 1, "modelUsage": {"m": {"inputTokens": 5}}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert frames.usage_df(tmp_path).attrs["problems"] == []
