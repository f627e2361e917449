"""Traps of real logs, each alone, with totals that are known."""

import json

import pytest
from databases import make_database

from aod_notebook.logs import count_once, find_logs, read_log

PROJECT = ".claude/projects/-srv-project"
DAY = ".codex/sessions/2026/03/01"
CHATS = ".gemini/tmp/project/chats"


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read(home, environ=None):
    logs = find_logs(home) if environ is None else find_logs(environ=environ)
    sessions = [session for log in logs for session in read_log(log)]
    count_once(sessions)
    return sessions


def tokens(sessions):
    """Return input and output tokens of all requests."""
    counted = [request.usage for session in sessions for request in session.requests]
    return sum(one.input_tokens for one in counted), sum(one.output_tokens for one in counted)


# -- Claude -------------------------------------------------------------------------------------


def prompted(text, at, session="s1", **fields):
    line = {"type": "user", "uuid": f"u-{session}-{at}", "sessionId": session}
    return line | {
        "timestamp": f"2026-03-01T09:00:{at:02}Z",
        "message": {"content": text},
        **fields,
    }


def answered(key, at, output=5, session="s1", **fields):
    message = {"id": key, "model": "claude-sonnet-4-6", "content": []}
    message["usage"] = {"input_tokens": 10, "output_tokens": output}
    line = {"type": "assistant", "uuid": f"a-{session}-{at}", "sessionId": session}
    return line | {"timestamp": f"2026-03-01T09:00:{at:02}Z", "message": message, **fields}


def test_a_message_that_a_prompt_interrupts_counts_with_its_largest_usage(tmp_path):
    lines = [prompted("One", 1), answered("m1", 2, 1), prompted("Two", 3), answered("m1", 4, 60)]
    write(tmp_path / PROJECT / "s1.jsonl", lines)

    assert tokens(read(tmp_path)) == (10, 60)


def test_a_message_that_two_files_hold_counts_with_its_largest_usage(tmp_path):
    write(tmp_path / PROJECT / "s1.jsonl", [prompted("One", 1), answered("m1", 2, 1)])
    fork = [
        prompted("One", 1),
        answered("m1", 2, 60, session="s2"),
        prompted("Two", 9, session="s2"),
    ]
    write(tmp_path / PROJECT / "s2.jsonl", fork)

    sessions = read(tmp_path)

    assert tokens(sessions) == (10, 60)
    assert {one.session_id: len(list(one.requests)) for one in sessions} == {"s1": 1, "s2": 0}


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_does_not_have_is_unknown(tmp_path, time):
    lines = [prompted("Count.", 1), answered("a", 2), answered("b", 3) | {"timestamp": time}]
    write(tmp_path / ".claude/projects/-w/s1.jsonl", lines)
    (session,) = read(tmp_path)
    at = {request.key: request.at for request in session.requests}
    assert at["b"] is None
    assert at["a"] == 1_772_355_602_000_000


def test_a_summary_of_another_session_is_not_a_title_of_this_one(tmp_path):
    stray = {"type": "summary", "summary": "Another talk", "leafUuid": "elsewhere"}
    write(tmp_path / PROJECT / "s1.jsonl", [stray, prompted("Count.", 1), answered("m1", 2)])

    assert read(tmp_path)[0].title is None


def test_a_summary_of_the_session_is_its_title(tmp_path):
    own = {"type": "summary", "summary": "Counting", "leafUuid": "a-s1-2"}
    write(tmp_path / PROJECT / "s1.jsonl", [prompted("Count.", 1), answered("m1", 2), own])

    assert read(tmp_path)[0].title == "Counting"


@pytest.mark.parametrize("swap", [False, True])
def test_a_chosen_title_comes_before_a_generated_one(tmp_path, swap):
    made = {"type": "ai-title", "aiTitle": "Made", "sessionId": "s1"}
    chosen = {"type": "custom-title", "customTitle": "Chosen", "sessionId": "s1"}
    titles = [chosen, made] if swap else [made, chosen]
    write(tmp_path / PROJECT / "s1.jsonl", [prompted("Count.", 1), *titles])

    assert read(tmp_path)[0].title == "Chosen"


