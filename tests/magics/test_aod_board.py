"""`%aod board` and `%aod trace` in a shell without a page."""

from aod_notebook.live import SessionRequest, start


def ended(prompt):
    return start(SessionRequest(prompt=prompt, runtime="shell")).wait()


def test_board_shows_variables_and_binds_itself(shell):
    shell.names["mine"] = [ended("echo one"), ended("exit 3")]
    board = shell.run("%aod board mine -o b")
    assert shell.names["b"] is board
    assert board.ids == [session.id for session in shell.names["mine"]]
    assert "1 failed" in board.static_bundle()["text/plain"]


def test_board_of_nothing_shows_all_sessions(shell):
    session = ended("echo one")
    board = shell.run("%aod board")
    assert session.id in board.ids
    board.close()


def test_trace_shows_the_turns_of_a_session(shell):
    shell.names["s"] = ended("echo one")
    assert "Turn 1" in shell.run("%aod trace s").plain()
