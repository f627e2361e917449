"""A notebook with parameters that is run and saved: what went in, and where its outputs came from."""

import json
import platform
from datetime import datetime

import pytest
from kernels import clean_environment, notebook, run_all

from aod_notebook import __version__
from aod_notebook.aod import Client

VIEWS = ("lines", "html", "live")
DEFAULTS = 'name = "nobody"\nlimit = 10\nrows = []'
INJECTED = '# Parameters\nname = "March"\nlimit = 60\nrows = [1, {"a": None}]\n'
"""The cell that papermill puts after the one with the defaults."""
WITH_PARAMETERS = (
    "%%aod --runtime shell --timeout {{limit}} --quiet -o s\n"
    'echo "{{name}}: {{rows}} {name}"\necho {{limit}}'
)
FAILING = "%%aod --runtime shell --no-raise --view {view}\necho words; exit 3"


@pytest.fixture(scope="module")
def saved(service, tmp_path_factory):
    """The notebook as it was saved."""
    cells = [DEFAULTS, INJECTED, "%load_ext aod_notebook", WITH_PARAMETERS, "print(s.text)"]
    cells += [FAILING.format(view=view) for view in VIEWS]
    content = notebook(*cells, "%aod attach last")
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home, AOD_API_URL=service.url, AOD_API_TOKEN=service.aod_token)
    run_all(content, environment)
    return json.loads(json.dumps(content))


@pytest.fixture
def shown(saved):
    """What the cells show that display a session, by view, and `%aod attach`."""
    found = [
        next(out for out in cell["outputs"] if out["output_type"] == "display_data")
        for cell in saved["cells"][-4:]
    ]
    return dict(zip((*VIEWS, "attach"), found, strict=True))


def test_parameters_reach_prompt_and_options(saved):
    (printed,) = saved["cells"][4]["outputs"]
    assert printed["text"] == "March: [1, {'a': None}] {name}\n60\n"


@pytest.mark.parametrize("view", [*VIEWS, "attach"])
def test_an_output_records_its_session_service_runtime_model_and_end(shown, service, view):
    told = shown[view]["metadata"]["aod_notebook"]
    with Client(base_url=service.url, token=service.aod_token) as client:
        session = client.sessions.get(told["session_id"])
    assert (told["service"], told["runtime"], told["model"]) == (service.url, "shell", "sh")
    assert (told["status"], told["exit_code"]) == ("failed", 3)
    for name, at in (("started_at", session.created_at), ("ended_at", session.updated_at)):
        assert abs((datetime.fromisoformat(told[name]) - at).total_seconds()) < 0.001
    assert told["versions"]["aod-notebook"] == __version__
    assert told["versions"]["python"] == platform.python_version()
    assert {"ipython", "ipykernel"} < set(told["versions"])


@pytest.mark.parametrize("view", VIEWS)
def test_an_output_is_static_in_the_end(shown, view):
    assert set(shown[view]["data"]) == {"text/html", "text/plain"}
    assert "words" in shown[view]["data"]["text/html"]
