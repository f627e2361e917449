"""The figures of sessions and runs on a service, and of frames through `df.aod`."""

import pandas as pd
import plot_samples as samples
import pytest

from aod_notebook import agentos, frames, live, plots
from aod_notebook.aod import Client
from aod_notebook.core import bridge
from aod_notebook.live import SessionRequest, start

SCRIPT = "A prompt for the recording."


@pytest.fixture(scope="module")
def session(service, tmp_path_factory):
    """A followed session of the recording."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("AOD_API_URL", service.url)
        patch.setenv("AOD_API_TOKEN", service.aod_token)
        yield start(SessionRequest(prompt=SCRIPT, runtime="replay")).wait()
        live.disconnect()
        bridge.stop()


@pytest.fixture(scope="module")
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        yield client


def test_a_followed_session_plots_itself(session):
    ax = session.plot()
    title, _, facts = ax.get_title(loc="left").partition(" · ")
    assert title.startswith(f"Session {session.id[:8]}  ")
    assert facts == "1 turn · 14 tool calls · 2 failed"


@pytest.mark.parametrize("figure", plots.SESSION_FIGURES)
def test_a_followed_session_has_each_figure(session, figure):
    ax = session.plot(figure, theme="dark")
    assert not any("Nothing to show" in text.get_text() for text in ax.texts)


def test_a_session_has_no_figure_of_another_name(session):
    with pytest.raises(
        plots.PlotError, match="There is no figure 'pie' of a session: use timeline"
    ):
        session.plot("pie")


def test_a_session_is_drawn_by_its_id_with_its_recorded_times(session, client):
    drawn = plots.timeline_df(session.id, client=client)
    assert drawn.attrs["unit"] == "s"
    calls = drawn[drawn["kind"].eq("call")]
    assert (calls["end"] > calls["start"]).all()
    assert drawn["end"].max() == pytest.approx(73.9, abs=0.5)


def test_a_session_of_a_service_without_times_is_drawn_in_order(session, client):
    events = frames.events_df(session.id, client=client).drop(
        columns=["created_at", "recorded_at", "received_at"]
    )
    drawn = plots.timeline_df(events)
    assert drawn.attrs["unit"] == "step"
    label = plots.timeline(events).get_xlabel()
    assert "its events carry no times (live.attach(id) has those of arrival)" in label
    assert drawn["kind"].value_counts()["call"] == 14


def test_an_overview_labels_each_session_with_what_was_asked(session, client):
    ax = plots.overview([session.id], client=client)
    (label,) = [label.get_text() for label in ax.get_yticklabels()]
    assert label.startswith(f"{session.id[:8]}  ")
    assert label.partition("  ")[2].rstrip("…") in " ".join(SCRIPT.split())


def test_an_overview_of_a_frame_asks_no_service(session, client):
    sessions = frames.sessions_df(session.id, client=client).assign(prompt="What was asked?")
    (label,) = plots.overview(sessions).get_yticklabels()
    assert label.get_text() == f"{session.id[:8]}  What was asked?"


def test_new_figures_follow_the_theme_of_the_page():
    plots.use_theme("dark")
    try:
        drawn = plots.overview(samples.sessions(4))
        assert drawn.figure.get_facecolor()[:3] == pytest.approx((0.067,) * 3, abs=0.01)
        light = plots.overview(samples.sessions(4), theme="light")
        assert light.figure.get_facecolor()[:3] == (1.0, 1.0, 1.0)
    finally:
        plots.use_theme("auto")
    assert plots.overview(samples.sessions(4)).figure.get_facecolor()[:3] == (1.0, 1.0, 1.0)


def test_a_waterfall_is_of_runs_and_says_so_of_sessions(session, client):
    row = client.sessions.get(session.id)
    for given in (session, [session], row, client):
        with pytest.raises(plots.PlotError, match=r"waterfall draws runs.*sessions have timeline"):
            plots.waterfall(given)
        with pytest.raises(frames.FrameError, match="has no runs: its frames are sessions_df"):
            frames.spans_df(given)


def test_several_sessions_have_their_turns_drawn(session, client):
    costs = plots.cost_df([session.id], client=client)
    assert costs["total_usd"].iloc[-1] == pytest.approx(session.cost)
    assert costs["at"].notna().all()


def test_a_client_has_its_sessions_in_the_overview(session, client):
    row = plots.overview_df(client).set_index("id").loc[session.id]
    assert (row["status"], row["turns"]) == ("completed", 1)


def test_the_overview_adds_the_cost_when_asked(session, client):
    row = plots.overview_df([session.id], client=client, results=True).iloc[0]
    assert row["cost_usd"] == pytest.approx(session.cost)


def test_a_run_on_the_service_is_drawn(service):
    asked = {"base_url": service.url, "api_key": service.agentos_key}
    with agentos.AgentOS(agent_id=service.agent_id, **asked) as client:
        run = client.start_run()
        with run.start_span("plan", kind="llm"), run.start_span("look", kind="tool"):
            pass
        assert run.complete().delivered
        spans = plots.waterfall_df(run.run_id, client=client)
        assert spans["name"].tolist() == ["plan", "look"]
        assert run.run_id in plots.overview_df(client)["id"].tolist()
        assert plots.tools_df(run, client=client)["tool"].tolist() == ["look"]


@pytest.mark.parametrize(
    ("frame", "figures"),
    [
        (samples.many_calls(12), ("timeline", "tools", "latency")),
        (samples.session_events(), ("timeline", "tokens", "cost", "tools", "latency")),
        (samples.run_events(), ("waterfall", "tools", "latency")),
        (samples.turns(4), ("tokens", "cost", "latency")),
        (samples.sessions(4), ("overview", "latency")),
        (frames.messages_from_events(samples.session_events()), ("tokens",)),
        (frames.results_from_events(samples.session_events()), ("tokens", "cost")),
    ],
)
def test_a_frame_has_its_figures(frame, figures):
    for figure in figures:
        ax = getattr(frame.aod, figure)(theme="light")
        assert not any("Nothing to show" in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("figure", ["tokens", "cost", "tools", "latency", "overview"])
def test_a_frame_without_the_columns_is_refused(figure):
    tasks = frames.SCHEMAS["tasks"].names
    frame = samples.typed([dict.fromkeys(tasks, None)], "tasks")
    with pytest.raises(plots.PlotError, match="This figure is made of"):
        getattr(frame.aod, figure)()


@pytest.mark.parametrize(
    ("figure", "of"), [("timeline", "tasks"), ("waterfall", "sessions"), ("waterfall", "turns")]
)
def test_a_frame_that_names_no_session_or_run_is_refused(figure, of):
    frame = samples.typed([dict.fromkeys(frames.SCHEMAS[of].names, None)], of)
    with pytest.raises(plots.PlotError, match="This figure is made of"):
        getattr(frame.aod, figure)()


def test_cost_names_each_of_a_few_sessions_at_its_last_step():
    turns = pd.DataFrame(
        {
            "session_id": ["a-1", "a-1", "b-2"], "turn": [1, 2, 1], "cost_usd": [0.1, 0.2, 0.3],
            "prompt": ["Count the nights", "Again", "Fix the invoice"], "input_tokens": [1, 1, 1],
            "ended_at": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True),
        }
    )  # fmt: skip
    texts = [text.get_text() for text in plots.cost(turns).texts]
    assert {"a-1  Count the nights", "b-2  Fix the invoice"} <= set(texts)


def test_a_timeline_says_what_was_asked(session):
    prompt = session.prompts[1]
    assert prompt.split()[0] in plots.timeline(session).get_title(loc="left")
