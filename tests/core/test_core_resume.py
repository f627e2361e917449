"""Cursor, deduplication and reconnect budget of a stream, without any network."""

import pytest

from aod_notebook.core.resume import Resume
from aod_notebook.core.retry import RetryPolicy


class Plain(Resume):
    def call(self):
        raise NotImplementedError

    def read(self, batch):
        return iter(batch.data)

    def gave_up(self, failure):
        raise NotImplementedError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def make(since=None, *, reconnects=3, resume=True, no_data=None, clock=None):
    retry = RetryPolicy(max_reconnects=reconnects, jitter=lambda: 1.0, clock=clock or Clock())
    plain = Plain(since, retry=retry, no_data=no_data, resume=resume)
    plain.connected()
    return plain


def test_rows_are_taken_once_and_move_the_cursor():
    rules = make()
    assert [rules.takes_row(mark) for mark in (3, 5, 5, 3, 6)] == [True, True, False, False, True]
    assert rules.last_event_id == 6


def test_rows_up_to_since_are_known():
    rules = make(since=10)
    assert [rules.takes_row(mark) for mark in (9, 10, 11)] == [False, False, True]


def test_repeated_events_are_returned_once_but_only_a_resume_repeats():
    rules = make()
    assert rules.takes_once("start")
    assert rules.takes_once("start")  # the same connection says it twice: not a repetition
    rules.connected()
    assert not rules.takes_once("start")
    assert rules.takes_once("turn 2")


def test_the_first_reconnect_after_a_row_is_immediate_and_later_ones_back_off():
    rules = make(reconnects=5)
    rules.takes_row(1)
    assert [rules.wait() for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 4.0, None]


def test_without_any_row_even_the_first_reconnect_backs_off():
    assert make().wait() == 0.5


def test_a_new_row_resets_the_budget_and_an_old_one_does_not():
    rules = make(reconnects=1)
    rules.takes_row(7)
    assert rules.wait() == 0.0
    rules.takes_row(7)
    assert rules.wait() is None
    rules.takes_row(8)
    assert rules.wait() == 0.0


def test_without_resume_there_is_not_a_reconnect():
    rules = make(resume=False)
    rules.takes_row(1)
    assert rules.wait() is None


def test_retry_after_replaces_the_wait_within_the_deadline():
    assert make().wait(7.0) == 7.0
    assert make().wait(3600.0) is None


def test_heartbeats_alone_become_overdue_and_data_resets_the_clock():
    clock = Clock()
    rules = make(no_data=100.0, clock=clock)
    clock.now = 99.0
    list(rules.feed(b": heartbeat\n\n"))
    assert not rules.is_overdue()
    clock.now = 101.0
    assert rules.is_overdue()
    list(rules.feed(b"data: {}\n\n"))
    assert not rules.is_overdue()


def test_a_new_connection_forgets_the_torn_event_of_the_old_one():
    rules = make()
    list(rules.feed(b"data: to"))
    rules.connected()
    assert list(rules.feed(b"data: whole\n\n")) == [b"whole"]


@pytest.mark.parametrize("no_data", [None, 50.0])
def test_a_fresh_connection_is_not_overdue(no_data):
    clock = Clock()
    rules = make(no_data=no_data, clock=clock)
    clock.now = 1000.0
    rules.connected()
    assert not rules.is_overdue()
