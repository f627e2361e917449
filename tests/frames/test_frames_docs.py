"""The pages about the frames say what the schema says, and their examples run."""

import doctest
import importlib
import pkgutil
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from aod_notebook import frames
from aod_notebook.agentos import AgentOS
from aod_notebook.aod import Client
from aod_notebook.core import current

ROOT = Path(__file__).parents[2]
MODULES = [found.name for found in pkgutil.walk_packages(frames.__path__, "aod_notebook.frames.")]


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)


def test_the_tables_of_the_page_are_those_of_the_schema():
    script = runpy.run_path(str(ROOT / "tests" / "tools" / "frame_tables.py"))
    text = script["PAGE"].read_text("utf-8")
    assert script["page"](text) == text


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.fixture
def connected(fresh_service, tmp_path, monkeypatch):
    """A current connection, in a directory of its own, and a finished session followed on it."""
    monkeypatch.chdir(tmp_path)
    with Client(base_url=fresh_service.url, token=fresh_service.aod_token) as client:
        agent = client.agents.create(name="documented", model="any", runtime="replay")
        session_id = str(client.sessions.run(agent_id=agent.id, prompt="go").session.id)
        with client.sessions.stream(session_id) as events:
            received = [(event, 1_760_000_000 + n / 2) for n, event in enumerate(events)]
        current.set_provider(lambda: client)
        yield SimpleNamespace(
            id=session_id, client=client, is_final=True, received=lambda: received
        )
        current.set_provider(None)


def run_examples(page, **names):
    """Run the examples of a page in order, as one notebook, and give its names."""
    for index, block in enumerate(blocks(page)):
        exec(compile(block, f"{page}, example {index}", "exec"), names)
    return names


def test_the_examples_of_the_page_on_questions_run(connected):
    names = run_examples("prepare.md", fix=connected)
    timed = names["prepare"].tool_stats(
        names["frames"].tool_calls_df(names["frames"].scan("sessions"))
    )
    assert timed["median_s"].notna().all()
    assert isinstance(names["stored"], pl.DataFrame)
    assert len(names["joined"]) == len(names["turns"])


@pytest.mark.usefixtures("connected")
def test_the_examples_of_the_page_on_traces_run(fresh_service, tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGENTOS_API_KEY", fresh_service.agentos_key)
    monkeypatch.setenv("AGENTOS_AGENT_ID", fresh_service.agent_id)
    monkeypatch.setenv("AGENTOS_BASE_URL", fresh_service.url)
    with AgentOS() as agentos:
        agentos.start_run().complete()
    names = run_examples("otel.md")
    assert b"execute_tool Bash" in (tmp_path / "traces.json").read_bytes()
    assert b"invoke_agent" in names["binary"]
