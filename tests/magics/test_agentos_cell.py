import json

import pytest
from shells import reporting_shell

from aod_notebook import live
from aod_notebook.agentos import AgentOS, AgentOSAuthError
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import (
    NestedRunError,
    RunFailedError,
    RunUnknownError,
    connections,
)
from aod_notebook.magics import cell_run
from aod_notebook.magics.parser import MagicUsageError
from aod_notebook.magics.template import UnknownNameError


@pytest.fixture(scope="module")
def shell(service, tmp_path_factory):
    with reporting_shell(service, tmp_path_factory.mktemp("cell")) as shell:
        yield shell


@pytest.fixture(scope="module")
def agentos(shell):
    with AgentOS() as client:
        yield client


@pytest.fixture
def reconnecting(shell, monkeypatch):
    """For a test that changes what the environment says of the service."""
    live.disconnect()
    yield
    live.disconnect()


def told(shell, agentos, name="r"):
    """What the service knows of the run that is bound to `name`."""
    return agentos.runs.get(run_id=shell.names[name].id)


def events(agentos, run, kind):
    return [
        event["payload"] for event in agentos.runs.events(run_id=run["id"]) if event["type"] == kind
    ]


def test_a_cell_is_one_completed_run_with_its_value_as_output(shell, agentos):
    assert shell.run("%%agentos -o r\nx = 41\nx + 1") == 42
    run = told(shell, agentos)
    assert (run["status"], run["output"]) == ("completed", {"result": 42})
    assert shell.names["x"] == 41


def test_last_is_the_run_of_a_cell_that_bound_none(shell):
    shell.run("%%agentos --name unbound\n1")
    spans = shell.run("%agentos spans")
    assert list(spans["name"]) == ["unbound"]


def test_the_bound_run_says_that_it_ended_without_being_asked_about(shell):
    shell.run("%%agentos -o r\n1")
    run = shell.names["r"]
    assert repr(run) == f"<LiveRun {run.id} ended>"
    assert run.status == "completed"
    assert repr(run) == f"<LiveRun {run.id} completed>"


def test_the_cell_reports_the_end_of_its_run(shell, capsys):
    shell.run("%%agentos -o r\n1")
    (line,) = capsys.readouterr().out.splitlines()[-1:]
    assert line.startswith(f"run · {shell.names['r'].id} · completed · ")


def test_run_is_bound_inside_the_cell_only(shell, agentos):
    shell.names["run"] = "mine"
    shell.run("%%agentos -o r\nrun.emit('step.completed', {'rows': 3})")
    assert events(agentos, told(shell, agentos), "step.completed") == [{"rows": 3}]
    assert shell.names["run"] == "mine"
    del shell.names["run"]
    shell.run("%%agentos\n1")
    assert "run" not in shell.names


def test_a_cells_binding_to_run_is_kept(shell):
    shell.run("%%agentos\nrun = 'the cell has bound it'")
    assert shell.names["run"] == "the cell has bound it"


def test_a_cell_may_await(shell, agentos):
    shell.run("import asyncio")
    assert shell.run("%%agentos -o r\nawait asyncio.sleep(0)\n'slept'") == "slept"
    assert told(shell, agentos)["output"] == {"result": "slept"}


def test_a_failing_cell_raises_what_it_raised_and_reports_its_traceback(shell, agentos):
    with pytest.raises(ZeroDivisionError) as caught:
        shell.run("%%agentos -o r\ndef f():\n    return 1 / 0\nf()")
    run = told(shell, agentos)
    assert (run["status"], run["error_message"]) == ("failed", "division by zero")
    assert run["error_detail"]["type"] == "ZeroDivisionError"
    head, first, *_ = run["error_detail"]["traceback"].splitlines()
    assert head == "Traceback (most recent call last):"
    assert "line 4, in <module>" in first
    assert "aod_notebook" not in "".join(str(entry) for entry in caught.traceback[1:])


def test_secrets_are_hidden_in_what_is_reported(shell, agentos, monkeypatch):
    monkeypatch.setenv("MY_PASSWORD", "s3cret-value")
    with pytest.raises(ValueError, match="s3cret"):
        shell.run(
            "%%agentos -o r --capture\nimport os\nprint(os.environ['MY_PASSWORD'])\n"
            "raise ValueError('aos_ws_abc ' + os.environ['MY_PASSWORD'])"
        )
    run = told(shell, agentos)
    reported = json.dumps([run, agentos.runs.events(run_id=run["id"])])
    assert run["error_message"] == "[hidden] [hidden]"
    assert "s3cret-value" not in reported
    assert "aos_ws_abc" not in run["error_message"]


