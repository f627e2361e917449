"""What a person meets in a real kernel: the stop button, top-level await, a crash."""

import os
import re
import time

import psutil
import pytest
from kernels import Kernel, clean_environment, older

from aod_notebook.agentos import AgentOS

SLEEPS = "987661"


@pytest.fixture(scope="module")
def agentos(service):
    with AgentOS(
        base_url=service.url, api_key=service.agentos_key, agent_id=service.agent_id
    ) as client:
        yield client


@pytest.fixture(scope="module")
def environment(service, tmp_path_factory):
    return clean_environment(
        tmp_path_factory.mktemp("home"),
        AGENTOS_BASE_URL=service.url,
        AGENTOS_API_KEY=service.agentos_key,
        AGENTOS_AGENT_ID=service.agent_id,
    )


@pytest.fixture(scope="module")
def kernel(environment):
    running = Kernel(environment)
    running.start()
    running.run("%load_ext aod_notebook")
    yield running
    running.stop()


@pytest.fixture
def slow_agent(agentos, tmp_path, monkeypatch):
    """A hosted agent whose CLI only waits."""
    (tmp_path / "claude").write_text(f"#!/bin/sh\nexec sleep {SLEEPS}\n")
    (tmp_path / "claude").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    made = agentos.agents.create(name="slow", system_prompt="x", provider_type="anthropic")
    yield made["id"]
    agentos.agents.delete(agent_id=made["id"])


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that in 30 s"
        time.sleep(0.02)
    return found


def sleepers():
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if SLEEPS in (process.info["cmdline"] or ())
    ]


def test_an_invoked_runs_output_records_its_origin_and_tool_arguments(kernel):
    ran = kernel.run("%agentos invoke -o invoked")
    (shown,) = [content for kind, content in ran.outputs if kind == "display_data"]
    told = shown["metadata"]["aod_notebook"]
    assert told["run_id"] in shown["data"]["text/plain"]
    assert told["status"] == "completed"
    assert "▸ Edit  /workspace/innkeeper/tests/test_dates.py" in shown["data"]["text/plain"]


def test_stop_cancels_an_invoked_run_on_the_service_and_says_so(kernel, agentos, slow_agent):
    request = kernel.begin(f"%agentos invoke {slow_agent}")
    wait_for(sleepers)
    kernel.interrupt()
    ran = kernel.finish(request)
    (run,) = agentos.runs.list(agent_id=slow_agent)
    assert run["status"] == "cancelled"
    assert ran.error["traceback"] == [
        f"RunStoppedError: Interrupted: run {run['id']} was cancelled on the service."
    ]
    wait_for(lambda: not sleepers())


def test_stop_leaves_a_run_that_was_only_looked_at(kernel, agentos):
    run = agentos.start_run()
    run.emit("step.begun")
    run.flush()
    request = kernel.begin(f"%agentos watch {run.run_id}")
    kernel.wait_for_text(request, "step.begun")
    kernel.interrupt()
    ran = kernel.finish(request)
    (line,) = ran.error["traceback"]
    assert line == (
        f"RunStoppedError: No longer shown; run {run.run_id} continues. %agentos cancel "
        f"{run.run_id} ends it, %agentos watch {run.run_id} shows it again."
    )
    assert agentos.runs.get(run_id=run.run_id)["status"] == "running"
    run.cancel()


def test_a_watched_run_leaves_static_html(kernel, agentos):
    run = agentos.start_run()
    run.emit("step.done", {"text": "<script>x</script>"})
    run.complete()
    ran = kernel.run(f"%agentos watch {run.run_id}")
    assert "&lt;script&gt;" in ran.html
    assert "<script" not in ran.html
    (metadata,) = [content["metadata"] for kind, content in ran.outputs if kind == "display_data"]
    assert metadata["aod_notebook"]["run_id"] == run.run_id


def test_a_cell_awaits_on_the_loop_of_all_cells(kernel):
    kernel.run("import asyncio\nloop = asyncio.get_running_loop()\nlater = asyncio.Event()")
    ran = kernel.run(
        "%%agentos -o r\nloop.call_later(0.01, later.set)\nawait later.wait()\n"
        "asyncio.get_running_loop() is loop"
    )
    assert (ran.status, ran.outputs[0][1]["data"]["text/plain"]) == ("ok", "True")
    assert kernel.run("print(r.output, _)").text == "{'result': True} True\n"


