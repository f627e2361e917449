"""What the `aod-notebook` command refuses before it does anything."""

import pytest

from aod_notebook import __version__, cli
from aod_notebook.local import LocalService


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--port", "70000"], "'70000' is not a whole number from 0 to 65535"),
        (["serve", "--port=-1"], "'-1' is not a whole number"),
        (["service", "clean", "--older-than=-3"], "'-3' is not a whole number from 0 to 36500"),
        (["service", "clean", "--older-than", "999999999999"], "is not a whole number"),
        (["service", "clean", "--older-than", "1.5"], "is not a whole number"),
    ],
)
def test_a_number_that_cannot_be_is_named(words, said, capsys):
    with pytest.raises(SystemExit):
        cli.main(words)
    assert said in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"aod-notebook {__version__}\n"


def test_a_backup_that_cannot_be_written_says_what_to_do(tmp_path, capsys):
    with LocalService(data_dir=tmp_path / "data"):
        target = tmp_path / "missing" / "copy.db"
        words = ["service", "backup", "--data-dir", str(tmp_path / "data"), str(target)]
        assert cli.main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No such file or directory. Choose a file in a folder that is there" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["doctr"], "aod-notebook: unknown command 'doctr'. Did you mean doctor?"),
        (["service", "stat"], "aod-notebook service: unknown action 'stat'. Did you mean status?"),
        (["outbox", "--snd"], "aod-notebook: unknown argument '--snd'. Did you mean --send?"),
        (["doctor", "all"], "aod-notebook: unknown argument 'all'."),
        (["service"], "aod-notebook service: the following arguments are required: ACTION."),
    ],
)
def test_a_near_miss_is_one_line_with_the_nearest_match(words, said, capsys):
    with pytest.raises(SystemExit) as raised:
        cli.main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert raised.value.code == 2
    assert line.startswith(said)
    assert line.endswith("--help lists all.")


def test_without_arguments_the_command_lists_everything(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert all(f"\n    {name} " in shown.out for name in ("serve", "demo", "service", "doctor"))
