"""One account: what each turn used and cost, from its lines and the turns before it."""

import json

import pytest
from counted_sessions import MAKERS

from aod_notebook.transcripts import Reader

SEEDS = range(200)


def counts_of(usage):
    if usage is None:
        return None
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_creation_tokens,
        usage.cache_creation_1h_tokens,
        usage.reasoning_tokens,
    )


def near(cost):
    return None if cost is None else pytest.approx(cost, abs=1e-9)


def accounts(turns, reader=None):
    """The last result of each turn."""
    reader, found = reader or Reader(), []
    for lines in turns:
        entries = reader.feed("\n".join(lines) + "\n") + reader.flush()
        found.append(next((e.result for e in reversed(entries) if e.result is not None), None))
    return found


def found_in(turns, reader=None):
    return [
        (None, None) if r is None else (counts_of(r.usage), r.cost_usd)
        for r in accounts([turn.lines for turn in turns], reader)
    ]


@pytest.mark.parametrize("runtime", MAKERS)
def test_generated_sessions_are_counted_as_they_were_drawn(runtime):
    make, _ = MAKERS[runtime]
    for seed in SEEDS:
        turns = make(seed)
        for turn, (used, cost) in zip(turns, found_in(turns), strict=True):
            assert (used, cost) == (turn.used, near(turn.cost)), seed


@pytest.mark.parametrize("runtime", MAKERS)
def test_generated_sessions_are_counted_as_by_a_plain_second_reader(runtime):
    make, naive = MAKERS[runtime]
    for seed in SEEDS:
        turns = make(seed)
        plain = naive(turns)
        for mine, (used, cost) in zip(found_in(turns), plain, strict=True):
            assert mine == (used, near(cost)), seed


@pytest.mark.parametrize("runtime", MAKERS)
def test_a_turn_is_the_sum_of_its_models_and_the_total_the_sum_of_the_turns(runtime):
    for seed in SEEDS:
        reader, turns = Reader(), MAKERS[runtime][0](seed)
        found = [r for r in accounts([t.lines for t in turns], reader) if r is not None]
        for result in found:
            models = [counts_of(used.usage) for used in result.model_usage]
            if result.usage is not None:
                for index, count in enumerate(counts_of(result.usage)):
                    assert count is None or count == sum(row[index] for row in models)
            names = [used.model for used in result.model_usage]
            assert len(names) == len(set(names))
        costs = [r.cost_usd for r in found if r.cost_usd is not None]
        assert (reader.account.total.cost_usd or 0) == pytest.approx(sum(costs))
        read = [r.tokens_in for r in found if r.tokens_in is not None]
        assert (reader.account.total.tokens_in or 0) == sum(read)


@pytest.mark.parametrize("runtime", MAKERS)
def test_a_generated_turn_fails_or_not_as_it_was_drawn(runtime):
    for seed in SEEDS:
        turns = MAKERS[runtime][0](seed)
        for turn, result in zip(turns, accounts([t.lines for t in turns]), strict=True):
            if result is not None:
                assert result.is_error is turn.is_error, (seed, turn.lines)


def claude_result(session="s", *, cost, tokens, own=None, **more):
    own = tokens if own is None else own
    return json.dumps(
        {
            "type": "result",
            "subtype": "success",
            "is_error": False,
            "session_id": session,
            "num_turns": 1,
            "duration_ms": 5,
            "result": "done",
            "total_cost_usd": cost,
            "usage": {"input_tokens": own, "output_tokens": own},
            "modelUsage": {"m": {"inputTokens": tokens, "outputTokens": tokens, "costUSD": cost}},
            **more,
        }
    )


def init(version="2.1.305", session="s"):
    line = {"type": "system", "subtype": "init", "session_id": session, "model": "m"}
    return json.dumps(line | ({"claude_code_version": version} if version else {}))


def spent(result):
    usage = result.usage
    return (None if usage is None else usage.input_tokens), result.cost_usd


def test_a_codex_turn_is_the_difference_to_the_threads_last_total():
    def turn(total):
        usage = {"input_tokens": total, "cached_input_tokens": 0, "output_tokens": 1}
        return [
            '{"type":"thread.started","thread_id":"th1"}',
            json.dumps({"type": "turn.completed", "usage": usage}),
        ]

    found = accounts([turn(18080), turn(36197), turn(54341)])
    assert [r.usage.input_tokens for r in found] == [18080, 18117, 18144]


def test_a_codex_total_that_falls_gives_no_negative_counts():
    def turn(total):
        usage = {"input_tokens": total, "output_tokens": 1}
        return [json.dumps({"type": "turn.completed", "usage": usage})]

    found = accounts([turn(3000), turn(1000), turn(1500)])
    assert [r.usage.input_tokens for r in found] == [3000, 0, 500]


def test_the_last_result_line_of_a_turn_counts():
    lines = [
        init(None),
        claude_result(cost=0.1, tokens=10, result="first"),
        init(None),
        claude_result(cost=0.3, tokens=30, own=20, result="second", is_error=True),
    ]
    [result] = accounts([lines])
    assert (*spent(result), result.errors, result.is_error) == (30, 0.3, ("second",), True)
    assert (result.num_turns, result.duration_ms) == (2, 10)


def test_the_same_result_twice_counts_once():
    for version in (None, "2.1.305", "2.1.332"):
        since = {"m": {"inputTokens": 10, "outputTokens": 10, "costUSD": 0.1}}
        line = claude_result(cost=0.1, tokens=10, model_usage_since_last_result=since)
        [result] = accounts([[init(version), line, line]])
        assert (*spent(result), result.num_turns) == (10, 0.1, 1)


