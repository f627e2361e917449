"""`%%aod`: the cell is a prompt for an agent; `%aod`: what else the service can be asked."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Unicode

from aod_notebook.live import LiveSession, SessionRequest, open_session, start
from aod_notebook.magics import aod_commands
from aod_notebook.magics.parser import HelpShown, MagicParser, MagicUsageError, split
from aod_notebook.magics.show import say, watch
from aod_notebook.magics.template import fill

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["AodMagics"]

CELL = "%%aod"
_REPOSITORY = re.compile(r"(?P<url>https?://[^\s:]+(?::\d+/[^\s:]*)?)(?::(?P<mount>/\S*))?")
_NEW_SESSION_ONLY = ("agent", "model", "runtime", "provider", "env", "repo", "secret")


@magics_class
class AodMagics(Magics):
    """The magics of Agent on Demand."""

    if TYPE_CHECKING:
        shell: InteractiveShell

    runtime = Unicode(
        "claude", help="What runs a %%aod cell that names no agent, runtime or provider."
    ).tag(config=True)

    @no_var_expand
    @line_cell_magic
    def aod(self, line: str, cell: str | None = None) -> object:
        """Run the cell as an agent's prompt (`%%aod`), or ask the service (`%aod COMMAND`).

        `%%aod --help` and `%aod --help` list the options and the commands.
        """
        try:
            if cell is None:
                return aod_commands.run(line, self.shell.user_ns)
            self._prompt(line, cell)
        except HelpShown:
            pass
        return None

    def _prompt(self, line: str, cell: str) -> None:
        names: Mapping[str, object] = self.shell.user_ns
        options = cell_parser().parse_args(split(line, CELL))
        if not options.raw:
            for name, value in vars(options).items():
                if isinstance(value, str):
                    setattr(options, name, fill(value, names))
        prompt = cell if options.raw else fill(cell, names)
        if not prompt.strip():
            raise MagicUsageError(
                f"{CELL}: the prompt is empty, so no session was started. "
                f"Write the prompt below the {CELL} line."
            )
        if options.output is not None and not options.output.isidentifier():
            raise MagicUsageError(f"{CELL}: -o takes a variable's name, not {options.output!r}.")
        if options.session is None:
            session, position = start(self._request(options, prompt)), 0
        else:
            session, position = self._continue(options, prompt)
        if options.output is not None:
            self.shell.user_ns[options.output] = session
        if options.background:
            held = f", bound to {options.output}" if options.output else ""
            say(f"Session {session.id} runs in the background{held}. %aod attach last shows it.")
            return
        watch(session, start=position, quiet=options.quiet)
        if not options.no_raise:
            session.raise_for_status()

    def _request(self, options: argparse.Namespace, prompt: str) -> SessionRequest:
        chosen = [f"--{n}" for n in ("agent", "runtime", "provider") if getattr(options, n)]
        if len(chosen) > 1:
            raise MagicUsageError(f"{CELL}: {' and '.join(chosen)} exclude each other; keep one.")
        if options.agent and options.model:
            raise MagicUsageError(
                f"{CELL}: --model goes with --runtime or --provider; an agent (-a) has its own."
            )
        return SessionRequest(
            prompt=prompt,
            agent=options.agent,
            runtime=options.runtime or (None if chosen else self.runtime),
            provider=options.provider,
            model=options.model,
            environment=options.env,
            timeout=options.timeout,
            resources=[_repository(text) for text in options.repo],
            secrets={name: _secret(name) for name in options.secret},
        )

    def _continue(self, options: argparse.Namespace, prompt: str) -> tuple[LiveSession, int]:
        """Send the prompt into a session that is there; say where its new events begin."""
        for name in _NEW_SESSION_ONLY:
            if getattr(options, name):
                raise MagicUsageError(
                    f"{CELL}: --{name} is for a new session; a session that is continued (-s) "
                    "keeps what it was started with."
                )
        session = open_session(options.session, self.shell.user_ns)
        position = len(session.wait().received())
        return session.prompt(prompt, timeout=options.timeout), position


def cell_parser() -> MagicParser:
    """Make the parser of the `%%aod` line."""
    parser = MagicParser(CELL, "Run the cell's text as an agent's prompt and show what it does.")
    add: Any = parser.add_argument
    add("-a", "--agent", metavar="AGENT", help="id or name of an agent")
    add("--runtime", metavar="R", help="claude, codex, gemini, opencode, shell or replay")
    add("--provider", metavar="P", help="anthropic or openai (the later API's word)")
    add("--model", metavar="M", help="the model, with --runtime or --provider")
    add("-s", "--session", metavar="S", help="continue this session: an id, a variable or `last`")
    add("--env", metavar="E", help="id or name of an environment")
    add("--timeout", metavar="N", type=int, help="seconds that the turn may take (10 to 3600)")
    add("--repo", metavar="URL[:PATH]", action="append", default=[], help="clone a repository")
    add("--secret", metavar="NAME", action="append", default=[],
        help="pass this environment variable of the kernel to the session")  # fmt: skip
    add("-o", "--output", metavar="NAME", help="bind the session (LiveSession) to a variable")
    add("--background", action="store_true", help="return at once; the session goes on")
    add("--no-raise", action="store_true", help="a failed session does not stop Run All")
    add("--quiet", action="store_true", help="show one line at the end instead of a transcript")
    add("--raw", action="store_true", help="send the text as it stands: {{name}} is not filled in")
    return parser


def _repository(text: str) -> dict[str, str]:
    match = _REPOSITORY.fullmatch(text)
    if match is None:
        raise MagicUsageError(f"{CELL}: --repo takes URL or URL:/PATH, not {text!r}.")
    resource = {"type": "github_repository", "url": match["url"]}
    return resource | ({"mount_path": match["mount"]} if match["mount"] else {})


def _secret(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise MagicUsageError(f"{CELL}: --secret {name}: the kernel's environment has no {name}.")
    return value
