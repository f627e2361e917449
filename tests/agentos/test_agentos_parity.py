"""The same program, run with the published SDKs and with ours, leaves the same rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from agentos_sdks import VERSIONS, folder

PROGRAM = Path(__file__).with_name("program.py")
OF_THE_MOMENT = {
    "id", "run_id", "parent_run_id", "external_run_id", "created_at", "started_at", "ended_at",
    "duration_ms", "occurred_at", "event_id", "span_id", "parent_span_id", "session_id",
    "sequence_number",
}  # fmt: skip


def run_program(sdk, version, service, home):
    command = [sys.executable, str(PROGRAM), str(sdk), version]
    command += [service.url, service.agent_key, service.agent_id]
    environment = {**os.environ, "AOD_NOTEBOOK_HOME": str(home)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stable(row):
    """A row without what differs from run to run; of those fields, whether they are set."""
    kept = {key: value for key, value in row.items() if key not in OF_THE_MOMENT}
    kept["set"] = sorted(
        key for key in OF_THE_MOMENT & row.keys() - {"event_id"} if row[key] is not None
    )
    return kept


def stored(control, run_id):
    run = control.runs.get(run_id=run_id)
    tasks = sorted((stable(task) for task in run.pop("tasks")), key=lambda task: task["name"])
    events = control.runs.events(run_id=run_id)
    detail = run.get("error_detail") or {}
    if "traceback" in detail:
        detail["traceback"] = detail["traceback"].splitlines()[-1]
    order = {event.get("span_id"): index for index, event in enumerate(events)}
    parents = [order.get(event.get("parent_span_id")) for event in events]
    row = stable(run)
    row["set"] = [key for key in row["set"] if key != "external_run_id"]
    return row, tasks, [stable(event) for event in events], parents


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_calls_leave_the_same_rows(service, control, tmp_path, version):
    theirs = run_program(folder(version), version, service, tmp_path)
    # a run with a fixed external id is the same run for everybody: take it out of the way
    ours = run_program("ours", version, service, tmp_path)
    same = set(theirs["runs"]) & set(ours["runs"])
    assert len(same) <= 1
    assert [stored(control, run) for run in ours.pop("runs")] == [
        stored(control, run) for run in theirs.pop("runs")
    ]
    assert ours == theirs


def test_the_published_names_are_all_there():
    import aod_notebook.agentos as ours

    listing = subprocess.run(
        [sys.executable, "-c", "import agentos; print(*agentos.__all__)"],
        env={**os.environ, "PYTHONPATH": str(folder(VERSIONS[-1]))},
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert set(listing) <= set(ours.__all__)
    assert isinstance(ours.__version__, str)
