"""Cells that are typed in a terminal: what IPython takes for complete, and a real pty."""

import os
import sys

import pexpect
import pytest
from IPython.core.interactiveshell import InteractiveShell
from kernels import clean_environment

from aod_notebook.core.errors import AodNotebookError

DEADLINE_S = 60


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "aod_notebook")
        yield shell.input_transformer_manager
        shell.run_line_magic("unload_ext", "aod_notebook")
        InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    "typed",
    [
        "%%aod",
        "%%aod --runtime shell",
        "%%aod --runtime shell\necho one",
        "%%aod --runtime shell\necho one\necho two",
        "%%agentos",
        "%%agentos --name x",
        "%%agentos\nx = 1",
        "\n%%aod --runtime shell",
        "# why\n%%bash\nif true",
        "for each in range(3):\n    %aod sessions",
    ],
)
def test_a_cell_that_is_still_typed_is_not_complete(manager, typed):
    assert manager.check_complete(typed)[0] in ("incomplete", "invalid")


@pytest.mark.parametrize("magic", ["%%aod --runtime shell\necho one\n\n", "%%agentos\nx = 1\n\n"])
def test_an_empty_line_completes_a_cell_magic(manager, magic):
    assert manager.check_complete(magic) == ("complete", None)


@pytest.mark.parametrize("line", ["%aod status", "x = %aod sessions", "%agentos runs", "1 + 1"])
def test_a_line_is_complete_at_once(manager, line):
    assert manager.check_complete(line) == ("complete", None)


def test_every_step_of_this_package_is_left_out_of_that_question(manager):
    ours = [
        each
        for each in manager.cleanup_transforms
        if type(each).__module__.startswith("aod_notebook")
    ]
    assert len(ours) == 4
    assert all(each.has_side_effects for each in ours)


@pytest.mark.parametrize(
    "above", ["# why", "\n# why\n\n", "x = 1", "x = '''\na'''", "if 1:\n    pass\n"]
)
@pytest.mark.parametrize("magic", ["%%aod", "%%agentos"])
def test_what_is_above_a_cell_magic_is_refused_in_one_line(manager, above, magic):
    number = above.count("\n") + 2
    with pytest.raises(AodNotebookError) as raised:
        manager.transform_cell(f"{above}\n{magic} --help\nDo this.")
    assert str(raised.value) == (
        f"{magic} must be the first line of its cell, and here it is line {number}. "
        "Move what is above it into a cell of its own."
    )


@pytest.mark.parametrize(
    "cell", ["x = '''\n%%aod\n'''", "%%writefile x\n# a\n%%aod", "f(\n%%aod\n)", "\n\n%%aod\nx"]
)
def test_a_cell_magic_within_a_text_is_not_a_cell_magic(manager, cell):
    manager.transform_cell(cell)


@pytest.fixture
def terminal(home):
    """A real IPython in a pseudo-terminal, at its first prompt."""
    environment = clean_environment(home, TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1")
    flags = ["--no-banner", "--colors=NoColor", "--no-confirm-exit"]
    child = pexpect.spawn(
        sys.executable, ["-m", "IPython", *flags], env=environment, timeout=DEADLINE_S,
        dimensions=(40, 200), encoding="utf-8",
    )  # fmt: skip
    child.expect_exact("In [1]:")
    child.send("%load_ext aod_notebook\r")
    child.expect_exact("In [2]:")
    yield child
    child.close(force=True)


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")
@pytest.mark.parametrize(
    ("lines", "printed"),
    [
        (["%%bash", "echo typed-$((40 + 2))"], "typed-42"),  # what is built in is the measure
        (["%%aod --runtime shell", "echo typed-$((40 + 2))"], "typed-42"),
        (["%%agentos --name typed", "print('typed', 40 + 2)"], "typed 42"),
    ],
)
def test_a_cell_magic_can_be_typed_line_by_line_in_a_terminal(terminal, lines, printed):
    for line in [*lines, ""]:
        terminal.send(line + "\r")
        terminal.expect_exact("...:")  # IPython waits for the next line
    terminal.send("\r")
    found = terminal.expect_exact([printed, "Error"])
    assert found == 0, terminal.before
