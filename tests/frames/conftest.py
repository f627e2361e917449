"""A client of the service, and the made-up sessions of the transcripts' tests."""

import shutil
import sys
from pathlib import Path

import pytest

from aod_notebook import frames
from aod_notebook.aod import Client

sys.path.append(str(Path(__file__).parents[1] / "transcripts"))

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"


@pytest.fixture(scope="module")
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as made:
        yield made


@pytest.fixture
def home(tmp_path):
    """A home with logs of every CLI."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "home"))


@pytest.fixture
def own_prices(tmp_path, request):
    """The table of prices `PRICES` of the test's module."""
    path = tmp_path / "prices.toml"
    path.write_text(request.module.PRICES)
    frames.prices.use(path)
    yield
    frames.prices.use(None)
