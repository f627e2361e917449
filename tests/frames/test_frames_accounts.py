"""The frames count a turn as its account does, and so does the header of a viewer."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from bodies import output
from counted_sessions import MAKERS

from aod_notebook import frames
from aod_notebook.transcripts import Reader
from aod_notebook.viewers.rows import RowBuilder

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
COLUMNS = (*TOKENS, "cost_usd")


def event(type_, number, **fields):
    fields = {"type": type_, "id": number, **fields}
    return f"id: {number}\ndata: {json.dumps(fields)}\n\n".encode()


def codex_turn(turn, read):
    lines = [{"type": "thread.started", "thread_id": "th1"}]
    usage = {"input_tokens": read, "cached_input_tokens": 0, "output_tokens": turn}
    lines.append({"type": "turn.completed", "usage": usage})
    data = "".join(json.dumps(line) + "\n" for line in lines)
    return event("output", 10 + turn, stream="stdout", turn=turn, data=data)


def results(body):
    return frames.results_from_events(body, columns=COLUMNS)


def test_turns_of_a_codex_thread_are_differences():
    body = codex_turn(1, 18080) + codex_turn(2, 36197) + codex_turn(3, 54341)
    for frame in (results(body), frames.model_usage_from_events(body, columns=COLUMNS)):
        assert list(frame["input_tokens"]) == [18080, 18117, 18144]


def test_a_stream_read_from_its_middle_leaves_its_first_turn_unknown():
    frame = results(codex_turn(2, 36197) + codex_turn(3, 54341))
    assert frame["input_tokens"].isna().tolist() == [True, False]
    assert frame["input_tokens"][1] == 18144


def test_a_first_turn_that_wrote_nothing_leaves_the_second_one_known():
    started = {"stage": "runtime_start", "state": "started"}
    body = event("stage", 1, **started) + event("stage", 2, **started) + codex_turn(2, 36197)
    assert list(results(body)["input_tokens"]) == [36197]
    stderr = event("output", 1, stream="stderr", turn=1, data="no key\n")
    assert list(results(stderr + codex_turn(2, 36197))["input_tokens"]) == [36197]


@pytest.mark.parametrize("runtime", MAKERS)
def test_frames_header_and_account_agree(runtime):
    for seed in range(13):
        turns = MAKERS[runtime][0](seed)
        texts = ["\n".join(turn.lines) + "\n" for turn in turns]
        body = "".join(output(n, text, turn=n) for n, text in enumerate(texts, 1)).encode()
        by_turn = results(body)
        models = frames.model_usage_from_events(body, columns=COLUMNS)
        builder, reader = RowBuilder(), Reader()
        for number, text in enumerate(texts, 1):
            fields = {"stream": "stdout", "data": text, "turn": number}
            builder.feed(SimpleNamespace(type="turn_start", id=0, extra={"turn": number}))
            builder.feed(SimpleNamespace(type="output", id=number, extra=fields))
            reader.feed(text)
            reader.flush()
        builder.finish()
        total, header = reader.account.total, builder.summary
        for name in TOKENS:
            counted = getattr(total.usage, name, None)
            for frame in (by_turn, models):
                found = frame[name].sum(min_count=1)
                assert (None if pd.isna(found) else found) == counted
        cost = by_turn["cost_usd"].sum()
        assert (header.cost_usd or 0) == (total.cost_usd or 0) == pytest.approx(cost)
        assert (header.tokens_in, header.tokens_out) == (total.tokens_in, total.tokens_out)
