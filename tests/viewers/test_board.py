"""The rows of a board: from what is followed, from tables, from a batch; and its static form."""

import json
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from sources import Source
from test_trace import HOSTILE, Story, Tags, use, words

from aod_notebook import frames
from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.viewers.board import Board
from aod_notebook.viewers.board.row import BoardRow, Followed
from aod_notebook.viewers.board.sources import source_of
from aod_notebook.viewers.board.static import board_html, board_plain

TAGS = {"div", "span", "b", "code", "table", "thead", "tbody", "tr", "th", "td"}


def failing(key="t1"):
    story = Story()
    story.prompts = {1: "Fix the report\nplease"}
    story.at(0, "turn_start", turn=1)
    story.said(5, "m1", use(key, command="pytest"))
    story.returned(7, key, "Exit code 2\nno", is_error=True)
    story.said(8, "m2", words("It fails."))
    story.end(9)
    return story


def test_a_followed_session_says_what_it_did():
    followed = Followed(failing())
    assert followed.read()
    row = followed.row()
    assert (row.prompt, row.status, row.tools, row.failed) == ("Fix the report", "completed", 1, 1)
    assert (row.duration, row.turns, row.last) == (9.0, 1, "It fails.")
    assert row.failing == (("Bash", 1),)
    assert not followed.read()


def test_values_that_a_session_does_not_report_stay_unknown():
    source = Source()
    source.lines("hello")
    followed = Followed(source)
    followed.read()
    row = followed.row()
    assert (row.cost, row.tokens, row.duration) == (None, None, None)


def test_only_rows_with_news_are_read_again():
    sources = [Source() for _ in range(5)]
    made = source_of(sources)
    stop = made.listen(lambda: None)
    assert sorted(made.changed(0.0)) == [0, 1, 2, 3, 4]
    sources[3].lines("news")
    assert list(made.changed(0.1)) == [3]
    assert made.rows[3].last == "news"
    stop()


def test_a_frame_of_sessions_is_a_board():
    frame = pd.DataFrame(
        {
            "session_id": ["2bc7f561-935d-44ed-92d0-4a435721ed3f"],
            "status": ["failed"],
            "prompt": ["Fix it"],
            "cost_usd": [0.5],
        }
    )
    (row,) = source_of(frame).rows
    assert (row.prompt, row.status, row.cost, row.tokens) == ("Fix it", "failed", 0.5, None)


def test_a_frame_of_other_things_is_refused():
    with pytest.raises(AodNotebookError, match="sessions or runs"):
        source_of(pd.DataFrame({"a": [1]}))


class Batch:
    """What a board needs of a batch."""

    id = "nightly"
    is_over = False

    def __init__(self, total):
        self.states = [None] * total
        self.plan = SimpleNamespace(
            items=[
                SimpleNamespace(prompt=f"task {n}", runtime="claude", model="claude-haiku-4-5")
                for n in range(total)
            ]
        )

    @property
    def progress(self):
        ended = sum(state == "completed" for state in self.states)
        return SimpleNamespace(
            total=len(self.states), ended=ended, cost_usd=0.1 * ended, eta_s=60.0, waits="",
            took_s=75.0 if self.is_over else None,
        )  # fmt: skip

    def frame(self):
        return pd.DataFrame(
            {
                "session": [
                    None if state is None else f"s{n}" for n, state in enumerate(self.states)
                ],
                "status": self.states,
                "text": ["done" if state == "completed" else None for state in self.states],
                "cost_usd": [0.1 if state == "completed" else None for state in self.states],
                "duration_s": [
                    n if state == "completed" else None for n, state in enumerate(self.states)
                ],
            }
        )


def test_sessions_of_a_batch_that_were_not_created_are_queued():
    batch = Batch(3)
    batch.states[0] = "running"
    made = source_of(batch)
    assert list(made.changed(0.0)) == [0, 1, 2]
    assert [row.status for row in made.rows] == ["running", "queued", "queued"]
    assert made.rows[1].prompt == "task 1"
    assert not made.is_final
    batch.states[0] = "completed"
    assert list(made.changed(1.0)) == [0]


def test_the_cost_of_a_whole_batch_is_estimated_from_ten_finished_sessions_on():
    batch = Batch(20)
    batch.states[:9] = ["completed"] * 9
    board = Board(batch)
    assert board.facts["progress"]["whole"] is None
    batch.states[9] = "completed"
    board._read(float("inf"))
    board._version += 1  # as the thread counts what is new
    assert board._all_facts()["progress"]["whole"] == pytest.approx(2.0)


def test_a_batch_that_is_over_says_what_it_took_and_its_medians():
    batch = Batch(3)
    batch.states = ["completed"] * 3
    assert Board(batch).facts["ended"] == []
    batch.is_over = True
    board = Board(batch)
    assert board.facts["ended"] == ["took 75 s", "median 1.0 s, $0.10 a session"]
    assert "took 75 s · median 1.0 s" in board.static_bundle()["text/plain"]