def test_a_subagent_beside_its_session_belongs_to_it(tmp_path):
    """Versions before the folder `subagents` wrote `agent-<id>.jsonl` beside the session."""
    write(tmp_path / PROJECT / "s1.jsonl", [prompted("Count.", 1), answered("m1", 2)])
    side = {"isSidechain": True, "agentId": "a1"}
    lines = [prompted("Look.", 3, **side), answered("m2", 4, **side)]
    write(tmp_path / PROJECT / "agent-a1.jsonl", lines)

    sessions = read(tmp_path)

    assert [one.session_id for one in sessions] == ["s1"]
    assert tokens(sessions) == (20, 10)


def test_config_folders_are_a_list_in_which_blanks_do_not_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "projects" / "mine").mkdir(parents=True)
    write(tmp_path / "projects" / "mine" / "no-session.jsonl", [prompted("No.", 1)])
    write(tmp_path / "a" / "projects" / "-x" / "s1.jsonl", [prompted("One", 1), answered("m1", 2)])
    write(tmp_path / "b" / "projects" / "-x" / "s2.jsonl", [prompted("Two", 1), answered("m2", 2)])
    environ = {"HOME": str(tmp_path / "none")}
    environ["CLAUDE_CONFIG_DIR"] = f"{tmp_path / 'a'}, {tmp_path / 'b'},"

    assert sorted(one.session_id for one in read(None, environ)) == ["s1", "s2"]


def test_a_session_in_two_folders_is_one_session_that_counts_once(tmp_path):
    lines = [prompted("One", 1), answered("m1", 2)]
    write(tmp_path / PROJECT / "s1.jsonl", lines)
    more = [*lines, prompted("Two", 3), answered("m2", 4)]
    write(tmp_path / ".claude/projects/-srv-other/s1.jsonl", more)

    assert tokens(read(tmp_path)) == (20, 10)


def test_a_retry_and_a_compaction_are_lines_as_the_cli_prints_them(tmp_path):
    base = {"type": "system", "sessionId": "s1", "timestamp": "2026-03-01T09:00:02Z"}
    retry = {**base, "uuid": "r", "subtype": "api_error", "retryAttempt": 2, "maxRetries": 10}
    retry |= {"retryInMs": 4000, "error": {"status": 529}}
    compact = {**base, "uuid": "c", "subtype": "compact_boundary", "content": "Compacted"}
    compact["compactMetadata"] = {"trigger": "auto", "preTokens": 150_000}
    write(tmp_path / PROJECT / "s1.jsonl", [prompted("One", 1), retry, compact])

    first, second = map(json.loads, read(tmp_path)[0].turns[0].lines)

    names = ("subtype", "attempt", "max_retries", "retry_delay_ms", "error_status")
    assert [first[name] for name in names] == ["api_retry", 2, 10, 4000, 529]
    assert second["compact_metadata"] == {"trigger": "auto", "pre_tokens": 150_000}


# -- Codex --------------------------------------------------------------------------------------


def line(kind, payload, at="09:00:00.000"):
    return {"timestamp": f"2026-03-01T{at}Z", "type": kind, "payload": payload}


def meta(thread, at="09:00:00.000", **links):
    payload = {"id": thread, "timestamp": f"2026-03-01T{at}Z", **links}
    return line("session_meta", payload, at)


def count(total, last=10, at="09:00:05.000"):
    info = {
        "total_token_usage": {"input_tokens": total, "output_tokens": total},
        "last_token_usage": {"input_tokens": last, "output_tokens": last},
    }
    return line("event_msg", {"type": "token_count", "info": info}, at)


def prompt(text="Count.", at="09:00:01.000"):
    return line("event_msg", {"type": "user_message", "message": text}, at)


def record(thread, key, tokens=10, at="09:00:04.000"):
    usage = {"input_tokens": tokens, "output_tokens": tokens}
    payload = {"thread_id": thread, "response_id": key, "usage": usage}
    return line("token_usage_record", payload, at)


