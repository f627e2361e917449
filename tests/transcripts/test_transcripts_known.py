"""For sessions with known totals, the reader finds exactly what is true of them."""

import pytest
from known_sessions import RUNTIMES, TOKENS, chunked, known_session

from aod_notebook.transcripts import Reader

SEEDS = range(500)


def read_turns(session, seed):
    reader = Reader()
    for turn in session.turns:
        entries = []
        text = "\n".join(turn.lines) + ("" if seed % 3 == 0 else "\n")
        for chunk in chunked(text, seed):
            entries += reader.feed(chunk)
        entries += reader.flush()
        yield turn, entries


@pytest.fixture(scope="module", params=RUNTIMES)
def turns(request):
    """All turns of all seeds, each with its entries."""
    return [pair for seed in SEEDS for pair in read_turns(known_session(request.param, seed), seed)]


def spoken(entries, block):
    return [e.text for e in entries if e.line_type == "assistant" and e.block == block]


def test_the_agents_own_texts_are_found_whole_and_in_order(turns):
    for turn, entries in turns:
        assert spoken(entries, "text") == turn.texts


def test_thinking_is_found_whole_and_in_order(turns):
    for turn, entries in turns:
        assert spoken(entries, "thinking") == turn.thoughts


def test_calls_have_their_tool_arguments_and_parent(turns):
    for turn, entries in turns:
        found = [
            (e.tool_use_id, e.tool, e.input, e.parent_tool_use_id)
            for e in entries
            if e.block == "tool_use"
        ]
        assert found == [(c.id, c.tool, c.input, c.parent) for c in turn.calls]


def test_results_have_their_output_and_error(turns):
    for turn, entries in turns:
        ids = {call.id for call in turn.calls}
        found = {
            e.tool_use_id: (e.text or "", e.is_error)
            for e in entries
            if e.block == "tool_result" and e.tool_use_id in ids
        }
        assert found == {c.id: (c.output, c.is_error) for c in turn.calls if c.output is not None}


def test_results_without_a_call_are_kept(turns):
    for turn, entries in turns:
        ids = {call.id for call in turn.calls}
        stray = [e for e in entries if e.block == "tool_result" and e.tool_use_id not in ids]
        assert len(stray) == turn.stray_results


def test_lines_that_are_not_json_object_become_text(turns):
    for turn, entries in turns:
        assert [e.text for e in entries if e.line_type == "text"] == turn.broken


def test_a_finished_turn_has_one_result_and_a_dead_one_none(turns):
    for turn, entries in turns:
        results = [e.result for e in entries if e.result is not None]
        assert len(results) == turn.finished
        if turn.finished:
            assert results[0].is_error is turn.is_error


def test_tokens_and_cost_are_those_of_the_turn(turns):
    for turn, entries in turns:
        for entry in entries:
            if entry.result is not None:
                usage = entry.result.usage
                found = {name: getattr(usage, name, None) for name in TOKENS}
                assert found == turn.tokens
                assert entry.result.cost_usd == turn.cost


def test_model_usage_names_each_model_once(turns):
    for turn, entries in turns:
        for entry in entries:
            if entry.result is not None:
                found = {
                    used.model: {name: getattr(used.usage, name) for name in TOKENS}
                    for used in entry.result.model_usage
                }
                assert found == turn.models


def test_the_last_usage_of_each_message_adds_up_to_the_turns(turns):
    for turn, entries in turns:
        last = {e.message_id: e.usage for e in entries if e.usage is not None}
        if turn.finished and last:
            for name in TOKENS:
                assert sum(getattr(u, name) for u in last.values()) == turn.tokens[name]
