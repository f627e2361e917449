"""How the page's parts come into the page: once, also to pages that were not there at first."""

from pages import READY_MS
from playwright.sync_api import expect

FIRST = """from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven("first")
d.line("a row of the first")
v = StreamViewer(d, freeze=False)
v"""
SECOND = """e = Driven("second")
e.line("a row of the second")
w = StreamViewer(e, freeze=False)
w"""


def seen(nb, text):
    expect(nb.viewer.filter(has_text=text)).to_be_visible(timeout=READY_MS)


def bytes_of_views(received):
    """Sum what brought views into the page, but for their rows and static form."""
    told = (frame if isinstance(frame, bytes) else frame.encode() for frame in received)
    is_wanted = (b'"target_name"', b'"method":')
    return sum(
        len(frame)
        for frame in told
        if any(kind in frame for kind in is_wanted) and b'"type":"rows"' not in frame
    )


def test_the_second_viewer_costs_at_most_5_kb_beside_its_rows_and_static_form(opened_alone):
    nb = opened_alone(FIRST, SECOND)
    received = []

    def note(frame):
        received.append(frame)

    nb.page.on("websocket", lambda ws: ws.on("framereceived", note))
    nb.reload()
    nb.wait_until_idle()
    nb.run_cell(0)
    seen(nb, "a row of the first")
    first = bytes_of_views(received)
    received.clear()
    nb.run_cell(1)
    seen(nb, "a row of the second")
    second = bytes_of_views(received)
    assert first > 40_000  # it brings the parts
    assert 500 < second <= 5_000


def test_a_page_loaded_later_gets_the_parts_without_their_first_page(opened_alone):
    nb = opened_alone(FIRST, SECOND, "v.close()")
    nb.run_all()
    seen(nb, "a row of the second")
    expect(nb.cell(2).locator(".jp-InputPrompt").first).to_have_text("[3]:")
    nb.save()
    nb.reload()
    seen(nb, "a row of the second")


SLOW = """
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => blob.type.includes("javascript")
  ? make(new Blob(["await new Promise((done) => setTimeout(done, 1500));\\n", blob], { type: blob.type }))
  : make(blob);
"""


def test_a_view_shown_before_its_front_end_is_ready_gets_every_row(opened_alone):
    nb = opened_alone(FIRST + "\nv.show()\nimport time\nd.flood(3_000)\ntime.sleep(8)")
    nb.page.add_init_script(SLOW)
    nb.reload()
    nb.wait_until_idle()
    nb.run_cell(0)
    nb.wait_for_rows(3_002)
    texts = nb.page.evaluate("document.querySelector('.aod-viewer').viewer.store.texts.slice(2)")
    assert [int(text[:8]) for text in texts] == list(range(3_000))
