"""The scripted model, asked over HTTP as the CLIs ask it."""

import doctest
import itertools
import json
import subprocess
import threading
import time
import tomllib

import httpx
import pytest

from aod_notebook import testing
from aod_notebook.testing import (
    Counts,
    Cut,
    Delay,
    Failure,
    ModelServer,
    Text,
    Thinking,
    ToolCall,
    WebSearch,
    total,
)  # fmt: skip

BASH = ToolCall("Bash", {"command": "ls"})
READ = ToolCall("Read", {"file_path": "a.txt"})
KNOWN = Counts(
    input_tokens=100, output_tokens=50, cache_read_tokens=1000,
    cache_creation_tokens=30, cache_creation_1h_tokens=20, reasoning_tokens=5,
)  # fmt: skip


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=20) as client:
        yield client


def ask_messages(http, server, prompt="Hello", *, stream=False, tools=("Bash",)):
    body = {
        "model": "claude-sonnet-4-6", "stream": stream, "max_tokens": 100,
        "messages": [{"role": "user", "content": prompt}],
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in tools],
    }  # fmt: skip
    return http.post(server.url + "/v1/messages", json=body)


def ask_responses(http, server, prompt="Hello", *, stream=False, tools=None):
    shell = [{"type": "function", "name": "exec_command", "parameters": {}}]
    body = {
        "model": "gpt-5.5", "stream": stream, "tools": shell if tools is None else tools,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": prompt}]}],
    }  # fmt: skip
    return http.post(server.url + "/v1/responses", json=body)


def ask_gemini(http, server, prompt="Hello", *, stream=False, tools=("run_shell_command",)):
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    body = {
        "contents": [{"role": "user", "parts": [{"text": prompt}]}],
        "tools": [{"functionDeclarations": [{"name": name} for name in tools]}],
    }
    return http.post(f"{server.url}/v1beta/models/gemini-2.5-pro:{method}", json=body)


ASK = {"messages": ask_messages, "responses": ask_responses, "gemini": ask_gemini}


def events(response):
    lines = response.text.splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def kinds(response):
    return [event["type"] for event in events(response)]


def counts_of(row):
    return total([row])


def test_messages_are_answered_in_one_piece(http):
    with ModelServer([[Thinking("Hm."), "Look:", BASH, READ, KNOWN]]) as server:
        answer = ask_messages(http, server).json()
    shown = [(part["type"], part.get("name")) for part in answer["content"]]
    assert shown == [
        ("thinking", None), ("text", None), ("tool_use", "Bash"), ("tool_use", "Read"),
    ]  # fmt: skip
    assert answer["stop_reason"] == "tool_use"
    assert len({part["id"] for part in answer["content"] if "id" in part}) == 2


def test_messages_usage_is_in_the_answer_and_in_the_ledger(http):
    with ModelServer([["Hello.", KNOWN]]) as server:
        usage = ask_messages(http, server).json()["usage"]
        (row,) = server.ledger
    assert usage["input_tokens"] == 100
    assert usage["cache_read_input_tokens"] == 1000
    assert usage["cache_creation_input_tokens"] == 30
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20,
    }  # fmt: skip
    assert usage["output_tokens"] == 50
    assert usage["output_tokens_details"] == {"thinking_tokens": 5}
    assert counts_of(row) == KNOWN
    assert (row.api, row.model, row.status, row.prompt) == (
        "messages", "claude-sonnet-4-6", 200, "Hello",
    )  # fmt: skip


def test_messages_stream_has_the_output_count_at_its_end_only(http):
    with ModelServer([["Hello.", KNOWN]]) as server:
        found = events(ask_messages(http, server, stream=True))
    (begun,) = [e["message"]["usage"] for e in found if e["type"] == "message_start"]
    (ended,) = [e["usage"] for e in found if e["type"] == "message_delta"]
    assert (begun["input_tokens"], begun["output_tokens"]) == (100, 1)
    assert ended["output_tokens"] == 50
    assert found[-1] == {"type": "message_stop"}


def test_messages_stream_holds_every_block_whole(http):
    with ModelServer([[Thinking("Hm."), "Look:", BASH]]) as server:
        found = events(ask_messages(http, server, stream=True))
    deltas = [e["delta"] for e in found if e["type"] == "content_block_delta"]
    assert "".join(d.get("text", "") for d in deltas) == "Look:"
    assert "".join(d.get("thinking", "") for d in deltas) == "Hm."
    arguments = "".join(d.get("partial_json", "") for d in deltas)
    assert json.loads(arguments) == {"command": "ls"}
    starts = [e["index"] for e in found if e["type"] == "content_block_start"]
    assert starts == [e["index"] for e in found if e["type"] == "content_block_stop"] == [0, 1, 2]


