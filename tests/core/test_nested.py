"""nest-asyncio patches the process for good, so each test has a process of its own."""

import subprocess
import sys
import textwrap

import pytest

from aod_notebook.core.nested import NestedLoopsError, enable_nested_loops


def run_script(script):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


CELL = """
    import asyncio, aod_notebook

    async def inner():
        await asyncio.sleep(0)
        return 42

    async def cell():
        {enable}
        print(asyncio.run(inner()))

    asyncio.run(cell())
"""


def test_a_running_loop_can_be_nested_once_enabled():
    done = run_script(CELL.format(enable="aod_notebook.enable_nested_loops()"))
    assert done.stdout == "42\n", done.stderr


def test_nothing_is_patched_without_it():
    done = run_script(CELL.format(enable="import aod_notebook.live, aod_notebook.magics"))
    assert "cannot be called from a running event loop" in done.stderr


def test_another_kind_of_loop_is_refused_with_what_to_do(monkeypatch):
    class OtherLoop:
        pass

    OtherLoop.__module__ = "uvloop"
    monkeypatch.setattr("asyncio.get_running_loop", OtherLoop)
    with pytest.raises(NestedLoopsError, match=r"is of uvloop.*Await the coroutine"):
        enable_nested_loops()
