import itertools
import threading
import time

import distributed
import pandas as pd
import pytest
from batch_kernel import table

from aod_notebook import live
from aod_notebook.aod import AodConnectionError
from aod_notebook.live import BatchStoppedError, SessionRequest
from aod_notebook.live.batch import BatchBusyError
from aod_notebook.live.batch.plan import plan
from aod_notebook.live.batch.start import prepare


def run(rows, prompt="echo {{n}}", **options):
    return live.batch(rows, prompt, **({"runtime": "shell", "progress": False} | options))


@pytest.mark.parametrize("rows", [40, pytest.param(200, marks=pytest.mark.faults)])
def test_each_row_runs_once_in_order_on_a_service_that_takes_five(connected, count, rows):
    frame = run(table(rows), jobs=8)
    assert list(frame.index) == list(table(rows).index)
    assert list(frame["text"]) == [str(n) for n in range(rows)]
    assert frame["status"].eq("completed").all()
    assert frame["session"].is_unique
    assert count() == rows


def test_failed_rows_are_rows(connected, numbers):
    frame = run(numbers, "echo {{n}}; [ {{n}} != 3 ] || { echo broken >&2; exit 4; }")
    assert frame["status"].tolist().count("failed") == 1
    failed = frame.loc["row 3"]
    assert (failed["status"], failed["text"], failed["error"]) == ("failed", "3", "broken")
    assert frame.drop("row 3")["error"].isna().all()


def test_unknown_numbers_are_missing(connected, numbers):
    frame = run(numbers.head(1))
    assert frame[["cost_usd", "cost_source", "tokens_in", "tokens_out"]].isna().all(axis=None)
    assert frame["duration_s"].ge(0).all()


def test_choices_and_repeats_are_columns(connected, numbers):
    frame = run(numbers.head(2), over={"model": ["x", "y"]}, repeat=2)
    assert list(frame.columns[:2]) == ["model", "repeat"]
    assert list(frame.index) == ["row 0"] * 4 + ["row 1"] * 4
    assert list(frame["model"]) == ["x", "x", "y", "y"] * 2
    assert list(frame["repeat"]) == [1, 2] * 4
    assert list(frame["text"]) == ["0"] * 4 + ["1"] * 4


def test_result_joins_its_input(connected, numbers):
    joined = numbers.join(run(numbers))
    assert list(joined["text"].astype(int)) == list(joined["n"])


def test_workers_of_a_cluster_run_the_rows(connected, numbers, count):
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        frame = run(numbers, dask=client)
    assert list(frame["text"]) == [str(n) for n in range(12)]
    assert count() == 12


def press_stop_when(condition):
    """Return a progress function in which the stop button is pressed once."""
    pressed = threading.Event()

    def changed(batch):
        if not pressed.is_set() and condition(batch):
            pressed.set()
            raise KeyboardInterrupt

    return changed


GATE = (
    "echo begun {{n}}; [ {{n}} -lt 4 ] || while [ ! -e {{gate}} ]; do sleep 0.05; done; echo {{n}}"
)


def test_interrupted_batch_has_partial_results_and_is_continued(connected, tmp_path, count):
    rows = pd.DataFrame({"n": range(10), "gate": str(tmp_path / "open")})
    stop = press_stop_when(lambda batch: batch.progress.ended == 4 and batch.progress.running == 4)
    with pytest.raises(BatchStoppedError, match=r"4 of 10 sessions .* 4 were terminated") as caught:
        run(rows, GATE, jobs=4, progress=stop)
    partial = caught.value.result
    assert list(partial["status"]) == ["completed"] * 4 + ["terminated"] * 4 + ["not started"] * 2
    active = [row for row in connected.client.sessions.list()
              if row.status in ("pending", "running")]  # fmt: skip
    assert active == []
    (tmp_path / "open").touch()
    frame = run(rows, GATE, jobs=4)
    assert frame["status"].eq("completed").all()
    assert list(frame["session"][:4]) == list(partial["session"][:4])
    assert count() == 14


def test_finished_batch_begins_again(connected, numbers, count):
    first, second = run(numbers.head(2)), run(numbers.head(2))
    assert not set(first["session"]) & set(second["session"])
    assert first.attrs["batch"] != second.attrs["batch"]
    assert count() == 4


