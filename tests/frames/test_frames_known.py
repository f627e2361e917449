"""For sessions with known totals, the frames hold exactly what is true of them."""

import json

import pandas as pd
import pytest
from bodies import body_of
from known_sessions import RUNTIMES, TOKENS, known_session

from aod_notebook import frames

SEEDS = range(130)


class Known:
    """Many sessions of one runtime, and the frames made of their streams."""

    def __init__(self, runtime):
        self.sessions = {f"s{seed}": known_session(runtime, seed) for seed in SEEDS}
        self.turns = [
            (id_, turn) for id_, session in self.sessions.items() for turn in session.turns
        ]
        body = b"".join(
            body_of(session, id_, seed) for seed, (id_, session) in enumerate(self.sessions.items())
        )
        self.events = frames.decode_events(body)
        self.messages = frames.messages_from_events(self.events)
        self.calls = frames.tool_calls_from_events(self.events)
        self.results = frames.results_from_events(self.events)
        self.model_usage = frames.model_usage_from_events(self.events)


@pytest.fixture(scope="module", params=RUNTIMES)
def known(request):
    return Known(request.param)


def values(series):
    return [None if pd.isna(value) else value for value in series]


def told(frame, names=TOKENS):
    """Rows of a frame as dicts with None for NA."""
    return [
        dict(zip(names, values(row), strict=True)) for row in frame[list(names)].to_numpy(object)
    ]


def by_turn(frame):
    keys = [frame["session_id"], frame["turn"]]
    return dict(list(frame.groupby(keys, observed=True)))


def test_own_texts_are_whole_and_in_order(known):
    own = known.messages[known.messages["line_type"] == "assistant"]
    for block, attribute in (("text", "texts"), ("thinking", "thoughts")):
        parts = by_turn(own[own["block"] == block])
        for id_, turn in known.turns:
            part = parts.get((id_, turn.number))
            assert ([] if part is None else list(part["text"])) == getattr(turn, attribute)


def test_every_call_is_one_row_with_its_arguments_and_parent(known):
    truth = [
        (id_, turn.number, call.id, call.tool, call.input, call.parent)
        for id_, turn in known.turns
        for call in turn.calls
    ]
    names = ["session_id", "turn", "tool_use_id", "tool", "input", "parent_tool_use_id"]
    found = [
        (*row[:4], json.loads(row[4]), None if pd.isna(row[5]) else row[5])
        for row in known.calls[names].to_numpy(object).tolist()
    ]
    assert found == truth


def test_calls_have_their_outputs_and_errors_and_know_if_none_came(known):
    calls = [call for _, turn in known.turns for call in turn.calls]
    assert values(known.calls["has_result"]) == [call.output is not None for call in calls]
    assert values(known.calls["is_error"]) == [call.is_error for call in calls]
    assert [text or "" for text in values(known.calls["output"])] == [c.output or "" for c in calls]


def test_orders_of_a_call_point_at_its_rows_in_messages(known):
    rows = known.messages.set_index(["session_id", "order"])
    for call in known.calls.itertuples():
        assert rows.loc[(call.session_id, call.order), "tool_use_id"] == call.tool_use_id
        if call.has_result:
            row = rows.loc[(call.session_id, call.result_order)]
            assert (row["tool_use_id"], row["block"]) == (call.tool_use_id, "tool_result")


def test_a_result_without_a_call_is_in_messages_only(known):
    results = known.messages[known.messages["block"] == "tool_result"]
    stray = sum(turn.stray_results for _, turn in known.turns)
    assert len(results) - int(known.calls["has_result"].sum()) == stray


def test_broken_lines_are_text_rows(known):
    broken = known.messages[known.messages["line_type"] == "text"]
    assert list(broken["text"]) == [line for _, turn in known.turns for line in turn.broken]


def test_each_finished_turn_has_one_result_with_its_tokens_and_cost(known):
    finished = [(id_, turn) for id_, turn in known.turns if turn.finished]
    keys = list(zip(known.results["session_id"], known.results["turn"], strict=True))
    assert keys == [(id_, turn.number) for id_, turn in finished]
    assert told(known.results) == [turn.tokens for _, turn in finished]
    assert values(known.results["cost_usd"]) == [turn.cost for _, turn in finished]
    assert values(known.results["is_error"]) == [turn.is_error for _, turn in finished]


def test_message_tokens_add_up_to_the_results(known):
    whole = [(id_, turn) for id_, turn in known.turns if turn.finished]
    parts = by_turn(known.messages)
    if next(iter(known.sessions.values())).has_message_tokens:
        for id_, turn in whole:
            sums = parts[id_, turn.number][list(TOKENS)].sum()
            assert dict(sums) == turn.tokens
    else:
        assert known.messages[list(TOKENS)].isna().all(axis=None)


def test_model_usage_has_a_row_per_model_of_a_finished_turn(known):
    names = ("session_id", "turn", "model", *TOKENS)
    truth = [
        {"session_id": id_, "turn": turn.number, "model": model, **tokens}
        for id_, turn in known.turns
        if turn.finished
        for model, tokens in turn.models.items()
    ]
    assert told(known.model_usage, names) == truth


def test_model_usage_adds_up_to_the_results(known):
    for name in TOKENS:
        assert known.model_usage[name].sum() == known.results[name].sum()


def test_what_a_runtime_does_not_tell_is_missing_and_never_zero(known):
    session = next(iter(known.sessions.values()))
    if session.runtime in ("codex", "gemini"):
        for frame in (known.results, known.model_usage):
            assert frame["cost_usd"].isna().all()
            assert frame["cache_creation_tokens"].isna().all()
    includes = known.results["input_includes_cache"]
    assert includes.eq(session.runtime in ("codex", "gemini")).all()


def test_rows_are_numbered_through_each_session(known):
    for _, part in known.messages.groupby("session_id"):
        assert list(part["order"]) == list(range(1, len(part) + 1))


def test_rows_name_an_event_of_their_own_turn(known):
    outputs = known.events[known.events["type"] == "output"]
    turns = {(e.session_id, e.event_id): e.turn for e in outputs.itertuples()}
    for row in known.messages.itertuples():
        assert turns[row.session_id, row.event_id] == row.turn
