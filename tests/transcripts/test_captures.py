"""What real CLIs wrote: every line is known, and the totals are those that were served."""

import pytest
from captured import NAMES, read, results

from aod_notebook.aod.pretty import formatter_for
from aod_notebook.transcripts import LINE_TYPES, Reader

# Per turn: tokens read, written, from the cache, into it, of the last for an hour, of reasoning;
# cost; calls that failed. Taken by hand from the files, which are beside this one.
KNOWN = {
    "claude/bg": [((3330, 480, 930, 420, None, None), 0.019044, 0)],
    "claude/denied": [((4422, 622, 1222, 542, 0, None), 0.0249951, 2)],
    "claude/e500once": [((1084, 134, 284, 114, 0, None), 0.0057747, 0)],
    "claude/failtool": [((3165, 315, 765, 255, 0, None), 0.01540575, 2)],
    "claude/hello": [((1003, 53, 203, 33, 0, None), 0.00398865, 0)],
    "claude/mcp": [((3204, 354, 804, 294, 0, None), 0.0162657, 1)],
    "claude/miderror": [((1083, 133, 283, 113, None, None), 0.00575265, 0)],
    "claude/partial": [((4330, 530, 1130, 450, 0, None), 0.0229665, 0)],
    "claude/resumed-2.1.332": [
        ((200, 100, 2000, 60, 40, 0), 0.003015, 0),
        ((100, 50, 1000, 30, 20, 0), 0.0015075, 0),
        ((100, 50, 1000, 30, 20, 0), 0.0015075, 0),
    ],
    "claude/search": [((3225, 375, 825, 315, None, None), 0.01672875, 0)],
    "claude/sidecall": [((5505, 755, 1505, 655, None, None), 0.03074775, 1)],
    "claude/subagent": [((5305, 555, 1305, 455, None, None), 0.02633775, 0)],
    "claude/tools": [((4022, 222, 822, 142, 0, None), 0.0161751, 0)],
    "claude/turns": [
        ((4137, 337, 937, 257, 0, None), 0.01871085, 0),
        ((3144, 294, 744, 234, 0, None), 0.0149427, 2),
        ((1053, 103, 253, 83, 0, None), 0.00509115, 0),
    ],
    "codex/e429once": [((1129, 179, 329, 0, None, 7), None, 0)],
    "codex/failtool": [((3114, 264, 714, 0, None, 21), None, 2)],
    "codex/hello": [((1008, 58, 208, 0, None, 7), None, 0)],
    "codex/mcp": [((8421, 5571, 6021, 0, None, 21), None, 1)],
    "codex/miderror": [((None,) * 6, None, 0)],
    "codex/resumed-0.171.0": [  # the thread's totals: 4062, 7121 read
        ((4062, 262, 862, 0, None, 28), None, 0),
        ((3059, 209, 659, 0, None, 21), None, 0),
    ],
    "codex/search": [((1116, 166, 316, 0, None, 7), None, 0)],
    "codex/subagent": [((3131, 281, 731, 0, None, 21), None, 0)],
    "codex/tools": [((4042, 242, 842, 0, None, 28), None, 0)],
    "codex/turns": [  # the thread's totals: 4106, 7196, 8229 read
        ((4106, 306, 906, 0, None, 28), None, 0),
        ((3090, 240, 690, 0, None, 21), None, 2),
        ((1033, 83, 233, 0, None, 7), None, 0),
    ],
    "gemini/e429once": [((2738, 1788, 1938, None, None, 7), None, 0)],
    "gemini/failtool-yolo": [((8469, 5619, 6069, None, None, 21), None, 1)],
    "gemini/hello": [((1013, 63, 213, None, None, 7), None, 0)],
    "gemini/mcp-yolo": [((8637, 5787, 6237, None, None, 21), None, 1)],
    "gemini/search": [((8139, 5289, 5739, None, None, 21), None, 0)],
    "gemini/tools-yolo": [((11255, 7455, 8055, None, None, 28), None, 0)],
    "gemini/turns": [
        ((10682, 6882, 7482, None, None, 28), None, 3),
        ((8022, 5172, 5622, None, None, 21), None, 2),
        ((2679, 1729, 1879, None, None, 7), None, 0),
    ],
    "opencode/denied": [((1076, 126, 276, 106, None, 0), 0.0055983, 1)],
    "opencode/e429once": [((2777, 1827, 1977, 1807, None, 0), 0.04310535, 0)],
    "opencode/hello": [((1019, 69, 219, 49, None, 0), 0.00434145, 0)],
    "opencode/mcp": [((8238, 5388, 5838, 5328, None, 0), 0.1272654, 1)],
    "opencode/subagent": [((8204, 5354, 5804, 5294, None, 0), 0.1265157, 0)],
    "opencode/tools": [((4090, 290, 890, 210, None, 0), 0.0176745, 0)],
    "opencode/tools-1.18.33": [((4130, 330, 930, 250, None, 0), 0.0185565, 0)],
    "opencode/turns": [
        ((10716, 6916, 7516, 6836, None, 0), 0.1637778, 0),
        ((8130, 5280, 5730, 5220, None, 0), 0.124884, 2),
        ((2715, 1765, 1915, 1745, None, 0), 0.04173825, 0),
    ],
}
FAILED = {"codex/miderror", "opencode/denied"}


def counts_of(usage):
    if usage is None:
        return (None,) * 6
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_creation_tokens,
        usage.cache_creation_1h_tokens,
        usage.reasoning_tokens,
    )


