"""The logs that the real CLIs wrote while a model API counted what it served."""

import json

import pytest
from plain import plain_input

from aod_notebook.logs import count_once, find_logs, printed_turns, read_log
from aod_notebook.transcripts import Reader, Usage

CLAUDE, FORK = "11111111-1111-4111-8111-111111111111", "4b6b04ae-38cc-498e-aebc-0d3676182156"
CODEX, CODEX_AGENT = (
    "01a223c2-401d-7910-9d49-8f501ebb7df9",
    "01a223c2-44ef-75e2-8505-a263425a8e17",
)
GEMINI = "41150bd6-aeee-4f52-8d17-caa1b4f47efd"
OPENCODE, OPENCODE_AGENT = "ses_ddc3d6940ffeHkkvPsK78lAaYJ", "ses_ddc3d1a4bffeful1SEms61MnHt"

SERVED = {
    CLAUDE: Usage(12081, 681, 2481, 441, 0, 0),
    FORK: Usage(1010, 60, 210, 40, 0, 0),
    CODEX: Usage(7121, 471, 1521, 0, None, 49),
    CODEX_AGENT: Usage(2041, 141, 441, 0, None, 14),
    GEMINI: Usage(7182, 532, 1582, None, None, 49),
    OPENCODE: Usage(7242, 592, 1642, 452, None, 0),
    OPENCODE_AGENT: Usage(2073, 173, 473, 133, None, 0),
}
"""What the model API served to each session, as it counted."""


@pytest.fixture
def sessions(home):
    found = [session for log in find_logs(home) for session in read_log(log)]
    count_once(found)
    return {session.session_id: session for session in found}


@pytest.mark.parametrize("session_id", SERVED)
def test_tokens_of_a_session_equal_what_was_served(sessions, session_id):
    assert sessions[session_id].used() == SERVED[session_id]


def test_no_line_of_the_samples_is_a_problem(sessions):
    assert [problem for one in sessions.values() for problem in one.problems] == []


@pytest.mark.parametrize("session_id", [CLAUDE, CODEX, CODEX_AGENT, OPENCODE, OPENCODE_AGENT])
def test_sums_of_the_clis_agree(sessions, session_id):
    session = sessions[session_id]
    used, total = session.used(), session.total

    assert (used.input_tokens, used.output_tokens) == (total.input_tokens, total.output_tokens)
    assert used.cache_read_tokens == total.cache_read_tokens


def test_cost_that_opencode_reports_is_kept(sessions):
    session = sessions[OPENCODE]

    assert sum(one.cost_usd for one in session.requests) == pytest.approx(session.total_cost_usd)


def test_a_turn_begins_at_each_prompt(sessions):
    prompts = [turn.prompt.strip() for turn in sessions[CLAUDE].turns]

    assert prompts == ["please [[tools]]", "please [[subagent]]", "please [[failtool]]"]


def test_a_fork_names_its_origin_and_counts_only_its_own_request(sessions):
    fork = sessions[FORK]

    assert fork.forked_from_id == CLAUDE
    assert [len(turn.requests) for turn in fork.turns] == [0, 0, 1]


def test_a_subagent_of_claude_stands_under_its_call(sessions):
    (lines,) = [turn.lines for turn in sessions[CLAUDE].turns if "subagent" in turn.prompt]
    parents = {json.loads(line).get("parent_tool_use_id") for line in lines}

    assert parents == {None, "toolu_00050"}


@pytest.mark.parametrize(("child", "parent"), [(CODEX_AGENT, CODEX), (OPENCODE_AGENT, OPENCODE)])
def test_a_subagent_with_its_own_session_names_its_parent(sessions, child, parent):
    assert sessions[child].parent_session_id == parent


def test_sessions_know_folder_version_and_model(sessions):
    facts = {
        one.runtime: (one.cwd, one.cli_version, one.model)
        for one in sessions.values()
        if one.parent_session_id is None
    }

    assert facts == {
        "claude": ("/srv/project", "2.1.332", "claude-sonnet-4-6"),
        "codex": ("/srv/project", "0.171.0", "gpt-4.1"),
        "gemini": (None, None, "gemini-2.5-pro"),
        "opencode": ("/srv/project", "1.18.33", "claude-sonnet-4-6"),
    }


@pytest.mark.parametrize("session_id", SERVED)
def test_printed_lines_are_read_as_the_output_of_a_live_agent(sessions, session_id):
    session = sessions[session_id]
    reader = Reader()
    entries = []
    for turn in printed_turns(session):
        entries += reader.feed("".join(line.decode() + "\n" for line in turn.lines))
        entries += reader.flush()

    assert reader.runtime == session.runtime
    calls = [entry for entry in entries if entry.block == "tool_use"]
    results = {entry.tool_use_id for entry in entries if entry.block == "tool_result"}
    assert {entry.tool_use_id for entry in calls} == results
    assert any(entry.result is not None for entry in entries)


def test_nothing_is_written_beside_the_logs(home):
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    for log in find_logs(home):
        read_log(log)

    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


@pytest.mark.parametrize("folder", [".claude", ".codex", ".gemini", ".local"])
def test_a_plain_sum_of_the_same_lines_is_wrong(home, sessions, folder):
    runtime = {".local": "opencode"}.get(folder, folder.removeprefix("."))
    served = sum(SERVED[one.session_id].input_tokens for one in sessions.values()
                 if one.runtime == runtime)  # fmt: skip

    ours = [one.used().input_tokens for one in sessions.values() if one.runtime == runtime]

    assert sum(ours) == served
    assert plain_input(home / folder) > served
