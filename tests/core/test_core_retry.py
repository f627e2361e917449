"""The retry policy: no I/O, so its whole behaviour is driven by hand."""

from datetime import UTC, datetime

import pytest

from aod_notebook.core.retry import (
    Attempt,
    Repeat,
    Retry,
    RetryPolicy,
    parse_retry_after,
    retry_flow,
)

LOST = Attempt()
UNSEEN = Attempt(seen=False)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def drive(repeat, *attempts, policy=None):
    """Return the waits of a call whose attempts end like this; the last one goes on for ever."""
    clock = Clock()
    policy = policy or RetryPolicy()
    policy = RetryPolicy(
        max_retries=policy.max_retries, deadline=policy.deadline, jitter=lambda: 1.0, clock=clock
    )
    flow = retry_flow(policy, repeat)
    waits = [next(flow)]
    attempts = list(attempts)
    while True:
        attempt = attempts.pop(0) if len(attempts) > 1 else attempts[0]
        try:
            waits.append(flow.send(attempt))
        except StopIteration:
            return waits
        clock.now += waits[-1]


def test_a_safe_call_is_repeated_three_times_with_growing_waits():
    assert drive(Repeat.SAFE, LOST) == [0.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_passing_states_of_a_safe_call_are_repeated(status):
    assert len(drive(Repeat.SAFE, Attempt(status=status))) == 4


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 301])
@pytest.mark.parametrize("repeat", list(Repeat))
def test_lasting_states_are_never_repeated(repeat, status):
    assert drive(repeat, Attempt(status=status)) == [0.0]


@pytest.mark.parametrize("repeat", list(Repeat))
def test_what_never_connected_is_always_repeated(repeat):
    assert len(drive(repeat, UNSEEN)) == 4


@pytest.mark.parametrize(
    ("repeat", "attempt", "repeats"),
    [
        (Repeat.REFUSED, Attempt(status=429), 3),
        (Repeat.REFUSED, Attempt(status=503), 0),
        (Repeat.REFUSED, LOST, 0),
        (Repeat.UNSEEN, Attempt(status=429), 0),
        (Repeat.UNSEEN, Attempt(status=503), 0),
        (Repeat.UNSEEN, LOST, 0),
    ],
)
def test_a_write_is_repeated_only_when_it_had_no_effect(repeat, attempt, repeats):
    assert len(drive(repeat, attempt)) - 1 == repeats


def test_retry_after_replaces_the_wait():
    assert drive(Repeat.SAFE, Attempt(status=503, retry_after=7.0), LOST)[:3] == [0.0, 7.0, 1.0]


def test_no_attempt_starts_after_the_deadline():
    assert drive(Repeat.SAFE, Attempt(status=503, retry_after=30.0)) == [0.0, 30.0]
    assert drive(Repeat.SAFE, Attempt(status=429, retry_after=3600.0)) == [0.0]


def test_no_retries_means_one_attempt():
    assert drive(Repeat.SAFE, LOST, policy=RetryPolicy(max_retries=0)) == [0.0]


def test_waits_are_capped_and_jittered_over_their_whole_range():
    assert RetryPolicy(jitter=lambda: 1.0).backoff(30) == 8.0
    assert RetryPolicy(jitter=lambda: 0.0).backoff(30) == 0.0
    assert RetryPolicy(jitter=lambda: 1.0).backoff(5000) == 8.0


def test_a_success_after_a_failure_ends_the_flow():
    flow = retry_flow(RetryPolicy(jitter=lambda: 1.0), Repeat.SAFE)
    assert next(flow) == 0.0
    assert flow.send(LOST) == 0.5
    flow.close()  # what a driver does that has got its answer


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 99999999999999999999 07:28:10 GMT", None),
        ("soon", None),
        ("-3", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(value, seconds):
    now = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
    assert parse_retry_after(value, now) == seconds


def test_a_hook_that_raises_stops_nothing(caplog):
    def hook(_retry):
        raise ValueError

    RetryPolicy(on_retry=hook).announce(Retry(call="GET http://x/y", wait=2.0, status=None))
    assert "GET http://x/y: no answer, trying again in 2.0 s" in caplog.text
    assert "on_retry raised" in caplog.text
