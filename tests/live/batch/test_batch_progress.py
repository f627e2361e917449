"""How a batch shows its progress: in a page, in another cell, on a terminal."""

import io
import sys
from types import SimpleNamespace

import pytest

from aod_notebook.live.batch import progress
from aod_notebook.live.batch.progress import line, shown

NOTHING = {"ended": 0, "total": 9, "running": 0, "failed": 0}
NOTHING |= {"cost_usd": None, "eta_s": None, "waits": ""}


def batch(used_up="", **known):
    return SimpleNamespace(
        id="nightly",
        stop=None,
        progress=SimpleNamespace(**(NOTHING | known)),
        guard=SimpleNamespace(used_up=used_up),
    )


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({}, ""),
        ({"running": 2}, " · 2 running"),
        ({"failed": 1, "cost_usd": 0.5}, " · 1 failed · $0.50"),
        ({"eta_s": 128}, " · about 2 min 08 left"),
        ({"waits": "for the\nlimit"}, " · waits: for the limit"),
        ({"running": 1, "waits": "for the limit"}, " · 1 running"),
        ({"used_up": "the budget is used up"}, " · the budget is used up"),
    ],
)
def test_the_line_says_what_is_known(known, shown):
    assert line(batch(**known)) == f"batch nightly · 0 of 9 ended{shown}"


def test_a_batch_that_has_ended_needs_no_more_time():
    assert line(batch(ended=9, eta_s=5)) == "batch nightly · 9 of 9 ended"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_each_line_replaces_the_one_before(monkeypatch):
    monkeypatch.setattr(progress, "PERIOD_S", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    show = shown()
    for ended in (1, 1, 2):
        show(batch(ended=ended))
    assert sys.stderr.getvalue().split("\r\x1b[K")[1:] == [
        "batch nightly · 1 of 9 ended",
        "batch nightly · 2 of 9 ended",
    ]


def test_lines_come_with_pauses_but_the_last_one_at_once(monkeypatch):
    monkeypatch.setattr(progress, "PERIOD_S", 3600)
    monkeypatch.setattr(sys, "stderr", Terminal())
    show = shown()
    show._at = float("inf")  # a line was just written
    for ended in (7, 8, 9):
        show(batch(ended=ended))
    assert sys.stderr.getvalue() == "\r\x1b[Kbatch nightly · 9 of 9 ended"


def test_where_nobody_looks_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert shown() is None


def in_kernel(monkeypatch, metadata):
    kernel = SimpleNamespace(get_parent=lambda _: {"metadata": metadata})
    monkeypatch.setattr(progress, "_shell", lambda: SimpleNamespace(kernel=kernel))


def test_a_cell_outside_of_a_page_has_one_line_that_changes(monkeypatch):
    outputs = []
    handle = SimpleNamespace(update=lambda data, **_: outputs.append(("again", data)))

    def display(data, **_):
        outputs.append(("first", data))
        return handle

    in_kernel(monkeypatch, {})
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(progress, "PERIOD_S", 0)
    show = shown()
    show(batch(ended=1))
    show(batch(ended=2))
    assert outputs == [
        ("first", {"text/plain": "batch nightly · 1 of 9 ended"}),
        ("again", {"text/plain": "batch nightly · 2 of 9 ended"}),
    ]


def test_a_page_has_one_board_that_looks_again_at_each_change(monkeypatch):
    happened = []

    class Board:
        def __init__(self, source, *, stop):
            happened.append((source.id, stop))

        def show(self):
            happened.append("show")

        def wake(self):
            happened.append("wake")

    in_kernel(monkeypatch, {"cellId": "c"})
    monkeypatch.setattr("aod_notebook.viewers.board.Board", Board)
    show = shown()
    show(batch())
    show(batch())
    assert happened == [("nightly", None), "show", "wake", "wake"]
