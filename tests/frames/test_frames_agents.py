"""The frame of agents, on a real service."""

import json

import pytest

from aod_notebook import frames
from aod_notebook.aod import NotFoundError

SECRET = "a-secret-of-the-header"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def agents(client):
    servers = [
        {
            "name": "docs",
            "type": "url",
            "url": "https://mcp.example.com",
            "headers": {"Authorization": f"Bearer {SECRET}"},
        }
    ]
    writer = client.agents.create(
        name="writer", model="m-1", runtime="shell", description="writes", metadata={"team": "a"}
    )
    reader = client.agents.create(name="reader", model="m-2", runtime="claude", mcp_servers=servers)
    return [writer, client.agents.update(reader.id, version=reader.version, system="Read.")]


def test_agents_have_what_the_service_says_of_them(client, agents):
    frame = frames.agents_df(agents, client=client)
    assert list(frame["agent_id"]) == [str(agent.id) for agent in agents]
    assert list(frame["name"]) == ["writer", "reader"]
    assert list(frame["model"]) == ["m-1", "m-2"]
    assert list(frame["runtime"]) == ["shell", "claude"]
    assert list(frame["version"]) == [1, 2]
    assert list(frame["mcp_server_count"]) == [0, 1]
    assert json.loads(frame["metadata"][0]) == {"team": "a"}
    assert json.loads(frame["mcp_servers"][1]) == ["docs"]
    assert SECRET not in frame.to_csv()
    assert list(frame["system"].fillna("none")) == ["none", "Read."]
    assert list(frame["created_at"]) == [agent.created_at for agent in agents]
    assert frame["archived_at"].isna().all()
    assert frame["extra"].isna().all()
    assert frame.attrs["base_url"] == client.base_url


def test_without_ids_all_agents_are_listed_newest_first(client, agents):
    listed = [str(agent.id) for agent in client.agents.list()]
    for frame in (frames.agents_df(client=client), frames.agents_df(client)):
        assert list(frame["agent_id"]) == listed


def test_the_agents_of_sessions_are_each_asked_for_once(client, agents, tmp_path):
    writer = agents[0]
    sessions = [client.sessions.run(agent_id=writer.id, prompt=f"echo {n}") for n in range(2)]
    rows = frames.sessions_df([one.session for one in sessions], client=client)
    client.agents.archive(writer.id)
    store = frames.collect([one.session for one in sessions], into=tmp_path / "s", client=client)
    for source in (rows, store):
        frame = frames.agents_df(source, client=client)
        assert list(frame["name"]) == ["writer"]
        assert frame["archived_at"].notna().all()
        assert list(rows.merge(frame, on="agent_id")["name"]) == ["writer", "writer"]


def test_an_agent_that_is_not_there_is_a_problem_of_the_frame(client, agents):
    with pytest.warns(frames.FrameWarning, match="an agent could not be read"):
        frame = frames.agents_df([UNKNOWN, agents[1]], client=client)
    assert list(frame["name"]) == ["reader"]
    assert UNKNOWN in json.dumps(frame.attrs["problems"])
    with pytest.raises(NotFoundError):
        frames.agents_df(UNKNOWN, client=client)


def test_the_first_characters_of_an_id_are_enough(client, agents):
    agent = agents[1]
    assert list(frames.agents_df(str(agent.id)[:8], client=client)["name"]) == ["reader"]


def test_agents_of_other_libraries_are_the_same_rows(client, agents):
    frame = frames.agents_df(agents, client=client, columns=["agent_id", "name", "version"])
    for library in ("polars", "arrow"):
        other = frames.agents_df(
            agents, client=client, columns=["agent_id", "name", "version"], to=library
        )
        assert list(other["name"].to_pylist() if library == "arrow" else other["name"]) == list(
            frame["name"]
        )


def test_no_agents_have_the_same_columns(client, agents):
    some, none = (frames.agents_df(given, client=client) for given in (agents, []))
    assert len(none) == 0
    assert [*none.dtypes.map(str).items()] == [*some.dtypes.map(str).items()]
