"""The logs of the CLIs by `%aod import` and `%aod show`."""

from pathlib import Path

import pytest

from aod_notebook.frames import FrameError

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"
CLAUDE = "11111111-1111-4111-8111-111111111111"

pytestmark = pytest.mark.filterwarnings("ignore:computed_cost_usd")


@pytest.fixture
def imported(shell):
    return shell.run(f"%aod import {SAMPLES}")


def test_imported_sessions_are_a_dataframe_and_stay_in_our_home(imported, tmp_path):
    assert CLAUDE in set(imported["session_id"])
    assert (tmp_path / "home" / "imported" / "sessions").is_dir()


def test_an_imported_session_is_shown_by_the_beginning_of_its_id(shell, imported, capsys):
    shell.run(f"%aod show {CLAUDE[:8]}")
    out = capsys.readouterr().out
    assert "please [[tools]]" in out
    assert "completed" in out


def test_an_unknown_session_is_named(shell, imported):
    with pytest.raises(FrameError, match="no session `nowhere`"):
        shell.run(f"%aod show nowhere --from {SAMPLES}")
