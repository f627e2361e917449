"""What a person meets in a real kernel: errors, the stop button, a crash."""

import contextlib
import json
import os
import re
import time

import psutil
import pytest
from kernels import Kernel, clean_environment, notebook, run_all
from nbclient.exceptions import CellExecutionError

from aod_notebook.aod import Client
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import find_service

UUID = r"[0-9a-f]{8}-[0-9a-f-]{27}"


@contextlib.contextmanager
def service_client(home):
    """A client of the detached service that a kernel of this test started."""
    service = find_service(embedded_data_dir())
    with Client(base_url=service.url, token=service.aod_token) as client:
        yield client


def processes_that_mention(text):
    """The processes of this machine with `text` in their command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(text in word for word in process.info["cmdline"] or ())
    ]


def wait_for_processes(text, count):
    """Wait until so many processes mention `text`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = processes_that_mention(text)
        if len(found) == count:
            return found
    raise TimeoutError(f"{len(found)} processes mention {text}")


def test_loading_says_which_service_is_used_and_where_its_data_is(home):
    kernel = Kernel(clean_environment(home))
    kernel.start()
    shown = kernel.run("%load_ext aod_notebook").text
    kernel.stop()
    assert shown == (
        "aod_notebook: AOD_API_TOKEN is not set, so the embedded local service is used; "
        "its data is in $AOD_NOTEBOOK_HOME/service\n"
    )


def test_run_all_stops_at_a_cell_that_fails_with_one_line(home):
    failing = "%%aod --runtime shell\necho 'disk is full' >&2\nexit 3"
    content = notebook(
        "%load_ext aod_notebook", failing.replace("\n", " --no-raise\n", 1), failing, "after = 1"
    )
    with pytest.raises(CellExecutionError):
        run_all(content, clean_environment(home))
    *_, passed, failed, following = content.cells
    assert [out.output_type for out in passed.outputs] == ["display_data"]
    assert following.execution_count is None
    (error,) = [out for out in failed.outputs if out.output_type == "error"]
    (line,) = error.traceback
    assert re.fullmatch(
        rf"SessionFailedError: Session ({UUID}) failed: its shell exited with code 3 "
        r"\(disk is full\)\. %aod events \1 shows its log\.",
        line,
    )


def test_the_failed_session_is_bound_all_the_same(kernel):
    ran = kernel.run("%%aod --runtime shell -o s\nexit 3")
    assert ran.status == "error"
    assert kernel.run("print(s.status, s.exit_code)").text == "failed 3\n"


def test_the_cell_prints_lines_as_they_come_and_leaves_static_html(kernel):
    script = "echo first\nwhile [ ! -e go ]; do sleep 0.05; done\necho '<script>last</script>'"
    request = kernel.begin(f"%%aod --runtime shell\n{script}")
    kernel.wait_for_text(request, "first")
    (workspace,) = embedded_data_dir().glob("sessions/*/workspace")
    (workspace / "go").touch()
    ran = kernel.finish(request)
    assert ran.status == "ok"
    assert "&lt;script&gt;last&lt;/script&gt;" in ran.html
    assert "<script" not in ran.html


def test_stop_terminates_the_session_on_the_service_and_says_so(kernel, home):
    request = kernel.begin("%%aod --runtime shell -o s\necho begun; exec sleep 987654")
    kernel.wait_for_text(request, "begun")
    kernel.interrupt()
    ran = kernel.finish(request)
    session_id = kernel.run("print(s.id)").text.strip()
    assert ran.error["traceback"] == [
        f"SessionStoppedError: Interrupted: session {session_id} was terminated on the service."
    ]
    with service_client(home) as client:
        assert client.sessions.get(session_id).status == "terminated"
    assert not processes_that_mention("987654")


def test_stop_that_the_service_does_not_confirm_says_how_to_end_the_session(kernel, home):
    kernel.run("from aod_notebook.live import handle; handle.STOP_TIMEOUT_S = 1.0")
    request = kernel.begin("%%aod --runtime shell -o s\necho begun; exec sleep 987655")
    kernel.wait_for_text(request, "begun")
    service = psutil.Process(find_service(embedded_data_dir()).pid)
    service.suspend()
    try:
        kernel.interrupt()
        ran = kernel.finish(request)
    finally:
        service.resume()
    session_id = kernel.run("print(s.id)").text.strip()
    (line,) = ran.error["traceback"]
    assert line == (
        f"SessionStoppedError: Interrupted: the service did not confirm that session "
        f"{session_id} was terminated; %aod stop {session_id} ends it."
    )


def test_stop_leaves_a_session_that_was_only_looked_at(kernel, home):
    kernel.run("%%aod --runtime shell --background -o s\necho begun; exec sleep 987658")
    request = kernel.begin("%aod attach s")
    kernel.wait_for_text(request, "begun")
    kernel.interrupt()
    ran = kernel.finish(request)
    (line,) = ran.error["traceback"]
    assert "No longer shown; session" in line
    with service_client(home) as client:
        assert [session.status for session in client.sessions.list()] == ["running"]
    kernel.run("%aod stop s")


def test_everything_is_still_there_after_a_kernel_was_killed(kernel, home):
    kernel.run("%%aod --runtime shell\necho kept > file.txt")
    request = kernel.begin("%%aod --runtime shell\necho begun; exec sleep 987656")
    kernel.wait_for_text(request, "begun")
    service_before = find_service(embedded_data_dir()).pid

    kernel.kill_and_restart()
    kernel.run("%load_ext aod_notebook")

    kernel.run("sessions = %aod sessions")
    shown = kernel.run("print(sorted(sessions['status']))")
    assert shown.text == "['completed', 'running']\n"
    assert find_service(embedded_data_dir()).pid == service_before
    kernel.run("%aod stop last")
    assert not processes_that_mention("987656")


def test_nothing_runs_after_service_and_kernel_have_ended(kernel, home):
    kernel.run("%%aod --runtime shell --background\nexec sleep 987657")
    with service_client(home) as client:
        (session,) = client.sessions.list()
    service = find_service(embedded_data_dir())
    (sleeper,) = wait_for_processes("987657", 1)
    kernel.stop()
    os.kill(service.pid, 9)
    psutil.wait_procs([psutil.Process(service.pid)] if psutil.pid_exists(service.pid) else [], 10)
    psutil.wait_procs([sleeper], 10)
    assert not sleeper.is_running()
    assert not processes_that_mention(str(home))
    assert session.status in ("pending", "running")


def test_a_saved_notebook_holds_no_token_and_no_path_of_the_machine(home):
    content = notebook(
        "%load_ext aod_notebook",
        "%%aod --runtime shell --no-raise -o s\nexit 3",
        "%%aod --runtime replay\ngo",
        "%aod status",
        "%aod sessions",
        "s",
    )
    run_all(content, clean_environment(home))
    saved = json.dumps(content)
    service = find_service(embedded_data_dir())
    for secret in (service.aod_token, service.agentos_key, service.agent_key):
        assert secret not in saved
    assert str(home) not in saved