def codex(home, name, lines, folder=DAY):
    write(home / folder / f"rollout-2026-03-01T09-00-00-{name}.jsonl", lines)


def test_a_total_that_starts_again_at_a_resume_counts_each_answer(tmp_path):
    codex(tmp_path, "t1", [meta("t1"), prompt(), count(10), prompt(), count(30, 20), count(10)])

    assert tokens(read(tmp_path)) == (40, 40)


def test_a_count_that_a_resume_repeats_does_not_count_again(tmp_path):
    lines = [meta("t1"), prompt(), record("t1", "r1"), count(10), prompt("Stop."), count(10)]
    codex(tmp_path, "t1", lines)

    assert tokens(read(tmp_path)) == (10, 10)


def test_counts_and_records_of_two_versions_add_up_in_one_file(tmp_path):
    lines = [meta("t1"), prompt(), count(10), prompt(), record("t1", "r1", 20), count(30, 20)]
    codex(tmp_path, "t1", lines)

    assert tokens(read(tmp_path)) == (30, 30)


def test_counts_that_a_fork_copies_from_a_parent_with_records_count_once(tmp_path):
    codex(tmp_path, "t1", [meta("t1"), prompt(), record("t1", "r1"), count(10)])
    at = "09:10:00.999"
    copied = [prompt(at=at), count(10, at=at)]
    own = [prompt("On.", "09:11:00.000"), count(25, 15, "09:11:02.000")]
    fork = meta("t2", at, forked_from_id="t1")
    codex(tmp_path, "t2", [fork, *copied, *own])

    assert tokens(read(tmp_path)) == (25, 25)


def test_copies_that_run_over_into_the_next_second_count_once(tmp_path):
    codex(tmp_path, "t1", [meta("t1"), prompt(), count(10), count(20)])
    late = "09:10:01.001"
    copied = [count(10, at="09:10:00.999"), count(20, at=late)]
    own = [prompt("On.", "09:11:00.000"), count(35, 15, "09:11:02.000")]
    codex(tmp_path, "t2", [meta("t2", "09:10:00.998", parent_thread_id="t1"), *copied, *own])

    assert tokens(read(tmp_path)) == (35, 35)


def test_a_thread_that_is_archived_and_still_there_counts_once(tmp_path):
    lines = [meta("t1"), prompt(), count(10)]
    codex(tmp_path, "t1", lines)
    codex(tmp_path, "t1", lines, ".codex/archived_sessions")

    assert tokens(read(tmp_path)) == (10, 10)


def ran(name, given, output):
    """Return the finished item of one call in a Codex rollout."""
    call = {"type": "function_call", "name": name, "call_id": "c", "arguments": json.dumps(given)}
    done = {"type": "function_call_output", "call_id": "c", "output": output}
    return [line("response_item", call), line("response_item", done)]


OLD = {"output": "no\n", "metadata": {"exit_code": 3, "duration_seconds": 0.1}}
HEADED = "Exit code: 3\nWall time: 0.1 seconds\nOutput:\nno\n"


@pytest.mark.parametrize("output", [json.dumps(OLD), HEADED, OLD["output"]])
def test_outputs_of_older_shells_are_read(tmp_path, output):
    codex(tmp_path, "t1", [meta("t1"), prompt(), *ran("shell", {"command": ["false"]}, output)])

    item = json.loads(read(tmp_path)[0].turns[0].lines[-1])["item"]

    assert item["aggregated_output"] == "no\n"
    assert item["exit_code"] == (None if output == "no\n" else 3)


@pytest.mark.parametrize("name", ["shell", "mcp__files__read"])
def test_words_in_an_output_are_not_exit_code(tmp_path, name):
    output = 'The log says: Process exited with code 9, "exit_code": 9'
    codex(tmp_path, "t1", [meta("t1"), prompt(), *ran(name, {"command": "cat log"}, output)])

    item = json.loads(read(tmp_path)[0].turns[0].lines[-1])["item"]

    assert item["status"] == "completed"


