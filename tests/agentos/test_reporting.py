"""Reporting: order, batches, pauses, memory, adoption, receipts, ends."""

import contextlib
import threading

import pytest
from collector import Collector, until
from ports import unused_port

from aod_notebook.agentos import (
    AgentOS,
    AgentOSAuthError,
    AgentOSConfigError,
    AgentOSForbiddenError,
    AgentOSNotFoundError,
    AsyncAgentOS,
)
from aod_notebook.agentos.report.spool import spool_folder


def client_of(server, **options):
    url = server if isinstance(server, str) else server.url
    fields = {"api_key": "aos_agent_x", "agent_id": "a1", "base_url": url, **options}
    return AgentOS(**fields)


def spools():
    return [path for path in spool_folder().iterdir() if not path.name.startswith(".")]


def test_batches_grow_while_the_service_keeps_up_and_keep_the_order():
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        for number in range(6000):
            run.emit("step", {"i": number})
        run.complete()
        sizes = [len(body["events"]) for body in server.bodies("/events")]
        assert server.numbers == list(range(6000))
        assert (sizes[0], max(sizes)) == (50, 500)


def test_a_given_batch_size_is_a_ceiling():
    with Collector() as server, client_of(server, batch_size=20) as client:
        run = client.start_run()
        for number in range(200):
            run.emit("step", {"i": number})
        run.complete()
        assert max(len(body["events"]) for body in server.bodies("/events")) == 20


def test_after_a_refused_large_batch_they_stay_small():
    def respond(_path, body):
        if len(body.get("events", ())) > 50:
            return 413, {"error": {"code": "TOO_LARGE", "message": "no"}}
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        for number in range(2000):
            run.emit("step", {"i": number})
        assert run.complete().is_complete
        assert server.numbers == list(range(2000))
        assert len([path for path in server.asked if path.endswith("/events")]) < 60


def test_events_wait_for_each_other_for_the_interval():
    with Collector() as server, client_of(server, batch_interval_ms=1500) as client:
        run = client.start_run()
        until(lambda: server.paths() == ["run/start"])
        for number in range(10):
            run.emit("step", {"i": number})
        assert server.events == []
        until(lambda: len(server.events) == 10)
        assert len(server.bodies("/events")) == 1


def test_runs_at_the_same_time_each_keep_their_order():
    with Collector() as server, client_of(server) as client:
        runs = [client.start_run(external_run_id=f"r{number}") for number in range(5)]

        def work(run):
            for number in range(300):
                run.emit("step", {"i": number})
            run.complete()

        threads = [threading.Thread(target=work, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for run in runs:
            mine = [
                event["payload"]["i"]
                for body in server.bodies("/events")
                if body["run_id"] == run.run_id
                for event in body["events"]
            ]
            assert mine == list(range(300))


def test_the_same_external_id_is_the_same_run():
    with Collector() as server, client_of(server) as client:
        one = client.start_run(external_run_id="same")
        two = client.start_run(external_run_id="same")
        one.emit("x", {"i": 1})
        two.emit("x", {"i": 2})
        two.complete()
        assert one.run_id == two.run_id
        assert server.numbers == [1, 2]


def test_the_text_of_a_run_is_its_id_or_the_one_made_here_while_there_is_none():
    with Collector() as server, client_of(server) as client:
        assert f"{client.start_run(external_run_id='job')}" == "run-job"
    offline = client_of(f"http://127.0.0.1:{unused_port()}")
    assert f"{offline.start_run(external_run_id='job')}" == "job"
    offline.close(timeout=0)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "UNAUTHENTICATED", AgentOSAuthError),
        (403, "FORBIDDEN", AgentOSForbiddenError),
        (404, "NOT_FOUND", AgentOSNotFoundError),
    ],
)
def test_errors_that_a_person_must_fix_are_raised_at_the_start(status, code, error):
    def respond(_path, _body):
        return status, {"error": {"code": code, "message": "no"}}

    respond.starts = True
    with Collector(respond) as server:
        with client_of(server) as client, pytest.raises(error):
            client.start_run()
        assert spools() == []


def test_a_429_at_the_start_is_waited_for():
    left = [1]

    def respond(path, body):
        if path.endswith("start") and left.pop() if left else False:
            return 429, {"error": {"code": "RATE_LIMITED"}}, {"Retry-After": "0.3"}
        return 200, {"data": {"run_id": "r"}}

    respond.starts = True
    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        assert run.run_id == "r"
        run.complete()


def test_a_revoked_key_pauses_and_keeps(caplog):
    bad = [True]

    def respond(_path, _body):
        if bad:
            return 401, {"error": {"code": "UNAUTHENTICATED", "message": "revoked"}}
        return 200, {"data": {}}

    with Collector(respond) as server:
        with client_of(server) as client:
            run = client.start_run()
            for number in range(20):
                run.emit("step", {"i": number})
            receipt = run.complete(timeout=3600)  # not used up: waiting is of no use
            assert (receipt.delivered, receipt.pending, receipt.rejected) == (0, 21, 0)
            assert "revoked" in receipt.reason
        until(lambda: "Nothing is lost" in caplog.text)
        assert caplog.text.count("Nothing is lost") == 1
        bad.clear()
        with client_of(server) as again:
            assert again.flush().is_complete
        assert server.numbers == list(range(20))


