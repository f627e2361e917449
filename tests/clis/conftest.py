"""Fixtures of the tests with real CLIs: their folders, a home of their own, a service."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import install_clis
import matrix_page

from aod_notebook.aod import Client
from aod_notebook.local import LocalService


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of the person who runs the service, with no login and no configuration in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in [name for name in os.environ if name.startswith(PRIVATE)]:
        monkeypatch.delenv(name)
    return folder


PRIVATE = (
    "ANTHROPIC_", "CLAUDE", "OPENAI_", "CODEX_", "GEMINI_", "GOOGLE_", "OPENCODE_", "XDG_",
    "IS_SANDBOX",
)  # fmt: skip


@pytest.fixture
def use(home, monkeypatch):
    """Put a CLI on the service's PATH; the reason for skipping it is that there is no npm."""

    def using(name):
        try:
            folder = install_clis.install(name)
        except install_clis.NoNpmError as error:
            pytest.skip(str(error))
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return install_clis.program(name)

    return using


@pytest.fixture
def client():
    with LocalService() as service, Client(service.url, service.aod_token) as made:
        yield made


def pytest_addoption(parser):
    parser.addoption("--page", type=Path, help="the page to write the table of `make clis` to")


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Show what the tests of the matrix recorded, and write the page if all of it is there."""
    reports = [r for found in terminalreporter.stats.values() for r in found]
    rows = [dict(r.user_properties)["row"] for r in reports
            if getattr(r, "when", "") == "call" and "row" in dict(r.user_properties)]  # fmt: skip
    if not rows:
        return
    terminalreporter.write_line("")
    terminalreporter.write_line(matrix_page.tables(rows))
    if (page := config.getoption("--page", default=None)) and exitstatus == 0:
        matrix_page.write(page, rows)
