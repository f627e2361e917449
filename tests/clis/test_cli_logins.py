"""Claude renews its login in a session: the person's file has the newest one afterwards."""

import contextlib
import itertools
import json
import os
import time

import bill
import cli_sessions
import install_clis
import pytest
import tls_proxy
from kernels import Kernel, clean_environment

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service
from aod_notebook.testing import ModelServer

pytestmark = [pytest.mark.clis, pytest.mark.timeout(400)]
HOSTS = ("api.anthropic.com", "platform.claude.com", "console.anthropic.com")
SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")


def expired(home):
    """Write a login that has to be renewed before it is used."""
    folder = home / ".claude"
    folder.mkdir()
    login = {
        "accessToken": "access-0", "refreshToken": "refresh-0",
        "expiresAt": int(time.time() * 1000) - 60_000,
        "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
    }  # fmt: skip
    file = folder / ".credentials.json"
    file.write_text(json.dumps({"claudeAiOauth": login}))
    file.chmod(0o600)
    return file


@contextlib.contextmanager
def behind_a_proxy(folder, *lifetimes):
    """Yield the model, the token endpoint, and the variables that lead Claude to both."""
    pem = tls_proxy.certificate(folder, HOSTS)
    with (
        ModelServer(itertools.repeat("Hello.")) as model,
        tls_proxy.serving(tls_proxy.token_server(*lifetimes)) as tokens,
    ):
        here = dict.fromkeys(HOSTS, tokens.server_address[1])
        here["api.anthropic.com"] = int(model.url.rpartition(":")[2])
        with tls_proxy.serving(tls_proxy.proxy(pem, here)) as proxy:
            address = f"http://127.0.0.1:{proxy.server_address[1]}"
            yield model, tokens, {"HTTPS_PROXY": address, "NODE_EXTRA_CA_CERTS": str(pem)}


@pytest.mark.parametrize("version", ["claude"])
def test_renewed_login_comes_back_to_the_person(
    version, use, client, home, tmp_path, record_property
):
    cli, file = use(version), expired(home)
    with behind_a_proxy(tmp_path) as (model, tokens, through):
        session = cli_sessions.start(client, model, cli, variables=through, without=SECRETS)
        session.turn("Please do it").turn("Please go on")
        row = bill.compare(version, session, model.ledger)
    assert session.final.status == "completed"
    assert tokens.used == ["refresh-0"]
    assert {r.headers["authorization"] for r in model.requests} == {"Bearer access-1"}
    assert json.loads(file.read_text())["claudeAiOauth"]["refreshToken"] == "refresh-1"
    record_property("row", {"cli": version, "case": "login refresh", **row})


def test_a_login_that_runs_out_in_mid_session_is_renewed_from_a_cell(tmp_path, monkeypatch):
    """The first renewed login lives for a second, so the session has to renew it again."""
    try:
        folder = install_clis.install("claude")
    except install_clis.NoNpmError as error:
        pytest.skip(str(error))
    home, state = tmp_path / "home", tmp_path / "state"
    home.mkdir()
    file = expired(home)
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(state))
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    with behind_a_proxy(tmp_path, 1, 28800) as (model, tokens, through):
        quiet = {"IS_SANDBOX": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        given = {"HOME": str(home), "PATH": path, **through, **quiet}
        kernel = Kernel(clean_environment(state, **given))
        kernel.start()
        try:
            kernel.run("%load_ext aod_notebook")
            for options in ("--runtime claude --model sonnet", "-s last"):
                cell = kernel.run(f"%%aod {options} -o s\nSay hello")
                assert cell.status == "ok", cell.outputs
        finally:
            kernel.stop()
            stop_service(embedded_data_dir())
    count = len(tokens.used)
    assert count >= 2
    assert tokens.used == [f"refresh-{number}" for number in range(count)]
    assert model.requests[-1].headers["authorization"] == f"Bearer access-{count}"
    assert json.loads(file.read_text())["claudeAiOauth"]["refreshToken"] == f"refresh-{count}"
