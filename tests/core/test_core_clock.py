"""Times of others as numbers: zones, and what no calendar has."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aod_notebook.core.clock import micros

NOON = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
NOON_US = 1_796_040_000_250_000


@pytest.mark.parametrize(
    "time",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
        NOON.replace(tzinfo=None),
        "2026-11-30T12:00:00.250Z",
        "2026-11-30T17:30:00.250+05:30",
        "2026-11-30 12:00:00.250000",
    ],
)
def test_a_time_is_the_same_in_every_zone_and_form(time):
    assert micros(time) == NOON_US


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_in_a_year_that_utc_does_not_have_is_unknown(time):
    assert micros(time) is None


@pytest.mark.parametrize("time", [None, "", "soon", "2026-02-30", 1_796_040_000, b"2026-11-30"])
def test_what_is_not_a_time_is_unknown(time):
    assert micros(time) is None
