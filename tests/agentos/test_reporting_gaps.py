"""Faults of pyagentos-sdk 0.3.0 and 0.4.0 in reporting, and what this client does."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest
from collector import Collector, until
from ports import unused_port

from aod_notebook.agentos import AgentOS, AgentOSError

KEY = "aos_agent_for-tests"


def client_of(server, **options):
    url = server if isinstance(server, str) else server.url
    return AgentOS(api_key=KEY, agent_id="a1", base_url=url, **options)


def run_child(code, url, *, wait=True, **variables):
    """Run Python text in a process with the same home; it finds the service in URL."""
    head = f"from aod_notebook.agentos import AgentOS\nURL, KEY = {url!r}, {KEY!r}\n"
    child = subprocess.Popen(
        [sys.executable, "-c", head + code],
        env={**os.environ, **variables}, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
    )  # fmt: skip
    if wait:
        child.communicate(timeout=60)
    return child


EMIT = """
client = AgentOS(api_key=KEY, agent_id="a1", base_url=URL)
run = client.start_run(external_run_id="dead")
for i in range(100):
    run.emit("step", {"i": i})
"""


def adopt(server):
    with client_of(server) as client:
        until(lambda: client.flush(timeout=60).is_complete)


def test_however_many_runs_there_is_one_thread():
    """The official SDK: a new `threading.Timer` thread for each batch."""
    with Collector() as server, client_of(server) as client:
        before = {thread.name for thread in threading.enumerate()}
        runs = [client.start_run() for _ in range(10)]
        for number in range(500):
            runs[number % 10].emit("step", {"i": number})
            ours = [t for t in threading.enumerate() if t.name == "agentos-sender"]
            assert len(ours) == 1
        client.flush()
        names = {t.name for t in threading.enumerate()} - before
        assert not [name for name in names if name.startswith("Timer")]
        assert sorted(server.numbers) == list(range(500))


def test_more_events_than_the_queue_holds_are_all_kept():
    """The official SDK: events are lost when the queue is full."""
    url = f"http://127.0.0.1:{unused_port()}"
    client = client_of(url, max_queue_size=50)
    run = client.start_run()
    for number in range(5000):
        run.emit("step", {"i": number}, level="debug")
    assert (run.stats.queued, run.dropped_events) == (5000, 0)
    client.close(timeout=0)


@pytest.mark.parametrize(
    "death", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "os.abort()"]
)
def test_what_a_dead_process_had_recorded_is_delivered_by_the_next(death):
    """The official SDK: memory only: crash, SIGKILL, `os._exit`."""
    with Collector() as server:
        run_child(f"import os\n{EMIT}\n{death}", server.url)
        adopt(server)
        assert sorted(set(server.numbers)) == list(range(100))
        (end,) = server.bodies("/run/fail")
        assert end["error_message"] == "process ended"


def test_a_forked_child_reports_its_own_events_and_no_others():
    """The official SDK: memory only: fork loses everything queued."""
    code = """
import os
client = AgentOS(api_key=KEY, agent_id="a1", base_url=URL, batch_interval_ms=5000)
run = client.start_run(external_run_id="both")
for i in range(40):
    run.emit("step", {"i": i})
child = os.fork()
for i in range(40, 80) if child == 0 else range(80, 120):
    run.emit("step", {"i": i})
if child == 0:
    client.flush()
    os._exit(0)
os.waitpid(child, 0)
run.complete()
"""
    with Collector() as server:
        run_child(code, server.url)
        adopt(server)
        assert sorted(server.numbers) == list(range(120))
        assert len(server.bodies("/run/complete")) == 1
        assert server.bodies("/run/fail") == []


def test_exits_signals_and_forks_are_handled():
    """The official SDK: atexit only; no signal handling, no fork
    handling; threads may no longer start at that point.
    """
    first_at_exit = """
import atexit
client = AgentOS(api_key=KEY, agent_id="a1", base_url=URL)
run = client.start_run(external_run_id="dead")
@atexit.register
def late():
    for i in range(100):
        run.emit("step", {"i": i})
"""
    for death in ("", "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)"):
        with Collector() as server:
            run_child(f"{first_at_exit}\n{EMIT if death else ''}\n{death}", server.url)
            adopt(server)
            assert sorted(set(server.numbers)) == list(range(100))


def test_an_event_is_a_snapshot_of_its_payload():
    """The official SDK: keeps a reference to the caller's payload."""
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        payload = {"i": 1, "inner": {"list": [1]}}
        run.emit("step", payload)
        payload["inner"]["list"].append(2)
        payload["i"] = 9
        run.flush()
        assert server.events[0]["payload"] == {"i": 1, "inner": {"list": [1]}}


