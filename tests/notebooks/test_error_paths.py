"""A notebook that meets every error, executed and saved: no token, key or secret is left anywhere."""

import contextlib
import json

import pytest
from kernels import clean_environment, notebook, run_all
from scripted import AGENT, SESSION, Scripted, answer, output, reset, start, stream, turn_start

SECRET = "hunter22-the-secret"
BAD_TOKEN = "aod_bad-token-0123456789"
ECHO = {"authorization": f"Bearer {BAD_TOKEN}", "secret_env_vars": {"MY_SECRET": SECRET}}
"""What a careless service says of the request in its answer."""
ECHOED = [{"type": "value_error", "loc": ["body"], "msg": f"no: {SECRET}", "input": ECHO}]

CONNECT = "os.environ['AOD_API_URL'] = {url!r}\n%reload_ext aod_notebook"
ASK = "%%aod -a demo --secret MY_SECRET -o s\nwork"
AS_ITSELF = "os.environ['AOD_API_TOKEN'] = os.environ['GOOD_TOKEN']"

REFUSALS = {
    "AuthError: 401": answer(401, {"detail": "Invalid API key", **ECHO}),
    "AuthError: 403": answer(403, {"detail": f"{BAD_TOKEN} has expired"}),
    "NotFoundError: 404": answer(404, {"detail": "Agent not found", "request": ECHO}),
    "ConflictError: 409": answer(409, {"detail": f"archived, with {SECRET}"}),
    "ValidationError: 422": answer(422, {"detail": ECHOED}),
    "RateLimitError: 429": answer(429, {"detail": "limit", "limit": 1, "active": 1, **ECHO}),
    "ServerError: 500": answer(500, json.dumps(ECHO).encode(), content_type="text/plain"),
    "AodDecodeError: ": answer(200, f"<html>{BAD_TOKEN}".encode(), content_type="text/html"),
    "AodConnectionError: ": reset(),
}
"""How the answer to the making of a session is told."""

OWN_MISTAKES = {
    "MagicUsageError: ": "%%aod --runtme shell\nx",
    "UnknownNameError: ": "%%aod --runtime shell --secret MY_SECRET\n{{nope}}",
    "MagicUsageError: %%aod: --secret": "%%aod --secret NOT_THERE\nx",
    "NoSuchNameError: ": "%%aod -a nobody --secret MY_SECRET\nx",
    "SessionFailedError: ": '%%aod --runtime shell --secret MY_SECRET -o s\ntest "$MY_SECRET"; exit 3',
    "SessionStoppedError: Interrupted: session": (
        "%%aod --runtime shell --secret MY_SECRET\nkill -INT {{pid}}; sleep 60"
    ),
    "WaitTimeoutError: ": (
        "from aod_notebook.live import SessionRequest, start\n"
        "waits = start(SessionRequest(prompt='sleep 60', runtime='shell', secrets=secrets))\n"
        "waits.wait(0.05)"
    ),
    "RuntimeError": (
        "try:\n    start(SessionRequest(prompt='x', agent='nobody', secrets=secrets))\n"
        "except Exception as error:\n    raise RuntimeError('of my own') from error"
    ),
}
"""Cells that fail at the real service, and how that is told."""

SETUP = (
    "import logging, os\n"
    "logging.basicConfig(level=logging.DEBUG, filename=os.environ['LOG_FILE'])\n"
    "from pydantic import SecretStr\n"
    "pid = os.getpid()\n"
    "%xmode Verbose"
)
HELD = "class Held(dict):\n    __repr__ = object.__repr__\nsecrets = Held(MY_SECRET=os.environ['MY_SECRET'])"


@pytest.fixture
def refusing():
    """Servers that refuse to make a session, each in its way, by how that is told."""
    agents = answer(body={"data": [AGENT]})
    servers = {told: Scripted([agents, given]) for told, given in REFUSALS.items()}
    lost = [agents, answer(201, {"id": SESSION["id"], "status": "pending"})]
    begun = stream(start(), turn_start(1), output(1, "some words\n"), then="reset")
    servers["AuthError: 401 from GET"] = Scripted(
        [*lost, begun, answer(401, {"detail": f"{BAD_TOKEN} was revoked"})]
    )
    with contextlib.ExitStack() as stack:
        yield {told: stack.enter_context(server).url for told, server in servers.items()}


def cells(refusing, service, unused_port):
    """The notebook's cells, each failing one with how it is told."""
    yield None, SETUP
    yield None, "%load_ext aod_notebook"
    for told, url in refusing.items():
        yield None, CONNECT.format(url=url)
        yield told, ASK
    yield None, CONNECT.format(url=f"http://127.0.0.1:{unused_port}")
    yield f"`aod-notebook serve --port {unused_port}`), or check AOD_API_URL or base_url=.", ASK
    yield None, CONNECT.format(url=service.url)
    yield f"AuthError: 401 from GET {service.url}/agents: Invalid API key. Check AOD_API_TOKEN", ASK
    yield None, f"{AS_ITSELF}\n%reload_ext aod_notebook"
    yield None, HELD
    yield from OWN_MISTAKES.items()
    yield None, "%aod status\ns"
    yield None, "%aod doctor"


def test_no_secret_is_left_by_any_error(refusing, service, unused_port, tmp_path, capfd):
    told = list(cells(refusing, service, unused_port))
    sources = [each for _, source in told for each in (source, "%tb")]
    content = notebook(*sources)
    environment = clean_environment(
        tmp_path,
        AOD_API_TOKEN=BAD_TOKEN,
        GOOD_TOKEN=service.aod_token,
        MY_SECRET=SECRET,
        LOG_FILE=str(tmp_path / "notebook.log"),
    )
    history = tmp_path / "history.sqlite"
    run_all(content, environment, allow_errors=True, ipython_hist_file=str(history))
    for (expected, source), cell in zip(told, content.cells[::2], strict=True):
        errors = [out for out in cell.outputs if out.output_type == "error"]
        shown = "\n".join("\n".join(error.traceback) for error in errors)
        assert (expected is None) == (not errors), f"{source}\n{shown}"
        assert (expected or "") in shown, source
        assert "RuntimeError" in shown or "\n" not in shown, source
    saved = tmp_path / "saved.ipynb"
    saved.write_text(json.dumps(content), encoding="utf-8")
    assert "no: [hidden]" in saved.read_text(encoding="utf-8")
    (tmp_path / "kernel.log").write_text("".join(capfd.readouterr()), encoding="utf-8")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"history.sqlite", "journal.db", "notebook.log"} <= {file.name for file in files}
    assert b"kill -INT" in history.read_bytes()
    for file in files:
        for secret in (BAD_TOKEN, SECRET, service.aod_token):
            assert secret.encode() not in file.read_bytes(), file.name
