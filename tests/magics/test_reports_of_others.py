"""What people reported of comparable tools, tried here; the reports are named."""

import gc
import sys
import weakref

import pytest

from aod_notebook import frames
from aod_notebook.agentos import AgentOS
from aod_notebook.viewers.stream import StreamViewer


def text_of(shell, prompt):
    """Run a shell session; give what it printed."""
    shell.run(f"%%aod --runtime shell -o s\n{prompt}")
    return shell.names["s"].text.strip()


# catherinedevlin/ipython-sql#194, #177; ploomber/jupysql#172
@pytest.mark.parametrize(
    "text", ['{"name": "Donald Duck"}', "$$create", "{x} ${x} {{ x }} {{}} %x"]
)
def test_braces_and_dollars_of_a_prompt_stay(shell, text):
    shell.names["x"] = 42
    assert text_of(shell, f"cat <<'END'\n{text}\nEND") == text


# jupyter-incubator/sparkmagic#744 (PyCharm puts blank lines before each cell)
@pytest.mark.parametrize("before", ["\n", "\n   \n", "\n\n\n"])
def test_blank_lines_before_a_cell_magic_do_no_harm(shell, before):
    shell.run(f"{before}%%aod --runtime shell -o s\necho one")
    assert shell.names["s"].text.strip() == "one"


# ipython/ipython#13145
def test_the_magics_work_after_the_variables_were_reset(shell):
    shell.run("%reset -f")
    assert text_of(shell, "echo after") == "after"
    shell.run("%reload_ext aod_notebook")
    assert text_of(shell, "echo again") == "again"
    ours = [each for each in shell.ip.events.callbacks["post_run_cell"] if "aod" in each.__module__]
    assert len(ours) == 2  # the end of a reported run, and what an interrupt says


# manzt/anywidget#929
def test_a_closed_viewer_can_be_collected(shell):
    shell.run("%%aod --runtime shell -o s\necho one")
    viewer = StreamViewer(shell.names["s"])
    alive = weakref.ref(viewer)
    viewer.close()
    del viewer
    for _ in range(100):  # the flusher's thread may hold it for a round
        gc.collect()
        if alive() is None:
            return
        shell.names["s"].wait()
    pytest.fail("something holds the viewer")


@pytest.fixture
def client(service):
    with AgentOS(
        base_url=service.url, api_key=service.agentos_key, agent_id=service.agent_id
    ) as made:
        yield made


# open-telemetry/opentelemetry-python#4493
@pytest.mark.parametrize(("code", "status"), [(0, "completed"), (None, "completed"), (3, "failed")])
def test_leaving_a_run_by_exit_is_a_failure_only_with_a_code(client, code, status):
    with pytest.raises(SystemExit), client.start_run() as run:
        sys.exit(code)
    assert client.runs.get(run_id=run.run_id)["status"] == status


# open-telemetry/opentelemetry-python#4484; openlit/openlit#1625, mlflow/mlflow#13555
def test_a_span_around_a_generator_lasts_until_it_ends_and_early_ends_are_not_errors(client):
    def spanned(run, name):
        with run.start_span(name):
            yield 1
            yield 2

    with client.start_run() as run:
        list(spanned(run, "whole"))
        early = spanned(run, "early")
        next(early)
        early.close()
    spans = frames.spans_df([run.run_id], client=client).set_index("name")
    assert set(spans.index) >= {"whole", "early"}
    assert not spans["is_error"].any()
