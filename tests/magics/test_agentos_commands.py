import json
import re
import threading

import pytest
from IPython.core.completer import provisionalcompleter
from shells import reporting_shell

from aod_notebook import live
from aod_notebook.agentos import AgentOS
from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import NoLastRunError, RunFailedError, journal
from aod_notebook.live.agents import NoSuchNameError
from aod_notebook.live.connections import current_if_any
from aod_notebook.live.credentials import AGENTOS
from aod_notebook.live.registry import registry
from aod_notebook.magics import complete
from aod_notebook.magics.commands import AGENTOS as COMMANDS
from aod_notebook.magics.complete import KnownNames, candidates
from aod_notebook.magics.display import Html
from aod_notebook.magics.parser import MagicUsageError
from aod_notebook.magics.run_viewer import RebuiltViewer

ASK = {"replay": {"pauses": [{"ask": "Which one?", "options": ["a", "b"]}]}}
APPROVE = {"replay": {"pauses": [{"approve": "deploy"}]}}


@pytest.fixture(scope="module")
def shell(service, tmp_path_factory):
    with reporting_shell(service, tmp_path_factory.mktemp("commands")) as shell:
        shell.names.update(ask=ASK, approve=APPROVE, fail={"replay": {"fail": "no disk"}})
        yield shell


@pytest.fixture(scope="module")
def agentos(shell):
    with AgentOS() as client:
        yield client


@pytest.fixture(scope="module")
def reported(shell):
    """A reported run with an event, a span and a task."""
    shell.run(
        "%%agentos -o reported\nrun.emit('step.completed', {'rows': 3})\n"
        "run.start_task('fetch').complete({'rows': 3})\n'done'"
    )
    return shell.names["reported"]


@pytest.fixture
def reconnecting(shell, monkeypatch):
    """For a test that changes what the environment says of the service."""
    live.disconnect()
    yield
    live.disconnect()


def invoked(shell, given):
    """A run that has been invoked and waits, with what the cell said."""
    shell.run(f"%agentos invoke --input {given} --quiet -o paused")
    return shell.names["paused"]


def test_invoke_shows_what_the_agent_does_and_binds_the_run(shell, agentos, capsys):
    shell.run("%agentos invoke -o r")
    run = shell.names["r"]
    assert (run.status, agentos.runs.get(run_id=run.id)["status"]) == ("completed", "completed")
    shown = capsys.readouterr().out
    assert "▸ Read" in shown
    assert "March has 31 nights" in shown
    assert f"run · {run.id} · completed" in shown


def test_invoke_passes_its_input_on(shell, agentos):
    shell.names["q"] = {"query": "hi"}
    shell.run("%agentos invoke --input q --quiet -o r")
    assert agentos.runs.get(run_id=shell.names["r"].id)["input"] == {"query": "hi"}


def test_invoke_names_an_agent_by_name(shell, agentos):
    made = agentos.agents.create(name="my replay", system_prompt="x", provider_type="replay")
    shell.run("%agentos invoke 'my replay' --quiet -o r")
    assert agentos.runs.get(run_id=shell.names["r"].id)["agent_id"] == made["id"]


def test_quiet_leaves_one_line(shell, capsys):
    shell.run("%agentos invoke --quiet -o r")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"run · {shell.names['r'].id} · completed · ")


def test_background_returns_at_once(shell, capsys):
    shell.run("%agentos invoke --background -o r")
    assert "continues in the background, bound to r" in capsys.readouterr().out
    assert shell.names["r"].wait(60).status == "completed"


def test_a_failed_run_is_one_line_and_still_bound(shell):
    with pytest.raises(RunFailedError) as caught:
        shell.run("%agentos invoke --input fail --quiet -o r")
    run = shell.names["r"]
    assert str(caught.value) == (
        f"Run {run.id} failed: no disk. %agentos events {run.id} shows its log."
    )
    shell.run("%agentos invoke --input fail --quiet --no-raise")