def test_every_capture_is_known():
    assert list(KNOWN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_tokens_and_cost_are_those_that_were_served(name):
    found = results(name)
    assert [counts_of(r.usage) for r in found] == [counts for counts, _, _ in KNOWN[name]]
    assert [r.cost_usd for r in found] == [
        None if cost is None else pytest.approx(cost, abs=1e-12) for _, cost, _ in KNOWN[name]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_is_the_sum_of_its_models(name):
    for result in results(name):
        for index, count in enumerate(counts_of(result.usage)):
            if count is not None:
                assert count == sum(counts_of(used.usage)[index] for used in result.model_usage)


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_of_a_known_type(name):
    for entries in read(name):
        assert {entry.line_type for entry in entries} <= LINE_TYPES - {"text"}


@pytest.mark.parametrize("name", NAMES)
def test_failed_calls_and_failed_turns_are_seen(name):
    failed = [sum(e.block == "tool_result" and e.is_error for e in es) for es in read(name)]
    assert failed == [count for _, _, count in KNOWN[name]]
    assert [r.is_error for r in results(name)] == [name in FAILED] * len(KNOWN[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_call_has_its_result(name):
    for entries in read(name):
        calls = [e.tool_use_id for e in entries if e.block == "tool_use"]
        assert sorted(calls) == sorted(e.tool_use_id for e in entries if e.block == "tool_result")


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("codex")])
def test_calls_have_the_times_that_their_lines_report(name):
    for entries in read(name):
        began = {e.tool_use_id: e.created_at for e in entries if e.block == "tool_use"}
        ended = {e.tool_use_id: e.created_at for e in entries if e.block == "tool_result"}
        for call, end in ended.items():
            assert end > 1_795_000_000_000_000  # microseconds, November 2026
            if not name.startswith("claude") or "resumed" in name:
                assert 0 <= end - began[call] < 60_000_000


def test_the_time_of_an_opencode_call_is_that_of_the_tool():
    entries = read("opencode/turns")[0]
    bash = [e.created_at for e in entries if e.tool_use_id == "toolu_16772"]
    assert bash == [1795887608404000, 1795887610796000]


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_that_passes_is_a_note_and_no_error(name):
    if name in FAILED:
        return
    for entries in read(name):
        assert not [e for e in entries if e.line_type == "error"]


def test_retries_are_shown_while_they_happen():
    notes = [e.text for e in read("claude/e500once")[0] if e.is_note]
    assert notes == ["API 500, retry 1 of 2 in 0.6 s"]
    assert [e.text[:16] for e in read("codex/e429once")[0] if e.is_note] == [
        "Model metadata f",
        "Reconnecting... ",
    ]


def test_the_output_of_a_message_is_unknown_before_it_stopped():
    usages = [e.usage for e in read("claude/turns")[0] if e.usage is not None]
    assert {usage.output_tokens for usage in usages} == {None}
    assert {usage.input_tokens for usage in usages} == {1032, 1034, 1035, 1036}


def test_partial_messages_report_what_each_message_wrote():
    last = {e.message_id: e.usage for e in read("claude/partial")[0] if e.usage is not None}
    assert {key: usage.output_tokens for key, usage in last.items()} == {
        "msg_000081": 131,
        "msg_000082": 132,
        "msg_000083": 133,
        "msg_000084": 134,
    }


def test_a_subagents_prompt_is_neither_the_users_nor_the_agents():
    [prompt] = [e for e in read("claude/subagent")[0] if e.subtype == "subagent_prompt"]
    assert (prompt.line_type, prompt.block) == ("system", "text")
    assert prompt.text == "[[subwork]] Count the files here."


def test_a_codex_subagent_is_a_call_with_its_answer():
    entries = read("codex/subagent")[0]
    calls = [(e.tool, e.input) for e in entries if e.block == "tool_use"]
    thread = "01a22335-d55b-7770-ae4e-5df7a6094858"
    prompt = "[[subwork]] Count the files here."
    assert calls == [
        ("spawn_agent", {"prompt": prompt, "receiver_thread_ids": [thread]}),
        ("wait", {"prompt": None, "receiver_thread_ids": [thread]}),
    ]
    outputs = [e.text for e in entries if e.block == "tool_result"]
    assert outputs == ["pending_init", "There are no files."]


def test_an_account_from_the_middle_of_a_session_knows_only_what_lines_report_of_a_turn():
    lines = "\n".join(
        line for e in read("codex/turns")[1:2] for line in dict.fromkeys(x.raw for x in e)
    )
    reader = Reader(first_turn=2)
    [result] = [e.result for e in reader.feed(lines + "\n") if e.result is not None]
    assert (result.usage, result.model_usage, result.text) == (None, (), "Two tools failed.")


@pytest.mark.parametrize("name", NAMES)
def test_printers_show_the_accounts_of_the_turns(name):
    printer = formatter_for(name.split("/")[0])
    for entries, result in zip(read(name), results(name), strict=True):
        lines = dict.fromkeys(e.raw for e in entries if not e.raw.startswith("["))
        shown = "\n".join([*printer.feed("\n".join(lines) + "\n"), *printer.flush()])
        last = [line for line in shown.splitlines() if "Done" in line][-1]
        if result.cost_usd is not None:
            assert f"tokens ${result.cost_usd:.4f}" in last
        elif result.usage is not None:
            assert f"tokens {result.tokens_in} in, {result.tokens_out} out" in last
