import os
import subprocess
import sys
import threading

import anyio
import anyio.lowlevel
import pytest

from aod_notebook.core import bridge


async def thread_id():
    await anyio.lowlevel.checkpoint()
    return threading.get_ident()


def test_coroutines_run_on_one_thread_beside_the_callers():
    threads = {bridge.call(thread_id) for _ in range(3)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_errors_come_back_to_the_caller():
    async def fail():
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        bridge.call(fail)


def test_cancelling_the_future_cancels_the_coroutine():
    started, cancelled = threading.Event(), threading.Event()

    async def wait():
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    future = bridge.submit(wait)
    assert started.wait(60)
    future.cancel()
    assert cancelled.wait(60)


@pytest.mark.timeout(20)
def test_submitting_waits_for_nothing_on_the_loop():
    wanted, waiting = threading.Lock(), threading.Event()

    async def want():  # as a coroutine does that stores what a caller reads
        waiting.set()
        with wanted:
            await anyio.lowlevel.checkpoint()

    with wanted:
        bridge.submit(want)
        assert waiting.wait(60)
        later = bridge.submit(thread_id)
    assert later.result(60)


def test_stop_ends_the_thread_and_what_runs_on_it():
    future = bridge.submit(anyio.sleep_forever)
    bridge.call(thread_id)
    bridge.stop()
    assert future.cancelled()
    assert not bridge.is_running()
    assert "aod-notebook-loop" not in {thread.name for thread in threading.enumerate()}


def test_stopping_does_not_wait_for_what_continues_after_it_was_cancelled():
    async def lingers():
        try:
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(600)

    lingering = bridge.submit(lingers)
    bridge.call(thread_id)
    bridge.stop()
    assert lingering.cancelled()


def test_stopping_ends_what_runs_where_loops_are_nested():
    script = """import anyio, nest_asyncio
nest_asyncio.apply()
from aod_notebook.core import bridge
running = bridge.submit(anyio.sleep_forever)
bridge.stop()
print(running.cancelled())"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_loop_that_could_not_be_started_is_started_by_the_next_call(monkeypatch):
    bridge.stop()

    def refuse(_):
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        bridge.submit(thread_id)
    assert bridge.call(thread_id)


def test_an_exit_in_a_coroutine_reaches_the_caller_and_the_loop_continues():
    async def leave():
        raise SystemExit

    before = bridge.call(thread_id)
    with pytest.raises(SystemExit):
        bridge.call(leave)
    assert bridge.call(thread_id) == before


def test_a_call_after_stop_starts_again():
    bridge.stop()
    assert bridge.call(thread_id)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own():
    bridge.call(thread_id)
    child = os.fork()
    if child == 0:
        os._exit(0 if bridge.call(thread_id) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
