"""What a board opens below itself: transcripts, traces, comparisons; boards of stores."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from test_board import Batch, failing
from test_trace_widget import Watching

from aod_notebook.aod import Client
from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.viewers.board import Board
from aod_notebook.viewers.flusher import flusher
from aod_notebook.viewers.stream import StreamViewer
from aod_notebook.viewers.trace.widget import TraceViewer

sys.path.append(str(Path(__file__).parents[1]))

import stored


@pytest.fixture(autouse=True)
def driven(monkeypatch):
    """Let the tests be the thread that sends."""
    monkeypatch.setattr(flusher, "wake", lambda widget: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of three sessions, one of them with two failed calls of Bash."""
    return stored.store(tmp_path_factory.mktemp("stored") / "store", 3)


def opened(board, number, what, **more):
    board._open_row("p", {"row": number, "what": what, **more})
    return next(reversed(board._children.values()))


def test_a_row_opens_as_a_transcript_or_as_a_trace_once_each():
    board = Board([failing(), failing("t2")])
    transcript, trace = opened(board, 0, "transcript"), opened(board, 0, "trace")
    assert isinstance(transcript, StreamViewer)
    assert isinstance(trace, TraceViewer)
    assert opened(board, 0, "transcript") is transcript
    page = Watching(board)
    page.look()
    answers = [each for each in page.answers if each["type"] == "opened"]
    assert [each["model"] for each in answers] == [
        transcript.model_id, trace.model_id, transcript.model_id,
    ]  # fmt: skip
    board.close()


def test_a_tool_that_failed_opens_the_transcript_at_its_first_failed_call():
    viewer = opened(Board([failing()]), 0, "transcript", tool="Bash")
    assert viewer.feed.transcript.rows[viewer._row].title == "Bash"
    assert opened(Board([failing()]), 0, "transcript", tool="Read")._row == -1


def test_a_span_of_an_opened_trace_opens_the_transcript_at_its_row():
    trace = opened(Board([failing()]), 0, "trace")
    trace._show_transcript("p", {"order": 2})
    (viewer,) = trace._children.values()
    assert (viewer._order, viewer._visits > 0) == (2, True)
    trace.close()


def test_at_most_three_views_stay_open_below_a_board():
    sessions = [failing() for _ in range(4)]
    for number, session in enumerate(sessions):
        session.id = f"s{number}"
    board = Board(sessions)
    views = [opened(board, number, "transcript") for number in range(4)]
    assert list(board._children.values()) == views[1:]
    assert [view.comm is None for view in views] == [True, False, False, False]
    board.close()


def test_a_board_of_a_store_names_the_tools_that_failed(store):
    board = Board(store)
    assert board.facts["failing"] == [("Bash", 2, 1)]
    assert sorted(board.ids) == store.session_ids
    assert board.facts["final"]


def test_a_row_of_a_store_opens_from_the_store(store):
    board = Board(store)
    viewer = opened(board, board.ids.index(store.session_ids[0]), "transcript")
    assert any("pytest" in row.text for row in viewer.feed.transcript.rows)
    board.close()


def test_two_selected_rows_of_a_store_are_compared(store):
    board = Board(store)
    board._select("p", {"rows": [0, 1]})
    board._compare("p", {})
    page = Watching(board)
    page.look()
    (answer,) = [each for each in page.answers if each["type"] == "html"]
    assert "pytest -k room" in answer["html"]


@pytest.mark.parametrize("rows", [[], [0]])
def test_other_numbers_of_rows_are_not_compared(rows):
    board = Board([failing()])
    board._select("p", {"rows": rows})
    with pytest.raises(AodNotebookError, match="Select two sessions"):
        board._compare("p", {})


@pytest.mark.parametrize(("column", "kind"), [("session_id", "session"), ("run_id", "run")])
def test_a_row_of_a_table_opens_from_the_current_connection(monkeypatch, column, kind):
    asked = []
    monkeypatch.setattr(current, "_opener", lambda *given: asked.append(given) or failing())
    board = Board(pd.DataFrame({column: ["one"], "status": ["failed"]}))
    assert isinstance(opened(board, 0, "transcript"), StreamViewer)
    assert asked == [(kind, "one")]
    board.close()


def test_a_session_that_was_not_created_cannot_be_opened():
    board = Board(Batch(1))
    with pytest.raises(AodNotebookError, match="has not been created yet"):
        opened(board, 0, "transcript")


def test_stop_calls_what_stops_and_shows_its_answer():
    stopped = []
    board = Board([failing()], stop=lambda: stopped.append(1) or "Stopping 2 sessions.")
    board._stop_all("p", {})
    page = Watching(board)
    page.look()
    assert stopped == [1]
    assert [each["text"] for each in page.answers if each["type"] == "note"] == [
        "Stopping 2 sessions."
    ]


def test_a_session_of_a_store_shows_its_viewer_and_its_trace(store):
    session = store.open(store.session_ids[0])
    assert session.results["session_id"].tolist() == store.session_ids[:1]
    assert session.viewer(3)._order == 3
    trace = session.trace()
    assert any(name == "Bash" for name in Watching(trace).look())
    trace._show_transcript("p", {"order": 3})
    (viewer,) = trace._children.values()
    assert viewer._order == 3
    trace.close()


def test_ids_are_a_board_of_the_sessions_that_a_client_has(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="on the board", model="any", runtime="replay")
        done = client.sessions.run(agent_id=agent.id, prompt="Fix it").session
        board = Board([str(done.id)], client=client)
    (row,) = board._source.rows
    assert (row.id, row.prompt, row.failed) == (str(done.id), "Fix it", 2)
