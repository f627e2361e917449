"""Why a turn failed: the CLI's own words, where to log in, and what on stderr says nothing."""

import pandas as pd
import pytest

from aod_notebook.aod import StreamEvent
from aod_notebook.live.errors import advice, error_line, failed_result


@pytest.mark.parametrize(
    ("runtime", "said", "names"),
    [
        ("claude", "Not logged in · Please run /login", "ANTHROPIC_API_KEY"),
        ("codex", "unexpected status 401 Unauthorized: Missing bearer", "`codex login`"),
        ("gemini", "Please set an Auth method in your settings.json", "GEMINI_API_KEY"),
        ("opencode", "Unexpected server error. Check server logs for details.", "auth login"),
    ],
)
def test_a_missing_login_is_reported_with_where_to_log_in(runtime, said, names):
    assert names in advice(runtime, said)


@pytest.mark.parametrize("runtime", ["claude", "codex", "gemini", "opencode", "shell", None])
def test_another_failure_is_not_taken_for_a_missing_login(runtime):
    assert advice(runtime, "There's an issue with the selected model (opus-9).") == ""


def frame(*rows):
    types = {"turn": "Int64", "is_error": "boolean", "result": "string"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(1, True, "Overloaded")], "Overloaded"),
        ([(1, True, None)], ""),
        ([(1, True, "old"), (2, False, "fine")], None),
        ([(1, None, "unknown")], None),
        ([(1, False, "fine")], None),
        ([], None),
    ],
)
def test_a_turns_failure_is_what_its_last_result_says(rows, reason):
    assert failed_result(frame(*rows), None) == reason


def test_a_turn_without_a_result_has_not_failed_with_the_last_turns_words():
    assert failed_result(frame((1, True, "old")), 2) is None


def test_the_error_line_is_not_what_a_cli_writes_in_every_run():
    data = "no such model\nReading prompt from stdin...\n"
    events = [StreamEvent("output", 1, {"stream": "stderr", "data": data, "turn": 1})]
    assert error_line(events) == "no such model"
