"""`%agentos` commands about runs: listing, tables, invoking, watching, answering, cancelling."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aod_notebook import live
from aod_notebook.contract import RUN_STATUSES, RUN_WAITING
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.agents import agent_names, find_agent_id
from aod_notebook.live.start import find_run_id, remember_run
from aod_notebook.magics.commands.references import RUN, RUN_OR_LAST
from aod_notebook.magics.display import (
    VIEWS,
    has_page,
    leave_live,
    load_views,
    print_failure,
    say,
    watch,
)
from aod_notebook.magics.find import agentos_connection, find_run, input_of, known_run
from aod_notebook.magics.parser import (
    Command,
    MagicUsageError,
    Offer,
    argument,
    check_name,
    check_view,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import pandas as pd

    from aod_notebook.live import LiveRun

    Names = dict[str, object]

MAGIC = "%agentos"


def _runs(options: argparse.Namespace, _: Names) -> pd.DataFrame:
    from aod_notebook import frames

    on = agentos_connection()
    runs = frames.runs_df(client=on.client)
    agent = options.agent
    if agent is not None and agent not in set(runs["agent_id"]):  # an archived one has runs only
        agent = find_agent_id(on, agent)
    for column, wanted in (("status", options.status), ("agent_id", agent)):
        if wanted is not None:
            runs = runs[runs[column] == wanted].reset_index(drop=True)
    names = runs["agent_id"].map(agent_names(on)).astype("str")
    runs.insert(list(runs.columns).index("agent_id"), "agent", names)
    return runs


def _frame(name: str) -> Callable[[argparse.Namespace, Names], pd.DataFrame]:
    def table(options: argparse.Namespace, names: Names) -> pd.DataFrame:
        from aod_notebook import frames

        on = agentos_connection()
        run_id = find_run_id(options.run_id, names, on)
        with known_run(options.run_id, names):
            frame: pd.DataFrame = getattr(frames, name)(run_id, client=on.client)
            return frame

    return table


def _run(options: argparse.Namespace, names: Names) -> object:
    """Print the run of the service; return its trace, root first."""
    from aod_notebook.core.text import clean

    on = agentos_connection()
    run_id = find_run_id(options.run_id, names, on)
    with known_run(options.run_id, names):
        row = on.client.runs.get(run_id=run_id)
    say(clean(json.dumps(row, indent=2, ensure_ascii=False)))
    if not has_page():  # a terminal: its output may be read as JSON
        return None
    try:
        return find_run(run_id, {}).catch_up().trace()
    except AodNotebookError:  # a key that may read runs, but not their events
        return None


# -- runs -----------------------------------------------------------------------------------------


def _invoke(options: argparse.Namespace, names: Names) -> None:
    magic = f"{MAGIC} invoke"
    check_name(options.output, magic)
    check_view(options, magic)
    view = options.view or "auto"
    given = input_of(options.input, names, magic)
    on = agentos_connection()
    load_views()
    run = live.invoke(given, agent=options.agent, on=on, **_conversation(options))
    if options.output is not None:
        names[options.output] = run
    if options.background:
        held = f", bound to {options.output}" if options.output else ""
        say(f"Run {run.id} continues in the background{held}. %agentos watch last shows it.")
        if not options.quiet:
            leave_live(run, view=view)
        return
    _show(run, quiet=options.quiet, view=view, owned=True, checked=not options.no_raise)


def _conversation(options: argparse.Namespace) -> dict[str, Any]:
    if options.session and options.start_session:
        raise MagicUsageError(
            f"{MAGIC} invoke: --session continues a conversation and --start-session begins one; "
            "keep one of the two."
        )
    given: dict[str, Any] = {"session_id": options.session} if options.session else {}
    return given | ({"start_session": True} if options.start_session else {})


def _watch(options: argparse.Namespace, names: Names) -> None:
    on = agentos_connection()
    run = find_run(options.run_id, names)
    remember_run(run, on)
    _show(run, checked=False, as_trace=True)
    if not run.is_paused:
        print_failure(run)


def _reply(options: argparse.Namespace, names: Names) -> None:
    run, position = _paused(options.run_id, names)
    _show(run.reply(options.text), start=position)


def _decide(decision: str) -> Callable[[argparse.Namespace, Names], None]:
    def decide(options: argparse.Namespace, names: Names) -> None:
        note = options.note or None
        run = _run_of_approval(options.approval, names)
        run.catch_up()
        position = len(run.received())
        decided = run.approve if decision == "approved" else run.reject
        decided(note)
        if decision == "rejected":
            say(f"Rejected; run {run.wait().id} is {run.status}.")
            return
        _show(run, start=position)

    return decide


def _run_of_approval(reference: str, names: Names) -> LiveRun:
    """Return the run of an approval's id; the id of a run is accepted too."""
    on = agentos_connection()
    for row in on.client.approvals.list(limit=1000):
        if row.get("id") == reference:
            return live.attach_run(str(row["run_id"]), on)
    return find_run(reference, names, "approval or run")


