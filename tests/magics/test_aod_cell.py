import json

import pytest
from traitlets.config import Config

from aod_notebook.aod import AuthError, Client
from aod_notebook.live import (
    LiveSession,
    NoLastSessionError,
    SessionFailedError,
    SessionStoppedError,
    WrongVariableError,
    disconnect,
)
from aod_notebook.live.agents import NoSuchNameError
from aod_notebook.magics.display import Live, watch
from aod_notebook.magics.parser import MagicUsageError
from aod_notebook.magics.template import UnknownNameError
from aod_notebook.plots._look import page_theme


def test_a_script_runs_and_its_session_is_bound(shell, capsys):
    shell.run("%%aod --runtime shell -o s\necho out; echo err >&2")
    session = shell.names["s"]
    assert (session.status, session.exit_code, session.text) == ("completed", 0, "out")
    printed = capsys.readouterr().out
    assert "\nout\n" in printed
    assert "stderr: err" in printed


def test_what_a_script_prints_is_its_text_also_if_it_is_json(shell):
    said = '{"type":"assistant","message":{"content":[{"type":"text","text":"a"}]}}'
    shell.run(f"%%aod --runtime shell -o s\necho before; echo '{said}'; echo '{{\"rows\":3}}'")
    assert shell.names["s"].text.splitlines() == ["before", said, '{"rows":3}']


def test_last_continues_in_the_same_workspace(shell):
    shell.run("%%aod --runtime shell -o s\necho kept > file.txt")
    shell.run("%%aod -s last\ncat file.txt")
    assert shell.names["s"].text == "kept"
    assert list(shell.names["s"].turns["turn"]) == [1, 2]


def test_a_variable_names_the_session_to_continue(shell):
    shell.run("%%aod --runtime shell -o first\ntrue")
    shell.run("%%aod --runtime shell\ntrue")
    shell.run("%%aod -s first\necho again")
    assert shell.names["first"].text == "again"


def test_a_continued_cell_shows_its_own_turn_only(shell, capsys):
    shell.run("%%aod --runtime shell\necho first-turn")
    capsys.readouterr()
    shell.run("%%aod -s last\necho second-turn")
    printed = capsys.readouterr().out
    assert "second-turn" in printed
    assert "first-turn" not in printed
    assert printed.rstrip().endswith("completed · turn 2")


def test_the_recorded_session_fills_every_table(shell):
    shell.run("%%aod --runtime replay -o fix\nfix it")
    fix = shell.names["fix"]
    assert fix.runtime == "replay"
    assert len(fix.turns) == 1
    assert fix.messages["block"].isin(["thinking", "tool_use"]).any()
    assert fix.tool_calls["is_error"].any()
    assert fix.cost == pytest.approx(fix.results["cost_usd"].sum())
    assert fix.usage["output_tokens"] > 0
    assert "<script" not in fix.to_html()


def test_variables_are_filled_in_and_raw_leaves_them(shell):
    shell.names["word"] = "filled"
    shell.run("%%aod --runtime shell -o s\necho '{{word}} {word} $word'")
    assert shell.names["s"].text == "filled {word} $word"
    shell.run("%%aod --runtime shell --raw -o s\necho '{{word}}'")
    assert shell.names["s"].text == "{{word}}"


def test_an_agent_is_named_by_name_or_id(shell, service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="my script agent", model="sh", runtime="shell")
    for reference in ("'my script agent'", str(agent.id)):
        shell.run(f"%%aod -a {reference} -o s\necho yes")
        assert shell.names["s"].text == "yes"


def test_the_notebooks_own_agent_is_made_once(shell, service):
    for _ in range(2):
        shell.run("%%aod --runtime shell --model unique-model\ntrue")
    with Client(base_url=service.url, token=service.aod_token) as client:
        made = [agent for agent in client.agents.list() if agent.model == "unique-model"]
    assert len(made) == 1


