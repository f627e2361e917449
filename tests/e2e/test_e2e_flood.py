"""Floods in their long form: every row arrives, the page stays small and smooth, the kernel idle."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bench_viewer import BURST, FLOOD, SESSION, VIEWER, Case, run, stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def measured():
    """Measure a case in a browser that nobody listens to meanwhile."""
    with stage() as (chromium, server):
        yield lambda *words, **more: run(Case(*words, **more), chromium, server)


def assert_small(facts):
    assert facts["new nodes"] < 200
    assert facts["heap MB"] <= 20


def test_100_000_rows_at_1_000_a_second_arrive_in_a_smooth_page(measured):
    alone = measured("alone", SESSION, FLOOD, 5_000, 1000)
    facts = measured("steady", VIEWER, FLOOD, 100_000, 1000)
    assert_small(facts)
    assert facts["frame p95 ms"] <= 25
    assert facts["last row ms"] <= 100
    assert facts["kernel µs/row"] - alone["kernel µs/row"] <= 30


def test_a_burst_of_100_000_rows_arrives_at_once(measured):
    facts = measured("burst", VIEWER, FLOOD, BURST, None, settle=3)
    assert_small(facts)
    assert facts["last row ms"] <= 250


def test_a_burst_beside_a_cell_that_floods_print_arrives_whole(measured):
    flood = "for i in range(200_000): print(i)"
    assert_small(measured("beside print", VIEWER, FLOOD, BURST, None, flood, settle=3))


def test_the_kernel_answers_meanwhile_as_fast_as_without_a_view(measured):
    alone = measured("1+1 alone", SESSION, FLOOD, 10_000, 1000, probes=True)["1+1 ms"]
    busy = measured("1+1", VIEWER, FLOOD, 10_000, 1000, probes=True)["1+1 ms"]
    assert busy <= max(10, alone + 2)  # which a small machine needs by itself; it varies so much