def test_a_lost_answer_duplicates_nothing_where_ids_are_taken():
    """The official SDK: events carry no id but are retried as if idempotent: a lost answer
    duplicates up to 50 events
    """
    lost = []

    def respond(path, body):
        if path.endswith("/run/start"):
            return 200, {"data": {"run_id": "r", "accepts": ["event_id"]}}
        if path.endswith("/events") and not lost:
            lost.append(body)
            return None
        return 200, {"data": {}}

    respond.starts = True
    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        for number in range(60):
            run.emit("step", {"i": number})
        assert run.flush().is_complete
        assert run.stats.retried >= 50
        once = {event["event_id"]: event for event in server.events}
        assert len(server.events) > 60
        assert sorted(event["payload"]["i"] for event in once.values()) == list(range(60))


def test_ids_are_not_sent_to_a_service_that_does_not_know_them():
    """The official SDK: events carry no id but are retried as if idempotent: a lost answer
    duplicates up to 50 events
    """
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        run.emit("step", {"i": 1})
        run.flush()
        assert set(server.events[0]) == {"type", "level", "payload", "occurred_at"}


def test_one_bad_event_costs_no_other(home):
    """The official SDK: one bad event (NaN, circular, null span field) drops its whole
    batch
    """

    def respond(_path, body):
        if any(event["type"] == "bad" for event in body.get("events", ())):
            return 400, {"error": {"code": "VALIDATION_ERROR", "message": "no"}}
        return 200, {"data": {}}

    circular = {"i": 1}
    circular["self"] = circular
    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        run.emit("nan", {"i": 0, "x": float("nan")})
        run.emit("circular", circular)
        for number in range(2, 200):
            run.emit("bad" if number == 100 else "step", {"i": number})
        run.start_span("root", payload={"i": 200}).end()
        receipt = run.complete()
        assert (receipt.rejected, receipt.pending) == (1, 0)
        assert server.numbers == [number for number in range(201) if number != 100]
        assert server.events[0]["payload"] == {"i": 0, "x": None, "_as_null": ["x"]}
        assert server.events[1]["payload"]["_as_text"] == ["self"]
        assert "parent_span_id" not in server.events[-1]
    (letter,) = (home / "agentos" / "dead-letters.jsonl").read_text().splitlines()
    letter = json.loads(letter)
    assert (letter["body"]["payload"], letter["code"]) == ({"i": 100}, "VALIDATION_ERROR")
    assert run.stats.dropped == {"rejected: VALIDATION_ERROR": 1}


def test_every_failure_is_reported_and_counted(caplog):
    """The official SDK: only the first drop per run is
    reported
    """

    def respond(_path, body):
        if any(event["type"].startswith("bad") for event in body.get("events", ())):
            return 400, {"error": {"code": "VALIDATION_ERROR", "message": "no"}}
        return 200, {"data": {}}

    told = []
    with Collector(respond) as server, client_of(server, on_error=told.append) as client:
        run = client.start_run()
        for number in range(5):
            run.emit(f"bad{number}", {"i": number})
        run.flush()
    assert len(told) == 5
    assert all(isinstance(error, AgentOSError) for error in told)
    assert run.stats.dropped == {"rejected: VALIDATION_ERROR": 5}
    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        for number in range(5):
            run.emit(f"bad{number}", {"i": number})
        run.flush()
        client._reporter.notices.tell("another kind", AgentOSError("of trouble"))
    logged = [record.message for record in caplog.records]
    assert len(logged) == 2
    assert "were refused" in logged[0]
    assert "of trouble" in logged[1]


def test_the_end_comes_after_all_events_and_later_ones_are_counted(caplog):
    """The official SDK: marks the run ended although events are still queued."""
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        for number in range(130):
            run.emit("step", {"i": number})
        run.complete()
        assert server.paths()[-1] == "run/complete"
        assert server.numbers == list(range(130))
        run.emit("late", {"i": 999})
        assert run.stats.dropped == {"after the end: ended": 1}
        assert "'late' came after" in caplog.text


def test_nothing_of_a_run_waits_for_or_fails_with_the_network():
    """The official SDK: synchronous
    network calls that raise into the host
    """
    client = client_of(f"http://127.0.0.1:{unused_port()}")
    run = client.start_run()
    assert (run.run_id, bool(run.external_run_id)) == (None, True)
    task = run.start_task("parse", {"a": 1})
    task.complete({"b": 2})
    with run.start_task("inner"), run.start_span("span"):
        run.emit("step", {"i": 1})
    receipt = run.complete(timeout=0.1)
    assert (receipt.delivered, receipt.pending) == (0, 7)
    assert "cannot reach" in receipt.reason
    client.close(timeout=0)


