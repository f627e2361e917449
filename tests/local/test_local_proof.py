"""Nothing secret goes to a program that has taken the service's port."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from service_kit import connect, until

import aod_notebook
from aod_notebook import frames, live
from aod_notebook.agentos import AgentOS, AsyncAgentOS
from aod_notebook.aod import AodConnectionError, AsyncClient, Client, Timeouts
from aod_notebook.core import bridge, proof
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import SessionRequest, start
from aod_notebook.live.connections import agentos_connection
from aod_notebook.local import LocalService, ensure_service, find_service, stop_service
from aod_notebook.local.credentials import load_credentials, read_credentials

MARK = "what-the-notebook-reports"
TRIES = 70  # for each of the three ways in which a service goes
PROOFS = re.compile(
    rb"(GET /\.aod-proof HTTP/1\.1\r\nHost: [\d.:]+\r\n"
    rb"x-aod-challenge: [0-9a-f]{32}\r\nx-aod-token-id: [0-9a-f]{24}\r\n\r\n)?"
)


class Listener:
    """Another user's program, which takes a port as soon as it is free."""

    def __init__(self, port):
        self.child = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("listener.py"), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait(self):
        assert self.child.stdout.readline() == "bound\n"
        if os.getuid() == 0:
            assert psutil.Process(self.child.pid).uids().real == 65534

    def behave(self, how):
        self.child.stdin.write(f"{how}\n")
        self.child.stdin.flush()
        assert self.child.stdout.readline() == "ready\n"

    def heard(self):
        """End it; returns how many proofs it passed back, and what each connection has sent."""
        said, _ = self.child.communicate(timeout=60)
        passed, *heard = said.splitlines()
        return int(passed), [bytes.fromhex(line) for line in heard]