def test_the_last_rows_of_a_batch_are_those_of_its_end():
    batch = Batch(2)
    made = source_of(batch)
    made.changed(0.0)
    batch.states, batch.is_over = ["completed", "completed"], True
    assert list(made.changed(0.01)) == [0, 1]
    assert made.is_final


def test_a_batch_that_was_stopped_is_over_and_not_completed():
    batch = Batch(2)
    batch.states, batch.is_over = ["completed", "not started"], True
    facts = Board(batch).facts
    assert (facts["final"], facts["label"]) == (True, "stopped")


def test_what_the_page_selects_comes_back_as_ids():
    board = Board([failing(), failing("t2")])
    board._receive(None, {"type": "select", "page": "1", "rows": [1], "number": 1}, [])
    deadline = time.monotonic() + 60
    while not board.selected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert board.selected == ["5f0c2f6e"]


@pytest.fixture
def again(monkeypatch):
    """Let sessions be "started" without a service; return the ids that were asked for."""
    asked = []

    def start(name):
        if name == "broken":
            raise AodNotebookError("No such agent.")
        asked.append(name)
        return SimpleNamespace(id=f"new-{name}")

    monkeypatch.setattr(current, "_starter", start)
    return asked


def notes(board):
    found = []
    while message := board.feed.next_message(float("inf")):
        found += [message.content] if message.content["type"] == "note" else []
    return [note["text"] for note in found]


def sessions(*ids):
    return Board(pd.DataFrame({"session_id": ids, "status": ["failed"] * len(ids)}))


def test_selected_sessions_are_run_again_each_once(again):
    board = sessions("a", "b", "c")
    board._run_again("1", {"rows": [2, 0, 2]})
    assert again == ["c", "a"]
    assert [session.id for session in board.started] == ["new-c", "new-a"]
    assert notes(board) == ["Started 2 sessions: new-c, new-a. "]


@pytest.mark.parametrize(
    "rows",
    [None, [], "0", {"0": 0}, [3], [-1], ["0"], [[0]], [0.0], [None], ["other"], [0, 1, 2, 99],
     list(range(3)) * 4],
)  # fmt: skip
def test_a_page_runs_nothing_again_that_is_not_a_row(again, rows):
    board = sessions("a", "b", "c")
    with pytest.raises(AodNotebookError):
        board._run_again("1", {"rows": rows, "id": "other", "prompt": "rm -rf ~"})
    assert (again, board.started) == ([], [])


def test_what_was_started_before_a_failure_is_named_with_it(again):
    board = sessions("a", "broken", "c")
    with pytest.raises(AodNotebookError, match=r"Started 1 session: new-a\. No such agent\."):
        board._run_again("1", {"rows": [0, 1, 2]})
    assert again == ["a"]


def test_runs_and_queued_sessions_are_not_run_again(again):
    runs = Board(pd.DataFrame({"run_id": ["r1"], "status": ["failed"]}))
    for board in (runs, Board(Batch(1))):
        with pytest.raises(AodNotebookError, match="Only sessions"):
            board._run_again("1", {"rows": [0]})
    assert again == []


def test_what_a_page_asks_for_again_is_refused_where_sessions_are_only_stored(again, monkeypatch):
    source = source_of(pd.DataFrame({"session_id": ["a"], "status": ["failed"]}))
    assert "again" in Board(source).facts["can"]
    monkeypatch.setattr(source, "compared_in", object())
    assert "again" not in Board(source).facts["can"]


def test_the_board_says_which_tools_fail_most():
    board = Board([failing(), failing()])
    assert board.facts["failing"] == [("Bash", 2, 2)]


def test_static_html_is_a_plain_table_of_fifty_rows():
    rows = [BoardRow(id=f"s{n}", status="completed", prompt=f"task {n}") for n in range(80)]
    html = board_html("Sessions", ["80 completed"], rows)
    found = Tags(html)
    assert found.tags <= TAGS
    assert html.count("<tr>") == 51
    assert "50 of 80" in html


def test_columns_without_a_value_are_left_out():
    text = board_plain("Sessions", [], [BoardRow(id="s1", status="failed", prompt="fix")])
    assert "COST" not in text
    assert "✗ Failed" in text


def test_hostile_names_and_values_stay_text():
    row = BoardRow(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, last=HOSTILE)
    html = board_html(HOSTILE, [HOSTILE], [row])
    assert Tags(html).tags <= TAGS
    sent = json.dumps(row.record(), ensure_ascii=False)
    assert "\u202e" not in html + sent + board_plain(HOSTILE, [], [row])


def test_frames_offer_the_board():
    board = frames.board([failing()], title="mine")
    assert board.facts["title"] == "mine"
    assert "Fix the report" in board.static_bundle()["text/plain"]