def test_a_conversation_continues_by_its_id(shell, agentos):
    shell.run("%agentos invoke --start-session --quiet -o r")
    conversation = agentos.runs.get(run_id=shell.names["r"].id)["session_id"]
    shell.run(f"%agentos invoke --session {conversation} --quiet")
    messages = agentos.conversations.get(conversation_id=conversation)["messages"]
    assert len(messages) == 4


def test_a_question_is_shown_with_its_choices_and_answered(shell, capsys):
    run = invoked(shell, "ask")
    assert (
        f"Run {run.id} asks: Which one? (a, b). %agentos reply {run.id} TEXT answers it."
        in capsys.readouterr().out
    )
    shell.run("%agentos reply paused the 'second'  one")
    assert run.status == "completed"
    assert run.output["answers"] == ["the 'second'  one"]


def test_a_question_ends_with_its_own_mark(shell, capsys):
    shell.names["which"] = {"replay": {"pauses": [{"ask": "Which one?"}]}}
    invoked(shell, "which")
    assert "asks: Which one? %agentos reply" in capsys.readouterr().out


def test_an_approval_is_shown_and_given(shell, capsys):
    run = invoked(shell, "approve")
    approval = re.search(r"%agentos approve (\S+)", capsys.readouterr().out)[1]
    shell.run(f"%agentos approve {approval} looks good")
    assert run.status == "completed"
    assert "looks good" in capsys.readouterr().out


@pytest.mark.parametrize("reference", ["paused", "last"])
def test_an_approval_is_refused_by_its_run(shell, reference, capsys):
    run = invoked(shell, "approve")
    shell.run(f"%agentos reject {reference} too risky")
    assert f"Rejected; run {run.id} is failed." in capsys.readouterr().out
    assert run.status == "failed"


def test_watch_shows_a_run_from_its_first_event(shell, reported, capsys):
    capsys.readouterr()
    shell.run("%agentos watch reported")
    shown = capsys.readouterr().out
    assert "step.completed" in shown
    assert "fetch" in shown


def test_watch_only_says_why_a_run_failed(shell, capsys):
    shell.run("%agentos invoke --input fail --quiet --no-raise -o bad")
    capsys.readouterr()
    shell.run("%agentos watch bad")
    shown = capsys.readouterr().out
    assert f"Run {shell.names['bad'].id} failed: " in shown
    assert "no disk" in shown


def test_watch_shows_events_as_they_come(shell, agentos, capsys):
    run = agentos.start_run()
    run.emit("first.event")
    shell.names["mine"] = run
    followed = live.open_run("mine", shell.names)

    def report():
        for batch in followed.batches():
            if any(event.type == "first.event" for event in batch):
                run.emit("second.event")
            elif any(event.type == "second.event" for event in batch):
                run.complete()

    reporting = threading.Thread(target=report)
    reporting.start()
    shell.run("%agentos watch mine")
    reporting.join()
    shown = capsys.readouterr().out
    assert shown.index("first.event") < shown.index("second.event") < shown.index("Completed")


def test_cancel_says_which_end_it_had(shell, agentos, capsys):
    run = invoked(shell, "ask")
    capsys.readouterr()
    shell.run("%agentos cancel paused")
    assert capsys.readouterr().out == f"Run {run.id} was cancelled on the service.\n"
    assert agentos.runs.get(run_id=run.id)["status"] == "cancelled"
    shell.run("%agentos cancel paused")
    assert "had already finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "column", "value"),
    [
        ("events", "type", "step.completed"),
        ("spans", "name", "cell"),
        ("tasks", "name", "fetch"),
    ],
)
@pytest.mark.parametrize("reference", ["reported", "last"])
def test_a_runs_tables_are_dataframes(shell, reported, command, column, value, reference):
    if reference == "last":
        journal.remember(reported.id, live.agentos_connection().key, None)
    frame = shell.run(f"%agentos {command} {reference}")
    assert value in set(frame[column])
    assert set(frame["run_id"]) == {reported.id}