def test_a_failed_session_raises_one_line_and_is_still_bound(shell):
    with pytest.raises(SessionFailedError) as caught:
        shell.run("%%aod --runtime shell -o s\necho 'no disk' >&2\nexit 3")
    session = shell.names["s"]
    assert (session.status, session.exit_code) == ("failed", 3)
    assert str(caught.value) == (
        f"Session {session.id} failed: its shell exited with code 3 (no disk). "
        f"%aod events {session.id} shows its log."
    )


def test_a_cell_that_never_ran_says_why_once(shell, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(SessionFailedError) as caught:
        shell.run("%%aod --runtime gemini -o s\nhello")
    session = shell.names["s"]
    assert str(caught.value).startswith(
        f"Session {session.id} failed: Failed to install runtime: 'gemini' was not found on PATH: "
    )
    assert str(caught.value).endswith(
        f"or use the runtime shell or replay. %aod events {session.id} shows its log."
    )


def test_no_raise_continues(shell):
    shell.run("%%aod --runtime shell --no-raise -o s\nexit 3")
    assert shell.names["s"].status == "failed"


def test_background_returns_while_the_session_runs(shell, capsys):
    shell.run("%%aod --runtime shell --background -o s\nwhile [ ! -e go ]; do sleep 0.05; done")
    session = shell.names["s"]
    assert session.status in ("pending", "running")
    assert f"Session {session.id} runs in the background, bound to s." in capsys.readouterr().out
    assert shell.run("%aod stop s") is None
    assert session.wait(60).status == "terminated"


def test_quiet_leaves_one_line(shell, capsys):
    shell.run("%%aod --runtime shell --quiet -o s\necho noise")
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"shell · {shell.names['s'].id} · completed · 1 turn"


def test_options_are_filled_in_before_they_are_checked(shell):
    shell.names["limit"] = 60
    shell.run("%%aod --runtime shell --timeout {{limit}} -o s\ntrue")
    assert shell.names["s"].status == "completed"


def test_a_variable_may_hold_a_sessions_id(shell):
    shell.run("%%aod --runtime shell -o s\ntrue")
    shell.names["s_id"] = shell.names["s"].id
    shell.run("%%aod -s s_id\necho again")
    assert shell.names["s"].text == "again"


def test_a_secret_reaches_the_session_and_is_not_shown_by_us(shell, monkeypatch, capsys):
    monkeypatch.setenv("MY_SECRET", "s3cret-value")
    shell.run('%%aod --runtime shell --secret MY_SECRET -o s\ntest "$MY_SECRET" = s3cret-value')
    assert shell.names["s"].exit_code == 0
    assert "s3cret-value" not in capsys.readouterr().out + repr(shell.names["s"])


@pytest.mark.parametrize(
    ("cell", "error", "line"),
    [
        ("%%aod", MagicUsageError, "%%aod: the prompt is empty, so no session was started."),
        ("%%aod --runtime shell\n  \n", MagicUsageError, "the prompt is empty"),
        ("%%aod --runtime shell --model\nx", MagicUsageError, "expected one argument"),
        ("%%aod -a x --runtime shell\nx", MagicUsageError, "--agent and --runtime exclude"),
        ("%%aod -a x --model m\nx", MagicUsageError, "--model goes with --runtime"),
        ("%%aod -s last --runtime shell\nx", MagicUsageError, "--runtime is for a new session"),
        ("%%aod -s last\nx", NoLastSessionError, "No session was followed on http"),
        ("%%aod -o 'a b' --runtime shell\nx", MagicUsageError, "-o takes a variable's name"),
        ("%%aod -o class --runtime shell\nx", MagicUsageError, "-o takes a variable's name"),
        ("%%aod -o In --runtime shell\nx", MagicUsageError, "-o takes a variable's name"),
        ("%%aod --timeout soon\nx", MagicUsageError, "--timeout takes whole seconds"),
        ("%%aod --runtime shell\n{{half}}", MagicUsageError, "character 1 of the prompt is half"),
        ("%%aod --repo nonsense\nx", MagicUsageError, "--repo takes URL or URL:/PATH"),
        ("%%aod --repo https://x:pw@github.com/a/b\nx", MagicUsageError, "//[hidden]@github.com"),
        ("%%aod --secret NOT_THERE\nx", MagicUsageError, "the kernel's environment has no NOT_"),
        ("%%aod -a nobody\nx", NoSuchNameError, "There is no agent with the id or name 'nobody'"),
        ("%%aod --runtime shell --env none\nx", NoSuchNameError, "no environment with the id"),
        ("%%aod --runtime shell\n{{nope}}", UnknownNameError, "has no variable 'nope'"),
        ("%%aod --runtime shell --timeout 5\nx", MagicUsageError, "(10 to 3600), not '5'"),
        ("%%aod --runtime ''\nx", MagicUsageError, "argument --runtime: its value is empty"),
        ("%%aod --quiet --view html\nx", MagicUsageError, "--quiet and --view exclude each other"),
        ("%%aod --view {{half}}\nx", MagicUsageError, "argument --view: invalid choice"),
        ("%aod turns half_of", WrongVariableError, "holds no session and no session's id; it"),
        ("%aod turns {{nope}}", UnknownNameError, "no variable 'nope'. Define it first."),
        ("%aod sesions", MagicUsageError, "unknown command 'sesions'. Did you mean sessions?"),
        ("%aod Please help", MagicUsageError, "'Please'. Did you mean the cell magic %%aod?"),
        ("%aod --runtime shell", MagicUsageError, "'--runtime'. Did you mean the cell magic %%aod"),
        ("%%aod turns\nx", MagicUsageError, "The prompt is written below this line, and"),
        ("%aod events 0-0", NoSuchNameError, "There is no session 0-0 at http"),
        ("%%aod -s nosuch\nx", NoSuchNameError, "and no variable of that name. %aod sessions"),
        ("%aod turns held_id", NoSuchNameError, "session that the variable held_id holds is not"),
        ("%aod attach nosuch", NoSuchNameError, "There is no session nosuch at http"),
        ("%%aod --runtime shel\nx", MagicUsageError, "unknown runtime 'shel'. Did you mean shell?"),
        ("%%aod --runtime zz\nx", MagicUsageError, "this service has needs --model."),
    ],
)
def test_a_mistake_is_one_clear_line(shell, cell, error, line):
    shell.names.update(half="\ud83d", half_of=0.5, held_id="0-0")
    with pytest.raises(error) as caught:
        shell.run(cell)
    assert line in str(caught.value)
    (shown,) = caught.value._render_traceback_()
    assert "\n" not in shown


def test_a_mistake_starts_no_session(shell, service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        before = len(client.sessions.list())
        with pytest.raises(MagicUsageError):
            shell.run("%%aod --runtime shell --timeout soon\necho x")
        assert len(client.sessions.list()) == before


def test_a_wrong_token_is_named_and_not_shown(shell, monkeypatch):
    monkeypatch.setenv("AOD_API_TOKEN", "aod_wrong-token-0000")
    shell.run("%reload_ext aod_notebook")
    with pytest.raises(AuthError) as caught:
        shell.run("%%aod --runtime shell\necho x")
    assert "Invalid API key" in str(caught.value)
    assert "AOD_API_TOKEN" in str(caught.value)
    assert "aod_wrong" not in str(caught.value)


def test_a_session_is_shown_on_one_line(shell):
    shell.run("%%aod --runtime shell -o s\ntrue")
    session = shell.names["s"]
    assert isinstance(session, LiveSession)
    assert repr(session) == f"<LiveSession {session.id} shell completed>"


def test_dry_run_shows_the_request_without_secrets_and_sends_nothing(
    shell, service, monkeypatch, capsys
):
    monkeypatch.setenv("MY_SECRET", "s3cret-value")
    with Client(base_url=service.url, token=service.aod_token) as client:
        before = len(client.sessions.list())
        shell.run("%%aod --runtime shell --secret MY_SECRET --timeout 60 --dry-run\necho x")
        assert len(client.sessions.list()) == before
    method, _, body = capsys.readouterr().out.partition("\n")
    assert method == "POST /sessions"
    assert json.loads(body) == {
        "agent_id": "<the notebook's own agent: runtime shell>",
        "prompt": "echo x\n",
        "timeout": 60,
        "secret_env_vars": {"MY_SECRET": "[hidden]"},
    }


@pytest.mark.parametrize("how", ["--dry-run", "--code"])
def test_a_token_in_the_url_of_a_repository_is_not_shown(shell, capsys, how):
    shell.names["url"] = "https://hunter22@github.com/a/b"
    shell.run(f"%%aod --runtime shell --repo {{{{url}}}} {how}\necho x")
    shown = capsys.readouterr().out
    assert "https://[hidden]@github.com/a/b" in shown
    assert "hunter22" not in shown


@pytest.mark.parametrize(
    "options", ["--runtime shell --secret MY_SECRET", "-s last --timeout 60", "-s s", "-s held"]
)
def test_code_shows_python_that_does_the_same(shell, monkeypatch, capsys, options):
    monkeypatch.setenv("MY_SECRET", "s3cret-value")
    shell.run("%%aod --runtime shell --quiet -o s\ntrue")
    shell.names["held"] = shell.names["s"].id
    capsys.readouterr()
    shell.run(f'%%aod {options} --code\necho "it\'s" done')
    code = capsys.readouterr().out
    assert "s3cret-value" not in code
    names = {}
    exec(code, names)
    assert names["session"].text == "it's done"


def test_the_configuration_says_what_a_cell_does_not(shell, capsys):
    shell.run("%config AodMagics.runtime = 'shell'")
    shell.run("%config AodMagics.model = 'configured'")
    shell.run("%config AodMagics.timeout = 77")
    shell.run("%%aod --dry-run\ntrue")
    request = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert request["agent_id"] == "<the notebook's own agent: runtime shell, model configured>"
    assert request["timeout"] == 77
    shell.run("%%aod --runtime replay --timeout 60 --dry-run\ntrue")
    request = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert request["agent_id"] == "<the notebook's own agent: runtime replay>"
    assert request["timeout"] == 60


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("timeout = -5", "is 10 to 3600 seconds, or 0 for the service's own limit, not -5."),
        ("timeout = 'soon'", "expected an int, not the str 'soon'"),
        ("runtime = ' '", "can't be empty"),
        ("view = 'none'", "expected any of ['auto', 'live', 'html', 'lines']"),
    ],
)
def test_a_configuration_that_can_not_be_is_refused_in_a_line(shell, caplog, setting, said):
    magics = shell.ip.find_line_magic("aod").__self__
    before = (magics.timeout, magics.runtime, magics.view)
    shell.run(f"%config AodMagics.{setting}")
    (line,) = caplog.messages
    assert said in line
    assert "\n" not in line
    assert (magics.timeout, magics.runtime, magics.view) == before


