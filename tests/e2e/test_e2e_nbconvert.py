"""Notebooks converted to HTML, with and without executing them, opened in a browser offline."""

import subprocess
import sys
from pathlib import Path

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
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("converted")
    cells = ["%load_ext aod_notebook", f"%%aod --runtime shell\n{SCRIPT}"]
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbformat.write(content, made / "plain.ipynb")
    return made


@pytest.fixture(scope="module")
def convert(folder, server):
    """Begin to convert a notebook of the folder."""

    def begin(source, to, *options):
        words = [source, "--to", to, "--output", f"{Path(source).stem}-{to}", *options]
        return subprocess.Popen(
            [sys.executable, "-m", "nbconvert", *words], cwd=folder, stderr=subprocess.PIPE,
            env=clean_environment(server.home, PYTHONWARNINGS="ignore"),
        )  # fmt: skip

    return begin


@pytest.fixture(scope="module")
def converted(folder, convert):
    """The notebook executed, and as HTML with and without executing it."""
    begun = [convert("plain.ipynb", to, "--execute") for to in ("notebook", "html")]
    for each in begun:
        _, said = each.communicate(timeout=200)
        assert each.returncode == 0, said.decode()
    _, said = convert("plain-notebook.ipynb", "html").communicate(timeout=200)
    return {
        "executed": folder / "plain-notebook.ipynb",
        "html with --execute": folder / "plain-html.html",
        "html without": folder / "plain-notebook-html.html",
    }


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


def test_an_executed_notebook_has_no_widget_state(converted):
    content = nbformat.read(converted["executed"], as_version=4)
    assert "widgets" not in content.metadata
    (shown,) = content.cells[1].outputs
    assert set(shown.data) == {"text/html", "text/plain"}


@pytest.mark.parametrize("way", ["html with --execute", "html without"])
def test_the_page_shows_the_transcript_and_runs_nothing_of_it(converted, context, way, shot):
    page, _ = seen_offline(context, converted[way])
    text = page.inner_text("body")
    for payload in PAYLOADS:
        assert payload in text
    assert page.evaluate("window.owned") is None
    assert page.locator(".jp-OutputArea-output script, .jp-OutputArea-output img").count() == 0
    shot(page, f"nbconvert-{way.split()[1]}")
    page.close()


def test_the_transcript_itself_asks_for_nothing(converted, context, tmp_path):
    content = nbformat.read(converted["executed"], as_version=4)
    target = tmp_path / "transcript.html"
    target.write_text(content.cells[1].outputs[0].data["text/html"], encoding="utf-8")
    page, asked = seen_offline(context, target)
    assert "red" in page.inner_text("body")
    assert asked == []
    page.close()