def test_parts_of_an_output_are_its_text(tmp_path):
    parts = [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]
    codex(tmp_path, "t1", [meta("t1"), prompt(), *ran("mcp__files__read", {}, parts)])

    item = json.loads(read(tmp_path)[0].turns[0].lines[-1])["item"]

    assert item["result"]["content"][0]["text"] == "one\ntwo"


# -- Gemini -------------------------------------------------------------------------------------


def head(session):
    return {"sessionId": session, "projectHash": "p", "startTime": "2026-03-01T09:00:00Z"}


def asked(key, text="Count."):
    return {"id": key, "timestamp": "2026-03-01T09:00:01Z", "type": "user", "content": text}


def replied(key, tokens=10, **more):
    counts = {"input": tokens, "output": tokens, "cached": 0, "thoughts": 0, **more}
    message = {"id": key, "timestamp": "2026-03-01T09:00:02Z", "type": "gemini", "content": key}
    return message | {"tokens": counts, "model": "gemini-2.5-pro"}


def test_a_subagent_of_gemini_is_found_and_names_its_parent(tmp_path):
    chat = [head("11111111-parent"), asked("u1"), replied("m1")]
    write(tmp_path / CHATS / "session-2026-03-01T09-00-11111111.jsonl", chat)
    side = [{**head("agent-1"), "kind": "subagent"}, asked("u2"), replied("m2")]
    write(tmp_path / CHATS / "11111111-parent" / "agent-1.jsonl", side)

    sessions = read(tmp_path)

    assert tokens(sessions) == (20, 20)
    parents = {one.session_id: one.parent_session_id for one in sessions}
    assert parents == {"11111111-parent": None, "agent-1": "11111111-parent"}


def test_an_old_chat_that_was_resumed_as_lines_counts_once(tmp_path):
    whole = {**head("s1"), "messages": [asked("u1"), replied("m1")]}
    path = tmp_path / CHATS / "session-2026-03-01T09-00-s1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(whole))
    write(path.with_suffix(".jsonl"), [head("s1"), asked("u1"), replied("m1"), replied("m2")])

    assert tokens(read(tmp_path)) == (20, 20)


def test_a_rewind_to_nothing_known_takes_the_conversation_back_and_not_the_bill(tmp_path):
    lines = [head("s1"), asked("u1"), replied("m1"), {"$rewindTo": "gone"}, asked("u2", "Again.")]
    write(tmp_path / CHATS / "session-2026-03-01T09-00-s1.jsonl", [*lines, replied("m2")])

    (session,) = read(tmp_path)

    assert [turn.prompt for turn in session.turns] == ["Again."]
    assert tokens([session]) == (20, 20)


def test_a_history_that_is_set_takes_the_place_of_the_conversation(tmp_path):
    history = {"$set": {"messages": [asked("u2", "Shorter.")]}}
    lines = [head("s1"), asked("u1"), replied("m1"), history, replied("m2")]
    write(tmp_path / CHATS / "session-2026-03-01T09-00-s1.jsonl", lines)

    (session,) = read(tmp_path)

    assert [turn.prompt for turn in session.turns] == ["Shorter."]
    assert tokens([session]) == (20, 20)


def test_tokens_of_a_tools_prompt_are_a_part_of_the_input(tmp_path):
    lines = [head("s1"), asked("u1"), replied("m1", tool=7, total=27)]
    write(tmp_path / CHATS / "session-2026-03-01T09-00-s1.jsonl", lines)

    assert tokens(read(tmp_path)) == (17, 10)


def test_gemini_sessions_know_their_folder(tmp_path):
    write(tmp_path / CHATS / "session-2026-03-01T09-00-s1.jsonl", [head("s1"), asked("u1")])
    (tmp_path / CHATS).with_name(".project_root").write_text("/srv/project\n")

    assert read(tmp_path)[0].cwd == "/srv/project"


