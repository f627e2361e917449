"""JupyterLab below a base URL, as JupyterHub and proxies serve it, trusted and not."""

import nbformat
import pytest
from pages import READY_MS, NotebookPage
from playwright.sync_api import expect
from servers import Server

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

CELLS = (
    "%load_ext aod_notebook",
    "%%aod --runtime shell --no-raise --view live\nwhile echo 31 nights; do sleep 0.3; done",
)


@pytest.fixture(scope="module")
def based(tmp_path_factory):
    folder = tmp_path_factory.mktemp("based")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder / "home"))
        running = Server(folder, base="/hub/user/ann")
        try:
            running.start()
            yield running
        finally:
            running.stop()
            stop_service(embedded_data_dir())


def test_a_live_view_works_below_a_base_url_and_its_transcript_without_trust(based, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    nb = NotebookPage(page, based).open(based.notebook("ran.ipynb", *CELLS))
    nb.run_all()
    expect(nb.viewer).to_contain_text("31 nights", timeout=READY_MS)
    nb.viewer.get_by_role("button", name="Stop").click()
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)  # the transcript has taken its place
    nb.save()

    content = based.saved(nb.path)
    for cell in content.cells:
        cell.metadata.pop("trusted", None)
    copy = based.notebook("sent.ipynb")
    content.metadata.pop("signature", None)
    content.cells[1].source += "\necho from somebody else"  # so that no signature is known for it
    nbformat.write(content, copy)
    reopened = NotebookPage(page, based).open(copy)
    expect(reopened.output(1)).to_contain_text("31 nights", timeout=READY_MS)
    expect(reopened.viewer).to_have_count(0)
    outside = [url for url in asked if not url.startswith((based.url, "data:", "blob:"))]
    assert outside == []