def test_runs_lists_them_and_filters(shell, reported):
    runs = shell.run("%agentos runs")
    assert reported.id in set(runs["run_id"])
    assert set(shell.run("%agentos runs --status failed")["status"]) <= {"failed"}
    assert not shell.run("%agentos runs --agent local").empty


def test_an_agent_without_runs_has_none_and_an_unknown_one_is_an_error(shell, agentos):
    made = agentos.agents.create(name="never run", system_prompt="x", provider_type="replay")
    for agent in (made["id"], "'never run'"):
        assert shell.run(f"%agentos runs --agent {agent}").empty
    with pytest.raises(NoSuchNameError, match="Did you mean 'never run'"):
        shell.run("%agentos runs --agent 'nevr run'")


def test_the_runs_of_an_agent_that_was_deleted_are_there(shell, agentos):
    made = agentos.agents.create(name="short life", system_prompt="x", provider_type="replay")
    shell.run("%agentos invoke 'short life' --quiet")
    agentos.agents.set_status(agent_id=made["id"], status="archived")
    assert len(shell.run(f"%agentos runs --agent {made['id']}")) == 1


@pytest.mark.parametrize("way", [Html, RebuiltViewer])
def test_the_final_transcript_has_the_arguments_of_tools(shell, way):
    run = live.invoke({"query": "hi"})
    shown = way(run, 0)
    run.wait()
    if way is Html:
        shown.follow()
        shown.end()
        html = shown.transcript.html()
    else:
        shown.freeze()
        html = shown.static_bundle()["text/html"]
        shown.close()
    assert "tests/test_dates.py" in html
    assert html.count("Grep") == 3


def test_a_variable_is_filled_in_and_a_run_as_its_id(shell, reported):
    frame = shell.run("%agentos events {{reported}}")
    assert set(frame["run_id"]) == {reported.id}
    shell.names["wanted"] = "completed"
    assert set(shell.run("%agentos runs --status {{wanted}}")["status"]) == {"completed"}


def test_text_and_parameters_are_taken_as_they_stand(shell, agentos):
    made = shell.run("%agentos call agents.create name=x system_prompt='in {{CITY}}'")
    assert agentos.agents.get(agent_id=made["id"])["system_prompt"] == "in {{CITY}}"
    run = invoked(shell, "ask")
    shell.run("%agentos reply {{paused}} the {{second}} one")
    assert run.output["answers"] == ["the {{second}} one"]


def test_run_shows_one_whole(shell, reported, capsys):
    capsys.readouterr()
    shell.run("%agentos run reported")
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["output"]) == (reported.id, {"result": "done"})


def test_hostile_text_of_a_run_is_shown_clean(shell, agentos, capsys):
    run = agentos.start_run(input={"x": "\u202egnp.exe"})
    run.complete()
    capsys.readouterr()
    shell.run(f"%agentos run {run.run_id}")
    assert "\u202e" not in capsys.readouterr().out


def test_status_says_where_the_settings_came_from_and_no_key(shell, service, capsys):
    shell.run("%agentos status")
    shown = capsys.readouterr().out
    assert f"{service.url}  (AGENTOS_BASE_URL)" in shown
    assert "not shown  (AGENTOS_API_KEY)" in shown
    assert service.agentos_key not in shown


@pytest.mark.usefixtures("reconnecting")
def test_status_says_what_an_agents_key_may_not(shell, service, monkeypatch, capsys):
    monkeypatch.setenv("AGENTOS_API_KEY", service.agent_key)
    shell.run("%agentos status")
    assert "the key is an agent's" in capsys.readouterr().out