def test_an_interrupted_cell_is_a_cancelled_run_and_says_so(shell, agentos, capsys):
    with pytest.raises(KeyboardInterrupt):
        shell.run("%%agentos -o r\nraise KeyboardInterrupt")
    assert told(shell, agentos)["status"] == "cancelled"
    assert "cancelled: the cell was interrupted" in capsys.readouterr().out


def test_capture_reports_printed_output(shell, agentos, capsys):
    shell.run(
        "%%agentos -o r --capture\nimport sys\nprint('one\\ntwo')\n"
        "print('err', file=sys.stderr)\nprint('10%\\r20%', end='')"
    )
    run = told(shell, agentos)
    lines = [payload["text"] for payload in events(agentos, run, "stdout.written")]
    assert lines == ["one", "two", "20%"]
    assert events(agentos, run, "stderr.written") == [{"text": "err"}]
    shown = capsys.readouterr()
    assert ("one\ntwo\n" in shown.out, "err\n" in shown.err) == (True, True)


def test_capture_reports_the_last_state_of_a_progress_line(shell, agentos):
    shell.run(
        "%%agentos -o r --capture\nfor done in (10, 20, 100):\n    print(f'{done}%', end='\\r')"
    )
    run = told(shell, agentos)
    assert events(agentos, run, "stdout.written") == [{"text": "100%"}]


def test_without_capture_nothing_printed_is_reported(shell, agentos):
    shell.run("%%agentos -o r\nprint('mine')")
    assert events(agentos, told(shell, agentos), "stdout.written") == []


def test_the_cell_is_the_root_span_of_its_run(shell, agentos):
    shell.run("%%agentos -o r --name clean-up\npass")
    (span,) = shell.names["r"].spans.to_dict("records")
    assert (span["name"], span["kind"], span["is_root"]) == ("clean-up", "step", True)


def test_the_cells_own_spans_stand_below_its_span_unless_they_have_a_parent(shell):
    shell.run(
        "%%agentos --name clean-up -o r\nwith run.start_span('load') as load:\n    pass\n"
        "run.start_span('parse', parent=load).end()"
    )
    depths = shell.names["r"].spans.set_index("name")["depth"]
    assert depths.to_dict() == {"clean-up": 0, "load": 1, "parse": 2}


def test_input_and_external_id_are_the_runs_own(shell, agentos):
    shell.names["q"] = {"rows": 3}
    shell.names["day"] = 17
    shell.run("%%agentos -o r --input q --external-id nightly-{{day}}\npass")
    run = told(shell, agentos)
    assert (run["input"], run["external_run_id"]) == ({"rows": 3}, "nightly-17")


def test_a_run_that_its_own_code_ends_keeps_that_end(shell, agentos, capsys):
    shell.run("%%agentos -o r\nrun.complete(output={'summary': 'mine'})\n'not this'")
    assert told(shell, agentos)["output"] == {"summary": "mine"}
    assert "ended by its own code" in capsys.readouterr().out


def test_a_record_after_the_end_is_not_reported_as_in_the_outbox(shell, capsys):
    shell.run("%%agentos\nrun.complete()\nrun.emit('too.late')")
    said = capsys.readouterr().out
    assert "1 record not sent (after the end" in said
    assert "--refused" not in said


@pytest.mark.parametrize(("value", "more"), [("text", "190,000"), ("[text]", "190,015")])
def test_a_long_output_is_cut_and_says_so_where_it_is(shell, agentos, capsys, value, more):
    shell.run(f"%%agentos -o r\ntext = 'x' * 200_000\n{value};")
    result = told(shell, agentos)["output"]["result"]
    kept, _, said = result.partition("…")
    assert (len(kept), said) == (10_000, f" {more} more characters, not reported")
    (line,) = capsys.readouterr().out.splitlines()[-1:]
    assert line.endswith(f"{more} characters of its output not reported")


