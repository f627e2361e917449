"""From rows of tables and findings to rows of transcripts."""

import json

import pandas as pd
import pytest
from stored import log
from test_trace import Story, use, words

from aod_notebook import frames
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.viewers.place import checked_order, place_of
from aod_notebook.viewers.static import Transcript


@pytest.fixture
def story():
    """A session with all that comes before and between the lines of an agent."""
    told = Story()
    told.prompts = {1: "Fix it"}
    told.at(0, "start", session_id="5f0c2f6e")
    for state in ("started", "done"):
        told.at(0, "stage", stage="install_runtime", state=state, duration_ms=3000)
    told.at(1, "turn_start", turn=1)
    told.line(1, type="system", subtype="init", cwd="/innkeeper", model="claude-sonnet-4-6")
    told.said(2, "m1", words("I look."), use("t1", command="ls"))
    told.at(3, "output", stream="stderr", data="warning\n", turn=1)
    told.returned(3, "t1")
    told.said(
        4, "m2", use("t2", "Edit", file_path="/innkeeper/a.py", old_string="a", new_string="b")
    )
    told.returned(5, "t2")
    told.said(6, "m3", use("t3", command="pytest"))
    told.returned(7, "t3", "Exit code 1\nno", is_error=True)
    told.end(8)
    return told


def transcript(story):
    made = Transcript.of(story)
    made.add(event for event, _ in story.received())
    made.finish()
    return made


def test_each_call_of_the_table_is_at_its_row_of_the_transcript(story):
    made = transcript(story)
    calls = frames.tool_calls_from_events([event for event, _ in story.received()])
    shown = [made.rows[made.row_at(order)] for order in calls["order"]]
    assert [row.title for row in shown] == calls["tool"].tolist()


def test_each_message_of_the_table_has_a_row_of_the_transcript(story):
    made = transcript(story)
    messages = frames.messages_from_events([event for event, _ in story.received()])
    told = messages[messages["block"].eq("text")]
    assert [made.rows[made.row_at(order)].text for order in told["order"]] == ["I look."]
    assert len(made._builder.places) == len(messages)


def test_lines_of_a_shell_are_numbered_as_in_the_tables():
    told = Story(runtime="shell")
    told.at(0, "turn_start", turn=1)
    told.at(1, "output", stream="stdout", data="one\n\ntwo\n", turn=1)
    told.end(2)
    made = transcript(told)
    messages = frames.messages_from_events([event for event, _ in told.received()])
    assert [made.rows[made.row_at(order)].text for order in messages["order"]] == ["one", "two"]


def test_a_row_that_is_not_there_yet_has_no_place(story):
    made = transcript(story)
    assert made.row_at(10_000) is None
    assert made.row_at(0) is None


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (7, 7),
        ({"order": 7}, 7),
        (pd.Series({"session_id": "s1", "turn": 1, "order": 7}), 7),
        (pd.DataFrame({"order": [7]}), 7),
        ({"orders": "[7, 9]", "turn": 1}, 7),
        ({"orders": [7, 9]}, 7),
    ],
)
def test_numbers_rows_and_findings_name_a_place(given, order):
    assert place_of(given).order == order


@pytest.mark.parametrize("given", [0, "7", {"order": None}, {"tool": "Bash"}, None, True])
def test_an_invalid_place_is_refused(given):
    with pytest.raises(AodNotebookError):
        place_of(given)


def test_several_rows_are_not_a_place():
    with pytest.raises(AodNotebookError, match=r"iloc\[0\]"):
        place_of(pd.DataFrame({"order": [1, 2]}))


def test_a_row_of_another_session_is_an_error_that_names_it():
    with pytest.raises(AodNotebookError, match="other"):
        checked_order({"session_id": "other", "order": 1}, "mine")


def test_a_failed_call_of_a_log_opens_its_transcript_there(tmp_path):
    session, lines = log(0)
    path = tmp_path / "projects" / "innkeeper" / f"{session}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    opened = frames.open_log(session, tmp_path)
    made = opened.viewer(at=opened.tool_calls.query("is_error").iloc[0])
    row, visits = made.facts["at"]
    assert visits == 1
    assert made.feed.transcript.rows[row].text == "pytest -k room0"
