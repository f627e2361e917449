"""The plan of a hosted run: its pauses, answers, conversation and prompt.

An agent on the `replay` runtime takes its script from the key `replay` of its input:

- `pauses`: a list of `{"ask": question, "options"?: [text], "context"?: object}` and
  `{"approve": action}`, taken in order before the run completes;
- `fail`: a message with which the run then fails.

Other agents never pause. The plan is stored with its run, so a paused run survives a restart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from aod_notebook.local.errors import InvalidError

if TYPE_CHECKING:
    import sqlite3


class Pause(msgspec.Struct, omit_defaults=True):
    """A point at which a run waits: for an answer, or for an approval."""

    ask: str | None = None
    approve: str | None = None
    options: list[str] | None = None
    context: dict[str, Any] | None = None


class Script(msgspec.Struct):
    """The `replay` key of an input."""

    pauses: list[Pause] = []
    fail: Annotated[str, Meta(min_length=1)] | None = None


class RunPlan(msgspec.Struct):
    """The plan of one run; `step` counts the pauses that are over."""

    prompt: str = ""
    pauses: list[Pause] = []
    step: int = 0
    fail: str | None = None

    def stored(self) -> str:
        """Return the plan as JSON text."""
        return msgspec.json.encode(self).decode()


def read_script(value: dict[str, Any]) -> Script:
    """Read the script out of an input.

    Raises:
        InvalidError: the key `replay` is not what this module's docstring says.
    """
    try:
        script = msgspec.convert(value.get("replay", {}), Script)
    except msgspec.ValidationError as error:
        raise InvalidError(f"Invalid input.replay: {error}") from None
    if any((pause.ask is None) == (pause.approve is None) for pause in script.pauses):
        raise InvalidError("Invalid input.replay: a pause has either 'ask' or 'approve'")
    return script


def load_plan(run: sqlite3.Row) -> RunPlan:
    """Return the stored plan of a run."""
    return msgspec.json.decode(run["plan"], type=RunPlan)


def make_prompt(
    system: str,
    variables: dict[str, str],
    history: list[dict[str, Any]],
    value: dict[str, Any],
) -> str:
    """Build the prompt for an agent CLI: instructions, the conversation so far, the input."""
    for name, text in variables.items():
        system = system.replace("{{" + name + "}}", text)
    parts = [system] if system else []
    parts += [f"{turn.get('role')}: {_text(turn.get('content'))}" for turn in history]
    return "\n\n".join([*parts, _text(value)])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
