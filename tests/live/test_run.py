import doctest
import importlib
import threading

import anyio
import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from aod_notebook import frames, live
from aod_notebook.agentos import (
    AgentOS,
    AgentOSConflictError,
    AgentOSError,
    AgentOSNotFoundError,
)
from aod_notebook.agentos._async.control_work import AsyncApprovals
from aod_notebook.agentos._sync.control_work import Runs
from aod_notebook.core import bridge
from aod_notebook.live import (
    LiveRun,
    RunNotFollowedError,
    RunStoppedError,
    RunUnknownError,
    StopOutcome,
    WaitTimeoutError,
    attach_run,
    invoke,
    open_run,
)
from aod_notebook.live.agents import NoSuchNameError
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AGENTOS
from aod_notebook.live.follow.run import RunFollower
from aod_notebook.live.registry import registry
from aod_notebook.live.start import reported_run
from aod_notebook.local import LocalService

ASK = {"replay": {"pauses": [{"ask": "Which one?"}]}}
TWICE = {"replay": {"pauses": [{"ask": "Which one?"}, {"approve": "deploy"}]}}
APPROVE = {"replay": {"pauses": [{"approve": "deploy"}]}}


@pytest.fixture(autouse=True)
def connected(service, tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGENTOS_BASE_URL", service.url)
    monkeypatch.setenv("AGENTOS_API_KEY", service.agentos_key)
    monkeypatch.setenv("AGENTOS_AGENT_ID", service.agent_id)
    yield
    live.disconnect()
    bridge.stop()


@pytest.fixture
def agentos():
    with AgentOS() as client:
        yield client


def types(run):
    return [event.type for event, _ in run.received()]


def test_an_invoked_run_is_followed_to_its_end():
    run = invoke({"query": "hi"}).wait()
    assert run.status == "completed"
    assert run.text.startswith("March has 31 nights")
    assert "The last day is back" in run.output["summary"]
    assert run.usage["output_tokens"] > 0
    assert run.cost is None
    assert types(run)[0] == "start"
    assert types(run)[-2:] == ["done", "run"]


def test_what_the_stream_showed_is_not_shown_again():
    run = invoke({"query": "hi"}).wait()
    kinds = types(run)
    assert "agent.message" not in kinds
    assert kinds.count("tool.called") == 14


def test_in_the_end_the_calls_of_tools_have_their_arguments_in_their_places():
    run = invoke({"query": "hi"})
    shown = [event for batch in run.batches() for event in batch]
    kinds = ["tool" if kind.startswith("tool.") else kind for kind in types(run)]
    assert [event.type.partition(".")[0] for event in shown] == kinds
    calls = [event.extra["payload"] for event, _ in run.received() if event.type == "tool.called"]
    assert calls[1]["tool"] == "Grep"
    assert calls[1]["input"]["pattern"] == "date_range\\("
    assert "dates.py" in run.to_html()


def test_an_output_of_a_run_records_its_origin(service):
    run = invoke({"query": "hi"}).wait()
    told = run.provenance()["aod_notebook"]
    assert (told["run_id"], told["service"], told["status"]) == (run.id, service.url, "completed")
    assert told["agent_id"] == service.agent_id
    assert told["started_at"] <= told["ended_at"]
    assert service.agentos_key not in str(told)


def test_a_run_that_is_there_is_shown_from_its_record(agentos):
    reported = agentos.start_run()
    task = reported.start_task("fetch")
    reported.emit("step.completed", {"rows": 3})
    task.complete()
    reported.complete(output={"summary": "done"})
    run = attach_run(reported.run_id).wait()
    assert sorted(types(run)[:-1]) == ["step.completed", "task", "task"]
    assert types(run)[-1] == "run"
    assert run.output == {"summary": "done"}


def test_a_pause_ends_the_waiting_and_an_answer_takes_it_up():
    run = invoke(TWICE).wait()
    assert (run.status, run.waits_for["question"]) == ("awaiting_input", "Which one?")
    run.reply("the first").wait()
    assert run.status == "awaiting_approval"
    run.approve("fine").wait()
    assert (run.status, run.output["answers"]) == ("completed", ["the first"])
    story = [kind for kind in types(run) if kind in ("awaiting_input", "answer", "decision")]
    assert story == ["awaiting_input", "answer", "decision"]


def test_what_an_approval_is_for_is_known_and_shown():
    run = invoke(APPROVE).wait()
    assert run.waits_for["request"] == {"action": "deploy"}
    (question,) = run.viewer().feed.questions
    assert (question.text, question.is_approval) == ("deploy", True)
    assert "deploy" in run.to_html()
    live.disconnect()
    assert attach_run(run.id).catch_up().waits_for["request"] == {"action": "deploy"}


def test_an_approval_that_can_not_be_read_is_asked_for_all_the_same(monkeypatch):
    async def refused(*_, **__):
        raise AgentOSError("no", "FORBIDDEN")

    monkeypatch.setattr(AsyncApprovals, "list", refused)
    run = invoke(APPROVE).wait()
    assert "request" not in run.waits_for
    assert "The run waits for an approval." in run.to_html()
    assert run.approve().wait().status == "completed"


def test_a_rejected_run_has_failed():
    run = invoke(APPROVE).wait().reject("too risky").wait()
    with pytest.raises(live.RunFailedError, match="approval rejected: too risky"):
        run.raise_for_status()


def test_a_question_that_was_read_before_its_answer_is_not_asked_again(monkeypatch):
    run, looking, read_events = invoke(ASK).wait(), threading.Event(), RunFollower._new_events

    async def until_answered(follower, row):
        if row.get("awaiting_input"):
            answered = anyio.Event()
            follower.listen(lambda: follower._taken and answered.set())
            looking.set()
            await answered.wait()
        return await read_events(follower, row)

    monkeypatch.setattr(RunFollower, "_new_events", until_answered)
    assert looking.wait(60)
    assert run.reply("the first").wait().status == "completed"
    assert types(run).count("awaiting_input") == 1


def test_an_answer_that_nobody_asked_for_is_refused():
    run = invoke({"query": "hi"}).wait()
    with pytest.raises(AgentOSConflictError, match="asks nothing"):
        run.reply("x")
    assert "answer" not in types(run)


def test_an_answer_that_comes_too_late_is_refused(agentos):
    run = invoke(ASK).wait()
    agentos.reply(run.id, "theirs")
    with pytest.raises(AgentOSConflictError, match="asks nothing"):
        run.reply("mine")
    assert run.wait(60).output["answers"] == ["theirs"]


def test_an_answer_from_elsewhere_is_seen(agentos):
    run, seen = invoke(ASK).wait(), threading.Event()
    run.listen(seen.set)
    agentos.reply(run.id, "theirs")
    while run.wait().status == "awaiting_input":
        assert seen.wait(60)
        seen.clear()
    assert run.status == "completed"


def test_a_reported_run_that_asks_is_answered(agentos):
    reported = agentos.start_run()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(reported.request_human_input("Ship it?", timeout_seconds=20))
    )
    asking.start()
    run = attach_run(reported.run_id).wait(60)
    assert (run.status, run.waits_for["question"]) == ("awaiting_input", "Ship it?")
    run.reply("yes")
    asking.join()
    assert [answer["input"] for answer in answers] == ["yes"]
    reported.complete()
    assert run.wait(60).status == "completed"


