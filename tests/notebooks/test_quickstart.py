import json

import nbformat
import pytest
from kernels import clean_environment, run_all
from nbconvert import HTMLExporter

from aod_notebook import cli
from aod_notebook.demo import quickstart
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import find_service, stop_service


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder))
        patch.delenv("AOD_API_TOKEN", raising=False)
        yield folder
        stop_service(embedded_data_dir())


@pytest.fixture(scope="module")
def executed(home):
    content = nbformat.read(quickstart(), as_version=4)
    return run_all(content, clean_environment(home))


def cell(content, cell_id):
    (found,) = [cell for cell in content.cells if cell.id == cell_id]
    return found


def displayed(content, cell_id):
    return [out.data for out in cell(content, cell_id).outputs if "data" in out]


def test_the_agent_cell_leaves_a_static_transcript_only(executed):
    (shown,) = cell(executed, "replay").outputs
    assert shown.output_type == "display_data"
    assert set(shown.data) == {"text/html", "text/plain"}
    assert "March has 31 nights again." in shown.data["text/html"]
    assert shown.data["text/plain"].startswith("replay · ")


def test_the_tables_show_what_the_agent_did(executed):
    assert "completed" in displayed(executed, "turns")[0]["text/plain"]
    assert "tool_use" in displayed(executed, "messages")[0]["text/plain"]
    assert "pytest" in displayed(executed, "tools")[0]["text/plain"]
    assert "MultiEdit" in displayed(executed, "by-tool")[0]["text/plain"]


def test_the_timeline_is_a_picture(executed):
    assert displayed(executed, "timeline")[0]["image/png"]


def test_the_second_turn_runs_in_the_workspace_of_the_first(executed):
    assert cell(executed, "script-text").outputs[0].text == "wrote 9 lines\n7,49\n8,64\n"


def test_the_failed_session_is_bound(executed):
    assert displayed(executed, "failed")[0]["text/plain"] == "('failed', 3)"


def test_the_executed_notebook_holds_no_token_and_no_path(executed, home):
    saved = json.dumps(executed)
    service = find_service(embedded_data_dir())
    for secret in (service.aod_token, service.agentos_key, service.agent_key, str(home)):
        assert secret not in saved


def test_the_committed_notebook_has_no_outputs():
    committed = nbformat.read(quickstart(), as_version=4)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_the_page_of_the_notebook_needs_no_network(executed):
    page, _ = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="").from_notebook_node(
        executed
    )
    assert "March has 31 nights again." in page
    assert '<script src="http' not in page


def test_the_demo_prints_the_transcript_and_the_tables_and_writes_a_page(home, tmp_path, capfd):
    page = tmp_path / "demo.html"
    assert cli.main(["demo", "--html", str(page)]) == 0
    printed, warned = capfd.readouterr()
    assert warned == ""
    assert "▸ Grep  date_range" in printed
    assert "MultiEdit" in printed
    assert "stderr: this goes to stderr" in printed
    assert "March has 31 nights again." in page.read_text(encoding="utf-8")


def test_a_demo_without_a_writable_page_fails_before_it_runs(home, tmp_path, capsys):
    assert cli.main(["demo", "--html", str(tmp_path / "missing" / "demo.html")]) == 1
    told = capsys.readouterr()
    assert "can't be written: No such file or directory." in told.err
    assert told.out == ""
