import json
import shutil
from pathlib import Path

import pytest
from databases import make_database

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def home(tmp_path):
    """A home with the logs that the four CLIs wrote, two or three turns each."""
    home = tmp_path / "home"
    shutil.copytree(SAMPLES / "home", home)
    tables = json.loads((SAMPLES / "opencode" / "tables.json").read_text())
    make_database(home / ".local" / "share" / "opencode" / "opencode.db", tables)
    return home
