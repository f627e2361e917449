"""The `%%aod` line: its options, and the session that they ask for."""

from __future__ import annotations

import difflib
import json
import keyword
import os
import re
from typing import TYPE_CHECKING, Any

from aod_notebook.contract import RUNTIMES
from aod_notebook.core.redact import redact
from aod_notebook.live import SessionRequest
from aod_notebook.magics.parser import MagicParser, MagicUsageError
from aod_notebook.magics.show import VIEWS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = [
    "CELL",
    "LONGEST_S",
    "SHORTEST_S",
    "as_code",
    "as_wire",
    "cell_parser",
    "check",
    "check_name",
    "check_prompt",
    "check_runtime",
    "check_view",
    "continue_as_code",
    "request_of",
    "unknown_runtime",
]

CELL = "%%aod"
HIDDEN = "[hidden]"
"""What the embedded service can run; another service may know more."""
SHORTEST_S, LONGEST_S = 10, 3600
"""How long a turn may be allowed to take."""
_REPOSITORY = re.compile(r"(?P<url>https?://[^\s:]+(?::\d+/[^\s:]*)?)(?::(?P<mount>/\S*))?")
_IPYTHONS_OWN = ("In", "Out", "_", "__", "___", "exit", "quit", "get_ipython")
_NEW_SESSION_ONLY = (
    *("agent", "model", "runtime", "provider", "env", "repo", "secret", "recording", "speed"),
)


def cell_parser() -> MagicParser:
    """Make the parser of the `%%aod` line."""
    told = "Run the cell's text as an agent's prompt and show what it does."
    parser = MagicParser(CELL, told, below="The prompt")
    add: Any = parser.add_argument
    add("-a", "--agent", metavar="AGENT", help="id or name of an agent")
    add("--runtime", metavar="R", help="claude, codex, gemini, opencode, shell or replay")
    add("--provider", metavar="P", help="anthropic or openai (the later API's word)")
    add("--model", metavar="M", help="the model, with --runtime or --provider")
    add("-s", "--session", metavar="S", help="continue this session: an id, a variable or `last`")
    add("--env", metavar="E", help="id or name of an environment")
    add("--timeout", metavar="N", help="seconds that the turn may take (10 to 3600)")
    add("--repo", metavar="URL[:PATH]", action="append", default=[], help="clone a repository")
    add("--secret", metavar="NAME", action="append", default=[],
        help="pass this environment variable of the kernel to the session")  # fmt: skip
    add("--recording", metavar="R",
        help="with --runtime replay: a session's id or a CLI's own log to play")  # fmt: skip
    add("--speed", metavar="X",
        help="with --runtime replay: how much faster than recorded; without, a turn takes 10 s")  # fmt: skip
    add("-o", "--output", metavar="NAME", help="bind the session (LiveSession) to a variable")
    add("--view", nargs="?", choices=VIEWS, const="live",
        help="how it is shown while it runs: live, html, lines; auto chooses")  # fmt: skip
    add("--background", action="store_true", help="return at once; the session goes on")
    add("--report", action="store_true", help="mirror the session into AgentOS as a run")
    add("--no-raise", action="store_true", help="a failed session does not stop Run All")
    add("--quiet", action="store_true", help="show one line at the end instead of a transcript")
    add("--raw", action="store_true", help="send the text as it stands: {{name}} is not filled in")
    add("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    add("--code", action="store_true", help="show the same as Python, and run nothing")
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
    """Show a request as what would be sent, its secrets hidden."""
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
        body["secret_env_vars"] = dict.fromkeys(body.pop("secrets"), HIDDEN)
    if "resources" in body:
        body["resources"] = redact(body["resources"])
    return "POST /sessions\n" + json.dumps(body, indent=2, ensure_ascii=False)


def as_code(request: SessionRequest) -> str:
    """Show a request as the Python that does the same.

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
    """Show the Python that sends a session its next prompt."""
    limit = "" if timeout is None else f", timeout={timeout}"
    return (
        "from aod_notebook.live import attach\n\n"
        f"session = attach({reference!r}).wait()\nsession.prompt({prompt!r}{limit}).wait()"
    )


def check_runtime(options: argparse.Namespace, *, is_embedded: bool) -> None:
    """Refuse a runtime that the service is sure not to have, or whose model nobody has said.

    Args:
        options: what `cell_parser` read.
        is_embedded: whether the service is the embedded one, which has `RUNTIMES` and no other.

    Raises:
        MagicUsageError: it is such a runtime.
    """
    wrong = None if options.runtime is None else unknown_runtime(options.runtime)
    if wrong is None or (options.model and not is_embedded):
        return
    more = "" if is_embedded else " One that only this service has needs --model."
    raise MagicUsageError(f"{CELL}: {wrong}{more}")


def unknown_runtime(runtime: str) -> str | None:
    """Say which runtime of `RUNTIMES` could have been meant; None if it is one of them."""
    if runtime in RUNTIMES:
        return None
    near = difflib.get_close_matches(runtime, RUNTIMES, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? Known" if near else "Known"
    return f"unknown runtime {runtime!r}. {hint} are {', '.join(RUNTIMES)}."


def check_view(options: argparse.Namespace, magic: str) -> None:
    """Refuse `--view` with `--quiet`, which shows nothing.

    Raises:
        MagicUsageError: both are given.
    """
    if options.quiet and options.view is not None:
        raise MagicUsageError(f"{magic}: --quiet and --view exclude each other; keep one.")


def check_name(name: str | None, magic: str) -> None:
    """Refuse what no variable can be called (`-o`) without breaking Python or IPython.

    Raises:
        MagicUsageError: it is such a name.
    """
    if name is None:
        return
    if not name.isidentifier() or keyword.iskeyword(name) or name in _IPYTHONS_OWN:
        raise MagicUsageError(f"{magic}: -o takes a variable's name, not {name!r}.")


def check_prompt(prompt: str) -> None:
    """Refuse a prompt that says nothing or that can't be sent.

    Raises:
        MagicUsageError: it is one of these.
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