def test_an_external_id_of_an_ended_run_is_reported_before_and_after(shell, agentos, capsys):
    shell.run("%%agentos --external-id once -o first\n'mine'")
    assert "has ended already" not in capsys.readouterr().out
    assert shell.run("%%agentos --external-id once -o r\n'not mine'") == "not mine"
    run = told(shell, agentos)
    assert (run["id"], run["output"]) == (shell.names["first"].id, {"result": "mine"})
    before, *_, after = capsys.readouterr().out.splitlines()
    assert before == (
        f"Run {run['id']} with the external id 'once' has ended already (completed) and stays "
        "so: choose another --external-id for this cell."
    )
    assert f"run · {run['id']} · as it had ended before, completed; this cell completed" in after


def test_a_run_that_is_still_open_is_taken_up_by_its_external_id(shell, agentos, capsys):
    agentos.start_run(external_run_id="open")
    shell.run("%%agentos --external-id open -o r\n'done'")
    assert told(shell, agentos)["output"] == {"result": "done"}
    assert "already" not in capsys.readouterr().out


@pytest.mark.parametrize("body", ["%%time\n6 * 7", "%time 6 * 7", "    x = 6\n    x * 7"])
def test_ipythons_own_syntax_works_in_the_cell(shell, agentos, body):
    assert shell.run(f"%%agentos -o r\n{body}") == 42
    assert told(shell, agentos)["output"] == {"result": 42}


def test_a_semicolon_keeps_the_value_unshown(shell, capsys):
    assert shell.ip.run_cell("%%agentos\n6 * 7;", store_history=True).result is None
    assert "Out[" not in capsys.readouterr().out
    shell.ip.run_cell("1", store_history=True)  # IPython asks the last stored cell for it


def test_a_syntax_error_is_shown_at_its_line_and_begins_no_run(shell, agentos):
    before = len(agentos.runs.list(limit=1000))
    with pytest.raises(SyntaxError) as caught:
        shell.run("%%agentos\nx = 1\nfoo bar")
    assert caught.value.lineno == 3
    assert len(agentos.runs.list(limit=1000)) == before


@pytest.mark.parametrize(
    "cell",
    ["%%agentos\n1\n%%agentos\n2", "%%agentos\n%%agentos\n2", "%%agentos\nif 1:\n  %%agentos\n"],
)
def test_a_second_magic_line_is_refused_before_anything_runs(shell, agentos, cell):
    before = len(agentos.runs.list(limit=1000))
    with pytest.raises(NestedRunError, match="a second %%agentos line"):
        shell.run(cell)
    assert len(agentos.runs.list(limit=1000)) == before


def test_a_text_that_quotes_the_magic_is_not_a_second_line(shell):
    assert shell.run("%%agentos\n'''\n%%agentos\n'''") == "\n%%agentos\n"


def test_a_run_within_a_run_is_refused_and_the_outer_one_continues(shell, agentos):
    shell.run(
        "%%agentos -o r\n"
        "inner = get_ipython().run_cell('%%agentos\\n1')\nget_ipython().run_cell('')\n"
        "run.emit('still.open')"
    )
    assert isinstance(shell.names["inner"].error_in_exec, NestedRunError)
    run = told(shell, agentos)
    assert (run["status"], len(events(agentos, run, "still.open"))) == ("completed", 1)


def test_code_that_calls_the_magic_is_reported_too(shell, agentos):
    shell.run("get_ipython().run_cell_magic('agentos', '-o r', 'x = 7\\nx')")
    assert told(shell, agentos)["output"] == {"result": 7}
    with pytest.raises(RunFailedError):
        shell.run("get_ipython().run_cell_magic('agentos', '-o r', '1 / 0')")
    assert told(shell, agentos)["status"] == "failed"


