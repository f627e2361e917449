"""Two sessions compared: their alignment, their totals, their edits, from every source."""

import json
import random
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.compare.alignment import matches

PROMPT = "Find the bug."


def body(calls, *, folder="/srv/one", session_id="s1", cost=0.5, seconds=9.0):
    """The stream of a session of Claude that makes these calls, as bytes."""
    lines = [{"type": "system", "subtype": "init", "cwd": folder, "model": "claude-sonnet-4-6"}]
    for number, (tool, given, *more) in enumerate(calls):
        if tool == "words":
            block = {"type": "text", "text": given}
            lines.append({"type": "assistant", "message": {"id": f"m{number}", "content": [block]}})
            continue
        outcome, parent = (*more, *("ok", None)[len(more) :])
        block = {"type": "tool_use", "id": f"t{number}", "name": tool, "input": given}
        message = {"id": f"m{number}", "model": "claude-sonnet-4-6", "content": [block]}
        lines.append({"type": "assistant", "message": message, "parent_tool_use_id": parent})
        if outcome != "no result":
            result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "x"}
            result["is_error"] = outcome == "failed"
            answer = {"content": [result]}
            lines.append({"type": "user", "message": answer, "parent_tool_use_id": parent})
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100}
    result = {"type": "result", "subtype": "success", "is_error": False, "usage": usage}
    result |= {"total_cost_usd": cost, "duration_ms": seconds * 1000}
    lines.append({key: value for key, value in result.items() if value is not None})
    events = [
        {"type": "output", "id": at, "stream": "stdout", "turn": 1, "data": json.dumps(line) + "\n"}
        for at, line in enumerate(lines, 1)
    ]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def bash(command, *more):
    return ("Bash", {"command": command}, *more)


def edit(path, old, new, *more):
    return ("Edit", {"file_path": path, "old_string": old, "new_string": new}, *more)


def states(a, b, **options):
    return frames.compare_df(body(a), body(b), words=False, **options)["state"].tolist()