def test_responses_usage_includes_what_came_from_the_cache(http):
    with ModelServer([["Hello.", KNOWN]]) as server:
        usage = ask_responses(http, server).json()["usage"]
        (row,) = server.ledger
    assert usage["input_tokens"] == 1130
    assert usage["input_tokens_details"] == {"cached_tokens": 1000, "cache_write_tokens": 30}
    assert usage["output_tokens"] == 50
    assert usage["output_tokens_details"] == {"reasoning_tokens": 5}
    assert usage["total_tokens"] == 1180
    assert counts_of(row) == Counts(
        input_tokens=100, output_tokens=50, cache_read_tokens=1000,
        cache_creation_tokens=30, reasoning_tokens=5,
    )  # fmt: skip


def test_responses_stream_ends_with_the_whole_response(http):
    call = ToolCall("exec_command", {"cmd": "ls"})
    with ModelServer([[Thinking("Hm."), "Look:", call, call]]) as server:
        found = events(ask_responses(http, server, stream=True))
    assert found[0]["type"] == "response.created"
    done = found[-1]
    assert done["type"] == "response.completed"
    output = done["response"]["output"]
    assert [item["type"] for item in output] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
    assert output == [e["item"] for e in found if e["type"] == "response.output_item.done"]
    assert json.loads(output[2]["arguments"]) == {"cmd": "ls"}
    assert output[2]["call_id"] != output[3]["call_id"]


def test_responses_call_of_a_namespaced_tool_names_its_namespace(http):
    tools = [{
        "type": "namespace", "name": "mcp__sums",
        "tools": [{"type": "function", "name": "add"}],
    }]  # fmt: skip
    with ModelServer([ToolCall("mcp__sums__add", {"a": 1})]) as server:
        (item,) = ask_responses(http, server, tools=tools).json()["output"]
    assert (item["namespace"], item["name"]) == ("mcp__sums", "add")


def test_responses_custom_tool_gets_its_text(http):
    tools = [{"type": "custom", "name": "apply_patch"}]
    with ModelServer([ToolCall("apply_patch", {"input": "*** Begin Patch"})]) as server:
        (item,) = ask_responses(http, server, tools=tools).json()["output"]
    assert (item["type"], item["input"]) == ("custom_tool_call", "*** Begin Patch")


def test_gemini_counts_thoughts_beside_the_candidates(http):
    with ModelServer([[Thinking("Hm."), "Hello.", KNOWN]]) as server:
        usage = ask_gemini(http, server).json()["usageMetadata"]
        (row,) = server.ledger
    assert usage == {
        "promptTokenCount": 1100, "cachedContentTokenCount": 1000,
        "candidatesTokenCount": 45, "thoughtsTokenCount": 5, "totalTokenCount": 1150,
    }  # fmt: skip
    assert counts_of(row) == Counts(
        input_tokens=100, output_tokens=50, cache_read_tokens=1000, reasoning_tokens=5
    )
    assert (row.api, row.model) == ("gemini", "gemini-2.5-pro")