@pytest.mark.usefixtures("reconnecting")
def test_a_dead_service_costs_the_code_nothing_but_a_moment(
    shell, monkeypatch, unused_port, capsys
):
    monkeypatch.setenv("AGENTOS_BASE_URL", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setattr(cell_run, "REPORT_S", 0.1)
    monkeypatch.setattr(connections, "CLOSE_S", 0.1)
    assert shell.run("%%agentos -o r\n6 * 7") == 42
    said = capsys.readouterr().out
    assert "records waiting to be sent" in said
    assert "%agentos outbox" in said
    assert shell.run("%agentos outbox")["records"].sum() > 0


@pytest.mark.usefixtures("reconnecting")
def test_a_refused_key_is_reported_before_the_code_runs(shell, monkeypatch):
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_ws_wrong")
    shell.names.pop("ran", None)
    with pytest.raises(AgentOSAuthError) as caught:
        shell.run("%%agentos\nran = True")
    assert "ran" not in shell.names
    assert "aos_ws_wrong" not in str(caught.value)


@pytest.mark.usefixtures("reconnecting")
def test_a_service_that_does_not_start_leaves_the_code_only(shell, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("AGENTOS_API_KEY")
    assert shell.run("%%agentos -o r\nrun.emit('x')\n6 * 7") == 42
    said = capsys.readouterr().out
    assert "Not reported: The embedded local service did not start" in said
    run = shell.names["r"]
    assert (run.status, run.output, run.wait()) == ("completed", {"result": 42}, run)
    for cell in ("r.events", "%agentos events r", "%agentos watch r"):
        with pytest.raises(AodNotebookError):
            shell.run(cell)
    with pytest.raises(RunUnknownError, match="was not reported: there was no service"):
        run.events  # noqa: B018 - asking for them is what is tested


@pytest.mark.usefixtures("reconnecting")
def test_a_run_that_is_not_reported_knows_that_its_code_failed(shell, monkeypatch):
    monkeypatch.setenv("AGENTOS_DISABLED", "1")
    with pytest.raises(ZeroDivisionError):
        shell.run("%%agentos -o r\nassert r.status == 'running' if 'r' in dir() else 1\n1 / 0")
    run = shell.names["r"]
    assert repr(run) == "<LiveRun disabled failed, not reported>"
    with pytest.raises(RunFailedError, match="failed: ZeroDivisionError: division by zero"):
        run.raise_for_status()


@pytest.mark.usefixtures("reconnecting")
def test_disabled_reporting_is_reported(shell, monkeypatch, capsys):
    monkeypatch.setenv("AGENTOS_DISABLED", "1")
    assert shell.run("%%agentos\n6 * 7") == 42
    assert "not reported · completed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%%agentos", "the cell is empty, so no run was reported"),
        ("%%agentos\n \n", "the cell is empty"),
        ("%%agentos --nmae x\n1", "unknown option --nmae. Did you mean --name?"),
        ("%%agentos --name\n1", "expected one argument"),
        ("%%agentos x\n1", "unexpected argument 'x'. The code is written below this line"),
        ("%%agentos --input {'a':1}\n1", "--input takes the name of a variable with a dict"),
        ("%%agentos --name 'x\n1", "no closing quotation"),
        ("%%agentos -o 'a b'\n1", "-o takes a variable's name"),
        ("%%agentos -o run\n1", "in the cell `run` is what reports"),
        ("%%agentos --external-id ' '\n1", "argument --external-id: its value is empty"),
        ("%%agentos --name {{nowhere}}\n1", "no variable 'nowhere'. Define it first."),
        ("%%agentos --input nowhere\n1", "the notebook has no variable 'nowhere'"),
        ("%%agentos --input text\n1", "text is of type str. Put it into one: {'query': text}"),
    ],
)
def test_a_mistake_is_one_clear_line_and_runs_nothing(shell, cell, line):
    shell.names["text"] = "hi"
    with pytest.raises((MagicUsageError, UnknownNameError)) as caught:
        shell.run(cell)
    assert line in str(caught.value)


def test_help_lists_the_options_and_runs_nothing(shell, capsys):
    shell.run("%%agentos --help\nran = True")
    assert "--external-id" in capsys.readouterr().out
    assert "ran" not in shell.names


def test_a_terminal_still_ends_the_cell_with_an_empty_line(shell):
    manager = shell.ip.input_transformer_manager
    assert manager.check_complete("%%agentos\nx = 1\n")[0] == "incomplete"
    assert manager.check_complete("%%agentos\nx = 1\n\n")[0] == "complete"


def test_unloading_leaves_cells_only(shell):
    shell.run("%unload_ext aod_notebook")
    result = shell.ip.run_cell("%%agentos\n1")
    assert "agentos" in str(result.error_in_exec)
    shell.run("%load_ext aod_notebook")