def prepared(connected, rows, **options):
    made = plan(rows, SessionRequest(prompt="echo {{n}}", runtime="shell"), connected)
    return prepare(made, connected, jobs=2, limits=[], progress=False, **options)


def test_batch_of_a_living_kernel_is_not_run_twice(connected, numbers, count):
    one = prepared(connected, numbers)
    with one._records.owned(), pytest.raises(BatchBusyError, match="run by another kernel"):
        prepared(connected, numbers).run()
    assert count() == 0


def test_what_a_continued_batch_took_is_unknown(connected, numbers):
    batch = prepared(connected, numbers.head(1))
    batch.resumed = True
    assert not batch.is_over
    batch.run()
    assert batch.is_over
    assert batch.progress.took_s is None


def test_resume_can_be_refused(connected, numbers):
    first = prepared(connected, numbers)
    assert prepared(connected, numbers).id == first.id
    assert prepared(connected, numbers, resume=False).id != first.id


@pytest.mark.parametrize("arrives", [True, False])
def test_lost_answer_to_a_create_makes_one_session(connected, numbers, monkeypatch, count, arrives):
    create, losses = connected.client.sessions.create, iter([True])

    def losing(**fields):
        if not next(losses, False):
            return create(**fields)
        if arrives:
            create(**fields)
        raise AodConnectionError("the connection broke before the answer was here")

    monkeypatch.setattr(connected.client.sessions, "create", losing)
    frame = run(numbers.head(3), jobs=1)
    assert frame["status"].eq("completed").all()
    assert list(frame["text"]) == ["0", "1", "2"]
    assert count() == 3


def test_row_that_can_not_be_started_says_why_and_is_tried_again(connected, numbers, monkeypatch):
    create = connected.client.sessions.create

    def refusing(**fields):
        if fields["prompt"] == "echo 1":
            raise AodConnectionError("nobody answers")
        return create(**fields)

    with monkeypatch.context() as patched:
        patched.setattr(connected.client.sessions, "create", refusing)
        frame = run(numbers.head(3))
    assert list(frame["status"]) == ["completed", "not started", "completed"]
    assert frame["error"].iloc[1] == "nobody answers"
    again = run(numbers.head(3))
    assert list(again["text"]) == ["0", "1", "2"]
    assert list(again["session"].iloc[[0, 2]]) == list(frame["session"].iloc[[0, 2]])


def test_unwritable_journal_is_refused(connected, numbers, home, count):
    (home / "journal.db").unlink(missing_ok=True)
    (home / "journal.db").mkdir(parents=True)
    with pytest.raises(live.BatchError, match="journal in AOD_NOTEBOOK_HOME can't be written"):
        run(numbers)
    assert count() == 0


def test_progress_says_how_far_it_is(connected, numbers):
    seen = []
    run(numbers, progress=lambda batch: seen.append(batch.progress))
    assert seen[-1][:4] == (12, 12, 0, 0)
    assert all(before.ended <= after.ended for before, after in itertools.pairwise(seen))
    assert any(one.eta_s is not None for one in seen)
    assert seen[0].took_s is None
    assert seen[-1].took_s > 0


def test_progress_says_what_the_service_waits_for(connected, numbers, tmp_path):
    client = connected.client
    agent = client.agents.create(name="waits", model="any", runtime="shell")
    wait = f"while [ ! -e {tmp_path}/open ]; do sleep 0.05; done"
    for _ in range(5):
        client.sessions.create(agent_id=agent.id, prompt=wait)
    seen = []

    def changed(batch):
        if batch.progress.waits:
            seen.append(batch.progress.waits)
            (tmp_path / "open").touch()

    assert run(numbers.head(2), progress=changed)["status"].eq("completed").all()
    assert seen[0].startswith("Concurrent session limit reached (5/5)")


def test_time_of_waiting_is_not_the_sessions_time(connected, numbers):
    began = time.monotonic()
    frame = run(numbers, "sleep 0.2", jobs=12)
    assert frame["duration_s"].max() < time.monotonic() - began
