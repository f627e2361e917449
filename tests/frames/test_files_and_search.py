"""Which files were touched, and where a text was said."""

import json
import re

import pandas as pd
import pytest
from bodies import output

from aod_notebook import frames

SESSION = "8d0c0000-0000-4000-8000-000000000001"


def call(tool, call_id, **given):
    block = {"type": "tool_use", "id": call_id, "name": tool, "input": given}
    return {"type": "assistant", "message": {"id": f"m{call_id}", "content": [block]}}


def answer(call_id, text, *, is_error=False):
    block = {"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": is_error}
    return {"type": "user", "message": {"content": [block]}}


def said(words):
    return {"type": "assistant", "message": {"content": [{"type": "text", "text": words}]}}


def events_of(*lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return frames.decode_events(output(1, text).encode(), SESSION)


def rows(frame, *columns):
    plain = frame[list(columns)].astype(object)
    return list(plain.where(plain.notna(), None).itertuples(index=False, name=None))


EDITS = events_of(
    call("Read", "r", file_path="a.py"),
    answer("r", "x = 1"),
    call("Edit", "e", file_path="a.py", old_string="x = 1", new_string="x = 2\ny = 3"),
    answer("e", "no such text", is_error=True),
    call("Write", "w", file_path="b.py", content="one\ntwo\n"),
    call("Bash", "b", command="rm a.py"),
)


def test_a_call_has_a_row_for_each_file_with_the_lines_that_it_changes():
    files = frames.files_df(EDITS)
    assert rows(files, "path", "operation", "added_lines", "removed_lines", "is_error") == [
        ("a.py", "read", None, None, False),
        ("a.py", "edit", 2, 1, True),
        ("b.py", "write", 2, None, None),
    ]
    assert set(files["session_id"]) == {SESSION}
    assert files.attrs["schema"] == "aod.files/1"


def test_the_order_of_a_file_is_that_of_its_call():
    calls = frames.tool_calls_df(EDITS).set_index("tool_use_id")["order"]
    files = frames.files_df(EDITS).set_index("tool_use_id")["order"]
    pd.testing.assert_series_equal(files, calls[files.index])


def test_a_call_of_several_files_has_several_rows():
    patch = "*** Begin Patch\n*** Add File: n.py\n+a\n*** Delete File: o.py\n*** End Patch"
    files = frames.files_df(events_of(call("apply_patch", "p", input=patch)))
    assert rows(files, "path", "operation", "added_lines") == [
        ("n.py", "write", 1),
        ("o.py", "delete", 0),
    ]


TALK = events_of(
    said("The Needle is here, and a needle there."),
    call("Grep", "g", pattern="needle"),
    answer("g", "src/a.py: NEEDLE"),
)


def test_a_text_is_found_in_words_arguments_and_output_whatever_its_case():
    hits = frames.search(TALK, "needle")
    assert rows(hits, "order", "line_type", "block", "tool", "match") == [
        (1, "assistant", "text", None, "Needle"),
        (1, "assistant", "text", None, "needle"),
        (2, "assistant", "tool_use", "Grep", "needle"),
        (3, "user", "tool_result", None, "NEEDLE"),
    ]
    assert set(hits["session_id"]) == {SESSION}


def test_the_order_of_a_hit_is_its_row_in_messages():
    messages = frames.messages_df(TALK).set_index("order")
    hit = frames.search(TALK, "src/a.py").iloc[0]
    assert messages["text"][hit["order"]] == "src/a.py: NEEDLE"


def test_a_text_is_taken_literally_and_an_expression_as_one():
    assert len(frames.search(TALK, "n.edle")) == 0
    assert list(frames.search(TALK, re.compile(r"\bN\w+"))["match"]) == ["Needle", "NEEDLE"]


def test_the_words_around_a_hit_stand_on_one_line():
    hits = frames.search(events_of(said("a\n" * 100 + "here" + "\nb" * 100)), "here")
    (context,) = hits["context"]
    assert context.startswith("…a a")
    assert "a here b" in context
    assert context.endswith("b b…")


def test_an_empty_text_is_refused():
    with pytest.raises(frames.FrameError, match="The text to find is empty"):
        frames.search(TALK, "")


def test_a_hit_repeats_no_more_than_the_beginning_of_a_tool_s_name():
    hits = frames.search(events_of(call("x" * 10_000, "c", command="make it")), "make it")
    assert len(hits["tool"].iloc[0]) <= 200
