"""The pages about the frames say what the schema says, and their examples run."""

import re
import runpy
from pathlib import Path

import polars as pl
import pytest

from aod_notebook.aod import Client
from aod_notebook.core import current

ROOT = Path(__file__).parents[2]


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)


def test_the_tables_of_the_page_are_those_of_the_schema():
    script = runpy.run_path(str(ROOT / "scripts" / "frame_tables.py"))
    text = script["PAGE"].read_text("utf-8")
    assert script["page"](text) == text


@pytest.fixture
def connected(fresh_service, tmp_path, monkeypatch):
    """A current connection with a finished session, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    with Client(base_url=fresh_service.url, token=fresh_service.aod_token) as client:
        agent = client.agents.create(name="documented", model="any", runtime="replay")
        client.sessions.run(agent_id=agent.id, prompt="go")
        current.set_provider(lambda: client)
        yield
        current.set_provider(None)


@pytest.mark.usefixtures("connected")
def test_the_examples_of_the_page_on_questions_run():
    names = {}
    for index, block in enumerate(blocks("prepare.md")):
        exec(compile(block, f"prepare.md, example {index}", "exec"), names)
    assert isinstance(names["stored"], pl.LazyFrame)
    assert len(names["joined"]) == len(names["turns"])
