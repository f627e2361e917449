import json

import pandas as pd
import plot_samples as samples
import pytest

from aod_notebook import frames, plots
from aod_notebook.plots import PlotError

COST = 0.1690172


@pytest.fixture(scope="module")
def events():
    return samples.session_events()


def calls_of(drawn):
    return drawn[drawn["kind"] == "call"]


def made_calls(*rows):
    """Tool calls: tool, id, the id of the call that started the subagent, and what differs."""
    usual = {"session_id": "s", "turn": 1, "is_error": False, "has_result": True, "summary": ""}
    made = [
        {
            **usual,
            "tool": tool,
            "tool_use_id": own,
            "parent_tool_use_id": parent,
            "order": order,
            "result_order": order + 1,
            **other,
        }
        for order, (tool, own, parent, other) in enumerate(rows, 1)
    ]
    return samples.typed(made, "tool_calls")


def runs_frame():
    rows = [
        ("r1", "completed", 0, 4000, 100, 0.5),
        ("r2", "failed", 10_000, 1000, None, None),
        ("r3", "completed", 20_000, 9000, 50, 0.25),
    ]
    return samples.typed(
        [
            {
                "run_id": run_id,
                "status": status,
                "trigger_type": "sdk",
                "started_at": samples.at(start),
                "ended_at": samples.at(start + took),
                "duration_ms": took,
                "input_tokens": tokens,
                "cost_usd": cost,
            }
            for run_id, status, start, took, tokens, cost in rows
        ],
        "runs",
    )


# -- timeline -------------------------------------------------------------------------------------


def test_a_timeline_has_the_stages_turns_and_calls_of_the_session(events):
    drawn = plots.timeline_df(events)
    assert drawn["kind"].value_counts().to_dict() == {"call": 15, "stage": 6, "turn": 2}
    assert drawn["state"].value_counts().to_dict() == {
        "done": 19,
        "failed": 3,
        "stopped": 0,
        "open": 1,
    }
    assert drawn.attrs["unit"] == "s"
    assert drawn["start"].min() == 0


def test_a_stage_lasts_as_long_as_the_service_says(events):
    first = plots.timeline_df(events).iloc[0]
    assert first[["name", "start"]].to_list() == ["create_sprite", 0]
    assert first["end"] == pytest.approx(4.1)


def test_stages_that_arrive_at_once_are_in_order(events):
    late = events["type"].eq("stage") & events["state"].eq("done")
    events = events.copy()
    events.loc[late, "received_at"] = events.loc[late, "received_at"].max()
    drawn = plots.timeline_df(events)
    stages = drawn[drawn["duration_s"].notna() & drawn["kind"].eq("stage")]
    assert (stages["end"] - stages["start"]).tolist() == pytest.approx([4.1, 9.8, 0.35, 6.2])
    assert stages["start"].tolist()[1:] == pytest.approx(stages["end"].tolist()[:-1])


def test_the_start_of_the_agent_lasts_until_its_turn_starts(events):
    drawn = plots.timeline_df(events)
    starts = drawn[drawn["name"] == "runtime_start"]
    turns = drawn[drawn["kind"] == "turn"]
    assert starts["end"].tolist() == turns["start"].tolist()


def test_a_turn_that_ends_with_another_exit_code_has_failed(events):
    turns = plots.timeline_df(events).query("kind == 'turn'")
    assert turns["state"].tolist() == ["done", "failed"]


def test_a_call_without_a_result_lasts_as_long_as_its_turn(events):
    drawn = plots.timeline_df(events)
    (call,) = calls_of(drawn)[calls_of(drawn)["state"] == "open"].itertuples()
    assert call.end == drawn[drawn["name"] == "turn 2"]["end"].item()


def test_the_calls_of_a_subagent_follow_the_call_that_started_it(events):
    calls = calls_of(plots.timeline_df(events)).reset_index(drop=True)
    task = calls.index[calls["name"] == "Task"].item()
    assert calls["depth"].tolist() == [int(task < row < task + 3) for row in range(15)]
    assert calls["lane"].dropna().unique().tolist() == [
        "Task Check callers of date_range for compensation"
    ]


