import pytest

from aod_notebook.magics.aod import cell_parser
from aod_notebook.magics.parser import HelpShown, MagicUsageError, split


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--runtme shell", "%%aod: unknown option --runtme. Did you mean --runtime?"),
        ("--agnet=x", "Did you mean --agent?"),
        ("--xyzzy", "%%aod: unknown option --xyzzy. %%aod --help lists all."),
        ("shell", "%%aod: unexpected argument 'shell'"),
        ("--runtime", "argument --runtime: expected one argument"),
        ("--run shell", "%%aod: unknown option --run. Did you mean --runtime?"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_name(line, message):
    with pytest.raises(MagicUsageError) as caught:
        cell_parser().parse_args(split(line, "%%aod"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_open_quote_is_named():
    with pytest.raises(MagicUsageError, match="%%aod: no closing quotation"):
        split("-a 'my agent", "%%aod")


def test_quoted_words_stay_together():
    options = cell_parser().parse_args(split('-a "my agent" -o s', "%%aod"))
    assert (options.agent, options.output) == ("my agent", "s")


def test_help_lists_every_option_and_runs_nothing(capsys):
    with pytest.raises(HelpShown):
        cell_parser().parse_args(["--runtime", "shell", "--help"])
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--agent", "--background", "--raw", "--no-raise"))


def test_long_options_come_before_short_ones_in_suggestions():
    options = cell_parser().options()
    assert options.index("--agent") < options.index("-a")
