from types import SimpleNamespace

import pytest

from aod_notebook.live.agents import AmbiguousNameError, NoSuchNameError, pick

ROWS = [SimpleNamespace(id="1", name="reviewer"), SimpleNamespace(id="2", name="writer")]


@pytest.mark.parametrize("wanted", ["2", "writer"])
def test_a_row_is_found_by_id_or_name(wanted):
    assert pick(ROWS, wanted, "agent", "%aod agents") is ROWS[1]


def test_a_missing_name_names_the_nearest_and_the_command():
    with pytest.raises(NoSuchNameError) as caught:
        pick(ROWS, "reviwer", "agent", "%aod agents")
    assert str(caught.value) == (
        "There is no agent with the id or name 'reviwer'. Did you mean 'reviewer'? "
        "%aod agents lists them."
    )


def test_a_name_that_two_rows_have_asks_for_an_id():
    with pytest.raises(AmbiguousNameError, match=r"2 agents are named 'writer'.*2, 3"):
        pick([*ROWS, SimpleNamespace(id="3", name="writer")], "writer", "agent", "%aod agents")
