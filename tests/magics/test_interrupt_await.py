"""The stop button in a cell that awaits: real kernels, old and new."""

import re

import pytest
from kernels import Kernel, clean_environment, older

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

START = """\
import asyncio
from aod_notebook import connect
from aod_notebook.live import SessionRequest, start
def begin():
    return start(SessionRequest(prompt="exec sleep 987659", runtime="shell"))
"""
GOES_ON = (
    r"CancelledError: interrupted: session {0} is not awaited any more and continues\. "
    r"%aod stop {0} ends it, %aod attach {0} shows it\."
)
ID = r"[0-9a-f]{8}-[0-9a-f-]{27}"
"""Without being woken the kernel would wait for the session: for hours."""


@pytest.fixture(scope="module", params=["ipykernel-7", "ipykernel-6", "colab"])
def kernel(request, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(home))
        environment = clean_environment(home)
        name = request.param
        running = Kernel(environment if name == "ipykernel-7" else older(environment, name))
        running.start()
        running.run("%load_ext aod_notebook")
        assert running.run(START).status == "ok"
        yield running
        running.stop()
        stop_service(embedded_data_dir())


def interrupted(kernel, code):
    """Interrupt a cell once it awaits (it prints that); give what it left."""
    request = kernel.begin(code)
    kernel.wait_for_text(request, "awaits")
    kernel.interrupt()
    return kernel.finish(request)


def test_stop_ends_a_cell_that_awaits_a_session_and_says_that_it_continues(kernel):
    ran = interrupted(kernel, "s = begin()\nprint('awaits')\nawait s")
    (line,) = ran.error["traceback"]
    session_id = kernel.run("print(s.id)").text.strip()
    assert re.fullmatch(GOES_ON.format(session_id), line)
    assert kernel.run("print(s.sync().row)").text == "None\n"
    kernel.run("s.stop()")


def test_stop_says_it_also_where_asyncio_raises_an_error_of_its_own(kernel):
    ran = interrupted(kernel, "s = begin()\nprint('awaits')\nawait asyncio.wait_for(s, 3600)")
    assert ran.error["ename"] == "CancelledError"
    session_id = kernel.run("print(s.id)").text.strip()
    said = ran.text.splitlines() + ran.error["traceback"]
    expected = f"nterrupted: session {session_id} is not awaited any more and continues. "
    assert [expected in line for line in said].count(True) == 1
    kernel.run("s.stop()")


def test_stop_reports_every_gathered_session(kernel):
    ran = interrupted(
        kernel, "a, b = begin(), begin()\nprint('awaits')\nawait asyncio.gather(a, b)"
    )
    lines = ran.error["traceback"]
    ids = kernel.run("print(a.id, b.id)").text.split()
    assert sorted(re.search(ID, line)[0] for line in lines) == sorted(ids)
    assert all(re.fullmatch(GOES_ON.format(ID), line) for line in lines)
    kernel.run("a.stop(), b.stop()")


def test_stop_ends_a_cell_that_reads_a_stream(kernel):
    ran = interrupted(
        kernel,
        "s = begin()\n"
        "async with connect().async_client.sessions.stream(s.id) as events:\n"
        "    print('awaits')\n"
        "    async for event in events: pass",
    )
    session_id = kernel.run("print(s.id)").text.strip()
    assert ran.error["traceback"] == [
        f"CancelledError: interrupted: GET /sessions/{session_id}/stream is not waited for any more."
    ]
    kernel.run("s.stop()")


def test_a_time_limit_on_a_session_is_not_an_interrupt(kernel):
    ran = kernel.run(
        "s = begin()\n"
        "try:\n"
        "    await asyncio.wait_for(s, 0.1)\n"
        "except asyncio.TimeoutError:\n"
        "    print('too late')\n"
        "s.stop()"
    )
    assert (ran.status, ran.text) == ("ok", "too late\n")


def test_nothing_wakes_the_kernel_once_nothing_is_awaited(kernel):
    interrupted(kernel, "s = begin()\nprint('awaits')\nawait s")
    assert (
        kernel.run("from aod_notebook.core import awaited; print(len(awaited._waits))").text
        == "0\n"
    )
    kernel.run("s.stop()")