def test_gemini_stream_has_text_and_calls_and_one_usage(http):
    call = ToolCall("run_shell_command", {"command": "ls"})
    with ModelServer([["Hello.", call, call]]) as server:
        found = events(ask_gemini(http, server, stream=True))
    parts = [part for e in found for part in e["candidates"][0]["content"]["parts"]]
    assert "".join(part.get("text", "") for part in parts) == "Hello."
    assert [p["functionCall"]["name"] for p in parts if "functionCall" in p] == [call.name] * 2
    assert ["usageMetadata" in e for e in found].count(True) == 1
    assert found[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("api", ASK)
def test_streamed_and_whole_answers_are_counted_alike(http, api):
    with ModelServer([["Hello.", KNOWN], ["Hello.", KNOWN]]) as server:
        ASK[api](http, server, stream=True)
        ASK[api](http, server)
        streamed, whole = server.ledger
    assert counts_of(streamed) == counts_of(whole)
    assert streamed.is_finished
    assert whole.is_finished


def test_each_answer_has_counts_of_its_own(http):
    with ModelServer(itertools.repeat("Hello.")) as server:
        for _ in range(3):
            ask_messages(http, server)
        rows = server.ledger
    assert len({counts_of(row) for row in rows}) == 3
    assert total(rows).input_tokens == sum(row.input_tokens for row in rows) == 3006


def test_ledger_prices_like_a_bill(http):
    million = 1_000_000
    with ModelServer(itertools.repeat(["Hello.", KNOWN])) as server:
        for _ in range(3):
            ask_messages(http, server)
        counts = total(server.ledger)
    five_minutes = counts.cache_creation_tokens - counts.cache_creation_1h_tokens
    cost = (
        3 * counts.input_tokens + 15 * counts.output_tokens + 0.3 * counts.cache_read_tokens
        + 3.75 * five_minutes + 6 * counts.cache_creation_1h_tokens
    ) / million  # fmt: skip
    assert cost == pytest.approx(3 * 0.0015075, abs=1e-12)


@pytest.mark.parametrize("api", ASK)
def test_failure_is_sent_in_the_form_of_its_api(http, api):
    with ModelServer([Failure(429, "Too fast.", retry_after=1), "Hello."]) as server:
        failed = ASK[api](http, server, stream=True)
        ASK[api](http, server, stream=True)
        first, second = server.ledger
    assert (failed.status_code, failed.headers["retry-after"]) == (429, "1")
    assert failed.json()["error"]["message"] == "Too fast."
    assert counts_of(first) == Counts()
    assert [first.status, first.is_finished] == [429, False]
    assert [second.status, second.is_finished] == [200, True]


@pytest.mark.parametrize("api", ASK)
def test_cut_breaks_off_the_stream_after_the_blocks_before_it(http, api):
    with ModelServer([["This is the beginning", Cut(), "and this the end"]]) as server:
        answer = ASK[api](http, server, stream=True)
        (row,) = server.ledger
    assert "beginning" in answer.text
    assert "the end" not in answer.text
    assert not row.is_finished
    assert row.output_tokens <= 1


def test_cut_messages_stream_has_reported_its_input(http):
    with ModelServer([["This is the beginning", Cut(), KNOWN]]) as server:
        ask_messages(http, server, stream=True)
        (row,) = server.ledger
    assert (row.input_tokens, row.output_tokens, row.cache_creation_1h_tokens) == (100, 1, 20)


@pytest.mark.parametrize(
    ("api", "shown"),
    [("messages", "error"), ("responses", "response.failed"), ("gemini", None)],
)
def test_failure_after_text_comes_in_the_stream(http, api, shown):
    with ModelServer([["This is", Failure(529, "Overloaded.")]]) as server:
        answer = ASK[api](http, server, stream=True)
    assert answer.status_code == 200
    last = events(answer)[-1]
    assert last.get("type") == shown
    assert "Overloaded." in json.dumps(last)


def test_delay_holds_the_answer_back(http):
    with ModelServer([[Delay(0.2), "Hello."]]) as server:
        begun = time.monotonic()
        ask_messages(http, server, stream=True)
    assert time.monotonic() - begun >= 0.2


def test_server_closes_without_waiting_for_a_delay():
    got = []

    def ask(url):
        with httpx.Client(trust_env=False) as client, client.stream(
            "POST", url + "/v1/messages",
            json={"stream": True, "messages": [], "tools": [{"name": "Bash"}]},
        ) as answer:  # fmt: skip
            began.set()
            got.append(answer.status_code)

    began = threading.Event()
    with ModelServer([["Hello.", Delay(600)]]) as server:
        asking = threading.Thread(target=ask, args=(server.url,))
        asking.start()
        assert began.wait(60)
    asking.join(60)
    assert got == [200]


def test_mapping_answers_each_conversation_from_its_own_list(http):
    script = {"count": ["One.", "Two."], "sing": ["La."]}
    with ModelServer(script) as server:
        prompts = ["Please count.", "Please sing.", "Please count."]
        answers = [ask_messages(http, server, prompt).json() for prompt in prompts]
    assert [a["content"][0]["text"] for a in answers] == ["One.", "La.", "Two."]


def test_function_sees_the_request(http):
    def answer(request):
        return f"{request.api} {request.model} {request.prompt} {sorted(request.tools)}"

    with ModelServer(answer) as server:
        text = ask_messages(http, server, "Who?", tools=("B", "A")).json()["content"][0]["text"]
    assert text == "messages claude-sonnet-4-6 Who? ['A', 'B']"


def test_requests_are_kept_beside_the_ledger(http):
    with ModelServer(itertools.repeat("Hello.")) as server:
        ask_messages(http, server, "One")
        ask_gemini(http, server, "Two")
        asked, rows = server.requests, server.ledger
    assert [request.prompt for request in asked] == [row.prompt for row in rows] == ["One", "Two"]
    assert asked[0].headers["content-type"] == "application/json"
    assert "content-type" not in repr(asked)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([], "The script has no answer left."),
        ({"count": []}, "The script has no answer left for 'count'."),
        ({"sing": ["La."]}, "The script has no key that occurs in 'Please count.'."),
        (lambda _: 1 / 0, "The script failed: ZeroDivisionError('division by zero')"),
        ([[42]], "The script failed: TypeError('42 is not a block of an answer')"),
    ],
)
def test_script_without_an_answer_says_so(http, script, message):
    with ModelServer(script) as server:
        failed = ask_messages(http, server, "Please count.")
    assert (failed.status_code, failed.json()["error"]["message"]) == (400, message)