def test_a_wrong_configuration_file_is_named_and_the_magics_are_loaded_all_the_same(
    shell, monkeypatch, capsys
):
    monkeypatch.setitem(shell.ip.config, "AodMagics", Config(timeout=-5, model="m"))
    shell.run("%reload_ext aod_notebook")
    said = capsys.readouterr().out
    assert "not -5. The default, 0, is used; set another with %config AodMagics.timeout = …" in said
    magics = shell.ip.find_line_magic("aod").__self__
    assert (magics.timeout, magics.model) == (0, "m")
    shell.run("%reload_ext aod_notebook")
    assert "not -5" not in capsys.readouterr().out


def test_a_refused_setting_does_not_outlive_a_reload(shell, capsys):
    shell.run("%config AodMagics.view = 'livee'")
    shell.run("%reload_ext aod_notebook")
    assert "not the str 'livee'. The default, 'auto', is used" in capsys.readouterr().out
    assert shell.ip.find_line_magic("aod").__self__.view == "auto"
    shell.ip.config.pop("AodMagics", None)


@pytest.fixture
def embedded(shell, monkeypatch):
    """The embedded service would be used, and is not started."""
    disconnect()
    monkeypatch.delenv("AOD_API_TOKEN")


@pytest.mark.usefixtures("embedded")
def test_the_embedded_service_has_no_runtime_that_is_not_known(shell, caplog):
    with pytest.raises(MagicUsageError, match="Did you mean shell"):
        shell.run("%%aod --runtime shel --model m --dry-run\nx")
    shell.run("%config AodMagics.runtime = 'shel'")
    assert "AodMagics.runtime: unknown runtime 'shel'. Did you mean shell?" in caplog.text
    shell.ip.config.pop("AodMagics", None)


