"""`%%aod`: the cell is a prompt for an agent; `%aod`: commands about sessions and agents."""

from __future__ import annotations

import difflib
import json
import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Int, TraitError, Unicode, observe, validate

from aod_notebook.contract import PROVIDERS, RUNTIMES
from aod_notebook.core.redact import redact
from aod_notebook.live import LiveSession, SessionRequest, SessionStoppedError, start
from aod_notebook.live.connections import connection, current_if_any, default_notice
from aod_notebook.live.embedded import allow_root
from aod_notebook.live.start import find_session_id
from aod_notebook.magics import commands
from aod_notebook.magics.commands import batch as aod_batch
from aod_notebook.magics.display import VIEWS, leave_live, load_views, say, watch
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import (
    MagicParser,
    MagicUsageError,
    Offer,
    check_name,
    check_view,
    described,
    run,
    run_magic,
    split,
)
from aod_notebook.magics.template import fill, fill_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from aod_notebook.live.batch.guards import Limit
    from aod_notebook.live.connections import AodConnection

MAGIC = "%aod"
CELL = "%%aod"
SHORTEST_S, LONGEST_S = 10, 3600
"""How long a turn may be allowed to take."""
_REPOSITORY = re.compile(r"(?P<url>https?://[^\s:]+(?::\d+/[^\s:]*)?)(?::(?P<mount>/\S*))?")
_NEW_SESSION_ONLY = (
    *("agent", "model", "runtime", "provider", "env", "repo", "secret", "recording", "speed"),
)


