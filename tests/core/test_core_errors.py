"""The root error."""

from aod_notebook.core.errors import AodNotebookError


def test_a_cell_shows_one_line():
    assert AodNotebookError("a\nb")._render_traceback_() == ["AodNotebookError: a b"]


def test_a_cell_shows_nothing_that_steers_a_terminal():
    hostile = "\x1b]0;title\x07a \x1b[31mb\x1b[0m\x9b2J \x08c\u202ed\ud800"
    assert AodNotebookError(hostile)._render_traceback_() == [
        "AodNotebookError: a b ␈c⟨U+202E⟩d\ufffd"
    ]


def test_the_packages_name_is_not_a_secret():
    told = "no connection: %load_ext aod_notebook, or connect(), as of aod_notebook_default"
    assert str(AodNotebookError(told)) == told
