"""The magics in real kernels, old and new: ipykernel 7 and 6, and Colab's pins."""

import json

import pytest
from kernels import Kernel, clean_environment, older

from aod_notebook.aod import Client
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import find_service, stop_service

PACKAGES = "import ipykernel, IPython, ipywidgets as w; print(ipykernel.__version__, IPython.__version__, w.__version__)"
KERNELS = {"ipykernel-7": "7. 9. 8.", "ipykernel-6": "6.29 8.12 8.", "colab": "6.17 7.34 7.7"}
"""The versions by the kernel's name: of ipykernel, IPython and ipywidgets."""
EMPTY = (
    "MagicUsageError: %%aod: the prompt is empty, so no session was started. "
    "Write the prompt below the %%aod line."
)
MISTAKES = {
    "%%aod --runtme shell\necho x": (
        "MagicUsageError: %%aod: unknown option --runtme. Did you mean --runtime? "
        "%%aod --help lists all."
    ),
    "%%aod -a nobody\necho x": (
        "NoSuchNameError: There is no agent with the id or name 'nobody'. %aod agents lists them."
    ),
    "%%aod --runtime shell": EMPTY,
    "%%aod --runtime shell\n   \n": EMPTY,
}
"""What is told of a cell that can't be run."""
WIDGET = "application/vnd.jupyter.widget-view+json"
COUNTS = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; echo done"


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request, tmp_path_factory):
    """A kernel with the extension loaded and no token, and a service that the module shares."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(home))
        environment = clean_environment(home)
        name = request.param
        running = Kernel(environment if name == "ipykernel-7" else older(environment, name))
        running.name = name
        running.start()
        loaded = running.run("%load_ext aod_notebook")
        assert (loaded.status, loaded.outputs) == ("ok", [])
        yield running
        running.stop()
        stop_service(embedded_data_dir())


@pytest.fixture
def client(kernel):
    kernel.run("%aod status")
    service = find_service(embedded_data_dir())
    with Client(base_url=service.url, token=service.aod_token) as client:
        yield client


def rows_of(client, session_id):
    """What the service tells of a session from its first event on."""
    with client.sessions.stream(session_id) as events:
        return [[event.type, event.id, event.extra] for event in events]


def test_the_kernel_is_the_one_that_is_meant(kernel):
    versions = kernel.run(PACKAGES).text.split()
    wanted = KERNELS[kernel.name].split()
    assert all(here.startswith(part) for here, part in zip(versions, wanted, strict=True))


def test_stop_while_lines_come_terminates_the_session_on_the_service(kernel, client):
    request = kernel.begin("%%aod --runtime shell -o s\nwhile echo tick; do sleep 0.02; done")
    kernel.wait_for_text(request, "tick")
    kernel.interrupt()
    ran = kernel.finish(request)
    session_id = kernel.run("print(s.id)").text.strip()
    assert ran.error["traceback"] == [
        f"SessionStoppedError: Interrupted: session {session_id} was terminated on the service."
    ]
    assert client.sessions.get(session_id).status == "terminated"
    assert "tick" in ran.html


@pytest.mark.parametrize("kernel", ["ipykernel-7", "ipykernel-6"], indirect=True)
def test_a_background_session_writes_into_its_own_output(kernel):
    begun = kernel.run(
        "%%aod --runtime shell --background --view live -o s\n"
        "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo from the background"
    )
    (shown,) = [content for kind, content in begun.outputs if kind == "display_data"]
    running = kernel.run(
        "s.catch_up()\n"
        "from aod_notebook.live.embedded import embedded_data_dir\n"
        "(embedded_data_dir() / 'sessions' / s.id / 'workspace' / 'go').touch()\n"
        "_ = s.wait()\n"
        "print('own line')"
    )
    assert (running.text, running.outputs) == ("own line\n", [])
    display_id = shown["transient"]["display_id"]
    while "from the background" not in str(kernel.updated.get(display_id)):
        kernel.read_any()


def test_no_event_is_missing_after_a_kernel_was_killed_in_the_middle(kernel, client):
    request = kernel.begin(f"%%aod --runtime shell\n{COUNTS}")
    kernel.wait_for_text(request, "line 5")
    kernel.kill_and_restart()
    kernel.run("%load_ext aod_notebook")
    ran = kernel.run("%aod attach last -o s")
    assert "line 40" in ran.html
    seen = kernel.run(
        "import json; print(json.dumps([[e.type, e.id, e.extra] for e, _ in s.received()]))"
    )
    session_id = kernel.run("print(s.id)").text.strip()
    assert json.loads(seen.text) == rows_of(client, session_id)


def test_a_cell_within_a_cell_leaves_the_outputs_of_others(kernel):
    ran = kernel.run(
        "print('before')\nget_ipython().run_cell_magic('aod', '--runtime shell', 'echo inner')"
    )
    assert ran.text == "before\n"
    (display,) = [c["transient"]["display_id"] for kind, c in ran.outputs if kind == "display_data"]
    assert "inner" in kernel.updated[display]["data"]["text/html"]


@pytest.mark.parametrize("cell", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_else(kernel, cell):
    ran = kernel.run(cell)
    assert (ran.status, ran.text) == ("error", "")
    assert ran.error["traceback"] == [MISTAKES[cell]]


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("%%aod --runtime shell", "incomplete"),
        ("%%agentos", "incomplete"),
        ("%%agentos\nx = 1\n\n", "complete"),
        ("%aod status", "complete"),
    ],
)
def test_consoles_learn_when_a_typed_cell_is_complete(kernel, typed, status):
    assert kernel.is_complete(typed) == status


def test_options_are_completed(kernel):
    kernel.run("matches = get_ipython().complete('--runt', '%%aod --runt', 12)[1]")
    assert kernel.run("print(matches)").text == "['--runtime']\n"


@pytest.mark.parametrize("kernel", ["colab"], indirect=True)
def test_colab_has_tables_and_a_note_that_there_is_no_live_view(kernel):
    ran = kernel.run("%%aod --runtime replay --view live -o s\ngo")
    assert ran.text == "Not live: the live view needs ipywidgets 8, and this is 7.7.1.\n"
    (shown,) = [content for kind, content in ran.outputs if kind == "display_data"]
    assert set(shown["data"]) == {"text/html", "text/plain"}
    assert kernel.run("print(len(s.tool_calls))").text == "14\n"
    kernel.run("found = %aod doctor")
    doctor = kernel.run("print(found.set_index('check').loc['live view', 'state'])")
    assert doctor.text == "note\n"


def test_unloading_leaves_no_thread(kernel):
    kernel.run("%unload_ext aod_notebook")
    names = kernel.run("import threading; print([t.name for t in threading.enumerate()])").text
    assert "aod-notebook" not in names
    kernel.run("%load_ext aod_notebook")


def test_a_live_view_has_html_for_pages_that_load_no_widget(kernel):
    """VS Code shows the widget where it may load its script, else the HTML of the same output."""
    ran = kernel.run("%%aod --runtime shell --view live\necho 31 nights")
    (shown,) = [content["data"] for kind, content in ran.outputs if kind == "display_data"]
    assert "text/html" in shown
    assert (WIDGET in shown) is (kernel.name != "colab")
    (*_, last) = kernel.updated.values()
    assert set(last["data"]) == {"text/html", "text/plain"}
    assert "31 nights" in last["data"]["text/html"]