def test_gemini_can_have_a_home_of_its_own(tmp_path):
    write(tmp_path / "g" / CHATS / "session-2026-03-01T09-00-s1.jsonl", [head("s1"), replied("m1")])
    environ = {"HOME": str(tmp_path / "none"), "GEMINI_CLI_HOME": str(tmp_path / "g")}

    assert tokens(read(None, environ)) == (10, 10)


# -- opencode -----------------------------------------------------------------------------------


def test_growth_of_the_older_layout_changes_its_stamp(tmp_path):
    storage = tmp_path / ".local/share/opencode/storage"
    info = {"id": "ses_1", "time": {"created": 1, "updated": 2}}
    write(storage / "session" / "p" / "ses_1.json", [info])
    before = find_logs(tmp_path)[0].stamp
    write(storage / "message" / "ses_1" / "msg_1.json", [{"id": "msg_1", "role": "user"}])

    assert find_logs(tmp_path)[0].stamp != before


def opencode_answer(key, session, created):
    data = {"role": "assistant", "modelID": "m", "cost": 0.01}
    data["tokens"] = {"input": 10, "output": 10, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    data["time"] = {"created": created, "completed": created + 5}
    return {"id": key, "session_id": session, "time_created": created, "data": json.dumps(data)}


def test_a_fork_of_opencode_copies_messages_under_new_ids_and_counts_its_own(tmp_path):
    sessions = [
        {"id": "ses_b", "title": "Count", "time_created": 1000, "time_updated": 9000},
        {"id": "ses_a", "title": "Count (fork #1)", "time_created": 4000, "time_updated": 5000},
    ]
    messages = [
        opencode_answer("msg_1", "ses_b", 1000),
        opencode_answer("msg_2", "ses_a", 1000),
        opencode_answer("msg_3", "ses_a", 4500),
    ]
    parts = [{"id": "prt_1", "message_id": "msg_1", "session_id": "ses_b", "time_created": 1}]
    parts[0]["data"] = json.dumps({"type": "text", "text": "One."})
    tables = {"session": sessions, "message": messages, "part": parts}
    make_database(tmp_path / ".local/share/opencode/opencode-beta.db", tables)

    origin, fork = sorted(read(tmp_path), key=lambda one: one.created_at)

    assert (tokens([origin]), tokens([fork])) == ((10, 10), (10, 10))
    assert (origin.forked_from_id, fork.forked_from_id) == (None, "ses_b")


def test_a_file_that_is_named_comes_with_its_subagents(tmp_path):
    path = tmp_path / PROJECT / "s1.jsonl"
    write(path, [prompted("Count.", 1), answered("m1", 2)])
    side = {"isSidechain": True, "agentId": "a1"}
    write(path.with_suffix("") / "subagents" / "agent-a1.jsonl", [answered("m2", 3, **side)])

    assert tokens(read(path)) == (20, 10)


def test_a_folder_and_a_link_to_it_are_one(tmp_path):
    write(tmp_path / PROJECT / "s1.jsonl", [prompted("Count.", 1), answered("m1", 2)])
    (tmp_path / "link").symlink_to(tmp_path / ".claude")

    assert len(find_logs([tmp_path, tmp_path / "link"])) == 1


@pytest.mark.parametrize("name", ["/etc", "../../elsewhere", "..", "*", "x" * 5000, "a\0"])
def test_an_opencode_session_reads_no_folder_but_its_own(tmp_path, name):
    storage = tmp_path / ".local/share/opencode/storage"
    write(storage / "session" / "p" / "ses_1.json", [{"id": name, "title": "hostile"}])
    write(storage / "session" / "p" / "ses_2.json", [{"id": "ses_2"}])
    answer = {"id": "m", "role": "assistant", "modelID": "x", "tokens": {"input": 7}}
    for folder in (tmp_path / ".local/share/elsewhere", storage / "message" / "ses_2"):
        write(folder / "m.json", [answer])
    hostile, honest = read(tmp_path)
    assert (hostile.title, hostile.turns) == ("hostile", [])
    assert hostile.problems[0].what == "the id of the session is not one of opencode's"
    assert len(honest.turns) == 1