def _paused(reference: str, names: Names) -> tuple[LiveRun, int]:
    """Return a run, and how much of it there is before an answer."""
    agentos_connection()
    run = find_run(reference, names).catch_up()
    return run, len(run.received())


def _cancel(options: argparse.Namespace, names: Names) -> None:
    agentos_connection()
    run = find_run(options.run_id, names)
    text = run.stop_text(run.stop())
    say(text[:1].upper() + text[1:])


def _show(
    run: LiveRun,
    *,
    start: int = 0,
    quiet: bool = False,
    view: str = "auto",
    owned: bool = False,
    checked: bool = True,
    as_trace: bool = False,
) -> None:
    """Show a run until it rests; print what it waits for, raise if it failed."""
    watch(run, start=start, quiet=quiet, view=view, owned=owned, as_trace=as_trace)
    if run.is_paused:
        say(_next_step(run))
    elif checked:
        run.raise_for_status()


def _next_step(run: LiveRun) -> str:
    from aod_notebook.core.text import one_line

    asked = run.waits_for or {}
    if "approval_id" in asked:
        return (
            f"Run {run.id} waits for an approval: %agentos approve {asked['approval_id']} lets it "
            "continue, reject instead of approve fails it."
        )
    question = one_line(str(asked.get("question") or "an answer"), 200)
    options = asked.get("options")
    choices = f" ({', '.join(map(str, options))})" if isinstance(options, list) else ""
    asks = f"{question}{choices}"
    stop = "" if asks.endswith((".", "?", "!")) else "."
    return one_line(
        f"Run {run.id} asks: {asks}{stop} %agentos reply {run.id} TEXT answers it.", 600
    )


_APPROVAL = (
    argument(
        "approval",
        metavar="ID",
        offers=Offer.RUNS,
        help="the approval's id; or its run, by id or variable",
    ),
    argument("note", metavar="NOTE", nargs="?", default="", help="why, in your own words"),
)

AGENTOS = {
    "runs": Command(
        "the runs, newest first",
        (
            argument(
                "--status",
                choices=(*RUN_STATUSES, *RUN_WAITING),
                help="only those with this status",
            ),
            argument(
                "--agent",
                metavar="AGENT",
                offers=Offer.HOSTED_AGENTS,
                help="only those of this agent, by id or name",
            ),
        ),
        _runs,
    ),
    "run": Command("one run, whole", (RUN_OR_LAST,), _run),
    "events": Command("the recorded events of a run", (RUN_OR_LAST,), _frame("run_events_df")),
    "spans": Command("the spans of a run, as a tree", (RUN_OR_LAST,), _frame("spans_df")),
    "tasks": Command("the tasks of a run", (RUN_OR_LAST,), _frame("tasks_df")),
    "watch": Command(
        "show a run from its first event on (the stop button leaves it running)",
        (RUN_OR_LAST,),
        _watch,
    ),
    "invoke": Command(
        "run a hosted agent and show what it does",
        (
            argument(
                "agent",
                metavar="AGENT",
                offers=Offer.HOSTED_AGENTS,
                nargs="?",
                help="id or name; else the default",
            ),
            argument(
                "--input",
                metavar="NAME",
                offers=Offer.DICTS,
                help="a variable with a dict: the agent's input",
            ),
            argument("--session", metavar="ID", help="continue this conversation"),
            argument("--start-session", action="store_true", help="begin a conversation"),
            argument("-o", "--output", metavar="NAME", help="bind the run (LiveRun)"),
            argument("--view", choices=VIEWS, help="how it is shown meanwhile; auto chooses"),
            argument("--background", action="store_true", help="return at once; it continues"),
            argument("--no-raise", action="store_true", help="a failed run is not an error"),
            argument("--quiet", action="store_true", help="show one line at the end"),
        ),
        _invoke,
    ),
    "reply": Command(
        "answer what a run asks, and show how it continues",
        (RUN, argument("text", metavar="TEXT", help="the answer, verbatim")),
        _reply,
        takes_text=True,
    ),
    "approve": Command(
        "approve what a run waits for, and show how it continues",
        _APPROVAL,
        _decide("approved"),
        takes_text=True,
    ),
    "reject": Command(
        "reject what a run waits for; the run fails",
        _APPROVAL,
        _decide("rejected"),
        takes_text=True,
    ),
    "cancel": Command("cancel a run", (RUN,), _cancel),
}
