import threading
import time

import pytest

from aod_notebook.viewers import flusher as flusher_module
from aod_notebook.viewers.flusher import Flusher, RateWindow

DEADLINE_S = 60


class Widget:
    """Sends what it is given, and notes when."""

    def __init__(self, clock=time.monotonic, *, fails=False):
        self._clock = clock
        self.waiting, self.sent, self.fails = [], [], fails
        self.changed = threading.Condition()

    def step(self, _):
        if self.fails:
            raise ValueError("odd string")
        with self.changed:
            if not self.waiting:
                return False
            self.sent.append((self._clock(), self.waiting.pop(0)))
            self.changed.notify_all()
            return True

    def is_quiet(self):
        return not self.waiting

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sent) >= count, DEADLINE_S)


def thread_of(flusher):
    return flusher._thread


def wait_until_gone(flusher):
    deadline = time.monotonic() + DEADLINE_S
    while thread_of(flusher) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_first_news_goes_out_at_once(monkeypatch):
    for name in ("PERIOD_S", "PAUSE_S", "IDLE_S"):
        monkeypatch.setattr(flusher_module, name, 600.0)  # a pause before it would not end in time
    flusher, widget = Flusher(), Widget()
    widget.waiting = ["a"]
    flusher.wake(widget)
    widget.wait_for(1)


def test_all_viewers_together_keep_the_rate():
    now = [0.0]
    flusher, widgets = Flusher(lambda: now[0]), [Widget(lambda: now[0]) for _ in range(5)]
    for widget in widgets:
        widget.waiting = list(range(20))
        flusher._widgets[id(widget)] = widget
    for _ in range(300):
        now[0] += 0.01
        flusher._serve()
    times = sorted(at for widget in widgets for at, _ in widget.sent)
    assert len(times) == 100
    assert all(later - first >= 1 for first, later in zip(times, times[50:], strict=False))


def test_no_viewer_starves_beside_one_that_takes_the_whole_rate():
    now = [0.0]

    class Steady(Widget):
        """Has one message for each round."""

        def step(self, round_at):
            if self.sent[-1:] == [round_at]:
                return False
            self.sent.append(round_at)
            return True

        def is_quiet(self):
            return False

    flusher, first, second = Flusher(lambda: now[0]), Steady(), Steady()
    for number in range(150):
        now[0] += 0.02
        if number in (0, 50):
            widget = second if number else first
            flusher._widgets[id(widget)] = widget
        flusher._serve()
    assert abs(len(first.sent) - 50 - len(second.sent)) <= 2


def test_one_thread_serves_all_and_ends_when_nothing_is_left():
    flusher, widgets = Flusher(), [Widget() for _ in range(10)]
    before = threading.active_count()
    for widget in widgets:
        widget.waiting = ["a"]
        flusher.wake(widget)
    assert threading.active_count() <= before + 1
    for widget in widgets:
        widget.wait_for(1)
    wait_until_gone(flusher)
    widgets[0].waiting = ["b"]
    flusher.wake(widgets[0])
    widgets[0].wait_for(2)


def test_a_viewer_that_fails_does_not_keep_the_others_waiting():
    flusher, broken, sound = Flusher(), Widget(fails=True), Widget()
    sound.waiting = list(range(30))
    flusher.wake(broken)
    flusher.wake(sound)
    sound.wait_for(30)


def test_a_thread_that_holds_a_viewers_lock_may_wake_it():
    flusher, lock = Flusher(), threading.Lock()

    class Locked(Widget):
        def is_quiet(self):
            with lock:
                return super().is_quiet()

    widget = Locked()
    for number in range(50):
        with lock:
            widget.waiting.append(number)
            flusher.wake(widget)
    widget.wait_for(50)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_window_allows_so_many_in_any_second(limit):
    window = RateWindow(limit)
    taken = [at for at in (n / 10 for n in range(50)) if window.take(at)]
    for start in taken:
        assert len([at for at in taken if start <= at < start + 1.0]) <= limit