def test_a_call_belongs_to_a_call_of_its_own_turn():
    calls = made_calls(
        ("Task", "a", None, {}), ("Task", "a", None, {"turn": 2}), ("Read", "b", "a", {"turn": 2})
    )
    assert plots.timeline_df(calls).query("depth == 1")["turn"].tolist() == [2]


def test_calls_that_are_their_own_ancestors_are_all_there():
    calls = made_calls(("Task", "a", "b", {}), ("Task", "b", "a", {}), ("Read", "c", "c", {}))
    assert len(calls_of(plots.timeline_df(calls))) == 3


def test_a_session_without_times_is_drawn_by_positions(events):
    drawn = plots.timeline_df(events.drop(columns="received_at"))
    stages, calls = drawn[drawn["kind"] == "stage"], calls_of(drawn)
    assert drawn.attrs == {"unit": "step", "began_at": None}
    assert stages["start"].tolist() == [0, 1, 2, 3]
    orders = frames.tool_calls_from_events(events)["order"]
    assert sorted(calls["start"]) == sorted(orders + len(stages))


def test_a_timeline_of_several_sessions_is_refused():
    two = pd.concat([made_calls(("Read", "a", None, {"session_id": name})) for name in ("s", "t")])
    with pytest.raises(PlotError, match="A timeline shows one session, and here are 2"):
        plots.timeline_df(two)


def test_more_calls_than_have_room_share_a_row_per_tool_and_subagent():
    ax = plots.timeline(samples.many_calls())
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[:3] == ["turns", "Bash  ×170", "Read  ×148"]  # noqa: RUF001 - as drawn
    assert sum(int(label.partition("×")[2]) for label in labels[1:]) == 600  # noqa: RUF001


def test_tools_and_subagents_beyond_the_limit_share_a_row():
    ax = plots.timeline(samples.many_calls(), limit=6)
    labels = [label.get_text().strip() for label in ax.get_yticklabels()]
    assert len(labels) == 7
    assert labels[3].startswith("4 other tools")
    assert labels[6].startswith("3 other subagents")


# -- waterfall ------------------------------------------------------------------------------------


def test_a_waterfall_has_the_spans_with_parents_first():
    drawn = plots.waterfall_df(samples.run_events())
    assert drawn["span_id"].tolist() == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "x"]
    assert drawn["offset_ms"].tolist()[:3] == [0, 60, 1950]
    assert drawn["depth"].tolist() == [0, 1, 1, 2, 2, 2, 2, 1, 1, 0]


def test_a_span_without_a_start_is_counted():
    spans = frames.spans_from_run_events(samples.run_events())
    spans.loc[3, "offset_ms"] = pd.NA
    assert plots.waterfall_df(spans).attrs == {"without_start": 1}
    assert plots.waterfall(spans).get_title(loc="right") == "1 span without a start"


def test_of_too_many_spans_the_longest_are_drawn_with_their_ancestors():
    ax = plots.waterfall(samples.run_events(), limit=5)
    labels = [label.get_text().strip() for label in ax.get_yticklabels()]
    assert labels == ["triage ticket 4711", "plan", "gather", "answer", "notify"]
    assert ax.get_title(loc="right") == "5 shorter spans not shown"


def test_a_waterfall_of_several_runs_is_refused():
    runs = pd.concat([samples.run_events("r1"), samples.run_events("r2")])
    with pytest.raises(PlotError, match="A waterfall shows one run, and here are 2"):
        plots.waterfall(runs)


# -- tokens and cost ------------------------------------------------------------------------------


def totals(drawn):
    return drawn.groupby("kind", observed=False)["total"].last().to_dict()


