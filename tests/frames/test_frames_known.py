"""For sessions with known totals, the frames hold exactly what is true of them."""

import json

import pandas as pd
import pytest
from bodies import body_of, output
from known_sessions import RUNTIMES, TOKENS, known_session

from aod_notebook import frames

SEEDS = range(500)


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


def texts_by_turn(rows):
    found = {}
    for session_id, turn, text in rows[["session_id", "turn", "text"]].to_numpy(object).tolist():
        found.setdefault((session_id, turn), []).append(text)
    return found


def test_own_texts_are_whole_and_in_order(known):
    own = known.messages[known.messages["line_type"] == "assistant"]
    for block, attribute in (("text", "texts"), ("thinking", "thoughts")):
        found = texts_by_turn(own[own["block"] == block])
        for id_, turn in known.turns:
            assert found.get((id_, turn.number), []) == getattr(turn, attribute)


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
    rows = known.messages[["session_id", "order", "tool_use_id", "block"]]
    calls = known.calls[["session_id", "order", "result_order", "tool_use_id"]]
    at_call = calls.merge(rows, on=["session_id", "order"], validate="1:1")
    assert len(at_call) == len(calls)
    assert at_call["block"].eq("tool_use").all()
    assert at_call["tool_use_id_x"].eq(at_call["tool_use_id_y"]).all()
    answered = calls.dropna(subset="result_order")
    at_result = answered.merge(
        rows, left_on=["session_id", "result_order"], right_on=["session_id", "order"]
    )
    assert len(at_result) == known.calls["has_result"].sum()
    assert at_result["block"].eq("tool_result").all()
    assert at_result["tool_use_id_x"].eq(at_result["tool_use_id_y"]).all()


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
    if not next(iter(known.sessions.values())).has_message_tokens:
        assert known.messages[list(TOKENS)].isna().all(axis=None)
        return
    sums = known.messages.groupby(["session_id", "turn"])[list(TOKENS)].sum()
    truth = {(id_, turn.number): turn.tokens for id_, turn in known.turns if turn.finished}
    assert sums.loc[list(truth)].to_dict("records") == list(truth.values())


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


def test_values_that_a_runtime_does_not_report_stay_na(known):
    session = next(iter(known.sessions.values()))
    if session.runtime in ("codex", "gemini"):
        for frame in (known.results, known.model_usage):
            assert frame["cost_usd"].isna().all()
            assert frame["cache_creation_tokens"].isna().all()
    includes = known.results["input_includes_cache"]
    assert includes.eq(session.runtime in ("codex", "gemini")).all()


def test_rows_are_numbered_through_each_session(known):
    position = known.messages.groupby("session_id").cumcount() + 1
    assert known.messages["order"].eq(position).all()


def test_rows_name_an_event_of_their_own_turn(known):
    outputs = known.events[known.events["type"] == "output"]
    both = known.messages.merge(outputs, on=["session_id", "event_id"], validate="m:1")
    assert len(both) == len(known.messages)
    assert both["turn_x"].eq(both["turn_y"]).all()


def test_a_row_names_the_event_that_completed_its_line():
    parts = ["one\ntw", "o", "\nthree\nfour\n", "five"]
    body = "".join(output(number, part) for number, part in enumerate(parts, 1))
    messages = frames.messages_from_events(body.encode())
    found = dict(zip(messages["text"], messages["event_id"], strict=True))
    assert found == {"one": 1, "two": 3, "three": 3, "four": 3, "five": 4}


def test_sessions_with_interleaved_events_are_read_separately(known):
    one, two = ("s0", "s1")
    both = known.events[known.events["session_id"].isin([one, two])]
    woven = both.sort_values("order", kind="stable").reset_index(drop=True)
    messages = frames.messages_from_events(woven)
    for session_id in (one, two):
        part = messages[messages["session_id"] == session_id].reset_index(drop=True)
        whole = known.messages[known.messages["session_id"] == session_id].reset_index(drop=True)
        pd.testing.assert_frame_equal(part.astype(object), whole.astype(object))
