"""A saved notebook tells where its outputs came from."""

import json
import platform
from datetime import datetime

import pytest
from kernels import clean_environment, notebook, run_all

from aod_notebook import __version__
from aod_notebook.aod import Client

VIEWS = ("lines", "html", "live")
FAILING = "%%aod --runtime shell --no-raise --view {view}\necho words; exit 3"


@pytest.fixture(scope="module")
def outputs(service, tmp_path_factory):
    """What the cells left in the saved notebook, by view; then what `%aod attach` left."""
    home = tmp_path_factory.mktemp("home")
    cells = [FAILING.format(view=view) for view in VIEWS]
    content = notebook("%load_ext aod_notebook", *cells, "%aod attach last")
    environment = clean_environment(home, AOD_API_URL=service.url, AOD_API_TOKEN=service.aod_token)
    with pytest.raises(Exception, match="SessionFailedError"):
        run_all(content, environment)
    saved = json.loads(json.dumps(content))
    shown = [
        next(out for out in cell["outputs"] if out["output_type"] == "display_data")
        for cell in saved["cells"][1:]
    ]
    return dict(zip((*VIEWS, "attach"), shown, strict=True))


@pytest.mark.parametrize("view", [*VIEWS, "attach"])
def test_an_output_tells_its_session_service_runtime_model_and_end(outputs, service, view):
    told = outputs[view]["metadata"]["aod_notebook"]
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
def test_an_output_is_static_in_the_end(outputs, view):
    assert set(outputs[view]["data"]) == {"text/html", "text/plain"}
    assert "words" in outputs[view]["data"]["text/html"]
