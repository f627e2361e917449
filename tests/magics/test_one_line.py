"""Mistakes that are each said in one clear line."""

import copy
import json
import pickle
import subprocess
import sys

import pytest
from IPython.core.error import UsageError

from aod_notebook.aod import Client, NotFoundError
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.unpicklable import NotPicklableError
from aod_notebook.live import SessionRequest, attach, attach_run, connection, start
from aod_notebook.magics.parser import DASHES, MagicUsageError
from aod_notebook.magics.template import UnknownNameError


def said(shell, cell):
    """Run a cell that fails; give what it says."""
    with pytest.raises((AodNotebookError, UsageError)) as raised:
        shell.run(cell)
    return str(raised.value)


def test_a_semicolon_keeps_a_command_from_showing_its_value(shell):
    assert shell.run("%aod sessions;") is None
    assert shell.run("%aod sessions") is not None
    shell.run("table = %aod sessions;")
    assert shell.names["table"] is not None


def test_a_semicolon_within_a_text_is_part_of_it(shell):
    shell.run("%%aod --runtime shell -o s\necho one")
    shell.run("%aod prompt s echo two;")
    assert "echo two;" in str(shell.names["s"].turns["prompt"].tolist())


@pytest.mark.parametrize("dash", [*DASHES, "\N{EN DASH}-"])
@pytest.mark.parametrize(
    ("cell", "option"),
    [
        ("%%aod {}runtime shell\necho x", "--runtime"),
        ("%aod sessions {}limit 3", "--limit"),
        ("%%agentos {}name x\n1", "--name"),
    ],
)
def test_a_typographic_dash_is_named_with_the_option_that_is_meant(shell, dash, cell, option):
    word = f"{dash}{option[2:]}"
    text = said(shell, cell.format(dash))
    assert f"{word!r} begins with a typographic dash. Write {option} with hyphens" in text


def test_typographic_quotes_are_named(shell):
    text = said(shell, "%%agentos --name “my run”\n1")
    assert "begins with a typographic quote. Write straight quotes" in text


@pytest.mark.parametrize(
    "call", ["%aod events {{local}}", "get_ipython().run_cell_magic('aod', '', 'do {{local}}')"]
)
def test_a_functions_local_variable_is_named_as_such(shell, call):
    with pytest.raises(UnknownNameError) as raised:
        shell.run(f"def f():\n    local = 1\n    {call}\nf()")
    assert str(raised.value).startswith("{{local}} is a variable of the function f(), and a magic")


def test_a_reported_cell_in_a_notebook_that_is_run_by_run_says_why_not(shell, tmp_path):
    cell = {
        "cell_type": "code", "source": "%%agentos\nx = 1", "metadata": {}, "outputs": [],
        "execution_count": None, "id": "a",
    }  # fmt: skip
    path = tmp_path / "other.ipynb"
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    with pytest.raises(MagicUsageError, match="in a notebook that %run runs is not reported"):
        shell.run(f"%run {path}")


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("what", ["s", "s.viewer()", "c", "c.client"])
def test_live_objects_refuse_to_be_pickled_and_copied(shell, act, what):
    shell.run("%%aod --runtime shell -o s\necho one")
    shell.names["c"] = connection()
    with pytest.raises(NotPicklableError, match="belong to their process") as raised:
        act(eval(what, shell.names))
    assert "\n" not in str(raised.value)


def test_store_says_which_id_to_keep_of_a_session(shell):
    shell.run("%load_ext storemagic")
    shell.run("%%aod --runtime shell -o s\necho one")
    session_id = shell.names["s"].id
    assert f"Keep its id, {session_id}: %aod attach {session_id}" in said(shell, "%store s")


@pytest.mark.parametrize("wrong", [3, None, b"x", ["a"], object()])
@pytest.mark.parametrize("function", [attach, attach_run])
def test_a_value_that_is_not_an_id_is_refused_by_its_type(function, wrong):
    with pytest.raises(TypeError) as raised:
        function(wrong)
    assert f"as text, not {type(wrong).__name__}" in str(raised.value)


def test_an_unknown_runtime_is_named_and_not_its_model(shell):
    with pytest.raises(AodNotebookError) as raised:
        start(SessionRequest(prompt="x", runtime="cluade"), connection())
    assert str(raised.value).startswith("Unknown runtime 'cluade'. Did you mean 'claude'?")


@pytest.mark.parametrize("path", ["/wrong", "/sessions"])
def test_a_wrong_path_in_the_base_url_is_reported(service, path):
    with (
        Client(base_url=service.url + path, token=service.aod_token) as client,
        pytest.raises(NotFoundError, match="No Agent on Demand API is there: check the path"),
    ):
        client.sessions.list()


def test_a_missing_session_is_not_a_wrong_path(service):
    with (
        Client(base_url=service.url, token=service.aod_token) as client,
        pytest.raises(NotFoundError) as raised,
    ):
        client.sessions.get("00000000-0000-0000-0000-000000000000")
    assert "check the path" not in str(raised.value)


def test_a_home_that_can_not_be_written_is_named_with_its_cure_and_seen_by_doctor(tmp_path):
    home = tmp_path / "home"
    home.write_text("a file")
    code = (
        "import aod_notebook\n"
        "from aod_notebook.live.doctor import findings\n"
        "try:\n    aod_notebook.connect(local=True).client\n"
        "except Exception as error:\n    print(error)\n"
        "print([text for check, state, text in findings() if (check, state) == ('disk', 'problem')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"AOD_NOTEBOOK_HOME": str(home), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    line, found = done.stdout.strip().splitlines()
    assert "$AOD_NOTEBOOK_HOME/service can't be written" in line
    for text in (line, found):
        assert "set AOD_NOTEBOOK_HOME to one that is" in text