def port_of(url):
    return urlsplit(url).port


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path))
    for name in ("AOD_API_TOKEN", "AOD_API_URL", "AGENTOS_API_KEY", "AGENTOS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "service"
    yield folder
    live.disconnect()
    bridge.stop()
    stop_service(folder)


def secrets_of(folder):
    own = read_credentials(folder)
    tokens = (own.aod_token, own.agentos_key, own.agent_key)
    return [*(proof.known(token).secret for token in tokens), own.proof_key]


def calls(held, session_id, folder):
    """The kinds of call that a program makes with what it has kept of the old service."""
    url, token = held.base_url, load_credentials(folder).aod_token
    own = load_credentials(folder)
    hasty = held.client.with_options(max_retries=0, timeout=Timeouts(connect=0.3, call=2))

    def made_anew():
        with Client(url, token, max_retries=0) as client:
            client.agents.create(name=MARK, model="m", runtime="shell")

    def asynchronously():
        async def ask():
            async with AsyncClient(url, token, max_retries=0) as client:
                await client.sessions.prompt(session_id, MARK)

        asyncio.run(ask())

    def of_agentos():
        options = {"agent_id": own.agent_id, "base_url": url, "max_retries": 0}
        with AgentOS(api_key=own.agent_key, **options) as client:
            client.invoke({"text": MARK})

    def of_agentos_asynchronously():
        async def ask():
            client = AsyncAgentOS(api_key=own.agentos_key, base_url=url, max_retries=0)
            try:
                await client.agents.list()
            finally:
                await client.aclose(0)

        asyncio.run(ask())

    def streamed():
        with hasty.sessions.stream(session_id) as events:
            next(iter(events))

    def collected():
        frames.events_df(session_id, client=hasty)

    return [
        hasty.sessions.list,
        lambda: hasty.sessions.create(agent_id=session_id, prompt=MARK),
        streamed,
        collected,
        made_anew,
        asynchronously,
        of_agentos_asynchronously,
        of_agentos,
    ]


def end(how, folder, found):
    if how == "kill":
        os.kill(found.pid, signal.SIGKILL)
    elif how == "stop":
        assert stop_service(folder)


@pytest.mark.parametrize("how", ["kill", "stop", "idle"])
@pytest.mark.filterwarnings("ignore:")
def test_a_listener_on_the_freed_port_gets_nothing_secret(data_dir, how):
    found = ensure_service(data_dir, idle_exit_s=0.5 if how == "idle" else 900)
    held = aod_notebook.connect(local=True)
    run = agentos_connection().client.start_run(input={})
    session = None
    if how == "idle":
        agent = held.client.agents.create(name="a", model="m", runtime="shell")
        session_id = held.client.sessions.run(agent_id=agent.id, prompt="true").session.id
    else:
        session = start(SessionRequest(prompt="echo begun; sleep 60", runtime="shell"))
        next(session.batches())
        session_id = session.id
    listener = Listener(port_of(found.url))
    end(how, data_dir, found)
    listener.wait()
    again = ensure_service(data_dir)  # the port is taken, so it has another one
    assert again.url != found.url
    tries = calls(held, session_id, data_dir)
    for number in range(TRIES):
        if number % 10 == 0:
            ways = [str(port_of(again.url)), "lie", "hang up"]
            listener.behave(ways[number // 10 % 3])
        run.emit("step", {"text": MARK})
        with contextlib.suppress(AodNotebookError):
            tries[number % len(tries)]()
            pytest.fail(f"{tries[number % len(tries)]} did reach a service")
    if session is not None:
        with contextlib.suppress(AodNotebookError):
            session.wait(60)
    live.disconnect()
    passed, heard = listener.heard()
    assert passed >= TRIES // 4  # the relay did bring the real service's answer
    assert len(heard) > TRIES
    for said in heard:
        assert PROOFS.fullmatch(said), said
        for secret in secrets_of(data_dir):
            assert secret.encode() not in said
    with connect(again.url, again.aod_token) as client:
        assert MARK not in client.get("/agents").text


def test_a_connection_is_proved_once_and_then_used_for_many_calls(service, monkeypatch):
    proofs = []
    monkeypatch.setattr(
        "aod_notebook.core._sync.direct.Handshake",
        lambda *ends: proofs.append(ends) or proof.Handshake(*ends),
    )
    with Client(service.url, service.aod_token) as client:
        for _ in range(5):
            client.agents.list()
    assert len(proofs) == 1


def asked(service, token, **headers):
    """Ask for a proof on a connection whose ends are then known; returns answer and ends."""
    with httpx.Client(base_url=service.url) as client:
        fields = {proof.CHALLENGE: "c", proof.TOKEN_ID: proof.known(token).id, **headers}
        with client.stream("GET", proof.PATH, headers=fields) as response:
            stream = response.extensions["network_stream"]
            ends = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
            return response, ends


def test_the_proof_is_for_the_ends_of_the_connection_whatever_a_header_says(service):
    headers = {"x-forwarded-for": "127.0.0.1:9", "forwarded": "for=127.0.0.1:9"}
    response, ends = asked(service, service.aod_token, **headers)
    secret = proof.known(service.aod_token).secret
    assert response.headers[proof.PROOF] == proof.code(secret, "c", *ends)


@pytest.mark.parametrize("missing", [proof.CHALLENGE, proof.TOKEN_ID])
def test_a_question_for_a_proof_that_lacks_a_part_is_refused(service, missing):
    headers = {proof.CHALLENGE: "c", proof.TOKEN_ID: "0" * 24}
    del headers[missing]
    assert httpx.get(service.url + proof.PATH, headers=headers).status_code == 400


@pytest.mark.parametrize("kind", ["aod", "agent", "workspace", "user"])
def test_every_key_of_the_service_is_one_that_must_be_proved(service, kind):
    token = service.issue_token() if kind == "aod" else service.issue_key(kind)
    assert proof.known(token)
    assert proof.known(token).secret not in repr(proof.known(token))


def test_a_refused_token_is_proved_too_and_reported(service):
    with (
        Client(service.url, service.issue_token(active=False)) as client,
        pytest.raises(AodNotebookError, match="API key is inactive"),
    ):
        client.agents.list()


def test_a_token_for_tunnels_is_sent_without_a_proof(service):
    assert proof.known(service.issue_token(proved=False)) is None


def test_a_service_that_does_not_prove_itself_is_a_connection_error_with_its_reason(unused_port):
    listener = Listener(unused_port)
    listener.wait()
    listener.behave("say nothing")
    token = proof.new_token("aod_", b"key")
    limits = Timeouts(connect=0.2)
    with (
        Client(f"http://127.0.0.1:{unused_port}", token, limits, max_retries=0) as client,
        pytest.raises(AodConnectionError, match=f"{unused_port} did not prove that it is"),
    ):
        client.agents.list()
    assert all(map(PROOFS.fullmatch, listener.heard()[1]))


def test_a_proof_made_on_another_machine_is_none_though_the_ends_are_the_same(
    data_dir, monkeypatch
):
    found = ensure_service(data_dir)  # as on a cluster, where all machines share the home
    monkeypatch.setattr(proof, "network", lambda: "another machine")
    assert find_service(data_dir) is None
    with (
        Client(found.url, found.aod_token, max_retries=0) as client,
        pytest.raises(AodConnectionError, match="did not prove that it is"),
    ):
        client.agents.list()


def test_another_network_namespace_is_another_network():
    ask = "from aod_notebook.core.proof import network; print(network())"
    elsewhere = subprocess.run(
        ["unshare", "--map-root-user", "--net", sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        check=False,
    )
    if elsewhere.returncode:
        pytest.skip(f"no network namespace can be made here: {elsewhere.stderr.strip()}")
    assert elsewhere.stdout.strip() != proof.network()
    assert elsewhere.stdout.split()[0] == proof.network().split()[0]


def test_tokens_of_an_earlier_version_are_replaced_and_the_agent_stays(tmp_path):
    with LocalService(tmp_path) as service:
        agent_id = service.agent_id
    old = '{"aod_token": "aod_x", "agentos_key": "aos_ws_x", "agent_key": "aos_agent_x", '
    (tmp_path / "credentials.json").write_text(old + f'"agent_id": "{agent_id}"}}')
    assert find_service(tmp_path) is None
    with LocalService(tmp_path) as service:
        assert until(lambda: find_service(tmp_path)).aod_token == service.aod_token
        assert proof.known(service.agent_key)
        assert service.agent_id == agent_id
