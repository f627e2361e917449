"""Claude renews its login in a session: the person's file has the newest one afterwards."""

import itertools
import json
import time

import bill
import cli_sessions
import pytest
import tls_proxy

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


@pytest.mark.parametrize("version", ["claude"])
def test_renewed_login_comes_back_to_the_person(
    version, use, client, home, tmp_path, record_property
):
    cli, file = use(version), expired(home)
    pem = tls_proxy.certificate(tmp_path, HOSTS)
    with (
        ModelServer(itertools.repeat("Hello.")) as model,
        tls_proxy.serving(tls_proxy.token_server()) as tokens,
    ):
        here = dict.fromkeys(HOSTS, tokens.server_address[1])
        here["api.anthropic.com"] = int(model.url.rpartition(":")[2])
        with tls_proxy.serving(tls_proxy.proxy(pem, here)) as proxy:
            through = {
                "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}",
                "NODE_EXTRA_CA_CERTS": str(pem),
            }
            session = cli_sessions.start(client, model, cli, variables=through, without=SECRETS)
            session.turn("Please do it").turn("Please go on")
            row = bill.compare(version, session, model.ledger)
    assert session.final.status == "completed"
    assert tokens.used == ["refresh-0"]
    assert {r.headers["authorization"] for r in model.requests} == {"Bearer access-1"}
    assert json.loads(file.read_text())["claudeAiOauth"]["refreshToken"] == "refresh-1"
    record_property("row", {"cli": version, "case": "login refresh", **row})
