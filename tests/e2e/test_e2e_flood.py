"""Floods in their long form: every row arrives, the page stays small and smooth, the kernel idle."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bench_viewer import BURST, FLOOD, SESSION, VIEWER, Case, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def assert_small(facts):
    assert facts["new nodes"] < 200
    assert facts["heap MB"] <= 20


def test_100_000_rows_at_1_000_a_second_arrive_in_a_smooth_page(browser, server):
    alone = run(Case("alone", SESSION, FLOOD, 5_000, 1000), browser, server)
    facts = run(Case("steady", VIEWER, FLOOD, 100_000, 1000), browser, server)
    assert_small(facts)
    assert facts["frame p95 ms"] <= 25
    assert facts["last row ms"] <= 100
    assert facts["kernel µs/row"] - alone["kernel µs/row"] <= 30


def test_a_burst_of_100_000_rows_arrives_at_once(browser, server):
    facts = run(Case("burst", VIEWER, FLOOD, BURST, None, settle=3), browser, server)
    assert_small(facts)
    assert facts["last row ms"] <= 250


def test_a_burst_beside_a_cell_that_floods_print_arrives_whole(browser, server):
    flood = "for i in range(200_000): print(i)"
    case = Case("beside print", VIEWER, FLOOD, BURST, None, flood, settle=3)
    assert_small(run(case, browser, server))


def test_the_kernel_answers_meanwhile_as_fast_as_without_a_view(browser, server):
    alone = run(Case("1+1 alone", SESSION, FLOOD, 10, 1, probes=True), browser, server)["1+1 ms"]
    busy = run(Case("1+1", VIEWER, FLOOD, 10_000, 1000, probes=True), browser, server)["1+1 ms"]
    assert busy <= max(10, alone + 2)
