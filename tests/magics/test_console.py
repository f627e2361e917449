"""A real `jupyter console` in a pseudo-terminal: cells leave text, and Ctrl-C stops a session."""

import os
import re
import sys

import pexpect
import pytest
from kernels import clean_environment

from aod_notebook.aod import Client
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import find_service

DEADLINE_S = 120
OUTPUT = re.compile(r"\x1b\[\?2004l(.*?)\x1b\[\?2004h", re.DOTALL)
"""What is printed between leaving a prompt and the next: a prompt switches pasting on and off."""
OPTIONS = (
    "--no-confirm-exit",
    f"--ZMQTerminalInteractiveShell.kernel_is_complete_timeout={DEADLINE_S}",  # a busy machine
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")


class Console:
    """What a person types into the console, and what it prints."""

    def __init__(self, home):
        self.child = pexpect.spawn(
            sys.executable, ["-m", "jupyter_console", *OPTIONS], timeout=DEADLINE_S,
            env=clean_environment(home, TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1"),
            dimensions=(40, 200), encoding="utf-8",
        )  # fmt: skip
        self.child.expect_exact("In [")

    def begin(self, *lines):
        """Type a line, or the lines of a cell, and run it."""
        if len(lines) > 1:
            for line in (*lines, ""):
                self.child.send(f"{line}\r")
                self.child.expect_exact("...:")
        self.child.send("\r" if len(lines) > 1 else f"{lines[0]}\r")

    def finish(self):
        """Return what the cell printed."""
        self.child.expect(OUTPUT)
        return self.child.match[1].replace("\r", "")

    def run(self, *lines):
        self.begin(*lines)
        return self.finish()


@pytest.fixture
def console(home):
    running = Console(home)
    running.run("%load_ext aod_notebook")
    yield running
    running.child.close(force=True)


def test_a_cell_prints_its_transcript_once_as_plain_text(console):
    output = console.run("%%aod --runtime shell", r"printf '\033[31mtyped-%s\033[0m\n' $((40 + 2))")
    assert re.fullmatch(
        r"\n*── Turn 1\ntyped-42\n── Exit code 0\nshell · \S+ · completed.*\n*", output
    )


def test_a_cell_with_code_around_its_command_prints_the_transcript_too(console):
    console.run("%%aod --runtime shell --quiet", "echo typed-$((40 + 2))")
    assert "typed-42" in console.run("if True:", "    %aod attach last")


def test_ctrl_c_terminates_the_session_and_the_prompt_comes_back(console):
    console.begin("%%aod --runtime shell", "while echo tick-$((40 + 2)); do sleep 0.1; done")
    console.child.expect_exact("tick-42")
    console.child.sendintr()
    console.child.expect_exact("was terminated on the service")
    service = find_service(embedded_data_dir())
    with Client(base_url=service.url, token=service.aod_token) as client:
        (session,) = client.sessions.list()
    assert session.status == "terminated"
    assert "typed 42" in console.run("print('typed', 40 + 2)")


def test_the_doctor_calls_it_a_terminal(console):
    console.run("found = %aod doctor")
    assert "plain lines" in console.run("print(*found.finding, sep='\\n')")