def test_stop_of_an_awaiting_cell_cancels_its_run(kernel):
    request = kernel.begin(
        "%%agentos -o r\nimport asyncio\nprint('begun')\nawait asyncio.sleep(600)"
    )
    kernel.wait_for_text(request, "begun")
    kernel.interrupt()
    ran = kernel.finish(request)
    assert ran.status == "error"
    assert "cancelled: the cell was interrupted" in ran.text
    assert kernel.run("print(r.status)").text == "cancelled\n"


def test_stop_of_a_computing_cell_cancels_its_run(kernel):
    request = kernel.begin("%%agentos -o r\nimport time\nprint('begun')\ntime.sleep(600)")
    kernel.wait_for_text(request, "begun")
    kernel.interrupt()
    ran = kernel.finish(request)
    assert ran.error["ename"] == "KeyboardInterrupt"
    assert kernel.run("print(r.status)").text == "cancelled\n"


def test_a_failing_cell_looks_as_it_does_without_the_magic(kernel):
    def frames(cell):
        trace = "\n".join(kernel.run(cell).error["traceback"])
        return re.findall(r"line\S* \S*?(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", trace))

    assert frames("%%agentos\ndef f():\n    1 / 0\nf()") == frames("#\ndef f():\n    1 / 0\nf()")


def test_a_run_within_a_run_is_refused_in_one_line(kernel):
    ran = kernel.run("%%agentos\n1\n%%agentos\n2")
    (line,) = ran.error["traceback"]
    assert line.startswith("NestedRunError: %%agentos: the cell has a second %%agentos line")
    ran = kernel.run(
        "%%agentos\nimport asyncio\nawait asyncio.sleep(0)\nget_ipython().run_cell('%%agentos\\n1')"
    )
    assert "inside a cell that is reported as run" in "\n".join(ran.error["traceback"])


def test_capture_reports_displayed_output(kernel, agentos):
    kernel.run(
        "%%agentos -o r --capture\nfrom IPython.display import display\n"
        "display({'shown': 1})\nprint('printed')"
    )
    run_id = kernel.run("print(r.id)").text.strip()
    events = agentos.runs.events(run_id=run_id)
    said = {event["type"]: event["payload"].get("text") for event in events}
    assert said["display.written"] == "{'shown': 1}"
    assert said["stdout.written"] == "printed"


def test_colabs_older_kernel_runs_reported_cells_too(environment):
    kernel = Kernel(older(environment, "colab"))
    kernel.start()
    kernel.run("%load_ext aod_notebook\nimport asyncio")
    ran = kernel.run("%%agentos -o r --capture\nprint('p')\nawait asyncio.sleep(0)\n42")
    assert (ran.status, ran.outputs[0][1]["data"]["text/plain"]) == ("ok", "42")
    told = kernel.run("print(r.status, r.output, list(r.events['type']))").text
    assert told == "completed {'result': 42} ['stdout.written', 'cell']\n"
    request = kernel.begin("%%agentos -o r\nprint('begun')\nawait asyncio.sleep(600)")
    kernel.wait_for_text(request, "begun")
    kernel.interrupt()
    assert "cancelled: the cell was interrupted" in kernel.finish(request).text
    kernel.stop()


def test_a_run_of_a_killed_kernel_is_ended_by_the_next_one(kernel, agentos):
    request = kernel.begin(
        "%%agentos --external-id killed\nrun.emit('step.begun')\nprint('begun')\n"
        "import time\ntime.sleep(600)"
    )
    kernel.wait_for_text(request, "begun")
    kernel.kill_and_restart()
    kernel.run("%load_ext aod_notebook")
    kernel.run("%agentos status")

    def ended():
        run = next(run for run in agentos.runs.list() if run["external_run_id"] == "killed")
        return run if run["status"] != "running" else None

    run = wait_for(ended)
    assert (run["status"], run["error_message"]) == ("failed", "process ended")
    events = agentos.runs.events(run_id=run["id"])
    assert [event["type"] for event in events] == ["step.begun"]