def test_a_result_that_reports_nothing_does_not_replace_one_that_does():
    empty = json.dumps(
        {
            "type": "result",
            "subtype": "error_during_execution",
            "is_error": True,
            "num_turns": 0,
            "duration_ms": 0,
            "total_cost_usd": 0,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
    )
    [result] = accounts([[claude_result(cost=0.1, tokens=10), empty]])
    assert (*spent(result), result.text, result.is_error) == (10, 0.1, "done", False)
    [alone] = accounts([[empty]])
    assert (alone.is_error, alone.cost_usd) == (True, 0)
    last = [init(), claude_result(cost=0.3, tokens=30, own=20)]
    found = accounts([[init(), claude_result(cost=0.1, tokens=10)], [init(), empty], last])
    assert [spent(r) for r in found] == [(10, 0.1), (0, 0), (20, near(0.2))]


@pytest.mark.parametrize(
    ("version", "second"), [("2.1.276", (30, 0.3)), ("2.1.277", (20, near(0.2)))]
)
def test_from_version_2_1_277_a_resumed_session_counts_on(version, second):
    turns = [
        [init(version), claude_result(cost=0.1, tokens=10)],
        [init(version), claude_result(cost=0.3, tokens=30, own=20)],
    ]
    assert [spent(r) for r in accounts(turns)] == [(10, 0.1), second]


def test_a_turn_after_an_unseen_one_is_unknown_and_the_next_is_known():
    turns = [
        [init(), claude_result(cost=0.3, tokens=30, own=20)],
        [init(), claude_result(cost=0.4, tokens=40, own=10)],
    ]
    found = accounts(turns, Reader(first_turn=2))
    assert [spent(r) for r in found] == [(None, None), (10, near(0.1))]
    assert (found[0].model_usage, found[0].text) == ((), "done")


def test_a_new_session_after_an_unread_turn_is_known_by_its_own_usage():
    [result] = accounts([[init(), claude_result(cost=0.3, tokens=30)]], Reader(first_turn=2))
    assert spent(result) == (30, 0.3)


def test_a_fork_continues_from_its_parent_and_a_new_session_from_zero():
    first = [init(), claude_result(cost=0.1, tokens=10)]
    fork = [init(session="f"), claude_result("f", cost=0.3, tokens=30, own=20)]
    new = [init(session="n"), claude_result("n", cost=0.3, tokens=30, own=30)]
    assert spent(accounts([first, fork])[1]) == (20, near(0.2))
    assert spent(accounts([first, new])[1]) == (30, 0.3)


def test_what_was_used_since_the_last_result_needs_no_earlier_one():
    since = {"m": {"inputTokens": 5, "outputTokens": 5, "costUSD": 0.05}}
    line = claude_result(cost=0.3, tokens=30, own=5, model_usage_since_last_result=since)
    [result] = accounts([[init("2.1.332"), line]], Reader(first_turn=3))
    assert spent(result) == (5, 0.05)


def test_limits_of_a_model_are_as_reported_and_a_model_of_an_earlier_turn_is_not_named_again():
    def line(big, small):
        counts = {"contextWindow": 200_000, "maxOutputTokens": 32_000}
        models = {
            "big": {"inputTokens": big, "outputTokens": 0, "costUSD": big / 10, **counts},
            "small": {"inputTokens": small, "outputTokens": 0, "costUSD": small / 10},
        }
        return claude_result(cost=(big + small) / 10, tokens=0, modelUsage=models)

    _, second = accounts([[init(), line(1, 3)], [init(), line(2, 3)]])
    [used] = second.model_usage
    assert (used.model, used.usage.input_tokens) == ("big", 1)
    assert (used.context_window, used.max_output_tokens) == (200_000, 32_000)


def test_tokens_are_those_of_the_models_where_the_main_loop_reports_none():
    [result] = accounts([[init(None), claude_result(cost=0.1, tokens=10, own=0)]])
    assert spent(result) == (10, 0.1)


def test_an_opencode_error_that_a_finished_step_follows_is_not_a_failure():
    error = '{"type":"error","timestamp":1,"sessionID":"o","error":{"name":"E"}}'
    text = '{"type":"text","timestamp":1,"sessionID":"o","part":{"text":"all good"}}'
    step = {"reason": "stop", "tokens": {"input": 1, "output": 2, "reasoning": 3}, "cost": 0.5}
    step = json.dumps({"type": "step_finish", "timestamp": 1, "sessionID": "o", "part": step})
    [good] = accounts([[error, text, step]])
    assert (good.is_error, good.text, good.errors) == (False, "all good", ())
    assert (good.tokens_out, good.output_includes_reasoning) == (5, False)
    [bad] = accounts([[step, error]])
    assert (bad.is_error, bad.cost_usd, bad.errors) == (True, 0.5, ("E",))


def test_the_account_of_a_running_opencode_turn_is_there_before_its_end():
    reader = Reader()
    step = {"reason": "tool-calls", "tokens": {"input": 1, "output": 2}, "cost": 0.5}
    line = json.dumps({"type": "step_finish", "timestamp": 1, "sessionID": "o", "part": step})
    reader.feed(line + "\n")
    assert (reader.account.total.cost_usd, reader.account.total.tokens_in) == (0.5, 1)


def test_the_time_of_the_api_is_that_of_the_turn():
    turns = [
        [init(), claude_result(cost=0.1, tokens=10, duration_api_ms=349)],
        [init(), claude_result(cost=0.3, tokens=30, own=20, duration_api_ms=371)],
    ]
    assert [r.duration_api_ms for r in accounts(turns)] == [349, 22]
