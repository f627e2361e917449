"""Notebooks converted to HTML, with and without executing them, opened in a browser offline."""

import subprocess
import sys

import nbformat
import pytest
from kernels import clean_environment

PAYLOADS = [
    "<script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "</pre></div><iframe src=javascript:parent.owned=1>",
    '"><svg onload=window.owned=1>',
    "<a href=javascript:window.owned=1>x</a>",
    r"\(x^2\) and $y$",
]
SCRIPT = "cat <<'END'\n" + "\n".join(PAYLOADS) + "\nEND\nprintf '\\033[31mred\\033[0m\\n'"


@pytest.fixture(scope="module")
def convert(tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("converted")
    content = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%load_ext aod_notebook"),
            nbformat.v4.new_code_cell(f"%%aod --runtime shell\n{SCRIPT}"),
        ]
    )
    nbformat.write(content, folder / "plain.ipynb")

    def run(source, to, *options):
        target = f"{source}-{to}"
        words = [f"{source}.ipynb", "--to", to, "--output", target, *options]
        subprocess.run(
            [sys.executable, "-m", "nbconvert", *words], cwd=folder, check=True, timeout=200,
            env=clean_environment(server.home, PYTHONWARNINGS="ignore"), capture_output=True,
        )  # fmt: skip
        return folder / f"{target}.{'html' if to == 'html' else 'ipynb'}"

    return run


@pytest.fixture(scope="module")
def executed(convert):
    return convert("plain", "notebook", "--execute")


def seen_offline(context, path):
    """Open a file in a page without a network; give the page and what it asked for."""
    asked = []
    page = context.new_page()

    def refuse(route):
        if not route.request.url.startswith("file:"):
            asked.append(route.request.url)
            return route.abort()
        return route.continue_()

    page.route("**/*", refuse)
    page.goto(path.as_uri())
    return page, asked


def test_an_executed_notebook_has_no_widget_state(executed):
    content = nbformat.read(executed, as_version=4)
    assert "widgets" not in content.metadata
    (shown,) = content.cells[1].outputs
    assert set(shown.data) == {"text/html", "text/plain"}


@pytest.mark.parametrize("executes", [True, False])
def test_the_page_shows_the_transcript_and_runs_nothing_of_it(convert, executed, context, executes):
    source = "plain" if executes else executed.stem
    page, _ = seen_offline(context, convert(source, "html", *(["--execute"] if executes else [])))
    text = page.inner_text("body")
    for payload in PAYLOADS:
        assert payload in text
    assert page.evaluate("window.owned") is None
    assert page.locator(".jp-OutputArea-output script, .jp-OutputArea-output img").count() == 0


def test_the_transcript_itself_asks_for_nothing(executed, context, tmp_path):
    content = nbformat.read(executed, as_version=4)
    target = tmp_path / "transcript.html"
    target.write_text(content.cells[1].outputs[0].data["text/html"], encoding="utf-8")
    page, asked = seen_offline(context, target)
    assert "red" in page.inner_text("body")
    assert asked == []
