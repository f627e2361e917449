"""The turns of a trace: when they begin, how they end, what they used."""

import json

import pytest
from test_trace import START, Story, traced, use, words

from aod_notebook.viewers.trace.model import Trace


def ending(type_, **extra):
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(2, "m1", words("I look."))
    story.at(5, type_, **extra)
    story.is_final = True
    return story


@pytest.mark.parametrize(
    ("type_", "extra", "is_error", "bad"),
    [
        ("exit", {"code": 0}, False, ""),
        ("exit", {"code": 2}, True, "exit code 2"),
        ("error", {"message": "no\nnet"}, True, "no net"),
        ("error", {}, True, "failed"),
        ("terminated", {}, False, "stopped"),
    ],
)
def test_a_turn_says_how_it_ended(type_, extra, is_error, bad):
    turn = traced(ending(type_, **extra)).spans[0]
    assert (turn.is_open, turn.is_error, turn.bad) == (False, is_error, bad)


@pytest.mark.parametrize(
    ("type_", "extra", "status"),
    [
        ("exit", {"code": 0}, "completed"),
        ("exit", {"code": 2}, "failed"),
        ("terminated", {}, "terminated"),
    ],
)
def test_between_turns_the_status_is_that_of_the_last_one(type_, extra, status):
    story = ending(type_, **extra)
    story.is_final = False
    trace = Trace(story)
    trace.add(story.received())
    assert trace.status == status


def test_a_turn_has_the_tokens_the_cost_and_the_words_of_its_result():
    story = Story()
    story.at(0, "turn_start", turn=1)
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}
    story.line(
        3, type="result", subtype="success", result="Done.", total_cost_usd=0.25, usage=usage
    )
    story.end(4)
    (turn,) = traced(story).spans
    assert (turn.tokens, turn.cost, turn.gave) == (105, 0.25, "Done.")


def test_lines_that_come_before_any_turn_begin_the_first():
    story = Story()
    story.said(2, "m1", words("I look."))
    story.end(4)
    assert [span.name for span in traced(story).spans] == ["Turn 1", "Message 1"]


def test_an_end_without_a_turn_is_no_span():
    story = Story()
    story.end(4)
    assert traced(story).spans == []


def test_a_line_that_is_older_than_its_turn_moves_the_begin_of_the_turn():
    story = Story()
    story.at(10, "turn_start", turn=1)
    story.line(11, type="assistant", timestamp=START.isoformat(), message={
        "id": "m1", "content": [words("I look.")]})  # fmt: skip
    story.end(12)
    turn, message = traced(story).spans
    assert turn.start == message.start == START.timestamp() * 1e6


def test_a_prompt_that_is_known_late_is_that_of_its_turn():
    story = Story()
    story.at(0, "turn_start", turn=1)
    trace = Trace(story)
    trace.add(story.received())
    story.prompts[1] = "Fix the report"
    story.at(1, "turn_start", turn=1)
    trace.add(story.received(1))
    assert [(span.name, span.text) for span in trace.spans] == [("Turn 1", "Fix the report")]


def test_paths_of_calls_lose_the_folder_of_the_session():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.line(1, type="system", subtype="init", cwd="/srv/inn")
    story.said(2, "m1", use("t1", "Read", file_path="/srv/inn/a.py"))
    story.end(4)
    assert traced(story).spans[-1].text == "a.py"


def test_a_result_of_an_unknown_call_changes_nothing():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(1, "m1", use("t1"))
    story.returned(2, "another", is_error=True)
    story.end(4)
    assert [span.is_error for span in traced(story).spans] == [False, False, False]


def test_a_last_line_without_its_end_is_read_when_the_turn_closes():
    story = Story()
    story.at(0, "turn_start", turn=1)
    line = {"type": "assistant", "message": {"id": "m1", "content": [words("Half.")]}}
    story.at(1, "output", stream="stdout", turn=1, data=json.dumps(line))
    story.end(4)
    assert traced(story).spans[-1].text == "Half."
