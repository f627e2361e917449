import json

import pandas as pd
import pytest

from aod_notebook import live
from aod_notebook.frames import prices
from aod_notebook.live import LimitError, SessionRequest
from aod_notebook.live.batch.guards import Guard, Limit, guarded
from aod_notebook.live.batch.reading import Spending

MODEL = "claude-priced-here"
USAGE = {"input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 0,
         "cache_creation_input_tokens": 0}  # fmt: skip
ANSWER_USD = (1000 * 10 + 100 * 50) / 1_000_000
ANSWER_TOKENS = 1100


@pytest.fixture(autouse=True)
def own_prices(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(f'version = "test"\n[models."{MODEL}"]\ninput = 10.0\noutput = 50.0\n')
    prices.use(path)
    yield
    prices.use(None)


def expensive(path, answers=40, command="step {}"):
    """Write a recording of Claude that makes a call with each answer; return its path."""
    lines = [{"type": "system", "subtype": "init", "session_id": "s", "model": MODEL,
              "claude_code_version": "2.1.332"}]  # fmt: skip
    for number in range(answers):
        call = {"type": "tool_use", "id": f"call-{number}", "name": "Bash",
                "input": {"command": command.format(number)}}  # fmt: skip
        message = {"id": f"answer-{number}", "model": MODEL, "content": [call],
                   "usage": USAGE, "stop_reason": "tool_use"}  # fmt: skip
        result = {"type": "tool_result", "tool_use_id": f"call-{number}", "content": "ok"}
        lines.append({"type": "assistant", "message": message})
        lines.append({"type": "user", "message": {"content": [result]}})
    used = {"inputTokens": 1000 * answers, "outputTokens": 100 * answers,
            "costUSD": ANSWER_USD * answers}  # fmt: skip
    lines.append({"type": "result", "subtype": "success", "is_error": False, "session_id": "s",
                  "result": "done", "total_cost_usd": ANSWER_USD * answers,
                  "modelUsage": {MODEL: used}})  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def agent(connected, tmp_path):
    """Make an agent that replays an expensive session."""

    def make(pace=0.2, **recording):
        path = expensive(tmp_path / "expensive.jsonl", **recording)
        replay = {"recording": str(path), "pace": pace}
        made = connected.client.agents.create(
            name="expensive", model="recording", runtime="replay", metadata={"replay": replay}
        )
        return str(made.id)

    return make


def answered(connected, session_id):
    """Count the answers that a session had played when it ended."""
    with connected.client.sessions.stream(session_id) as events:
        data = "".join(event.extra.get("data", "") for event in events if event.type == "output")
    return data.count('"stop_reason"')


def run(agent, rows=1, **options):
    table = pd.DataFrame({"n": range(rows)})
    return live.batch(table, "go {{n}}", agent=agent, progress=False, **options)


def test_cost_limit_ends_the_session_within_two_answers(connected, agent):
    frame = run(agent(), max_cost=5 * ANSWER_USD)
    (row,) = frame.to_dict("records")
    assert row["status"] == "terminated"
    assert connected.client.sessions.get(row["session"]).status == "terminated"
    assert 5 <= answered(connected, row["session"]) <= 7
    assert "The limit of $0.075 for this cell is reached" in row["error"]
    spent = row["cost_usd"] / ANSWER_USD
    assert spent == pytest.approx(answered(connected, row["session"]))
    assert f"${row['cost_usd']:.2f} (computed)" in row["error"]


def test_token_limit_ends_the_session_within_two_answers(connected, agent):
    frame = run(agent(), max_tokens=5 * ANSWER_TOKENS)
    assert frame["status"].tolist() == ["terminated"]
    assert 5 <= answered(connected, frame["session"][0]) <= 7
    assert "The limit of 5,500 tokens for this cell" in frame["error"][0]


def test_repeat_limit_ends_the_session_within_two_answers(connected, agent):
    frame = run(agent(command="ls"), max_repeats=3)
    assert frame["status"].tolist() == ["terminated"]
    assert 4 <= answered(connected, frame["session"][0]) <= 6
    assert "The limit of 3 identical calls in a row is reached: Bash" in frame["error"][0]


def test_different_calls_are_not_repeats(agent):
    assert run(agent(pace=0), max_repeats=1)["status"].tolist() == ["completed"]


def test_used_up_limit_starts_no_more_sessions(agent, count):
    frame = run(agent(pace=0.02), rows=6, jobs=2, max_cost=50 * ANSWER_USD)
    assert frame["status"].isin(["completed", "terminated", "not started"]).all()
    left = frame[frame["status"] == "not started"]
    assert len(left) >= 2
    assert left["error"].str.contains("The limit of").all()
    assert count() == 6 - len(left)


@pytest.mark.parametrize("rows", [20, pytest.param(1000, marks=pytest.mark.faults)])
def test_sessions_below_the_limit_are_left_only(agent, rows):
    total = rows * 3 * ANSWER_USD
    made = agent(pace=0, answers=3)
    frame = run(made, rows, jobs=8, max_cost=1.001 * total, max_tokens=rows * 3 * 1100 + 1,
                max_repeats=1)  # fmt: skip
    assert frame["status"].eq("completed").all()
    assert frame["cost_usd"].sum() == pytest.approx(total)


def test_single_session_is_guarded_too(connected, agent):
    request = SessionRequest(prompt="go", agent=agent())
    session = live.start(request)
    with guarded(session, [Limit(cost_usd=5 * ANSWER_USD)]) as guard:
        session.wait()
    assert session.status == "terminated"
    assert "The limit of $0.075 for this cell is reached" in guard.ended
    assert 5 <= answered(connected, session.id) <= 7


def test_unknown_price_is_refused(connected, count):
    made = connected.client.agents.create(name="x", model="gpt-nobody-knows", runtime="codex")
    with pytest.raises(LimitError, match="No price is known for 'gpt-nobody-knows'"):
        run(str(made.id), max_cost=1)
    assert count() == 0


def test_unknown_cost_of_one_session_hides_no_other():
    guard = Guard([Limit(cost_usd=1.0)])
    assert guard.spend("a", Spending(tokens_in=5)) is None
    assert guard.spend("b", Spending(1.5, 5, 5)) is not None


def test_what_was_spent_before_counts():
    guard = Guard([Limit(scope="day", cost_usd=10.0, before=Spending(9.5))])
    assert guard.remaining_usd == 0.5
    assert guard.spend("a", Spending(0.4)) is None
    assert guard.spend("a", Spending(0.6)) == (
        "The limit of $10 for today is reached: $10.10 spent"
    )