def test_starting_a_task_sends_nothing_on_the_callers_thread():
    """The official SDK: flushes the whole queue on the caller's thread first"""
    gate, waited_for = threading.Event(), []

    def respond(_path, _body):
        if not gate.wait(60):
            waited_for.append(_path)
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        for number in range(2000):
            run.emit("step", {"i": number})
        run.start_task("parse")
        assert waited_for == []
        gate.set()
        assert run.flush().is_complete
        assert server.paths()[-1] == "tasks"


@pytest.mark.parametrize("usage", [{"input_tokens": "many"}, {"input_tokens": object()}, 5, "x"])
def test_odd_token_counts_never_raise(usage):
    """The official SDK: `int(v)` can raise from `emit_llm_response` and `complete`"""
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        run.emit_llm_response("m", "r", usage=usage)
        run.complete(usage=usage)
        assert "input_tokens" not in server.bodies("/run/complete")[0]
        assert server.events[0]["type"] == "llm.response"


def test_closing_many_runs_on_a_dead_service_respects_the_time_limit():
    """The official SDK: runs are flushed one after another with
    full retries
    """
    url = f"http://127.0.0.1:{unused_port()}"
    client = client_of(url)
    for _ in range(5):
        client.start_run().emit("step", {"i": 1})
    receipt = client.close(timeout=0.5)
    assert receipt.pending == 5
    run_child(EMIT, url)  # which must have ended within a minute


def test_a_forgotten_run_is_freed_and_ended_with_its_process():
    """The official SDK: runs never ended are kept forever"""
    with Collector() as server:
        with client_of(server) as client:
            run = client.start_run()
            run.emit("step", {"i": 1})
            run.flush()
            handle = weakref.ref(run)
            del run
            gc.collect()
            assert handle() is None
        run_child(EMIT, server.url)
        assert [body["run_id"] for body in server.bodies("/run/fail")] == ["run-dead"]


def test_a_lent_http_client_stays_open():
    """The official SDK: closes a caller-supplied `http_client`"""
    import httpx

    with Collector() as server, httpx.Client() as http_client:
        with client_of(server, http_client=http_client) as client:
            client.start_run().complete()
            client.shutdown()
        assert not http_client.is_closed


def test_a_delivered_batch_is_never_counted_as_dropped():
    """The official SDK: a 2xx answer without JSON raises a bare error; in `flush`
    that counts a delivered batch as dropped
    """
    for body in (b"", b"OK", b"<html>portal</html>"):
        html = body.startswith(b"<")

        def respond(path, _body, body=body, html=html):
            if path.endswith("/events"):
                return 200, body, {"content-type": "text/html" if html else "text/plain"}
            return 200, {"data": {}}

        with Collector(respond) as server, client_of(server) as client:
            run = client.start_run()
            run.emit("step", {"i": 1})
            receipt = run.flush(timeout=0.3 if html else 60)
            assert receipt.rejected == 0
            assert receipt.delivered == (0 if html else 1)
            assert receipt.pending == (1 if html else 0)
            if html:
                server.respond = lambda _path, _body: (200, {"data": {}})
                assert run.flush().is_complete


def test_a_complete_that_fails_is_not_made_a_failure():
    """The official SDK: a `complete` whose request fails inside the `with` block raises,
    and the block then calls `fail`
    """
    broken = [True]

    def respond(path, _body):
        if path.endswith("/complete") and broken:
            return 500, {"error": {"code": "INTERNAL_ERROR"}}
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server) as client:
        with client.start_run() as run:
            receipt = run.complete({"ok": True}, timeout=0.2)
            assert receipt.pending == 1
        broken.clear()
        assert run.flush().is_complete
        assert server.bodies("/run/fail") == []
        assert [body["output"] for body in server.bodies("/run/complete")] == [{"ok": True}]


def test_a_run_is_still_there_after_an_interrupt(tmp_path):
    """The official SDK: atexit only; no signal handling."""
    ready = tmp_path / "ready"
    with Collector() as server:
        child = run_child(
            f"{EMIT}\nopen({str(ready)!r}, 'w').close()\nimport sys\nsys.stdin.read()",
            server.url,
            wait=False,
        )
        until(ready.exists)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert sorted(set(server.numbers)) == list(range(100))
