"""A turn in which Claude's API answered nothing."""

import json

from aod_notebook.transcripts import Reader


def test_turn_without_an_answer_costs_nothing():
    line = {
        "type": "result", "subtype": "success", "is_error": True, "num_turns": 1,
        "session_id": "s", "total_cost_usd": 0, "modelUsage": {}, "api_error_status": 429,
        "usage": {"input_tokens": 0, "output_tokens": 0}, "model_usage_since_last_result": {},
    }  # fmt: skip
    reader = Reader()
    (entry,) = reader.feed(json.dumps(line) + "\n")
    assert entry.result.cost_usd == 0.0