def length_of_lcs(a, b):
    """The slow reference: the whole table of lengths."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else longest
    return table[-1][-1]


def test_alignment_is_a_longest_common_subsequence():
    rng = random.Random(22)
    for _ in range(1000):
        kinds = rng.choice([1, 2, 3, 8, 40])
        a, b = ([rng.randrange(kinds) for _ in range(rng.randrange(50))] for _ in "ab")
        found = matches(a, b)
        assert len(found) == length_of_lcs(a, b)
        assert all(a[i] == b[j] for i, j in found)
        assert all(i < k and j < m for (i, j), (k, m) in pairwise(found))


def test_every_step_is_shown_once_in_its_order():
    rng = random.Random(5)
    for _ in range(15):
        a, b = ([bash(str(rng.randrange(6))) for _ in range(rng.randrange(20))] for _ in "ab")
        frame = frames.compare_df(body(a), body(b), words=False)
        for side, calls in (("a", a), ("b", b)):
            shown = frame[f"summary_{side}"].dropna().tolist()
            assert shown == [given["command"] for _, given in calls]
        assert frame.attrs["same_count"] == length_of_lcs([str(c) for c in a], [str(c) for c in b])


@pytest.mark.timeout(60)  # it takes less than a second
def test_two_thousand_calls_are_compared():
    rng = random.Random(3)
    a, b = (body([bash(f"run {rng.randrange(400)}") for _ in range(2000)]) for _ in "ab")
    sides = [frames.decode_events(each) for each in (a, b)]
    frame = frames.compare_df(*sides)
    assert frame.attrs["same_count"] > 100


def test_sessions_part_at_the_first_step_that_differs():
    a = [bash("ls"), bash("cat a"), bash("pytest")]
    frame = frames.compare_df(body(a), body([bash("ls"), bash("cat b"), bash("pytest")]))
    assert frame["state"].tolist() == ["same", "changed", "same"]
    assert frame.attrs["first_difference"] == 2
    assert frames.compare_df(body(a), body(a)).attrs["first_difference"] is None


def test_what_one_side_lacks_stands_only():
    assert states([bash("ls"), bash("pytest")], [bash("pytest")]) == ["only_a", "same"]
    assert states([], [bash("ls")]) == ["only_b"]


def test_calls_of_different_tools_are_not_one_changed_call():
    assert states([bash("ls")], [("Read", {"file_path": "a.py"})]) == ["only_a", "only_b"]


def test_edits_are_shown_against_edits():
    frame = frames.compare_df(body([edit("a.py", "x", "y\nz")]), body([edit("b.py", "x", "y")]))
    (row,) = frame.to_dict("records")
    assert (row["what"], row["state"]) == ("edit", "changed")
    assert (row["added_lines_a"], row["removed_lines_b"]) == (2, 1)


def test_the_folder_of_a_session_makes_no_difference():
    a = body([("Read", {"file_path": "/srv/one/src/a.py"}), bash("cd /srv/one && ls")])
    b = body([("Read", {"file_path": "/w/2/src/a.py"}), bash("cd /w/2 && ls")], folder="/w/2")
    frame = frames.compare_df(a, b)
    assert frame["state"].tolist() == ["same", "same"]
    assert frame["summary_b"].tolist() == ["src/a.py", "cd . && ls"]


def test_a_folder_beside_that_of_the_session_stays():
    a = body([bash("ls /srv/one-more"), bash("ls /tmp/srv/one/x")])
    frame = frames.compare_df(a, a)
    assert frame["summary_a"].tolist() == ["ls /srv/one-more", "ls /tmp/srv/one/x"]


def test_descriptions_and_orders_of_keys_make_no_difference():
    a = [("Bash", {"command": "ls", "description": "List", "timeout": 5})]
    assert states(a, [("Bash", {"timeout": 5, "command": "ls"})]) == ["same"]


def test_outcomes_stand_beside_the_same_call():
    a = [bash("pytest", "failed"), bash("ls", "no result")]
    frame = frames.compare_df(body(a), body([bash("pytest"), bash("ls")]))
    assert frame["state"].tolist() == ["same", "same"]
    assert frame["outcome_a"].tolist() == ["failed", "no result"]
    assert frame["outcome_b"].tolist() == ["ok", "ok"]


def test_calls_of_subagents_are_steps_only_if_asked_for():
    nested = [("Task", {"prompt": "look"}), ("Grep", {"pattern": "x"}, "ok", "t0")]
    assert states(nested, nested) == ["same"]
    assert states(nested, nested, subagents=True) == ["same", "same"]
    totals = frames.compare_totals(body(nested), body(nested))
    assert totals["tool_call_count"].tolist() == [2, 2]


def test_words_stand_between_the_steps_and_have_no_number():
    a = [("words", "I look."), bash("ls"), ("words", "Done.")]
    b = [("words", "I look."), bash("ls"), ("words", "All good."), ("words", "Bye.")]
    frame = frames.compare_df(body(a), body(b))
    assert frame["what"].tolist() == ["words", "call", "words", "words"]
    assert frame["state"].tolist() == ["same", "same", "changed", "only_b"]
    assert frame["step"].tolist() == [pd.NA, 1, pd.NA, pd.NA]
    assert frame.attrs["first_difference"] is None


def test_orders_are_rows_of_the_messages():
    a = body([bash("ls"), bash("pytest")])
    frame, messages = frames.compare_df(a, a), frames.messages_df(a)
    tools = messages.set_index("order").loc[frame["order_a"], "block"]
    assert tools.tolist() == ["tool_use", "tool_use"]


def test_totals_are_those_of_the_frames():
    a, b = body([bash("ls", "failed")], cost=0.25), body([edit("a.py", "x", "y")], seconds=4)
    totals = frames.compare_totals(a, b).set_index("side")
    assert totals["failed_tool_call_count"].tolist() == [1, 0]
    assert totals["edited_file_count"].tolist() == [0, 1]
    assert totals["cost_usd"].tolist() == [0.25, 0.5]
    assert totals["tokens_in"].tolist() == [110, 110]
    assert totals["duration_s"].tolist() == [9.0, 4.0]


def test_what_is_unknown_of_a_session_stays_na():
    totals = frames.compare_totals(b"", b"")
    unknown = [
        "status",
        "prompt",
        "turn_count",
        "tokens_in",
        "cost_usd",
        "cost_source",
        "duration_s",
    ]
    assert totals[unknown].isna().all(axis=None)


def test_edits_by_file_are_compared():
    a = [edit("a.py", "x", "y"), edit("b.py", "x", "y\nz"), edit("c.py", "x", "y", "failed")]
    b = [edit("a.py", "x", "y"), edit("b.py", "x", "q")]
    made = frames.compare_edits(body(a), body(b)).set_index("file")
    assert made.index.tolist() == ["a.py", "b.py"]
    assert made["same"].tolist() == [True, False]
    assert made.loc["b.py", ["added_lines_a", "added_lines_b"]].tolist() == [2, 1]


def test_lines_that_an_edit_does_not_show_are_na():
    call = ("file_change", {"changes": [{"path": "a.py", "kind": "update"}]})
    made = frames.compare_edits(body([call]), body([]))
    assert made["edits_a"].tolist() == [1]
    assert made["added_lines_a"].isna().all()
    assert made["added_lines_b"].tolist() == [0]


def two_sessions():
    """Events of two sessions in one frame."""
    one = frames.decode_events(body([bash("ls")]), "11111111-aaaa")
    two = frames.decode_events(body([bash("pwd")]), "22222222-bbbb")
    return pd.concat([one, two], ignore_index=True)


def test_ids_of_a_source_may_be_short():
    frame = frames.compare_df("1111", "22222222-bbbb", source=two_sessions())
    assert frame.attrs["session_ids"] == ["11111111-aaaa", "22222222-bbbb"]
    assert frame["state"].tolist() == ["changed"]


def test_a_side_of_several_sessions_is_refused():
    with pytest.raises(frames.FrameError, match="has 2 sessions, and a side is one: pass source="):
        frames.compare_df(two_sessions(), b"")


def test_an_unknown_id_of_a_source_is_refused():
    with pytest.raises(
        frames.FrameError, match="source has no session '3': pass source= and one of"
    ):
        frames.compare_df("3", "1111", source=two_sessions())


def test_a_deeply_nested_input_is_compared_too():
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    line = '{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"X","input":'
    event = {"type": "output", "id": 1, "stream": "stdout", "data": line + deep + "}]}}\n"}
    stream = b"data: " + json.dumps(event).encode() + b"\n\n"
    assert set(frames.compare_df(stream, stream)["state"]) <= {"same"}


LOGS = Path(__file__).parents[1] / "logs" / "samples" / "home"
CLAUDE = "11111111-1111-4111-8111-111111111111"


@pytest.mark.filterwarnings("ignore:computed_cost_usd")
def test_logs_are_compared_from_a_path_as_from_a_store(tmp_path):
    store = frames.import_logs(LOGS, into=tmp_path / "store")
    other = next(one for one in store.session_ids if one != CLAUDE)
    of_store = frames.compare_df(CLAUDE[:8], other, source=store)
    of_path = frames.compare_df(CLAUDE, other, source=str(LOGS))
    assert len(of_store)
    pd.testing.assert_frame_equal(of_store, of_path)
    totals = frames.compare_totals(CLAUDE, other, source=store)
    stored = frames.sessions_df(store, details=True).set_index("session_id")
    assert (
        totals["tool_call_count"].tolist()
        == stored.loc[[CLAUDE, other], "tool_call_count"].tolist()
    )
    assert totals["status"].notna().all()


def test_sessions_of_a_service_are_compared_by_id(fresh_service):
    with Client(base_url=fresh_service.url, token=fresh_service.aod_token) as client:
        agent = client.agents.create(name="compared", model="any", runtime="replay")
        runs = [client.sessions.run(agent_id=agent.id, prompt=PROMPT) for _ in "ab"]
        ids = [str(run.session.id) for run in runs]
        for one in ids:
            with client.sessions.stream(one) as events:
                list(events)
        frame = frames.compare_df(*ids, client=client)
        totals = frames.compare_totals(*ids, client=client)
    assert set(frame["state"]) == {"same"}
    assert frame["step"].max() == 12
    assert totals["agent"].tolist() == ["compared"] * 2
    assert totals["status"].tolist() == ["completed"] * 2
    assert totals["prompt"].tolist() == [PROMPT] * 2
    assert totals["tool_call_count"].tolist() == [14, 14]
    assert totals["duration_s"].notna().all()


@pytest.fixture
def replayed(service):
    """A client and a finished session, followed as `live` follows one."""
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="side", model="m", runtime="replay")
        one = str(client.sessions.run(agent_id=agent.id, prompt=PROMPT).session.id)
        with client.sessions.stream(one) as events:
            received = [(event, 1.7e9) for event in events]
        yield (
            client,
            SimpleNamespace(id=one, client=client, is_final=True, received=lambda: received),
        )


def unable(client, *names):
    """A client whose service refuses what is named."""

    def refuse(*_, **__):
        raise AodNotebookError("not here")

    parts = {name: getattr(client, name) for name in ("sessions", "agents")}
    parts |= dict.fromkeys(names, SimpleNamespace(get=refuse))
    return SimpleNamespace(base_url=client.base_url, **parts)


def test_a_client_is_a_source_of_ids(replayed):
    client, session = replayed
    found = frames.compare_totals(session.id, session.id, source=client)
    assert found["agent"].tolist() == ["side", "side"]


def test_a_followed_session_is_compared_after_its_service_has_gone(replayed):
    client, session = replayed
    session.client = unable(client, "sessions")
    totals = frames.compare_totals(session, session)
    assert totals["tool_call_count"].tolist() == [14, 14]
    assert totals["status"].isna().all()


def test_a_session_of_an_archived_agent_is_compared_without_its_name(replayed):
    client, session = replayed
    totals = frames.compare_totals(session.id, session.id, client=unable(client, "agents"))
    assert totals["agent"].tolist() == ["replay", "replay"]
    assert totals["status"].tolist() == ["completed", "completed"]


def test_all_sessions_of_a_client_are_not_a_side(fresh_service):
    with (
        Client(base_url=fresh_service.url, token=fresh_service.aod_token) as client,
        pytest.raises(frames.FrameError, match="is one session, not all: pass one id"),
    ):
        frames.compare_df(client, client)


def test_a_call_without_a_folder_or_with_an_odd_input_is_compared_as_it_is():
    deep = json.loads("[" * 200 + "]" * 200)
    calls = [("Odd", {"value": deep}), bash("cat /srv/one/a")]
    one, other = (body(calls, folder=folder) for folder in (None, None))
    assert frames.compare_df(one, other)["state"].tolist() == ["same", "same"]


def test_a_source_that_holds_no_events_is_refused():
    with pytest.raises(frames.FrameError, match="source must be a store, a path of logs or events"):
        frames.compare_df("s1", "s2", source=5)
