"""What the `aod-notebook` command refuses before it does anything."""

import pytest

from aod_notebook import cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--port", "70000"], "'70000' is no whole number of 0 to 65535"),
        (["serve", "--port=-1"], "'-1' is no whole number"),
        (["service", "clean", "--older-than=-3"], "'-3' is no whole number of 0 to 36500"),
        (["service", "clean", "--older-than", "999999999999"], "is no whole number"),
        (["service", "clean", "--older-than", "1.5"], "is no whole number"),
    ],
)
def test_a_number_that_cannot_be_is_named(words, said, capsys):
    with pytest.raises(SystemExit):
        cli.main(words)
    assert said in capsys.readouterr().err