def test_tokens_of_a_session_are_counted_message_by_message(events):
    drawn = plots.tokens_df(events)
    assert totals(drawn) == {
        "cache read": 190_054, "cache written": 23_736, "input": 78, "output": 2569
    }  # fmt: skip
    assert drawn["step"].max() == 14
    received = frames.messages_from_events(events).merge(events, on="event_id")
    assert set(drawn["at"]) <= set(received["received_at"])


def test_the_models_of_a_turn_are_one_point(events):
    drawn = plots.tokens_df(frames.model_usage_from_events(events))
    assert totals(drawn)["output"] == 2264 + 305
    assert drawn["step"].unique().tolist() == [1]


def test_a_runtime_that_counts_no_message_has_a_point_per_turn():
    line = '{"type":"turn.completed","usage":{"input_tokens":7,"cached_input_tokens":2,"output_tokens":3}}'
    stream = samples.Stream()
    stream.say(0, type="start", runtime="codex", session_id="s")
    stream.line(1, '{"type":"thread.started","thread_id":"t"}', 1)
    stream.line(1, line, 1)
    assert totals(plots.tokens_df(stream.frame()))["output"] == 3


def test_runs_are_points_in_order_of_time():
    drawn = plots.tokens_df(runs_frame().iloc[::-1])
    assert drawn[["id", "tokens", "total"]].to_numpy().tolist() == [
        ["r1", 100, 100],
        ["r3", 50, 150],
    ]


def test_the_cost_of_a_session_is_what_its_results_say(events):
    drawn = plots.cost_df(events)
    assert drawn["total_usd"].tolist() == pytest.approx([COST])
    assert drawn["at"].item() == events[events["turn"] == 1]["received_at"].max()


def test_a_missing_cost_of_a_turn_stays_na_and_is_counted():
    turns = samples.turns()
    drawn = plots.cost_df(turns)
    assert drawn["cost_usd"].isna().sum() == 1
    assert drawn["total_usd"].iloc[-1] == pytest.approx(turns["cost_usd"].sum())
    assert plots.cost(turns).get_title(loc="right") == "1 turn without a cost"


def test_a_frame_without_tokens_is_refused():
    with pytest.raises(PlotError, match=r"the frame given has agentos\.spans/1"):
        plots.cost(frames.spans_from_run_events(samples.run_events()))


# -- tools and latency ----------------------------------------------------------------------------


def test_tools_are_counted_with_their_failures():
    calls = made_calls(
        ("Bash", "a", None, {"is_error": True}),
        ("Bash", "b", None, {}),
        ("Bash", "c", None, {"is_error": None, "has_result": False}),
        ("Read", "d", None, {}),
    )
    counted = plots.tools_df(calls).to_dict("list")
    assert counted["tool"] == ["Bash", "Read"]
    assert [counted[name] for name in ("calls", "failed", "unanswered")] == [[3, 1], [1, 0], [1, 0]]
    assert counted["failure_rate"] == [0.5, 0.0]


def test_the_tools_of_a_run_are_those_of_its_spans():
    counted = plots.tools_df(samples.run_events()).set_index("tool")
    assert counted["calls"].to_dict() == {"fetch_logs": 2, "notify": 1, "read_ticket": 1}
    assert counted["failed"].to_dict() == {"fetch_logs": 1, "notify": 0, "read_ticket": 0}
    assert pd.isna(counted["failure_rate"]["notify"])


def told_calls():
    """A run that reports its calls as events: two of a tool at once, one without an answer."""
    told = [
        ("tool.called", "ls", 0), ("tool.called", "ls", 100), ("llm.response", None, 200),
        ("tool.returned", "ls", 400), ("tool.failed", "ls", 900), ("tool.failed", "rm", 950),
        ("tool.called", "cat", 1000),
    ]  # fmt: skip
    data = [
        {"type": kind, "sequence_number": number, "occurred_at": samples.at(when),
         "payload": {} if tool is None else {"tool": tool}}
        for number, (kind, tool, when) in enumerate(told, 1)
    ]  # fmt: skip
    return frames.decode_run_events(json.dumps({"data": data}), "r1")


