"""What frames are made of: followed sessions, bytes, short ids; and the model where none is named."""

import json
from concurrent.futures import Executor, Future
from types import SimpleNamespace

import generated
import pandas as pd
import pytest
from bodies import body_of
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.aod import Client, StreamEvent
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.fetch import each
from aod_notebook.frames.report import Report

CODEX = known_session("codex", 3)
BODY = body_of(CODEX, "s1", 3)


class Followed:
    """A session that this process has followed to its end."""

    client, is_final = None, True

    def __init__(self, body=BODY, one="s1", client=None):
        self.id, self.client = one, client
        lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data:")]
        self._events = [StreamEvent.from_payload(json.loads(line)) for line in lines]

    def received(self):
        return [(event, 1.7e9 + number) for number, event in enumerate(self._events)]


def models_of(frame):
    return set(frame["model"].dropna())


def service_of(*agents):
    """A service with a Codex session for each of these agents."""
    made = {}
    for number, agent in enumerate(agents):
        one = generated.session_id(number)
        row = {**generated.session_of(one, runtime="codex"), "agent_id": agent}
        turns = len(CODEX.turns)
        made[one] = row, generated.turns_of(turns), body_of(CODEX, one, number)
    return generated.Generated(made)


class WithAgents:
    """A client whose service also has agents; it notes for which one it is asked."""

    def __init__(self, client, models):
        self.sessions, self.agents, self.base_url = client.sessions, self, client.base_url
        self._models, self.asked = models, []

    def get(self, agent_id):
        self.asked.append(agent_id)
        if agent_id not in self._models:
            raise AodNotebookError("archived")
        return SimpleNamespace(model=self._models[agent_id])


KNOWN, ARCHIVED = "00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000a2"


@pytest.mark.parametrize("is_stored", [False, True])
def test_the_model_of_codex_is_that_of_its_agent_and_each_agent_is_asked_for_once(
    tmp_path, is_stored
):
    with (
        service_of(KNOWN, KNOWN, ARCHIVED, None) as service,
        Client(base_url=service.url, token="of-no-use") as plain,
    ):
        client = WithAgents(plain, {KNOWN: "gpt-5.5"})
        source = frames.collect(into=tmp_path, client=client) if is_stored else client
        used = frames.model_usage_df(source)
    by_session = [sorted(models_of(own)) for _, own in used.groupby("session_id")]
    assert sorted(by_session) == [[], [], ["gpt-5.5"], ["gpt-5.5"]]
    assert sorted(client.asked) == [KNOWN, ARCHIVED]


def test_a_session_without_an_agent_has_no_name_and_no_model_in_its_details():
    with service_of(None) as service, Client(base_url=service.url, token="of-no-use") as plain:
        client = WithAgents(plain, {})
        client.list = list
        (row,) = frames.sessions_df(client, details=True).to_dict("records")
    assert pd.isna(row["agent"])
    assert pd.isna(row["model"])
    assert client.asked == []


@pytest.mark.parametrize(
    "models",
    ["m", {"s1": "m", "s2": "other"}, pd.DataFrame({"session_id": ["s1", None], "model": "m"})],
    ids=["one", "mapping", "frame"],
)
@pytest.mark.parametrize("source", [BODY, Followed()], ids=["bytes", "followed"])
def test_models_are_given_as_one_a_mapping_or_a_frame(source, models):
    assert models_of(frames.model_usage_from_events(source, models=models)) == {"m"}


@pytest.mark.parametrize("models", [5, pd.DataFrame({"session_id": ["s1"]})])
def test_models_that_name_none_are_refused(models):
    with pytest.raises(frames.FrameError, match="models"):
        frames.results_from_events(BODY, models=models)


def test_a_followed_session_is_a_source_of_the_pure_functions():
    pd.testing.assert_frame_equal(
        frames.results_from_events(Followed()), frames.results_df(Followed())
    )


def test_chunks_of_bytes_are_a_source_like_the_whole():
    chunks = [BODY[:100], BODY[100:]]
    pd.testing.assert_frame_equal(frames.events_df(chunks), frames.events_df(BODY))
    assert frames.events_df([]).empty


def test_a_followed_run_is_refused_with_the_frames_of_runs():
    run = Followed()
    run.run_id = run.id
    with pytest.raises(frames.FrameError, match="s1 is a run, not a session: use run_events_df"):
        frames.events_df(run)


def test_events_of_another_kind_are_refused():
    with pytest.raises(frames.FrameError, match="events must be StreamEvent objects"):
        frames.events_df([StreamEvent("output", 1, {}), 5])


def test_the_beginning_of_an_id_is_enough():
    with service_of(None, None) as service, Client(base_url=service.url, token="x") as client:
        whole = generated.session_id(1)
        frame = frames.sessions_df(whole[:6], client=client)
    assert list(frame["session_id"]) == [whole]


def test_a_line_of_json_that_is_no_data_is_no_event():
    body = b'data: {"type":"output","id":1,"data":"a"}\n{"type":"exit"}\n\n'
    assert list(frames.decode_events(body)["type"]) == ["output"]


class Waiting(Executor):
    """Answers the first request only."""

    def __init__(self):
        self.asked = []

    def submit(self, ask, one):
        self.asked.append(Future())
        if len(self.asked) == 1:
            self.asked[0].set_result(ask(one))
        return self.asked[-1]


def test_what_nobody_takes_any_more_is_not_asked_for():
    pool = Waiting()
    answers = each(["a", "b", "c"], str.upper, Report(), pool=pool)
    assert next(answers) == ("a", "A")
    answers.close()
    assert [one.cancelled() for one in pool.asked] == [False, True, True]


def test_a_schema_knows_the_names_of_its_columns():
    assert "turn" in frames.SCHEMAS["turns"]
    assert "tool" not in frames.SCHEMAS["turns"]


def test_sessions_that_take_turns_in_a_frame_have_their_own_transcripts():
    each_alone = [frames.decode_events(body_of(CODEX, one, 1)) for one in ("s1", "s2")]
    mixed = pd.concat(each_alone).sort_values("order", kind="stable").reset_index(drop=True)
    expected = pd.concat(map(frames.messages_from_events, each_alone), ignore_index=True)
    found = frames.messages_from_events(mixed)
    names = ["session_id", "turn", "block", "text", "tool"]
    pd.testing.assert_frame_equal(
        found.sort_values("session_id", kind="stable")[names].reset_index(drop=True),
        expected[names],
        check_categorical=False,
    )
