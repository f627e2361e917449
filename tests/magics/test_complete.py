import pytest
from IPython.core.completer import provisionalcompleter

from aod_notebook.aod import Client
from aod_notebook.core import bridge
from aod_notebook.live import connections
from aod_notebook.magics.complete import candidates, known


def completed(shell, text):
    """What a front end is offered, by IPython's own completer."""
    with provisionalcompleter():
        found = list(shell.ip.Completer.completions(text, len(text)))
    return {(text[: each.start] + each.text).split()[-1] for each in found}


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%aod sess", ["sessions"]),
        ("%aod sessions --st", ["--status"]),
        ("%%aod --time", ["--timeout"]),
        ("%%aod --runtime she", ["shell"]),
        ("%%aod --provider o", ["openai"]),
        ("%%aod --runtime shell -s la", ["last"]),
        ("%%aod --view l", ["live", "lines"]),
        ("%%aod --timeout ", []),
        ("%aod sessions --status f", ["failed"]),
        ("%aod agent create x --runtime re", ["replay"]),
        ("%%aod\nUse {{nu", ["numbers}}"]),
        ("%%aod -a {{nu", ["numbers}}"]),
        ("%aod nothing x", []),
        ("%aod prompt la", ["last"]),
        ("%aod prompt last la", []),
        ("%aod prompt last Use {{nu", ["numbers}}"]),
        ("%%aod\n--time", None),
        ("import os\n%aod sess", ["sessions"]),
        ("%%agentos\n%aod sess", ["sessions"]),
        ("%%agentos\nf'{{nu", None),
        ("kept = %aod sess", ["sessions"]),
        ("%%aod --runtime=she", ["shell"]),
        ("%%aod --repo 'a b' --time", ["--timeout"]),
        ("%%aod --secret AOD_NOTEBOOK_H", ["AOD_NOTEBOOK_HOME"]),
        ("%agentos invoke --input ", ["question"]),
        ("%aodx sess", None),
        ("x = 1", None),
    ],
)
def test_a_word_is_completed_by_its_position(text, offered, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", "anywhere")
    names = {"numbers": [1], "_hidden": 2, "question": {"query": "?"}, "Out": {1: 2}}
    assert candidates(text, names) == offered


def test_the_completer_offers_options_in_a_cell(shell):
    assert completed(shell, "%%aod --runt") == {"--runtime"}


@pytest.mark.parametrize("text", ["%%aod -o ", "%%aod --timeout ", "%%aod --model so"])
def test_where_nothing_is_known_nothing_else_is_offered(shell, text):
    with provisionalcompleter():
        (same,) = shell.ip.Completer.completions(text, len(text))
    assert same.text == text[same.start :]


def test_folders_are_completed_where_a_folder_is_meant(tmp_path, monkeypatch):
    for name in ("results", "reports/2026", ".hidden", "with blank"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "recording.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    assert candidates("%aod export last --to re", {}) == ["reports/", "results/"]
    assert candidates("%aod export last --to reports/", {}) == ["reports/2026/"]
    assert candidates(f"%aod export last --to {tmp_path}/.h", {}) == [f"{tmp_path}/.hidden/"]
    assert candidates("%aod export last --to nowhere/x", {}) == []


def test_the_completer_leaves_other_cells_only(shell):
    shell.names["sessions_of_mine"] = 1
    assert "sessions_of_mine" in completed(shell, "sess")


def test_agents_and_sessions_are_offered_once_known(shell, service):
    shell.run("%%aod --runtime shell -o mine\ntrue")
    with Client(base_url=service.url, token=service.aod_token) as client:
        client.agents.create(name="completion-agent", model="sh", runtime="shell")
    completed(shell, "%%aod -a compl")
    completed(shell, "%aod events ")
    known.wait(60)
    assert "completion-agent" in completed(shell, "%%aod -a compl")
    offered = completed(shell, "%aod events ")
    assert {"last", "mine", shell.names["mine"].id} <= offered


def test_a_name_with_blanks_is_offered_in_quotes(shell, service, monkeypatch):
    monkeypatch.setattr("aod_notebook.magics.complete.FRESH_S", 0)
    shell.run("%aod status")
    with Client(base_url=service.url, token=service.aod_token) as client:
        client.agents.create(name="an agent of mine", model="sh", runtime="shell")
    candidates("%%aod -a ", {})
    known.wait(60)
    for typed in ("an", "'an ag", '"an agent '):
        text = f"%%aod --runtime shell -a {typed}"
        with provisionalcompleter():
            (found,) = shell.ip.Completer.completions(text, len(text))
        assert text[: found.start] + found.text == "%%aod --runtime shell -a 'an agent of mine'"


def test_completion_starts_no_service_and_waits_for_none(shell):
    connections.disconnect()
    bridge.stop()
    completed(shell, "%%aod -a x")
    assert not bridge.is_running()


def test_unloading_takes_the_completion_away(shell):
    shell.run("%unload_ext aod_notebook")
    assert "--runtime" not in completed(shell, "%%aod --runt")
    shell.run("%load_ext aod_notebook")
