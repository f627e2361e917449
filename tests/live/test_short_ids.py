"""Unique beginnings of ids are ids; an ambiguous one lists what it could be."""

import pytest

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.core.ids import AmbiguousIdError, full_id, full_ids
from aod_notebook.live.agents import AmbiguousNameError, pick

IDS = [
    "5f0c2f6e-935d-44ed-92d0-4a435721ed3f",
    "5f0caaaa-935d-44ed-92d0-4a435721ed3f",
    "a81f03c2-935d-44ed-92d0-4a435721ed3f",
]


def nobody():
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize("given", ["a81f", "A81F03", "a81f03c2-935d"])
def test_a_unique_beginning_is_an_id(given):
    assert full_id(given, lambda: IDS, "session") == IDS[2]


@pytest.mark.parametrize("given", [IDS[0], IDS[0].replace("-", ""), "a81", ""])
def test_whole_ids_and_too_short_ones_are_not_asked_for(given):
    assert full_id(given, nobody, "session") == given


def test_what_no_id_begins_with_stays_as_it_is():
    assert full_id("nightly-7", lambda: IDS, "run") == "nightly-7"


def test_an_id_that_other_ids_begin_with_means_itself():
    assert full_id("nightly", lambda: ["nightly-2", "nightly"], "run") == "nightly"


def test_an_ambiguous_prefix_lists_its_candidates():
    with pytest.raises(AmbiguousIdError, match="could be 2 sessions") as caught:
        full_id("5f0c", lambda: IDS, "session")
    assert IDS[0] in str(caught.value)
    assert IDS[1] in str(caught.value)
    assert IDS[2] not in str(caught.value)


def test_the_list_is_asked_for_once():
    asked = []
    full_ids(["a81f", "5f0c2", IDS[0]], lambda: asked.append(1) or IDS, "session")
    assert asked == [1]


class Row:
    def __init__(self, row_id, name):
        self.id, self.name = row_id, name


def test_agents_are_found_by_the_beginning_of_their_id():
    rows = [Row(one, f"agent {number}") for number, one in enumerate(IDS)]
    assert pick(rows, "a81f", "agent", "%aod agents") is rows[2]
    with pytest.raises(AmbiguousNameError, match="could be 2 agents"):
        pick(rows, "5f0c", "agent", "%aod agents")


@pytest.fixture(scope="module")
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as made:
        yield made


@pytest.fixture(scope="module")
def session(client):
    agent = client.agents.create(name="short", model="any", runtime="replay")
    return client.sessions.run(agent_id=agent.id, prompt="go").session


@pytest.mark.parametrize("table", ["sessions_df", "turns_df", "events_df", "tool_calls_df"])
def test_frames_take_the_beginning_of_an_id(client, session, table):
    short = frames.__dict__[table](str(session.id)[:13], client=client)
    assert set(short["session_id"]) == {str(session.id)}


def test_frames_name_a_session_once_in_both_forms(client, session):
    both = [str(session.id), str(session.id)[:13]]
    assert len(frames.sessions_df(both, client=client)) == 1


def test_figures_take_the_beginning_of_an_id(client, session):
    from aod_notebook import plots

    drawn = plots.timeline_df(str(session.id)[:13], client=client)
    assert set(drawn["session_id"]) == {str(session.id)}