@pytest.mark.usefixtures("reconnecting")
def test_an_agents_key_invokes_and_sees_the_end(shell, service, monkeypatch, capsys):
    monkeypatch.setenv("AGENTOS_API_KEY", service.agent_key)
    shell.run("%agentos invoke -o r")
    assert shell.names["r"].status == "completed"
    assert "March has 31 nights" in capsys.readouterr().out
    shell.run("%agentos invoke --input ask -o r")
    assert shell.names["r"].status == "awaiting_input"


@pytest.mark.usefixtures("reconnecting")
def test_connect_remembers_a_service_and_its_agent_by_name(shell, service, capsys):
    shell.run(f"%agentos connect --url {service.url}/ --name prod --agent {service.agent_id}")
    assert f"<Connection to the AgentOS service at {service.url}>" in capsys.readouterr().out
    live.disconnect()
    shell.run("%agentos connect --name prod")
    on = live.agentos_connection()
    assert (on.agent_id, on.sources["base_url"]) == (service.agent_id, "remembered as prod")


@pytest.mark.usefixtures("reconnecting")
def test_connect_knows_agents_by_their_ids(shell, service, agentos):
    made = agentos.agents.create(name="by name", system_prompt="x", provider_type="replay")
    with pytest.raises(MagicUsageError, match=f"that of 'by name' is {made['id']}"):
        shell.run(f"%agentos connect --url {service.url} --agent 'by name'")
    with pytest.raises(AodNotebookError, match="no agent with the id or name 'agent-7'"):
        shell.run(f"%agentos connect --url {service.url} --agent agent-7")


def test_outbox_is_a_table_also_when_nothing_waits(shell, reported):
    assert list(shell.run("%agentos outbox").columns)[:3] == ["base_url", "agent_id", "records"]
    assert shell.run("%agentos outbox --refused").empty


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_has_help(shell, command, capsys):
    assert shell.run(f"%agentos {command or ''} --help") is None
    shown = capsys.readouterr().out
    assert (COMMANDS[command].help if command else "invoke") in shown


def test_question_marks_show_what_the_magic_is(shell, capsys):
    shell.run("%agentos?")
    assert "Report the cell as a run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("outbx", "unknown command 'outbx'. Did you mean outbox?"),
        ("events nowhere", "There is no run nowhere at http"),
        ("watch nowhere", "and no variable of that name. %agentos runs lists what is"),
        ("run nowhere", "There is no run nowhere at http"),
        ("cancel nowhere", "There is no run nowhere at http"),
        ("approve nowhere", "There is no approval or run nowhere at http"),
        ("approve reported", "waits for no approval; it is completed."),
        ("reply reported x", "asks nothing that could be answered"),
        ("reply reported", "the following arguments are required: TEXT"),
        ("invoke nobody", "There is no agent with the id or name 'nobody'"),
        ("invoke --input nowhere", "the notebook has no variable 'nowhere'"),
        ("invoke --session x --start-session", "keep one of the two"),
        ("invoke --session x", "Session x not found"),
        ("invoke --quiet --view live", "--quiet and --view exclude each other"),
        ("invoke -o 1x", "-o takes a variable's name"),
        ("call agents.lst", "there is no method 'agents.lst'. Did you mean agents.list?"),
        ("call agents.get", "agents.get needs agent_id too"),
        ("call agents.get agent=x", "has no parameter 'agent'; it takes agent_id"),
        ("call agents.get x", "write parameters as NAME=VALUE"),
        ("call", "the following arguments are required: METHOD. "),
        ("call runs.get run_id=a run_id=b", "a parameter of runs.get is given twice"),
        ("events ask", "The variable ask holds no run and no run's id; it is of type dict."),
        ("watch ask", "The variable ask holds no run"),
        ("outbox --send --refused", "keep one of them"),
        ("outbox --send --discard", "keep one of them"),
        ("call agents.get agent_id=@nowhere", "the notebook has no variable 'nowhere'"),
        ("call alerts.list", "needs the hosted AgentOS"),
        ("connect --local --url http://x", "either local or to a URL"),
        ("connect --local --name mine", "a URL, which a name stands for"),
        ("connect --name nowhere", "No connection is remembered as 'nowhere'"),
        ("connect --url nonsense", "must look like http"),
        ("connect --name ''", "argument --name: its value is empty"),
        ("connect --name ' '", "argument --name: its value is empty"),
        ("runs --agent ''", "argument --agent: its value is empty"),
        ("events {{nowhere}}", "the notebook has no variable 'nowhere'. Define it first."),
    ],
)
def test_a_mistake_is_one_clear_line(shell, reported, line, message):
    with pytest.raises(AodNotebookError, match=re.escape(message)) as caught:
        shell.run(f"%agentos {line}")
    (shown,) = caught.value._render_traceback_()
    assert "\n" not in shown


