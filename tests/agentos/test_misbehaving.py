"""Every public method against a server that misbehaves in a dozen ways: only our errors come out."""

import contextlib
import socket

import anyio
import pytest
from ports import unused_port
from scripted import answer, hang, reset
from test_control_wire import METHODS

from aod_notebook.agentos import AgentOS, AgentOSError, AsyncAgentOS
from aod_notebook.agentos._sync import run as sync_run
from aod_notebook.agentos.control import UNSET


def raw(data):
    return lambda connection: connection.sendall(data)


def never_ending(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    with contextlib.suppress(OSError):
        while connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) is not None:
            break
    hang()(connection)


WAYS = {
    "resets": reset(),
    "hangs up": lambda _connection: None,
    "never answers": hang(),
    "never ends its answer": never_ending,
    "talks no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "cuts its answer": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"data": '),
    "sends a login page": answer(200, b"<html>Log in</html>", "text/html"),
    "sends other JSON": answer(200, [1, {"data": None}]),
    "sends data of another shape": answer(200, {"data": "text"}),
    "redirects": answer(302, b"", Location="http://127.0.0.1:1/elsewhere"),
    "lies about its encoding": raw(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    ),
    "fails without a body": answer(500, b"\xff\xfe"),
    "sends an odd error": answer(404, {"error": ["not", "an", "object"]}),
    "asks to wait for ever": answer(429, {"error": None}, Retry_After="999999999999"),
}


def sample(parameter):
    if parameter.default is UNSET:
        return None
    return {"input": {}, "assertions": [], "channels": ["email"]}.get(parameter.name, "x")


def control_calls(client):
    for path, method in METHODS.items():
        namespace, _, name = path.partition(".")
        needed = {
            parameter.name: sample(parameter)
            for parameter in method.signature.parameters.values()
            if parameter.name != "self" and parameter.default is not UNSET
        }
        function = getattr(getattr(client, namespace), name)
        yield (
            path,
            lambda function=function, needed=needed: function(**needed, timeout_seconds=0.05),
        )


def other_calls(client):
    yield "invoke", lambda: client.invoke({"q": 1}, timeout_seconds=0.2)
    yield "invoke_stream", lambda: list(client.invoke_stream({"q": 1}, timeout_seconds=0.2))
    yield "reply", lambda: client.reply("r", "yes", timeout_seconds=0.2)
    yield "reply to one", lambda: client.reply("r", "yes", request_id="q", timeout_seconds=0.2)
    yield "post", lambda: client.post("/api/v1/rpc/x", {})
    yield "runs.wait", lambda: client.runs.wait(run_id="r", timeout_seconds=0.2)
    yield "runs.all_events", lambda: client.runs.all_events(run_id="r", timeout_seconds=0.1)
    yield "runs.all", lambda: client.runs.all(timeout_seconds=0.1)
    yield "evals.wait_run", lambda: client.evals.wait_run(eval_run_id="r", timeout_seconds=0.2)


@pytest.fixture(params=sorted(WAYS))
def server(request, scripted):
    return scripted(WAYS[request.param])


def test_calls_raise_errors_of_the_tree_only(server, connect):
    client = connect(server, timeout_seconds=0.2, max_retries=0)
    odd = []
    for name, call in [*control_calls(client), *other_calls(client)]:
        try:
            call()
        except AgentOSError as error:
            if "\n" in str(error) or "aos_agent" in str(error):
                odd.append((name, "not one clean line", str(error)))
        except Exception as error:  # noqa: BLE001 - any other is what we look for
            odd.append((name, type(error).__name__, str(error)))
    assert odd == []


def test_reporting_raises_errors_of_the_tree_only_and_never_blocks(server, connect, monkeypatch):
    monkeypatch.setattr(sync_run, "START_S", 0.3)  # what it waits for in vain, a dozen times
    client = connect(server, timeout_seconds=0.2)
    try:
        run = client.start_run(input={"a": 1})
    except AgentOSError:
        return  # the service refused it
    run.emit("x", {"i": 1})
    task = run.start_task("t")
    task.complete()
    with run.start_span("s"):
        pass
    with pytest.raises(AgentOSError):
        run.request_human_input("Go?", timeout_seconds=0.3)
    receipt = run.complete(timeout=0.2)
    assert receipt.delivered == 0


def test_the_async_client_raises_errors_of_the_tree_only(server):
    async def main():
        async with AsyncAgentOS(
            api_key="aos_agent_x", agent_id="a", base_url=server.url, max_retries=0
        ) as client:
            for name, call in control_calls(client):
                if name in ("agents.list", "runs.get", "schedules.get", "agents.create"):
                    with contextlib.suppress(AgentOSError):
                        await call()
            with contextlib.suppress(AgentOSError):
                await client.invoke({}, timeout_seconds=0.2)
            with contextlib.suppress(AgentOSError):
                async for _ in client.invoke_stream({}, timeout_seconds=0.2):
                    pass
            await client.aclose(timeout=0)

    anyio.run(main)


def test_a_service_that_is_not_there_is_an_error_of_the_tree():
    url = f"http://127.0.0.1:{unused_port()}"
    with AgentOS(api_key="aos_agent_x", agent_id="a", base_url=url, max_retries=0) as client:
        for _, call in other_calls(client):
            with pytest.raises(AgentOSError):
                call()
