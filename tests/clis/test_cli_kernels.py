"""Each real CLI from the cells of a real kernel: a turn, the next one, an MCP tool, a stop."""

import os

import install_clis
import pytest
from agent_tools import mcp, shell
from cli_processes import WAIT, of_session, until
from kernels import Kernel, clean_environment
from test_cli_matrix import SUMS

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service
from aod_notebook.testing import Delay, ModelServer

pytestmark = [pytest.mark.clis, pytest.mark.timeout(600)]
MODELS = {
    "claude": "claude-sonnet-4-6", "codex": "gpt-4.1", "gemini": "gemini-2.5-pro",
    "opencode": "anthropic/claude-sonnet-4-6",
}  # fmt: skip


def script(cli):
    late = [[Delay(300), "Late."]] * 3
    return {
        "Say hello": ["Hello from the script."],
        "Say it again": ["Hello once more."],
        "Add them": [mcp(cli, "sums", "add", {"a": 2, "b": 3}), "The sum is 5."],
        "Take minutes": [shell(cli, f'python3 -c "{WAIT}"'), *late],
    }


@pytest.fixture(params=["claude", "codex", "gemini", "opencode"])
def started(request, tmp_path, monkeypatch):
    """A kernel of a person who has the CLI, and whose home and variables lead to the model."""
    cli = request.param
    try:
        folder = install_clis.install(cli)
    except install_clis.NoNpmError as error:
        pytest.skip(str(error))
    state = tmp_path / "state"
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(state))
    with ModelServer(script(cli)) as server:
        path = os.pathsep.join([str(folder), os.environ["PATH"]])
        given = server.environment(cli).write(tmp_path)
        kernel = Kernel(clean_environment(state, PATH=path, **given))
        kernel.start()
        try:
            yield cli, kernel, server
        finally:
            kernel.stop()
            stop_service(embedded_data_dir())


def test_cells_run_the_real_cli(started):
    cli, kernel, server = started
    kernel.run("%load_ext aod_notebook\nimport aod_notebook")
    options = f"--runtime {cli} --model {MODELS[cli]}"

    first = kernel.run(f"%%aod {options} -o s\nSay hello")
    assert first.status == "ok", first.outputs
    assert kernel.run("print(s.results['result'].tolist())").text == "['Hello from the script.']\n"

    again = kernel.run("%%aod -s last -o s\nSay it again")
    assert again.status == "ok", again.outputs
    shown = kernel.run("print(s.results['result'].tolist())").text
    assert shown == "['Hello from the script.', 'Hello once more.']\n"
    assert any("Hello from the script." in str(r.body) for r in server.requests[1:])

    kernel.run(
        "client = aod_notebook.connect().client\n"
        f"client.agents.create(name='sums', model={MODELS[cli]!r}, runtime={cli!r}, "
        f"mcp_servers=[{SUMS!r}])"
    )
    added = kernel.run("%%aod -a sums -o m\nAdd them")
    assert added.status == "ok", added.outputs
    calls = kernel.run("print(m.tool_calls['is_error'].tolist(), m.tool_calls['output'].tolist())")
    assert calls.text == "[False] ['It is 5.']\n"

    cell = kernel.begin(f"%%aod {options} -o t\nTake minutes")
    until(lambda: any("Take minutes" in row.prompt and row.is_finished for row in server.ledger))
    kernel.interrupt()
    stopped = kernel.finish(cell)
    assert stopped.error["ename"] == "SessionStoppedError"
    session = kernel.run("print(t.id)").text.strip()
    until(lambda: not of_session(session), seconds=10)