def test_a_run_can_be_awaited():
    async def cell():
        return await invoke(ASK)

    assert anyio.run(cell).status == "awaiting_input"


def test_waiting_has_a_limit_and_the_run_continues(agentos):
    reported = agentos.start_run()
    run = attach_run(reported.run_id)
    with pytest.raises(WaitTimeoutError, match=r"has not ended after 0\.1 s; it continues"):
        run.wait(0.1)
    assert run.stop() is StopOutcome.STOPPED


def test_stopping_reports_each_of_the_three_ends(agentos, unused_port):
    run = invoke(ASK).wait()
    assert run.stop() is StopOutcome.STOPPED
    assert (run.status, agentos.runs.get(run_id=run.id)["status"]) == ("cancelled", "cancelled")
    assert run.stop() is StopOutcome.ALREADY_FINISHED
    on = Connection(AGENTOS, f"http://127.0.0.1:{unused_port}", "aos_ws_x", {})
    assert LiveRun(on, "0-0").stop() is StopOutcome.UNCONFIRMED


def test_a_run_is_shown_on_one_line():
    run = invoke(ASK).wait()
    assert repr(run) == f"<LiveRun {run.id} awaiting_input>"
    run.stop()
    assert repr(run) == f"<LiveRun {run.id} cancelled>"


