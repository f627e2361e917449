"""How our frames are shown: in HTML and as text, whole in code, hostile texts as texts."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames.native import completed
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.magics.tables.render import table_html, table_text

HOSTILE = "<script>alert(1)</script>\n\x1b[31m$x$ \u202e`code`"
LONG_ID = "5f0c2f6e-935d-44ed-92d0-4a435721ed3f"


def made(name, *rows, **attrs):
    """A frame of ours with these rows."""
    schema = SCHEMAS[name]
    given = pd.DataFrame(list(rows)) if rows else pd.DataFrame(columns=["session_id"])
    extra = [column for column in given.columns if column not in schema.names]
    frame = completed(given, schema.columns)
    frame = frame.assign(**{column: given[column] for column in extra})
    frame.attrs = {"schema": schema.id, **attrs}
    return frame


def sessions(number=1, **more):
    rows = [
        {"session_id": f"{n:08x}-935d-44ed-92d0-4a435721ed3f", "status": "completed",
         "turn_count": 2, "duration_s": 74.4, "created_at": datetime.now(UTC) - timedelta(hours=3),
         "prompt": "What is it?", "agent": "fixer", "model": "anthropic/claude-sonnet-4-6",
         "tool_call_count": 17, "failed_tool_call_count": 2, "cost_usd": 0.1944} | more
        for n in range(number)
    ]  # fmt: skip
    return made("sessions", *rows)


def header(html):
    return re.findall(r"<th[^>]*>([^<]*)</th>", html)


def cell_of(html, row, head):
    body = html.split("<tbody>")[1].split("<tr>")[row + 1]
    return re.findall(r"<td.*?</td>", body)[header(html).index(head)]


def text_in(html):
    return re.sub(r"<[^>]+>", "", html)


@pytest.fixture(scope="module")
def calls():
    rows = [
        {"session_id": LONG_ID, "turn": 1, "tool": "Bash", "summary": "pytest", "is_error": True,
         "output": "one\n1 failed in 0.04s\n", "has_result": True, "duration_s": 1.2},
        {"session_id": LONG_ID, "turn": 1, "tool": "Read", "summary": "a.py", "is_error": False,
         "output": "1\n2\n3", "has_result": True, "duration_s": 0.01,
         "parent_tool_use_id": "t"},
        {"session_id": LONG_ID, "turn": 1, "tool": "Grep", "summary": "x", "has_result": False},
    ]  # fmt: skip
    return made("tool_calls", *rows)


def test_what_matters_is_first_and_the_short_id_last():
    shown = table_html(sessions(2, status="failed"))
    assert header(shown)[:2] == ["Status", "Prompt"]
    assert header(shown)[-2:] == ["Age", "Id"]
    last = cell_of(shown, 0, "Id")
    assert text_in(last) == "00000000"
    assert 'title="00000000-935d-44ed-92d0-4a435721ed3f"' in last


def test_an_age_has_the_exact_time_in_its_title():
    frame = sessions(created_at=datetime(2024, 11, 12, 9, 30, tzinfo=UTC))
    age = cell_of(table_html(frame), 0, "Age")
    assert text_in(age) == "12 Nov 2024"
    assert 'title="2024-11-12 09:30:00 UTC"' in age


def test_a_column_with_one_value_stands_in_the_caption():
    shown = table_html(sessions(2))
    assert "Agent" not in header(shown)
    assert "2 of 2 · $0.39 · fixer · sonnet-4-6" in shown


def test_a_column_without_values_is_not_shown(calls):
    assert "Cost" not in header(table_html(calls))
    assert "Cost" not in header(table_html(sessions(cost_usd=None)))


def test_a_sum_of_costs_says_for_how_many_it_is():
    frame = sessions(3)
    frame.loc[1, "cost_usd"] = pd.NA
    assert "$0.39 in 2 of 3" in table_html(frame)


def test_failed_calls_have_a_slot_of_their_own():
    tools = cell_of(table_html(sessions(2)), 0, "Tools")
    assert re.search(r'17 <span class="aod-bad" [^>]*>✗2</span>', tools)
    assert 'title="2 failed"' in tools


def test_missing_numbers_are_blank_and_never_zero():
    shown = table_html(sessions(2, tool_call_count=None, duration_s=None, cost_usd=0.1))
    assert "Tools" not in header(shown)
    frame = sessions(2)
    frame.loc[0, ["tool_call_count", "duration_s", "cost_usd"]] = pd.NA
    shown = table_html(frame)
    assert [text_in(cell_of(shown, 0, head)) for head in ("Tools", "Time", "Cost")] == ["", "", ""]


@pytest.mark.parametrize(
    ("runtime_includes", "tokens"), [(False, "1.2k"), (True, "1.1k"), (None, None)]
)
def test_tokens_are_added_as_their_runtime_counts_them(runtime_includes, tokens):
    frame = sessions(2, input_tokens=1000, output_tokens=100, cache_read_tokens=100).assign(
        input_includes_cache=pd.array([runtime_includes] * 2, dtype="boolean"),
    )
    shown = table_html(frame)
    assert text_in(cell_of(shown, 0, "Tokens")) == (tokens or "")


def test_a_tool_call_says_its_result_in_a_line(calls):
    shown = table_html(calls)
    assert text_in(cell_of(shown, 0, "Result")) == "1 failed in 0.04s"
    assert text_in(cell_of(shown, 1, "Result")) == "3 lines"
    assert text_in(cell_of(shown, 1, "Tool")) == "↳ Read"
    states = [text_in(cell_of(shown, row, "Status")) for row in range(3)]
    assert states == ["✗ failed", "✓ ok", "○ no result"]
    assert text_in(cell_of(shown, 1, "Time")) == "&lt;0.1 s"
    assert "3 of 3 · 1 failed · turn 1 · 5f0c2f6e" in shown


def test_paths_are_shown_without_the_folder_that_they_share():
    rows = [
        {"tool": "Read", "summary": "/app/inn/dates.py"},
        {"tool": "Edit", "summary": "/app/tests/test_dates.py"},
        {"tool": "Grep", "summary": "x in /app"},
        {"tool": "Bash", "summary": "ls /app/inn"},
    ]
    shown = table_html(made("tool_calls", *({"session_id": LONG_ID, "turn": 1} | r for r in rows)))
    texts = [text_in(cell_of(shown, n, "Input")) for n in range(4)]
    assert texts == ["inn/dates.py", "tests/test_dates.py", "x", "ls /app/inn"]
    assert "· in /app<" in shown
    assert 'title="/app/tests/test_dates.py"' in shown


def test_an_edit_says_how_many_lines_it_changed_and_a_command_its_exit_code():
    common = {"session_id": LONG_ID, "turn": 1, "has_result": True}
    edit = json.dumps({"old_string": "a\nb", "new_string": "a\nc\nd"})
    shown = table_html(made(
        "tool_calls",
        {"tool": "Edit", "summary": "a", "input": edit, "output": "ok", "is_error": False} | common,
        {"tool": "Edit", "summary": "a", "input": edit, "output": "no", "is_error": True} | common,
        {"tool": "Bash", "summary": "x", "output": "Exit code 3\nE", "is_error": True} | common,
    ))  # fmt: skip
    assert text_in(cell_of(shown, 0, "Result")) == "+2 \N{MINUS SIGN}1"
    assert text_in(cell_of(shown, 1, "Result")) == "no"
    assert text_in(cell_of(shown, 2, "Status")) == "✗ exit 3"


def test_every_row_is_one_line_set_to_the_left(calls):
    shown = table_html(calls)
    for cell in re.findall(r"<td[^>]*>", shown):
        assert "white-space:nowrap" in cell
    assert "text-align:left" in cell_of(shown, 0, "Input")
    assert "text-align:right" in cell_of(shown, 0, "Time")


@pytest.mark.parametrize("column", ["prompt", "agent", "model", "session_id", "status", "mine"])
def test_hostile_values_are_shown_as_text(column):
    frame = sessions(2)
    values = [HOSTILE, HOSTILE + "2"]
    dtype = "category" if column == "status" else "str"
    frame[column] = pd.Series(values, dtype=dtype)
    assert "<script" not in table_html(frame)
    for shown in (table_html(frame), table_text(frame)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_a_hostile_column_name_is_shown_as_text():
    frame = sessions(1)
    frame["<img src=x onerror=alert(1)>"] = ["v"]
    assert "<img" not in table_html(frame)


def test_dollar_signs_begin_no_mathematics():
    shown = table_html(sessions(2, prompt="pay $5 or $6"))
    assert "mathjax_ignore tex2jax_ignore" in shown
    assert "pay $5 or $6" in shown


def test_more_rows_than_can_be_read_are_counted():
    shown = table_html(sessions(60))
    assert shown.count("<tr>") == 51
    assert "first 50 of 60" in shown
    few = sessions(20)
    few.attrs["of"] = 300
    assert "newest 20 of 300" in table_html(few)


def test_a_frame_reports_what_it_lacks():
    frame = sessions(1)
    frame.attrs |= {"truncated_by": "a limit on events", "dropped": 2}
    said = "not everything is there: a limit on events; 2 rows could not be read"
    assert said in table_html(frame)
    assert said in table_text(frame)


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_an_empty_table_is_a_sentence_with_the_next_step(name):
    frame = made(name)
    shown = table_text(frame)
    assert "\n" not in shown
    assert shown.startswith("No ")
    assert "`" in shown
    assert "<table" not in table_html(frame)


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_frame_is_shown_as_ours(name):
    frame = made(name, {"session_id": LONG_ID, "run_id": LONG_ID})
    assert "aod-out" in table_html(frame)
    assert "1 of 1" in table_text(frame)


def test_plain_text_is_a_table_with_the_same_caption():
    lines = table_text(sessions(2, status="failed")).splitlines()
    assert lines[0] == "Sessions · 2 of 2 · 2 failed · $0.39 · fixer · sonnet-4-6"
    assert lines[1].split() == ["STATUS", "PROMPT", "TOOLS", "COST", "AGE", "ID"]
    assert lines[2].split() == [
        "✗", "Failed", "What", "is", "it?", "17", "✗2", "$0.19", "3", "h", "00000000",
    ]  # fmt: skip
    assert all(len(line) <= 100 for line in lines)


def test_wide_characters_keep_the_columns_in_line():
    frame = sessions(2)
    frame.loc[0, "prompt"] = "日本語"
    header_line, wide, narrow = table_text(frame).splitlines()[1:4]
    # a wide character takes two places
    assert wide.index("00000000") + 3 == narrow.index("00000001") == header_line.index("ID")


@pytest.mark.parametrize(
    "change",
    [
        pd.DataFrame,
        lambda frame: frame[["session_id", "status"]],
        lambda frame: frame.isna(),
        lambda frame: frame.set_index("session_id"),
        lambda frame: frame.groupby("status", observed=True)[["cost_usd"]].sum(),
        lambda frame: frame.T,
    ],
    ids=["new", "columns", "isna", "index", "grouped", "transposed"],
)
def test_what_is_made_of_a_frame_is_shown_as_pandas_does(change):
    other = change(sessions(2))
    assert table_text(other) is None
    with pd.option_context("display.html.use_mathjax", "schema" not in other.attrs):
        assert table_html(other) == other._repr_html_()


def test_rows_that_are_chosen_and_columns_that_are_added_are_shown():
    frame = sessions(3)
    chosen = frame[frame["cost_usd"] > 0].head(2).assign(mine=[1.5, 2.25])
    shown = table_html(chosen)
    assert "2 of 2" in shown
    assert header(shown)[-2:] == ["mine", "Id"]
    assert text_in(cell_of(shown, 1, "mine")) == "2.25"


def test_frames_stay_whole_dataframes_in_code(shell):
    shell.run("%%aod --runtime shell -o s\necho hi")
    messages = shell.run("%aod messages s")
    assert type(messages) is pd.DataFrame
    pd.testing.assert_frame_equal(messages, shell.names["s"].messages)
    assert repr(messages).lstrip().startswith("session_id")


def test_cells_show_our_frames_by_our_display(shell):
    shell.run("%%aod --runtime shell -o s\necho hi")
    shown, _ = shell.ip.display_formatter.format(shell.names["s"].messages)
    assert "aod-out" in shown["text/html"]
    assert shown["text/plain"].startswith("Messages · 1 of 1")
    theirs, _ = shell.ip.display_formatter.format(pd.DataFrame({"a": [1]}))
    assert theirs["text/plain"] == "   a\n0  1"
    shell.run("%unload_ext aod_notebook")
    shown, _ = shell.ip.display_formatter.format(frames.messages_df(shell.names["s"]))
    assert "aod-out" not in shown["text/html"]
    shell.run("%load_ext aod_notebook")


@pytest.mark.parametrize("shown", [table_html, table_text])
def test_a_table_of_checks_from_a_foreign_file_is_text(shown):
    hostile = "<img src=x onerror=alert(1)>\x1b]8;;http://x.example\x07 \u202egnp"
    frame = pd.DataFrame({"check": ["summary", hostile], "state": "ok", "finding": hostile})
    frame.attrs["schema"] = "aod.findings"
    text = shown(frame)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert shown is table_text or "<img" not in text


PANDAS_AFTER_THE_EXTENSION = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "aod_notebook")
assert "pandas" not in sys.modules
import pandas as pd
from aod_notebook.magics.tables.findings import SCHEMA
frame = pd.DataFrame({"check": ["disk"], "state": ["ok"], "finding": ["9 GB free"]})
frame.attrs["schema"] = SCHEMA
def shown():
    formatted, _ = shell.display_formatter.format(frame)
    return "dataframe" in formatted["text/html"], formatted["text/plain"] == repr(frame)
print(shown())
shell.run_line_magic("unload_ext", "aod_notebook")
print(shown())
"""


def test_frames_are_shown_as_ours_also_when_pandas_comes_after_the_extension(tmp_path):
    environment = {**os.environ, "AOD_NOTEBOOK_HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    code = [sys.executable, "-c", PANDAS_AFTER_THE_EXTENSION]
    ran = subprocess.run(code, env=environment, check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-2:] == ["(False, False)", "(True, True)"]
