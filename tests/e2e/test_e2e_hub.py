"""A session in a JupyterLab of a real JupyterHub, behind its proxy."""

import pytest
from hub_servers import HubServer
from pages import READY_MS, NotebookPage
from playwright.sync_api import expect

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

START_MS = 200_000
CELLS = (
    "%load_ext aod_notebook",
    "%%aod --runtime shell --no-raise -o s\nwhile echo 31 nights; do sleep 0.3; done",
    "print(s.status)",
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder / "home"))
        running = HubServer(folder, "ann")
        try:
            running.start()
            yield running
        finally:
            running.stop()
            stop_service(embedded_data_dir())


@pytest.mark.timeout(600)  # a hub, a proxy and a JupyterLab start one after the other
def test_a_live_view_and_its_stop_button_work_through_the_proxy_of_a_hub(hub, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws:", "http:", 1)))
    hub.sign_in(page, START_MS)
    nb = NotebookPage(page, hub).open(hub.notebook("ran.ipynb", *CELLS))
    nb.run_all()
    expect(nb.viewer).to_contain_text("31 nights", timeout=READY_MS)
    nb.viewer.get_by_role("button", name="Stop").click()
    expect(nb.output(2)).to_contain_text("terminated", timeout=READY_MS)
    expect(nb.viewer).to_have_count(0)  # the transcript has taken its place
    expect(nb.output(1)).to_contain_text("31 nights")
    assert any("/channels" in url for url in asked)
    assert [u for u in asked if not u.startswith((f"{hub.site}/", "data:", "blob:"))] == []