def test_no_key_is_in_any_error_also_with_verbose_tracebacks(shell, service, agentos, capfd):
    shell.run("%xmode Verbose")
    for cell in (
        "%agentos events nowhere",
        "%agentos invoke nobody",
        "%agentos call alerts.list",
        "%agentos invoke --input fail",
        "%%agentos\nclient = run._api\ndef f(client):\n    1 / 0\nf(client)",
        "%%agentos\n%%agentos",
    ):
        assert not shell.ip.run_cell(cell).success
    shell.run("%xmode Context")
    shown = "".join(capfd.readouterr())
    assert "ZeroDivisionError" in shown
    for secret in (service.agentos_key, service.agent_key, service.aod_token):
        assert secret not in shown
        assert secret not in json.dumps(agentos.runs.list(limit=1000))


@pytest.mark.usefixtures("reconnecting")
def test_last_without_any_run_says_so(shell, monkeypatch, tmp_path):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(registry, "last", {})
    with pytest.raises(NoLastRunError, match="No run was followed on http"):
        shell.run("%agentos events")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%agentos inv", ["invoke"]),
        ("%agentos runs --st", ["--status"]),
        ("%agentos invoke --input as", ["ask"]),
        ("%agentos events rep", ["reported"]),
        ("%agentos reply la", ["last"]),
        ("%agentos events {{rep", ["reported}}"]),
        ("%agentos call runs.l", ["runs.list"]),
        ("%agentos call runs.list st", ["status="]),
        ("%agentos call nothing.at_all x", []),
        ("%%agentos --ext", ["--external-id"]),
        ("%%agentos --input as", ["ask"]),
        ("%%agentos\n--ext", None),
        ("%agentosx inv", None),
    ],
)
def test_a_word_is_completed_by_its_position(shell, reported, text, offered):
    assert candidates(text, shell.names) == offered


def test_runs_and_agents_are_offered_once_known(shell, monkeypatch):
    fresh = KnownNames(lambda: current_if_any(AGENTOS))
    monkeypatch.setattr(complete, "known_runs", fresh)
    shell.run("%agentos invoke --quiet -o newest")
    for text in ("%agentos events ", "%agentos invoke lo"):
        with provisionalcompleter():
            list(shell.ip.Completer.completions(text, len(text)))
    fresh.wait(60)
    assert shell.names["newest"].id in candidates("%agentos events ", shell.names)
    assert candidates("%agentos invoke lo", shell.names) == ["local"]
    assert candidates("%agentos runs --agent lo", shell.names) == ["local"]


def test_unloading_leaves_no_thread(shell, reported):
    shell.run("%unload_ext aod_notebook")
    assert not bridge.is_running()
    with pytest.raises(Exception, match="%agentos"):
        shell.ip.run_line_magic("agentos", "status")
    shell.run("%load_ext aod_notebook")


def test_a_run_is_named_by_the_beginning_of_its_id(shell, agentos):
    shell.run("%%agentos -o r\n1")
    run_id = shell.names["r"].run_id
    assert set(shell.run(f"%agentos spans {run_id[:13]}")["run_id"]) == {run_id}
    names = dict(shell.run("%agentos runs")[["run_id", "agent"]].to_numpy())
    assert names[run_id]
