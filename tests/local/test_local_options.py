"""What the service can be told, by either of its two commands."""

import pytest

from aod_notebook import cli
from aod_notebook.local import __main__ as module
from aod_notebook.local import service

WORDS = ["--port", "0", "--idle-exit", "1.5", "--json", "--allow-unenforced-network"]
WORDS += ["--allow-root", "--strict-models"]


@pytest.mark.parametrize(
    ("main", "command"), [(cli.main, ["serve"]), (module.main, [])], ids=["script", "module"]
)
def test_both_commands_take_the_same_options(main, command, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(service, "serve", lambda *given, **named: told.append((given, named)))
    assert main([*command, "--data-dir", str(tmp_path), *WORDS]) == 0
    switches = ("allow_unenforced_network", "allow_root", "strict_models", "json_line")
    named = {"idle_exit_s": 1.5, **dict.fromkeys(switches, True)}
    assert told == [((tmp_path, 0), named)]