@pytest.mark.parametrize("script", ["Hello.", {"Hello": "Hello."}])
def test_text_as_a_script_is_refused(script):
    with pytest.raises(TypeError, match="a list of answers, not a text"):
        ModelServer(script)


def test_request_without_tools_takes_nothing_from_the_script(http):
    with ModelServer(["Hello."], side="A title.") as server:
        side = ask_messages(http, server, tools=()).json()["content"][0]["text"]
        answer = ask_messages(http, server).json()["content"][0]["text"]
        rows = server.ledger
    assert (side, answer) == ("A title.", "Hello.")
    assert [row.is_side for row in rows] == [True, False]


def test_model_asked_to_search_says_that_it_searched(http):
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = {
        "model": "m", "tools": [search], "messages": [{"role": "user", "content": "nights"}],
    }  # fmt: skip
    with ModelServer([], side="Found.") as server:
        answer = http.post(server.url + "/v1/messages", json=body).json()
        (row,) = server.ledger
    assert answer["usage"]["server_tool_use"] == {"web_search_requests": 1}
    assert [part["type"] for part in answer["content"]] == [
        "server_tool_use", "web_search_tool_result", "text",
    ]  # fmt: skip
    assert row.web_searches == 1


@pytest.mark.parametrize(
    ("api", "name"), [("messages", "WebSearch"), ("gemini", "google_web_search")]
)
def test_web_search_is_a_call_of_the_clis_own_tool(http, api, name):
    with ModelServer([WebSearch("nights")]) as server:
        answer = ASK[api](http, server).json()
    assert f'"{name}"' in json.dumps(answer)


def test_tokens_are_counted_and_not_entered(http):
    with ModelServer([]) as server:
        counted = http.post(server.url + "/v1/messages/count_tokens", json={"messages": []})
        google = http.post(server.url + "/v1beta/models/g:countTokens", json={})
        assert server.ledger == []
    assert counted.json()["input_tokens"] > 0
    assert "totalTokens" in google.json()


def test_broken_request_is_refused(http):
    with ModelServer(["Hello."]) as server:
        refused = http.post(server.url + "/v1/messages", content=b"{")
        assert server.ledger == []
    assert refused.status_code == 400


def test_unknown_path_is_not_found(http):
    with ModelServer(["Hello."]) as server:
        assert http.get(server.url + "/v1/models").status_code == 404
        assert http.post(server.url + "/v1/embeddings", json={}).status_code == 404


def test_parallel_requests_each_take_one_answer(http):
    count = 20
    with ModelServer([f"Answer {n}." for n in range(count)]) as server:
        threads = [threading.Thread(target=ask_messages, args=(http, server)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        rows = server.ledger
    assert sorted(row.number for row in rows) == list(range(1, count + 1))
    assert all(row.is_finished for row in rows)


@pytest.mark.parametrize("cli", ["claude", "codex", "gemini", "opencode"])
def test_environment_names_the_server(cli, tmp_path):
    with ModelServer([]) as server:
        given = server.environment(cli)
        written = given.write(tmp_path)
    texts = [*given.variables.values(), *given.files.values()]
    assert any(server.url in text for text in texts)
    assert written == {**given.variables, "HOME": str(tmp_path)}
    assert all((tmp_path / name).read_text() == text for name, text in given.files.items())


def test_codex_configuration_sends_the_key_that_it_is_returned():
    with ModelServer([]) as server:
        given = server.environment("codex")
    config = tomllib.loads(given.files[".codex/config.toml"])
    provider = config["model_providers"][config["model_provider"]]
    assert provider["env_key"] in given.variables
    assert provider["base_url"] == server.url + "/v1"


def test_setup_script_writes_the_same_files(tmp_path):
    with ModelServer([]) as server:
        given = server.environment("gemini")
    home = tmp_path / "a home"
    home.mkdir()
    subprocess.run(["sh", "-c", given.setup_script], env={"HOME": str(home)}, check=True)
    for name, text in given.files.items():
        assert (home / name).read_text() == text


def test_unknown_cli_is_refused():
    with ModelServer([]) as server, pytest.raises(ValueError, match="unknown CLI 'cursor'"):
        server.environment("cursor")


@pytest.mark.parametrize("module", [testing, testing.server, testing.ledger])
def test_examples_of_the_docstrings_run(module):
    ran = doctest.testmod(module, raise_on_error=True)
    assert ran.attempted


def test_text_block_is_the_same_as_a_text(http):
    with ModelServer([Text("Hello."), "Hello."]) as server:
        first, second = (ask_messages(http, server).json()["content"] for _ in range(2))
    assert first == second