def test_an_unfollowed_run_shows_its_end_once_it_is_known(agentos):
    reported = agentos.start_run()
    run = reported_run(reported, live.agentos_connection())
    reported.fail("no disk")
    assert (run.status, run.error) == ("failed", "no disk")
    assert repr(run) == f"<LiveRun {run.id} failed>"
    assert "run" in types(run.wait())  # and it can still be followed


def test_a_second_look_at_its_tables_asks_only_for_what_is_new(agentos, monkeypatch):
    reported = agentos.start_run()
    run, asked = reported_run(reported, live.agentos_connection()), []
    body = Runs.events_body

    def noted(self, **given):
        asked.append(given.get("after", 0))
        return body(self, **given)

    monkeypatch.setattr(Runs, "events_body", noted)
    for number in range(3):
        reported.emit_tool_call("ls", {"n": number})
        reported.start_span(f"step {number}").end()
        reported.flush()
        assert list(run.spans["name"]) == [f"step {n}" for n in range(number + 1)]
    assert asked == [0, 2, 4]
    assert run.events.equals(frames.run_events_df(run.id, client=run.client))
    reported.complete()


def test_its_tables_are_written_and_read_back_the_same(tmp_path):
    run = invoke({"query": "hi"}).wait()
    folder = run.to_parquet(tmp_path / "out")
    stored = frames.read_parquet(folder / "run_events.parquet")
    assert list(stored["type"]) == list(run.events["type"])
    assert {path.name for path in folder.iterdir()} == {
        "runs.parquet", "run_events.parquet", "spans.parquet", "tasks.parquet"
    }  # fmt: skip


def test_an_id_that_is_a_path_leads_to_no_other_folder(tmp_path, monkeypatch):
    run = invoke({"query": "hi"}).wait()
    monkeypatch.setattr(LiveRun, "_frame", lambda *_: frames.decode_events(b""))
    for name in ("../up", "/etc", "..", "", "a/b", "x" * 300):
        monkeypatch.setattr(LiveRun, "known_id", lambda _, name=name: name)
        folder = run.to_parquet(tmp_path / "out")
        assert folder.resolve().parent == tmp_path / "out"


def test_the_last_run_is_found_after_a_restart_of_the_kernel(monkeypatch):
    run = invoke(ASK).wait()
    live.disconnect()
    monkeypatch.setattr(registry, "last", {})
    again = attach_run("last").wait()
    assert (again.id, again.status) == (run.id, "awaiting_input")
    assert again.reply("now").wait().status == "completed"


def test_a_run_is_taken_up_right_after_it_was_left():
    run = invoke(ASK).wait()
    for _ in range(20):
        live.disconnect()
        assert attach_run(run.id).wait(60).status == "awaiting_input"


def test_variables_of_the_sdk_name_their_runs(agentos):
    result = agentos.invoke({"query": "hi"})
    reported = agentos.start_run()
    names = {"result": result, "mine": reported, "text": result.run_id}
    assert open_run("result", names).id == open_run("text", names).id == result.run_id
    assert open_run("mine", names).id == reported.run_id


def test_a_run_that_waits_in_the_spool_says_so(unused_port):
    on = Connection(AGENTOS, f"http://127.0.0.1:{unused_port}", "aos_ws_x", {}, agent_id="a")
    run = on.client.start_run()
    handle = LiveRun(on, reported=run)
    assert (handle.id, handle.status) == (run.external_run_id, "pending")
    with pytest.raises(RunUnknownError, match="%agentos outbox shows"):
        _ = handle.events
    run.cancel(timeout=0)
    on.client.close(0)