def test_another_service_may_have_a_runtime_that_is_not_known_here(shell, capsys):
    shell.run("%%aod --runtime theirs --model m --dry-run\nx")
    assert "runtime theirs, model m" in capsys.readouterr().out


@pytest.mark.parametrize("magic", ["aod", "agentos"])
def test_the_documentation_of_a_magic_lists_commands_and_options(shell, magic):
    shown = shell.ip.object_inspect(f"%{magic}")["docstring"]
    assert f"%{magic} COMMAND" in shown
    assert "--output" in shown


def test_a_session_is_filled_in_as_its_id(shell):
    shell.run("%%aod --runtime shell -o s\necho one")
    session = shell.names["s"]
    assert set(shell.run("%aod turns {{s}}")["session_id"]) == {session.id}
    shell.run("%%aod -s {{s}} --quiet\necho {{s}}")
    assert session.text == f"one\n{session.id}"


def test_a_variable_called_last_does_not_hide_the_word(shell):
    shell.run("%%aod --runtime shell --quiet -o s\ntrue")
    shell.names["last"] = "something else"
    assert set(shell.run("%aod turns")["session_id"]) == {shell.names["s"].id}


def test_an_option_with_choices_takes_a_variable(shell):
    shell.names["how"] = "lines"
    shell.run("%%aod --runtime shell --view {{how}} -o s\ntrue")
    assert shell.names["s"].status == "completed"