def cell_parser() -> MagicParser:
    """Return the parser of the `%%aod` line."""
    parser = MagicParser(
        CELL, "Run the cell's text as an agent's prompt and show what it does.", below="The prompt"
    )
    add: Any = parser.add_argument
    add("-a", "--agent", metavar="AGENT", offers=Offer.AGENTS, help="id or name of an agent")
    add(
        "--runtime",
        metavar="R",
        offers=RUNTIMES,
        help="claude, codex, gemini, opencode, shell or replay",
    )
    add(
        "--provider",
        metavar="P",
        offers=PROVIDERS,
        help="anthropic or openai (the later API's word)",
    )
    add("--model", metavar="M", help="the model, with --runtime or --provider")
    add(
        "-s",
        "--session",
        metavar="S",
        offers=Offer.SESSIONS,
        help="continue this session: an id, a variable or `last`",
    )
    add("--env", metavar="E", offers=Offer.ENVIRONMENTS, help="id or name of an environment")
    add("--timeout", metavar="N", help="seconds that the turn may take (10 to 3600)")
    add("--repo", metavar="URL[:PATH]", action="append", default=[], help="clone a repository")
    add("--secret", metavar="NAME", action="append", default=[], offers=Offer.SECRETS,
        help="pass this environment variable of the kernel to the session")  # fmt: skip
    add("--recording", metavar="R",
        help="with --runtime replay: a session's id or a CLI's own log to play")  # fmt: skip
    add("--speed", metavar="X",
        help="with --runtime replay: how much faster than recorded; without, a turn takes 10 s")  # fmt: skip
    add("-o", "--output", metavar="NAME", help="bind the session (LiveSession) to a variable")
    add("--view", nargs="?", choices=VIEWS, const="live",
        help="how it is shown while it runs: live, html, lines; auto chooses")  # fmt: skip
    add("--background", action="store_true", help="return at once; the session continues")
    add("--report", action="store_true", help="mirror the session into AgentOS as a run")
    add("--no-raise", action="store_true", help="a failed session does not stop Run All")
    add("--quiet", action="store_true", help="show one line at the end instead of a transcript")
    add("--raw", action="store_true", help="send the text verbatim: {{name}} is not filled in")
    add("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    add("--code", action="store_true", help="show the same as Python, and run nothing")
    aod_batch.add_options(add)
    return parser


def check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other.

    Raises:
        MagicUsageError: they do; the message names them.
    """
    chosen = [f"--{name}" for name in ("agent", "runtime", "provider") if getattr(options, name)]
    if len(chosen) > 1:
        raise MagicUsageError(f"{CELL}: {' and '.join(chosen)} exclude each other; keep one.")
    if options.agent and options.model:
        raise MagicUsageError(
            f"{CELL}: --model goes with --runtime or --provider; an agent (-a) has its own."
        )
    check_view(options, CELL)
    check_name(options.output, CELL)
    aod_batch.check_each(options)
    if options.timeout is not None:
        options.timeout = _seconds(options.timeout)
    if options.speed is not None:
        options.speed = _speed(options.speed)
    if options.session is not None:
        for name in _NEW_SESSION_ONLY:
            if getattr(options, name):
                raise MagicUsageError(
                    f"{CELL}: --{name} is for a new session; a session that is continued (-s) "
                    "keeps what it was started with."
                )


def request_of(options: argparse.Namespace, prompt: str) -> SessionRequest:
    """Return the session that the options ask for.

    Args:
        options: what `cell_parser` read.
        prompt: the cell's text.

    Raises:
        MagicUsageError: a repository or a secret can't be read.
    """
    return SessionRequest(
        prompt=prompt,
        agent=options.agent,
        runtime=options.runtime,
        provider=options.provider,
        model=options.model,
        environment=options.env,
        timeout=options.timeout,
        resources=[_repository(text) for text in options.repo],
        secrets={name: _secret(name) for name in options.secret},
        recording=options.recording,
        speed=options.speed,
    )


def as_wire(request: SessionRequest) -> str:
    """Return a request as the JSON that would be sent, with secrets hidden."""
    fields = _given(request)
    agent = fields.pop("agent", None)
    own = [
        f"{name} {fields.pop(name)}" for name in ("runtime", "provider", "model") if name in fields
    ]
    meant = f"the agent {agent!r}" if agent else f"the notebook's own agent: {', '.join(own)}"
    body: dict[str, Any] = {"agent_id": f"<{meant}>", **fields}
    if "environment" in body:
        body["environment_id"] = f"<the environment {body.pop('environment')!r}>"
    if "secrets" in body:
        body["secret_env_vars"] = dict.fromkeys(body.pop("secrets"), "[hidden]")
    if "resources" in body:
        body["resources"] = redact(body["resources"])
    return "POST /sessions\n" + json.dumps(body, indent=2, ensure_ascii=False)


def as_code(request: SessionRequest) -> str:
    """Return a request as equivalent Python code.

    Secrets are read from the environment; what a repository's URL has before its `@` is hidden.
    """
    fields = {name: repr(value) for name, value in _given(request).items()}
    if request.resources:
        fields["resources"] = repr(redact(request.resources))
    imports = "from aod_notebook.live import SessionRequest, start\n"
    if request.secrets:
        imports = f"import os\n\n{imports}"
        named = ", ".join(f"{name!r}: os.environ[{name!r}]" for name in request.secrets)
        fields["secrets"] = f"{{{named}}}"
    lines = "".join(f"    {name}={value},\n" for name, value in fields.items())
    return f"{imports}\nsession = start(SessionRequest(\n{lines})).wait()"


def continue_as_code(reference: str, prompt: str, timeout: int | None) -> str:
    """Return the Python code that sends a session its next prompt."""
    limit = "" if timeout is None else f", timeout={timeout}"
    return (
        "from aod_notebook.live import attach\n\n"
        f"session = attach({reference!r}).wait()\nsession.prompt({prompt!r}{limit}).wait()"
    )


def check_runtime(options: argparse.Namespace, *, is_embedded: bool) -> None:
    """Refuse a runtime that the service does not have, or one without a known model.

    Args:
        options: what `cell_parser` read.
        is_embedded: whether the service is the embedded one, which has `RUNTIMES` and no other.

    Raises:
        MagicUsageError: it is one.
    """
    wrong = None if options.runtime is None else unknown_runtime(options.runtime)
    if wrong is None or (options.model and not is_embedded):
        return
    more = "" if is_embedded else " One that only this service has needs --model."
    raise MagicUsageError(f"{CELL}: {wrong}{more}")


def unknown_runtime(runtime: str) -> str | None:
    """Return an error for an unknown runtime, with the nearest name; None for a known one."""
    if runtime in RUNTIMES:
        return None
    near = difflib.get_close_matches(runtime, RUNTIMES, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? Known" if near else "Known"
    return f"unknown runtime {runtime!r}. {hint} are {', '.join(RUNTIMES)}."


def check_prompt(prompt: str) -> None:
    """Refuse a prompt that is empty or that can't be sent.

    Raises:
        MagicUsageError: it is.
    """
    if not prompt.strip():
        raise MagicUsageError(
            f"{CELL}: the prompt is empty, so no session was started. "
            f"Write the prompt below the {CELL} line."
        )
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise MagicUsageError(
            f"{CELL}: character {error.start + 1} of the prompt is half of a surrogate pair, "
            "which can't be sent. Replace it: text.encode('utf-8', 'replace').decode()."
        ) from None


def _seconds(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdigit() else 0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise MagicUsageError(
            f"{CELL}: --timeout takes whole seconds ({SHORTEST_S} to {LONGEST_S}), not {text!r}."
        )
    return seconds


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise MagicUsageError(
            f"{CELL}: --speed takes a number above 0, such as 1 or 20, not {text!r}."
        )
    return speed


def _given(request: SessionRequest) -> dict[str, Any]:
    fields: Mapping[str, Any] = vars(request)
    return {name: value for name, value in fields.items() if value not in (None, [], {}, ())}


def _repository(text: str) -> dict[str, str]:
    match = _REPOSITORY.fullmatch(text)
    if match is None:
        raise MagicUsageError(f"{CELL}: --repo takes URL or URL:/PATH, not {_no_password(text)!r}.")
    resource = {"type": "github_repository", "url": match["url"]}
    return resource | ({"mount_path": match["mount"]} if match["mount"] else {})


def _no_password(text: str) -> str:
    return re.sub(r"//[^/]*@", "//[hidden]@", text)


def _secret(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise MagicUsageError(f"{CELL}: --secret {name}: the kernel's environment has no {name}.")
    return value


@magics_class
class AodMagics(aod_batch.LimitTraits, Magics):
    """The magics of Agent on Demand."""

    if TYPE_CHECKING:
        shell: InteractiveShell

    runtime = Unicode(
        "claude", help="What runs a %%aod cell that names no agent, runtime or provider."
    ).tag(config=True)
    model = Unicode(
        "", help="The model of a cell that names nothing; empty for the runtime's default."
    ).tag(config=True)
    timeout = Int(
        0, help="Seconds that a turn may take without --timeout; 0 for the service's default."
    ).tag(config=True)
    view = Enum(VIEWS, "auto", help="How a session is shown without --view.").tag(config=True)

    theme = Enum(
        ("auto", "light", "dark"), "auto", help="The theme of figures that name none: the page's."
    ).tag(config=True)

    allow_root = Bool(
        False,
        help="Let claude run as root on the embedded service: this machine is a sandbox.",
    ).tag(config=True)

    @observe("theme")
    def _draw_in_theme(self, change: dict[str, Any]) -> None:
        """Apply the theme to figures from now on."""
        from aod_notebook import plots

        plots.use_theme(change["new"])

    @observe("allow_root")
    def _let_root(self, change: dict[str, Any]) -> None:
        """Send the choice with every session from now on."""
        allow_root(change["new"])

    @validate("timeout")
    def _check_timeout(self, proposal: dict[str, Any]) -> int:
        """Refuse a limit that the service would refuse."""
        seconds: int = proposal["value"]
        if seconds != 0 and not SHORTEST_S <= seconds <= LONGEST_S:
            raise TraitError(
                f"AodMagics.timeout is {SHORTEST_S} to {LONGEST_S} seconds, or 0 for the service's "
                f"own limit, not {seconds}."
            )
        return seconds

    @validate("runtime")
    def _check_runtime(self, proposal: dict[str, Any]) -> str:
        """Refuse a runtime that no cell could run with."""
        runtime: str = proposal["value"].strip()
        if not runtime:
            raise TraitError("AodMagics.runtime can't be empty: claude, codex, shell, replay, …")
        wrong = unknown_runtime(runtime)
        if wrong is not None and _is_embedded():
            raise TraitError(f"AodMagics.runtime: {wrong}")
        return runtime

    @no_var_expand
    @line_cell_magic
    def aod(self, line: str, cell: str | None = None) -> object:
        """Run the cell as an agent's prompt (`%%aod`), or a command (`%aod COMMAND`)."""
        work = (
            partial(run, MAGIC, commands.AOD, line, self.shell.user_ns)
            if cell is None
            else partial(self._prompt, line, cell)
        )
        interrupted = SessionStoppedError(
            "Interrupted. What runs on the service continues: %aod sessions --status running "
            "shows it, %aod stop ID ends it."
        )
        return run_magic(work, interrupted)

    def _prompt(self, line: str, cell: str) -> None:
        from aod_notebook.live.batch.guards import keep
        from aod_notebook.magics import batches

        parser = cell_parser()
        options = parser.parse_args(split(line, CELL))
        if not options.raw:
            is_each = options.each is not None
            later = aod_batch.FILLED_LATER if is_each else ()
            fill_options(options, self.shell.user_ns, but=later)
            cell = cell if is_each else fill(cell, self.shell.user_ns)
        parser.check_filled(options)
        check(options)
        check_prompt(cell)
        self._take_configured(options)
        check_runtime(options, is_embedded=_is_embedded())
        if options.each is not None:
            batches.run_each(options, request_of(options, cell), self.shell.user_ns, self)
            return
        if options.dry_run or options.code:
            say(self._described(options, cell))
            return
        on = connection()
        session = self._reused(options, cell, on)
        if session is not None:
            watch(session, quiet=options.quiet, view=options.view, owned=False)
            return
        limits = batches.limits_of(options, self, on)
        load_views()
        session, position = self._begin(options, cell, limits)
        if options.output is not None:
            self.shell.user_ns[options.output] = session
        if options.background:
            keep(session, limits, position)
            self._leave(options, session, position)
            return
        with batches.guarding(session, limits, position):
            watch(session, start=position, quiet=options.quiet, view=options.view)
        batches.remember_reusable(session, on)
        failure = session.failed_answer()
        if failure is not None:
            say(failure)
        if options.report:
            from aod_notebook.live.mirroring import mirror

            say(str(mirror(session)))
        if not options.no_raise:
            session.raise_for_status()

    def _reused(
        self, options: argparse.Namespace, cell: str, on: AodConnection
    ) -> LiveSession | None:
        """Return the stored session of the same cell, if one is wanted and there; bind it."""
        if options.session is not None or not (options.reuse or self.reuse):
            return None
        from aod_notebook.magics import batches

        session = batches.reused(request_of(options, cell), on)
        if session is not None and options.output is not None:
            self.shell.user_ns[options.output] = session
        return session

    def _leave(self, options: argparse.Namespace, session: LiveSession, position: int) -> None:
        """Print that a session continues in the background."""
        held = f", bound to {options.output}" if options.output else ""
        say(f"Session {session.id} runs in the background{held}. %aod attach last shows it.")
        if options.report:
            from aod_notebook.live.mirroring import mirror_at_end

            mirror_at_end(session)
        if not options.quiet:
            leave_live(session, start=position, view=options.view)

    def _take_configured(self, options: argparse.Namespace) -> None:
        """Fill in `%config AodMagics` where the cell's line leaves something out."""
        options.view = options.view or self.view
        options.timeout = options.timeout or self.timeout or None
        chosen = options.session or options.agent or options.runtime or options.provider
        if not (chosen or aod_batch.varies_agent(options)):
            wants_replay = options.recording is not None or options.speed is not None
            options.runtime = "replay" if wants_replay else self.runtime
            if not any(text.startswith("model=") for text in options.over):
                options.model = options.model or self.model or None

    def _begin(
        self, options: argparse.Namespace, prompt: str, limits: Sequence[Limit]
    ) -> tuple[LiveSession, int]:
        """Start or continue a session; return it, and where this cell's events begin."""
        if options.session is None:
            from aod_notebook.magics import batches

            on = connection()
            return start(batches.within(request_of(options, prompt), limits, on), on), 0
        session = find_session(options.session, self.shell.user_ns)
        position = len(session.wait().received())
        return session.prompt(prompt, timeout=options.timeout), position

    def _described(self, options: argparse.Namespace, prompt: str) -> str:
        """Show what the cell would do, as Python or as the request."""
        if options.session is not None:
            reference = find_session_id(options.session, self.shell.user_ns)
            return continue_as_code(reference, prompt, options.timeout)
        request = request_of(options, prompt)
        return as_code(request) if options.code else as_wire(request)


def _is_embedded() -> bool:
    """Whether the embedded service is used, or will be once one is asked; nothing is started."""
    on = current_if_any()
    return default_notice() is not None if on is None else on.is_embedded


# What `%aod?` and `%%aod?` show.
AodMagics.aod.__doc__ = described(AodMagics.aod.__doc__, MAGIC, commands.AOD, cell_parser())
