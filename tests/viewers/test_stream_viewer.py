import gc
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import comm
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from sources import Source

from aod_notebook import plots
from aod_notebook.core import theme
from aod_notebook.viewers import live_widget, widget
from aod_notebook.viewers.flusher import Flusher
from aod_notebook.viewers.stream import StreamViewer

DEADLINE_S = 60


class Comm(comm.base_comm.BaseComm):
    """A comm that keeps what is sent."""

    sent: list

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        if not hasattr(self, "sent"):
            self.sent = []
        self.sent.append((msg_type, data, buffers))


@pytest.fixture(autouse=True)
def comms(monkeypatch):
    made = []

    def create(*args, **kwargs):
        made.append(Comm(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(comm, "create_comm", create)
    return made


@pytest.fixture
def displayed(monkeypatch):
    """What the output showed, in order."""
    shell = InteractiveShell.instance()
    bundles = []
    monkeypatch.setattr(
        shell.display_pub, "publish", lambda data, *_, **__: bundles.append(dict(data))
    )
    yield bundles
    InteractiveShell.clear_instance()


@pytest.fixture
def made():
    viewers = []

    def make(source, **options):
        viewers.append(StreamViewer(source, **options))
        return viewers[-1]

    yield make
    for viewer in viewers:
        viewer.close()


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def custom(viewer):
    """The custom messages that were sent so far."""
    return [data["content"] for _, data, _ in viewer.comm.sent if data.get("method") == "custom"]


def receive(viewer, **content):
    viewer._handle_custom_msg(content, [])


WIDGET = "application/vnd.jupyter.widget-view+json"


def test_the_output_has_html_and_text_from_the_start_and_no_widget_at_the_end(made, displayed):
    source = Source()
    viewer = made(source)
    viewer.show()
    source.lines("hello")
    source.end()
    wait_for(lambda: WIDGET not in displayed[-1])
    assert set(displayed[0]) == {"text/plain", "text/html", WIDGET}
    assert set(displayed[-1]) == {"text/plain", "text/html"}
    assert "hello" in displayed[-1]["text/html"]
    assert displayed[-1] == viewer.static_bundle()


def test_showing_a_view_in_the_last_line_of_a_cell_shows_it_once(made, displayed):
    assert made(Source()).show() is None
    assert len(displayed) == 1


def test_colab_learns_from_the_output_where_the_manager_of_widgets_is(made, monkeypatch):
    shell, told = InteractiveShell.instance(), []
    monkeypatch.setattr(
        shell.display_pub, "publish", lambda data, metadata=None, **_: told.append(metadata)
    )
    url = "https://colab.example/manager.js"
    output = SimpleNamespace(
        enable_custom_widget_manager=lambda: None, _widgets=SimpleNamespace(_installed_url=url)
    )
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    made(Source(), metadata=lambda: {"aod_notebook": {"session_id": "s"}}).show()
    InteractiveShell.clear_instance()
    assert told[0] == {
        "application/vnd.jupyter.widget-view+json": {
            "colab": {"custom_widget_manager": {"url": url}}
        },
        "aod_notebook": {"session_id": "s"},
    }


@pytest.mark.parametrize(("metadata", "is_widget"), [({}, False), ({"cellId": "c"}, True)])
def test_a_view_that_stays_live_is_a_widget_only_where_a_page_asked(
    made, displayed, monkeypatch, metadata, is_widget
):
    kernel = SimpleNamespace(get_parent=lambda _: {"metadata": metadata})
    monkeypatch.setattr(InteractiveShell.instance(), "kernel", kernel, raising=False)
    monkeypatch.setattr("IPython.get_ipython", InteractiveShell.instance)
    source = Source()
    source.lines("hello")
    made(source, freeze=False).show()
    assert (WIDGET in displayed[0]) is is_widget
    source.lines("and more")
    source.end()
    wait_for(lambda: "and more" in displayed[-1]["text/html"])
    assert (WIDGET in displayed[-1]) is is_widget


def test_the_output_is_brought_up_to_date_at_each_turn(made, displayed):
    source = Source()
    made(source, freeze=False).show()
    source.emit("turn_start", turn=1)
    source.lines("first turn")
    source.emit("turn_start", turn=2)
    wait_for(lambda: "first turn" in displayed[-1]["text/plain"])
    assert WIDGET in displayed[-1]


def test_a_view_that_is_held_is_frozen_by_its_maker_only(made, displayed):
    source = Source()
    viewer = made(source, is_held=True)
    viewer.show()
    source.end()
    wait_for(lambda: any(each["type"] == "rows" for each in custom(viewer)))
    assert WIDGET in displayed[-1]
    viewer.freeze()
    assert WIDGET not in displayed[-1]


@pytest.mark.parametrize(("dark", "ground"), [(True, 0.067), (False, 1.0)])
def test_figures_look_as_the_page_unless_a_theme_is_chosen(made, dark, ground):
    receive(made(Source()), type="hello", page="p", dark=dark)
    try:
        sessions = pd.DataFrame({"session_id": ["s1"], "status": ["failed"], "turn_count": [1]})
        drawn = plots.overview(sessions)
        assert drawn.figure.get_facecolor()[0] == pytest.approx(ground, abs=0.01)
        plots.use_theme("light")
        assert plots.overview(sessions).figure.get_facecolor()[0] == 1.0
    finally:
        plots.use_theme("auto")
        theme._page[0] = None


def test_a_page_that_says_hello_is_answered(made):
    viewer = made(Source())
    receive(viewer, type="hello", page="p")
    assert viewer.heard.is_set()
    wait_for(
        lambda: any(each == {"type": "welcome", "page": "p", "head": 0} for each in custom(viewer))
    )


def test_a_page_that_can_cover_html_leaves_no_widget_to_be_saved(made, displayed):
    source = Source()
    viewer = made(source, freeze=False)
    viewer.show()
    source.lines("hello")
    receive(viewer, type="shown", page="p")
    wait_for(lambda: WIDGET not in displayed[-1] and "hello" in displayed[-1]["text/html"])
    assert f'class="aod-live-{viewer.facts["key"]}"' in displayed[-1]["text/html"]


def test_the_kept_html_is_updated_while_a_turn_runs(made, displayed):
    source = Source()
    viewer = made(source)
    viewer.show()
    receive(viewer, type="hello", page="p")
    receive(viewer, type="shown", page="p")
    wait_for(lambda: WIDGET not in displayed[-1])
    source.lines("still running")
    wait_for(lambda: "still running" in displayed[-1]["text/html"])
    assert len(displayed) == 3


def test_a_page_that_shows_a_frozen_view_gets_its_html(made, displayed):
    source = Source()
    viewer = made(source)
    viewer.show()
    receive(viewer, type="still", page="p")
    source.lines("hello")
    source.end()
    wait_for(lambda: viewer.facts["frozen"])
    receive(viewer, type="still", page="p")
    wait_for(lambda: any(each["type"] == "still" for each in custom(viewer)))
    (still,) = [each for each in custom(viewer) if each["type"] == "still"]
    assert "hello" in still["html"]


def test_a_view_without_a_page_sends_no_rows(made):
    source = Source()
    viewer = made(source)
    receive(viewer, type="hello", page="p")
    receive(viewer, type="gone", page="p")
    source.lines("unseen")
    wait_for(lambda: len(viewer.feed.transcript.rows) == 1)
    assert not any(each["type"] == "rows" for each in custom(viewer))
    receive(viewer, type="hello", page="q")
    wait_for(lambda: {"type": "welcome", "page": "q", "head": 1} in custom(viewer))
    receive(viewer, type="sync", page="q", **{"from": 0})
    wait_for(lambda: any(each["type"] == "rows" for each in custom(viewer)))


def test_a_message_of_a_page_leaves_the_figure_that_a_cell_is_drawing(made, displayed):
    """Each message counted as a cell, after which figures are shown and closed: half drawn ones."""
    import matplotlib as mpl

    mpl.use("module://matplotlib_inline.backend_inline")
    import matplotlib.pyplot as plt
    from matplotlib_inline.backend_inline import flush_figures

    shell = InteractiveShell.instance()
    shell.events.register("post_execute", flush_figures)
    viewer = made(Source())
    figure = plt.figure()
    plt.draw_if_interactive()
    for content in ({"type": "hello", "page": "p"}, {"type": "still", "page": "p"}):
        data = {"method": "custom", "content": content}
        viewer.comm.handle_msg({"content": {"data": data}, "buffers": []})
    assert viewer.heard.is_set()
    assert displayed == []
    assert plt.fignum_exists(figure.number)
    plt.close(figure)
    mpl.use("agg")


def test_odd_messages_of_a_page_do_no_harm(made):
    viewer = made(Source())
    for content in (None, 7, [], {}, {"type": None}, {"type": "sync"}, {"type": "prompt"},
                    {"type": "answer", "key": "none"}, {"type": "text", "row": "x"}):  # fmt: skip
        viewer._handle_custom_msg(content, [])
    receive(viewer, type="hello", page="p")
    wait_for(lambda: any(each["type"] == "welcome" for each in custom(viewer)))


def test_buttons_act_in_threads_of_their_own_and_their_answers_are_shown(made):
    threads = []

    def prompt(text):
        threads.append(threading.current_thread())
        return f"sent: {text}"

    viewer = made(Source(), prompt=prompt)
    receive(viewer, type="prompt", page="p", text="go")
    wait_for(lambda: any(each.get("text") == "sent: go" for each in custom(viewer)))
    assert threads[0] is not threading.main_thread()


def test_a_button_that_fails_says_why(made):
    def stop():
        raise RuntimeError("the service is away")

    viewer = made(Source(), stop=stop)
    receive(viewer, type="stop", page="p")
    wait_for(
        lambda: {"type": "note", "text": "the service is away", "isError": True} in custom(viewer)
    )


def test_what_was_not_given_can_not_be_done(made):
    viewer = made(Source())
    receive(viewer, type="stop", page="p")
    assert viewer.facts["can"] == []


def test_a_question_is_answered_once(made):
    answers = []
    viewer = made(Source())
    viewer.ask("q", "May I?", answers.append, ("Yes", "No"))
    (question,) = viewer.facts["questions"]
    assert (question["text"], list(question["choices"])) == ("May I?", ["Yes", "No"])
    receive(viewer, type="answer", page="p", key="q", text="Yes")
    receive(viewer, type="answer", page="p", key="q", text="No")
    wait_for(lambda: viewer.facts["questions"] == [] and answers)
    assert answers == ["Yes"]


def waiting(source, made, **options):
    """Show a run that waits for an answer and for an approval."""
    viewer = made(source, **options)
    source.emit("awaiting_input", request_id="q", question="Which?")
    source.emit("awaiting_approval", approval_id="a")
    return viewer


def keys(viewer):
    return [question["key"] for question in viewer.facts["questions"]]


def test_what_a_run_waits_for_is_answered_and_decided_in_the_page(made):
    calls = []

    def note(*arguments):
        calls.append(arguments)

    viewer = waiting(Source(None), made, answer=note, decide=note)
    wait_for(lambda: keys(viewer) == ["q", "a"])
    assert list(viewer.facts["questions"][1]["choices"]) == ["Approve", "Reject"]
    receive(viewer, type="answer", page="p", key="a", text="Reject")
    receive(viewer, type="answer", page="p", key="q", text="the first")
    wait_for(lambda: len(calls) == 2 and keys(viewer) == [])
    assert sorted(calls) == [("a", False), ("q", "the first")]


def test_what_nobody_can_answer_is_not_asked(made):
    viewer = waiting(Source(None), made, decide=lambda *_: None)
    wait_for(lambda: keys(viewer) == ["a"])
    receive(viewer, type="answer", page="p", key="q", text="the first")
    assert keys(viewer) == ["a"]


def test_a_question_is_asked_again_after_its_answer_failed(made):
    def answer(*_):
        raise RuntimeError("the service is away")

    viewer = waiting(Source(None), made, answer=answer)
    wait_for(lambda: keys(viewer) == ["q"])
    receive(viewer, type="answer", page="p", key="q", text="the first")
    wait_for(lambda: any(each.get("text") == "the service is away" for each in custom(viewer)))
    wait_for(lambda: keys(viewer) == ["q"])


def test_a_run_that_continues_asks_no_more(made):
    source = Source(None)
    viewer = waiting(source, made, answer=lambda *_: None)
    wait_for(lambda: keys(viewer) == ["q"])
    source.emit("chunk", text="Thanks.")
    wait_for(lambda: keys(viewer) == [])


def test_a_frozen_view_is_closed_with_its_last_page(made, displayed):
    source = Source()
    viewer = made(source)
    viewer.show()
    for page in ("p", "q"):
        receive(viewer, type="hello", page=page)
    source.end()
    wait_for(lambda: WIDGET not in displayed[-1])
    receive(viewer, type="gone", page="p")
    assert viewer.comm is not None
    receive(viewer, type="gone", page="q")
    assert viewer.comm is None


def test_hostile_text_never_stops_the_sending(made):
    source = Source("claude")
    viewer = made(source)
    source.lines("half \ud83d", "\x00\x1b]0;t\x07", "x" * 1_000_000)
    source.emit("stage", stage="\ud83d", state="failed", message="\udc00")
    source.emit("output", stream=None, data=None)
    source.emit("exit", code="\ud83d")
    source.emit("turn_start", turn={"a": 1})
    source.lines("the end")
    wait_for(lambda: any(each.get("head", 0) >= 8 for each in custom(viewer)))


def test_every_message_stays_below_the_limit(made):
    source = Source()
    viewer = made(source)
    source.lines(*["z" * 1000] * 3000)
    wait_for(lambda: any(each.get("head", 0) == 3000 for each in custom(viewer)))
    sizes = [sum(map(len, buffers or ())) for _, _, buffers in viewer.comm.sent]
    assert max(sizes) <= 250_000


def test_a_repeated_request_of_a_page_is_done_once_and_confirmed_each_time(made):
    prompts = []
    viewer = made(Source(), prompt=prompts.append)
    for _ in range(3):
        receive(viewer, type="prompt", page="p", text="go", number=1)
    receive(viewer, type="prompt", page="q", text="from another page", number=1)
    wait_for(lambda: len(prompts) == 2)
    took = {"type": "took", "page": "p", "number": 1}
    wait_for(lambda: custom(viewer).count(took) == 3)
    assert sorted(prompts) == ["from another page", "go"]


def test_a_page_that_greets_a_busy_kernel_often_gets_one_welcome(made):
    feed = made(Source()).feed
    for _ in range(50):
        feed.answer_hello("p")
    assert len(feed._replies) == 1


def test_a_closed_viewer_that_is_collected_while_others_are_served_does_not_stop_them(
    comms, monkeypatch
):
    flusher = Flusher()
    monkeypatch.setattr(live_widget, "flusher", flusher)
    monkeypatch.setattr(widget, "_parts_are_there", threading.Event())  # else a timer holds it
    viewer = StreamViewer(Source())
    viewer.close()
    viewer.itself, life = viewer, weakref.ref(viewer)  # left to the collector
    del viewer
    comms.clear()

    def collect():
        deadline = time.monotonic() + DEADLINE_S
        while life() is not None and time.monotonic() < deadline:  # its last round may hold it
            with flusher._lock:
                gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(2 * DEADLINE_S)
    assert not thread.is_alive()
    assert life() is None
