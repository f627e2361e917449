"""The fault bench in its short form: ours loses nothing in any row."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import agentos_faults

NAMED = [
    "server answering at once", "server answering after 50 ms", "500 for 5 s", "refusing",
    "gone mid-run", "SIGKILL at 20 events/s", "SIGKILL at 200 events/s",
    "SIGKILL at 2,000 events/s", "SIGTERM", "os._exit", "fork while emitting",
    "lost acknowledgements", "one bad event in a thousand", "revoked key", "full disk",
    "exit with a dead server",
]  # fmt: skip


def test_every_named_fault_has_a_row():
    assert [row.name for row in agentos_faults.ROWS] == NAMED


@pytest.mark.parametrize("row", agentos_faults.ROWS, ids=lambda row: row.name)
def test_nothing_is_lost(row):
    ours = agentos_faults.run_row(row, None, scale=0.1)
    assert ours["emitted"]
    assert agentos_faults.faults_of(row, ours) == []