def test_a_service_that_forgot_the_run_gets_it_again():
    forgotten = [True]

    def respond(path, _body):
        if path.endswith("/events") and forgotten:
            forgotten.clear()
            return 404, {"error": {"code": "NOT_FOUND", "message": "no such run"}}
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server) as client:
        run = client.start_run()
        run.emit("step", {"i": 1})
        assert run.complete().is_complete
        assert server.paths() == ["run/start", "run/start", "events", "run/complete"]


def test_a_block_that_raises_fails_the_run_with_the_traceback():
    with Collector() as server, client_of(server) as client:
        with contextlib.suppress(ZeroDivisionError), client.start_run():
            1 / 0  # noqa: B018 - it raises
        (end,) = server.bodies("/run/fail")
        assert end["error_message"] == "division by zero"
        assert end["error_detail"]["type"] == "ZeroDivisionError"
        assert "1 / 0" in end["error_detail"]["traceback"]


def test_messages_and_reasons_are_cut():
    with Collector() as server, client_of(server) as client:
        client.start_run().fail("x" * 9000)
        client.start_run().cancel("y" * 9000)
        assert len(server.bodies("/run/fail")[0]["error_message"]) == 4000
        assert len(server.bodies("/run/cancel")[0]["reason"]) == 1000


def test_the_first_end_counts():
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        run.complete({"a": 1})
        run.fail("no")
        assert run.is_ended
        assert "run/fail" not in server.paths()


def test_an_event_from_inside_on_error_does_no_harm():
    def respond(_path, body):
        if any(event["type"] == "bad" for event in body.get("events", ())):
            return 400, {"error": {"code": "VALIDATION_ERROR", "message": "no"}}
        return 200, {"data": {}}

    with Collector(respond) as server:
        runs = []
        client = client_of(server, on_error=lambda _error: runs[0].emit("told", {"i": 2}))
        runs.append(client.start_run())
        runs[0].emit("bad", {"i": 1})
        until(lambda: server.numbers == [2])
        client.close()


def test_a_receipt_can_be_awaited_in_sync_code_that_runs_on_a_loop():
    import anyio

    with Collector() as server, client_of(server) as client:

        async def main():
            run = client.start_run()
            run.emit("x", {"i": 1})
            return await run.complete(), await client.flush()

        done, flushed = anyio.run(main)
        assert (done.delivered, done.pending) == (2, 0)
        assert flushed.is_complete


def test_many_async_runs_do_not_block_their_loop():
    import anyio

    async def one(client, number):
        async with await client.start_run() as run:
            run.emit("x", {"i": number})

    async def main(url):
        async with (
            AsyncAgentOS(api_key="aos_agent_x", agent_id="a", base_url=url) as client,
            anyio.create_task_group() as group,
        ):
            for number in range(20):
                group.start_soon(one, client, number)

    with Collector() as server:
        anyio.run(main, server.url)
        assert sorted(server.numbers) == list(range(20))


def test_the_environment_and_the_arguments_are_read_in_that_order(monkeypatch):
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_agent_env")
    monkeypatch.setenv("AGENTOS_AGENT_ID", "from-env")
    monkeypatch.setenv("AGENTOS_BASE_URL", "http://env.test/")
    monkeypatch.setenv("AGENTOS_WORKSPACE", "acme")
    client = AgentOS()
    assert (client.agent_id, client.base_url, client.workspace) == (
        "from-env", "http://env.test", "acme",
    )  # fmt: skip
    client.close()
    with pytest.raises(AgentOSConfigError, match="AGENTOS_API_KEY"):
        AgentOS(api_key="")
    monkeypatch.setenv("AGENTOS_DISABLED", "TRUE")
    client = AgentOS(api_key="")
    assert client.disabled
    assert not AgentOS(disabled=False).disabled


def test_disabled_does_nothing_and_answers_everything(home):
    with AgentOS(disabled=True) as client:
        with client.start_run() as run:
            run.emit("x")
            run.start_task("t").complete()
            assert run.request_human_input("?") == {"input": "", "request_id": "disabled"}
        assert run.run_id == "disabled"
        assert client.invoke({}).status == "completed"
        assert list(client.invoke_stream({})) == []
    assert not home.exists()


def test_human_input_is_answered_through_the_service(client, control):
    run = client.start_run()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(run.request_human_input("Ship it?", {"why": "done"}))
    )
    asking.start()
    until(lambda: control.runs.get(run_id=run.run_id).get("awaiting_input"))
    control.post(f"/api/v1/runs/{run.run_id}/human-input", {"response": "yes"})
    asking.join(60)
    assert answers[0]["input"] == "yes"
    run.complete()


def test_a_run_that_outlives_its_client_is_still_delivered():
    with Collector() as server:
        with client_of(server) as client:
            run = client.start_run(external_run_id="late")
        run.emit("x", {"i": 7})
        with client_of(server, timeout_seconds=9.0):  # another client, the thread is back
            until(lambda: server.numbers == [7])
        run.complete(timeout=0)