def test_a_terminal_says_that_it_has_no_live_view(shell, capsys):
    shell.run("%%aod --runtime shell --view live\necho once")
    shown = capsys.readouterr().out
    assert "Not live: no page is here" in shown
    assert shown.count("\nonce\n") == 1


def test_the_configuration_holds_for_the_magics_that_were_loaded_last(shell, capsys):
    shell.run("%reload_ext aod_notebook")
    shell.run("%config AodMagics.runtime = 'replay'")
    shell.run("%%aod --dry-run\ntrue")
    assert "runtime replay" in capsys.readouterr().out


def test_a_second_press_of_stop_leaves_at_once_with_the_id(shell, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    shell.run("%%aod --runtime shell --background -o s\nsleep 60")
    session = shell.names["s"]
    with monkeypatch.context() as stop_button:
        stop_button.setattr(LiveSession, "batches", pressed)
        stop_button.setattr(LiveSession, "stop", pressed)
        with pytest.raises(SessionStoppedError) as caught:
            watch(session)
    assert str(caught.value) == (
        f"Interrupted twice: left at once. Session {session.id} may still run; "
        f"%aod stop {session.id} ends it."
    )
    session.stop()


def test_a_prompt_typed_into_a_failed_turn_is_reported_as_unsent(shell, capsys):
    shell.run("%%aod --runtime shell --no-raise --quiet -o s\nexit 3")
    live = Live(shell.names["s"], 0)
    live.take("echo next")
    live.follow()
    live.end()
    assert "Not sent, for the session is failed: echo next" in capsys.readouterr().out


def test_config_sets_the_theme_of_figures(shell):
    shell.run("%config AodMagics.theme = 'dark'")
    assert page_theme() == "dark"
    shell.run("%config AodMagics.theme = 'auto'")
    assert page_theme() == "auto"


def test_figures_have_twice_the_pixels_unless_the_configuration_chooses(shell):
    chosen = shell.ip.config.InlineBackend
    assert chosen.figure_formats == {"retina"}
    chosen.clear()
    chosen.figure_format = "svg"
    shell.run("%reload_ext aod_notebook")
    assert "figure_formats" not in chosen