def test_calls_reported_as_events_are_counted():
    counted = plots.tools_df(told_calls()).set_index("tool")
    assert counted["calls"].to_dict() == {"ls": 2, "cat": 1, "rm": 1}
    assert counted["failed"].to_dict() == {"ls": 1, "cat": 0, "rm": 1}
    assert counted["unanswered"].to_dict() == {"ls": 0, "cat": 1, "rm": 0}


def test_calls_reported_as_events_are_in_the_waterfall():
    drawn = plots.waterfall_df(told_calls())
    assert drawn["name"].tolist() == ["ls", "ls", "rm", "cat"]
    assert drawn["offset_ms"].tolist() == [0, 100, 950, 1000]
    assert drawn["duration_ms"].fillna(-1).tolist() == [400, 800, 0, -1]


def test_calls_of_several_runs_are_paired_run_by_run():
    second = told_calls().assign(run_id="r2")
    both = pd.concat([told_calls(), second], ignore_index=True).sort_values("order", kind="stable")
    drawn = plots.latency_df(both.reset_index(drop=True))
    alone = plots.latency_df(told_calls())
    assert sorted(drawn["seconds"]) == sorted([*alone["seconds"]] * 2)
    assert drawn.attrs["untimed"] == 2 * alone.attrs["untimed"]


def test_tools_beyond_the_limit_share_the_last_row():
    ax = plots.tools(samples.many_calls(), limit=3)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Bash", "Read", "4 other tools"]


def test_latency_counts_what_has_no_duration():
    drawn = plots.latency_df(samples.many_calls())
    assert len(drawn) == 599
    assert drawn.attrs == {"untimed": 1, "owner": "session"}


def test_the_slowest_stand_on_top():
    ax = plots.latency(samples.many_calls())
    labels = [label.get_text().partition(" ")[0] for label in ax.get_yticklabels()]
    assert labels == ["Bash", "WebFetch", "mcp__tracker__find", "Grep", "Edit", "Read"]


def test_a_duration_of_0_is_drawn_and_never_called_0_ms():
    calls = samples.many_calls(4).assign(duration_s=0.0)
    texts = [text.get_text() for text in plots.latency(calls).texts]
    assert any("<0.1 s" in text for text in texts)
    assert not any("0 ms" in text for text in texts)


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (samples.turns(), {"turn", "waiting for the turn"}),
        (samples.sessions(20), {"session"}),
        (runs_frame(), {"run"}),
        (samples.run_events(), {"plan", "gather", "answer", "fetch_logs", "read_ticket", "webhook",
                                "search knowledge base", "triage ticket 4711"}),
    ],
)  # fmt: skip
def test_latency_is_drawn_of_whatever_has_a_duration(frame, names):
    assert set(plots.latency_df(frame)["what"]) == names


# -- overview -------------------------------------------------------------------------------------


def test_an_overview_has_what_failed_first_and_the_longest_on_top():
    drawn = plots.overview_df(samples.sessions(300))
    states = drawn["status"].drop_duplicates().tolist()
    assert states == ["failed", "terminated", "running", "completed"]
    for _, group in drawn.groupby("status"):
        assert group["duration_s"].is_monotonic_decreasing


def test_an_overview_of_runs():
    drawn = plots.overview_df(runs_frame())
    assert drawn[["id", "status", "duration_s"]].to_numpy().tolist() == [
        ["r2", "failed", 1.0], ["r3", "completed", 9.0], ["r1", "completed", 4.0]
    ]  # fmt: skip
    assert plots.overview(runs_frame()).get_title(loc="left").startswith("3 runs · 1 failed")


def test_many_sessions_have_their_states_named_once():
    ax = plots.overview(samples.sessions(300))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    counts = samples.sessions(300)["status"].astype("str").value_counts()
    assert sorted(labels) == sorted(f"{state}  {number}" for state, number in counts.items())