def test_disconnecting_ends_the_following_and_says_so(agentos):
    run = attach_run(agentos.start_run().run_id)
    live.disconnect()
    with pytest.raises(RunNotFollowedError, match=f"%agentos watch {run.id} takes it up again"):
        run.raise_for_status()
    assert attach_run(run.id).stop() is StopOutcome.STOPPED


def test_following_continues_when_the_process_connects_elsewhere(agentos):
    run = attach_run(agentos.start_run().run_id)
    with LocalService() as other:
        live.connect_agentos(other.url, ask_key=lambda _: other.agentos_key)
        assert run.stop() is StopOutcome.STOPPED
        assert run.wait(60).status == "cancelled"
        live.disconnect()


def test_an_unknown_agent_or_run_is_named():
    with pytest.raises(NoSuchNameError, match=r"%agentos call agents\.list lists them"):
        invoke(agent="nobody")
    with pytest.raises(AgentOSNotFoundError, match="Run nowhere not found"):
        attach_run("nowhere")


def test_an_interrupt_while_a_run_is_being_started_cancels_it(agentos, monkeypatch):
    waited = LiveRun.wait_for_id

    def pressed(self, timeout=None):
        monkeypatch.setattr(LiveRun, "wait_for_id", waited)
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveRun, "wait_for_id", pressed)
    with pytest.raises(RunStoppedError, match="was cancelled on the service"):
        invoke(ASK)
    assert agentos.runs.list(limit=1)[0]["status"] == "cancelled"


def test_the_buttons_of_a_live_view_stop_answer_and_decide():
    run = invoke(TWICE).wait()
    actions = run.viewer_actions()
    actions["answer"](run.waits_for["request_id"], "the first")
    run.wait()
    actions["decide"](run.waits_for["approval_id"], yes=True)
    assert run.wait().status == "completed"
    assert actions["stop"]() == f"Run {run.id} had already finished."


def test_a_refused_answer_leaves_the_question_open_and_who_waits_hears_of_it():
    run, heard = invoke(ASK).wait(), threading.Event()
    run.listen(heard.set)
    with pytest.raises(AgentOSError):
        run.reply("")
    assert heard.wait(60)
    assert run.waits_for["question"] == "Which one?"


def test_the_stop_button_reports_the_id_verbatim(monkeypatch):
    monkeypatch.setattr(LiveRun, "stop", lambda _: StopOutcome.UNCONFIRMED)
    on = Connection(AGENTOS, "http://nowhere.example", "aos_ws_x", {})
    assert LiveRun(on, "01HX").viewer_actions()["stop"]() == (
        "The service did not confirm that run 01HX was cancelled; %agentos cancel 01HX ends it."
    )


@pytest.mark.parametrize("module", ["handle", "run", "start"])
def test_the_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(f"aod_notebook.live.{module}")).failed == 0


def test_a_viewer_shows_a_run():
    run = invoke({"query": "hi"}).wait()
    viewer = run.viewer()
    assert "March has 31 nights" in viewer.static_bundle()["text/plain"] + run.to_html()
    viewer.close()


def test_a_viewers_output_records_its_origin(monkeypatch):
    run, kept = invoke({"query": "hi"}).wait(), []
    monkeypatch.setattr("IPython.display.display", lambda *_, metadata, **__: kept.append(metadata))
    viewer = run.viewer()
    viewer.show()
    viewer.close()
    assert kept == [run.provenance()]


def test_a_run_draws_its_spans_and_tool_calls():
    mpl.use("Agg")
    run = invoke({"query": "hi"}).wait()
    axes = run.plot()
    drawn = " ".join(text.get_text() for text in axes.get_yticklabels() + axes.texts)
    plt.close(axes.figure)
    assert run.id[:8] in axes.get_title(loc="left") + axes.get_title()
    assert "TodoWrite" in drawn


def test_a_run_is_not_a_source_of_a_sessions_frame():
    run = invoke({"query": "hi"}).wait()
    with pytest.raises(TypeError, match=f"{run.id} is a run, not a session: use run_events_df"):
        frames.events_df(run)
    with pytest.raises(TypeError, match="is a run, not a session"):
        frames.messages_df([run])
