"""Traces for OpenTelemetry, read back with its own protobuf definitions."""

import base64
import gzip
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pandas as pd
import pytest
from bodies import frames_of, output
from google.protobuf import json_format
from known_sessions import RUNTIMES, known_session
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aod_notebook import frames
from aod_notebook.frames import otlp
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.frames.sessions.turns import turns_of

RUN_ID = "0a1b2c3d-0000-4000-8000-00000000000f"
SESSION_ID = "8d0c0000-0000-4000-8000-000000000001"
START = pd.Timestamp("2026-01-01T00:00:00Z").value


def at(ms):
    return f"2026-01-01T00:00:{ms // 1000:02d}.{ms % 1000:03d}Z"


EVENTS = [
    {
        "type": "plan",
        "kind": "agent",
        "span_id": "00f067aa0ba902b7",
        "started_at": at(10),
        "ended_at": at(900),
        "duration_ms": 890,
    },
    {
        "type": "ask",
        "kind": "llm",
        "span_id": "ask",
        "parent_span_id": "00f067aa0ba902b7",
        "started_at": at(20),
        "ended_at": at(120),
        "payload": {"model": "m1", "input_tokens": 2**40, "output_tokens": 5, "secret": "words"},
    },
    {
        "type": "look",
        "kind": "tool",
        "span_id": "look",
        "parent_span_id": "never reported",
        "started_at": at(130),
        "payload": {"tool": "search", "error": "broke"},
    },
    {"type": "note", "occurred_at": at(500), "level": "warn", "payload": {"words": "secret"}},
]


def runs_and_events():
    class Runs:
        def list(self, *, limit):
            return [
                {
                    "id": RUN_ID,
                    "agent_id": "a1",
                    "status": "failed",
                    "error_message": "it broke",
                    "started_at": at(0),
                    "ended_at": at(1000),
                    "input_tokens": 7,
                    "cost_usd": 0.5,
                    "test": False,
                    "input": {"private": "secret"},
                }
            ]

    class Client:
        runs = Runs()

        def start_run(self): ...

    body = json.dumps({"data": EVENTS}).encode()
    return frames.runs_df(Client()), frames.decode_run_events(body, RUN_ID)


def parsed(document):
    """The document as OpenTelemetry's own definitions read it, by way of JSON text."""
    text = json.dumps(document, allow_nan=False)

    def as_base64(match):
        return match[1] + base64.b64encode(bytes.fromhex(match[2])).decode() + '"'

    # protobuf's JSON has base64 where OTLP's has hex
    text = re.sub(r'("(?:traceId|spanId|parentSpanId)": ")([0-9a-f]+)"', as_base64, text)
    return json_format.Parse(text, TracesData())


def spans_of(document):
    [resource] = parsed(document).resource_spans
    [scope] = resource.scope_spans
    return list(scope.spans)


def told(item):
    """Attributes as a dict of plain values."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in item.attributes
    }


@pytest.fixture
def collector():
    """A server that takes what is posted, as it was before it was compressed."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_gzip = self.headers.get("Content-Encoding") == "gzip"
            bodies.append(gzip.decompress(body) if is_gzip else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/v1/traces", bodies=bodies)
        server.shutdown()


@pytest.fixture(scope="module")
def run_spans():
    return {span.name: span for span in spans_of(frames.runs_to_otlp(*runs_and_events()))}


def test_the_spans_of_a_run_are_one_tree(run_spans):
    run, plan, ask, look = (run_spans[name] for name in ("run", "plan", "ask", "look"))
    assert {span.trace_id.hex() for span in run_spans.values()} == {RUN_ID.replace("-", "")}
    assert [len(span.span_id) for span in run_spans.values()] == [8] * 4
    assert run.parent_span_id == b""
    assert plan.parent_span_id == run.span_id
    assert plan.span_id.hex() == "00f067aa0ba902b7"
    assert ask.parent_span_id == plan.span_id
    assert look.parent_span_id == run.span_id


def test_spans_have_their_times_in_nanoseconds(run_spans):
    run, ask, look = run_spans["run"], run_spans["ask"], run_spans["look"]
    assert (run.start_time_unix_nano, run.end_time_unix_nano) == (START, START + 10**9)
    assert ask.start_time_unix_nano == START + 20_000_000
    assert ask.end_time_unix_nano == START + 120_000_000
    assert look.start_time_unix_nano == look.end_time_unix_nano


def test_attributes_have_the_names_and_types_of_the_conventions(run_spans):
    run, ask, look = (told(run_spans[name]) for name in ("run", "ask", "look"))
    assert run["gen_ai.agent.id"] == "a1"
    assert run["gen_ai.usage.input_tokens"] == 7
    assert run["agentos.cost_usd"] == 0.5
    assert run["agentos.is_test"] is False
    assert ask["gen_ai.request.model"] == "m1"
    assert ask["gen_ai.usage.input_tokens"] == 2**40
    assert look["gen_ai.tool.name"] == "search"
    operations = [told(span).get("gen_ai.operation.name") for span in run_spans.values()]
    assert operations == ["invoke_agent", "invoke_agent", "chat", "execute_tool"]


def test_kinds_and_failures_are_shown(run_spans):
    assert run_spans["ask"].kind == Span.SPAN_KIND_CLIENT
    assert run_spans["plan"].kind == Span.SPAN_KIND_INTERNAL
    assert run_spans["run"].status == Status(code=Status.STATUS_CODE_ERROR, message="it broke")
    assert run_spans["look"].status == Status(code=Status.STATUS_CODE_ERROR, message="broke")
    assert run_spans["plan"].status.code == Status.STATUS_CODE_UNSET


def test_other_events_of_a_run_are_events_of_its_span(run_spans):
    [event] = run_spans["run"].events
    assert (event.name, event.time_unix_nano) == ("note", START + 500_000_000)
    assert told(event)["agentos.level"] == "warn"


def test_content_is_left_out_unless_asked_for():
    runs, events = runs_and_events()
    assert "secret" not in json.dumps(frames.runs_to_otlp(runs, events))
    whole = frames.runs_to_otlp(runs, events, content=True)
    assert json.dumps(whole).count("secret") == 3
    parsed(whole)


def test_runs_alone_are_traces_of_one_span():
    runs, _ = runs_and_events()
    assert [span.name for span in spans_of(frames.runs_to_otlp(runs))] == ["run"]


def test_the_binary_form_says_the_same():
    document = frames.runs_to_otlp(*runs_and_events())
    assert TracesData.FromString(frames.otlp_to_protobuf(document)) == parsed(document)


def test_the_json_form_has_hex_ids_64_bit_integers_as_text_and_enums_as_numbers():
    document = frames.runs_to_otlp(*runs_and_events())
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        assert isinstance(span["startTimeUnixNano"], str)
        assert isinstance(span["kind"], int)
        assert isinstance(span["status"]["code"], int)
        values = [attribute["value"] for attribute in span["attributes"]]
        assert all(isinstance(v["intValue"], str) for v in values if "intValue" in v)


def whole(runtime, turn):
    """A turn's tokens as OpenTelemetry counts them: the cached ones are a part of the input."""
    tokens = dict(turn.tokens)
    if runtime in ("claude", "opencode"):
        apart = ("cache_read_tokens", "cache_creation_tokens")
        tokens["input_tokens"] += sum(tokens[name] for name in apart)
    return tokens


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_session_is_a_tree_of_turns_and_calls_with_their_usage(runtime):
    session = known_session(runtime, 5)
    spans = spans_of(frames.sessions_to_otlp(*frames_of(session, SESSION_ID)))
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    root, *rest = spans
    assert root.name == "session"
    assert {span.trace_id.hex() for span in spans} == {SESSION_ID.replace("-", "")}
    assert all(span.parent_span_id in by_id for span in rest)

    turns = [span for span in rest if span.name == "invoke_agent"]
    assert [told(span)["aod.turn"] for span in turns] == [turn.number for turn in session.turns]
    for span, turn in zip(turns, session.turns, strict=True):
        usage = {name: told(span).get(frames.otel_names[name]) for name in turn.tokens}
        assert usage == (whole(runtime, turn) if turn.finished else dict.fromkeys(turn.tokens))

    calls = [told(span) for span in rest if span.name.startswith("execute_tool ")]
    truth = [(call.tool, call.id) for turn in session.turns for call in turn.calls]
    assert [(c["gen_ai.tool.name"], c["gen_ai.tool.call.id"]) for c in calls] == truth


def test_a_subagents_calls_stand_below_the_call_that_started_it():
    session = next(
        made
        for made in (known_session("claude", seed) for seed in range(100))
        if any(call.parent for turn in made.turns for call in turn.calls)
    )
    spans = spans_of(frames.sessions_to_otlp(*frames_of(session, SESSION_ID)))
    by_call = {told(span).get("gen_ai.tool.call.id"): span for span in spans}
    children = [call for turn in session.turns for call in turn.calls if call.parent]
    for call in children:
        assert by_call[call.id].parent_span_id == by_call[call.parent].span_id


def test_calls_without_times_stand_at_the_start_of_their_turn_and_say_so():
    spans = spans_of(frames.sessions_to_otlp(*frames_of(known_session("claude", 5), SESSION_ID)))
    turns = {told(s)["aod.turn"]: s for s in spans if s.name == "invoke_agent"}
    calls = [span for span in spans if span.name.startswith("execute_tool ")]
    assert calls
    for call in calls:
        assert told(call)["aod.is_timed"] is False
        start = turns[told(call)["aod.turn"]].start_time_unix_nano
        assert call.start_time_unix_nano == call.end_time_unix_nano == start > 0


def test_calls_that_were_followed_live_have_their_times():
    sessions, turns, calls, results = frames_of(known_session("claude", 5), SESSION_ID)
    times = pd.to_datetime(["2026-01-01T00:00:01Z"] * len(calls)).astype("datetime64[us, UTC]")
    calls = calls.assign(called_at=times, returned_at=times + pd.Timedelta(seconds=2))
    spans = spans_of(frames.sessions_to_otlp(sessions, turns, calls, results))
    call = next(span for span in spans if span.name.startswith("execute_tool "))
    assert told(call)["aod.is_timed"] is True
    assert (call.start_time_unix_nano, call.end_time_unix_nano) == (
        START + 10**9,
        START + 3 * 10**9,
    )


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_times_that_otlp_cannot_express_are_left_out(year):
    moment = pd.Timestamp(f"{year}-06-01T00:00:00Z").as_unit("us")
    runs = pd.DataFrame({"run_id": [RUN_ID], "started_at": [moment], "ended_at": [moment]})
    told = frames.runs_to_otlp(runs)
    TracesData.FromString(frames.otlp_to_protobuf(told))
    assert '"startTimeUnixNano": "0"' in json.dumps(told)


def test_no_sessions_are_not_spans():
    assert frames.sessions_to_otlp(sessions_of([]), turns_of([])) == {"resourceSpans": []}


def of_claude(model="claude-sonnet-4-6"):
    """The tables of a turn with 10 fresh, 5,000 cached and 100 newly cached tokens."""
    counts = {
        "input_tokens": 10,
        "output_tokens": 7,
        "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 100,
    }
    line = {"type": "result", "subtype": "success", "usage": counts, "total_cost_usd": 0.5}
    named = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    line["modelUsage"] = {model: {**dict(zip(named, counts.values(), strict=True)), "costUSD": 0.5}}
    call = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {}}
    words = {"type": "assistant", "message": {"id": "m", "content": [call]}}
    body = output(1, f"{json.dumps(words)}\n{json.dumps(line)}\n")
    events = frames.decode_events(body.encode(), session_id=SESSION_ID)
    told = {"id": SESSION_ID, "agent_id": "a1", "provider": "anthropic", "status": "completed"}
    return (
        sessions_of([{**told, "created_at": at(0), "updated_at": at(900)}]),
        turns_of([(SESSION_ID, [{"turn_number": 1, "started_at": at(1), "ended_at": at(800)}])]),
        frames.tool_calls_from_events(events),
        frames.results_from_events(events),
        frames.model_usage_from_events(events),
    )


def test_input_includes_the_cached_tokens_that_a_runtime_counts_apart():
    *tables, _ = of_claude()
    turn = next(s for s in spans_of(frames.sessions_to_otlp(*tables)) if s.name == "invoke_agent")
    counts = {key: value for key, value in told(turn).items() if key.startswith("gen_ai.usage")}
    assert counts == {
        "gen_ai.usage.input_tokens": 5110,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 5000,
        "gen_ai.usage.cache_creation.input_tokens": 100,
    }


def test_every_model_of_a_turn_has_a_span_that_names_it_and_has_its_tokens():
    spans = {span.name: span for span in spans_of(frames.sessions_to_otlp(*of_claude()))}
    chat, turn = spans["chat claude-sonnet-4-6"], spans["invoke_agent"]
    assert chat.parent_span_id == turn.span_id
    assert chat.kind == Span.SPAN_KIND_CLIENT
    assert told(chat)["gen_ai.request.model"] == "claude-sonnet-4-6"
    assert told(turn)["gen_ai.request.model"] == "claude-sonnet-4-6"
    assert told(chat)["gen_ai.usage.input_tokens"] == 5110
    assert told(chat)["aod.cost_usd"] == told(turn)["aod.cost_usd"] == 0.5
    assert not any(key.startswith("gen_ai.usage") for key in told(turn))  # nothing counts twice


def test_the_agent_is_named_by_its_own_spans_and_the_schema_by_the_document():
    document = frames.sessions_to_otlp(*of_claude())
    named = {span.name for span in spans_of(document) if "gen_ai.agent.id" in told(span)}
    assert named == {"session", "invoke_agent"}
    [resource] = document["resourceSpans"]
    assert resource["schemaUrl"].startswith("https://opentelemetry.io/schemas/1.")
    assert resource["scopeSpans"][0]["schemaUrl"] == resource["schemaUrl"]


def test_an_exporter_is_sent_the_same_spans_a_few_hundred_at_a_time(monkeypatch):
    monkeypatch.setattr(otlp, "_BATCH", 2)
    exporter = InMemorySpanExporter()
    count = frames.export_runs(exporter, *runs_and_events())
    spans = exporter.get_finished_spans()
    assert count == len(spans) == 4
    told = frames.runs_to_otlp(*runs_and_events())["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [f"{span.context.span_id:016x}" for span in spans] == [span["spanId"] for span in told]


def test_sessions_are_sent_to_a_collector_as_the_binary_form_of_the_document(collector):
    sessions, turns, calls, results, usage = of_claude()
    exporter = OTLPSpanExporter(endpoint=collector.url)
    more = {"tool_calls": calls, "results": results, "model_usage": usage}
    assert frames.export_sessions(exporter, sessions, turns, **more) == 4
    [body] = collector.bodies
    document = frames.sessions_to_otlp(sessions, turns, **more)
    assert TracesData.FromString(body) == parsed(document)


def test_spans_that_an_exporter_refuses_are_an_error():
    refusing = SimpleNamespace(export=lambda spans: SpanExportResult.FAILURE)
    with pytest.raises(frames.FrameError, match="did not take spans 1 to 4"):
        frames.export_runs(refusing, *runs_and_events())


@pytest.mark.parametrize("name", ["opentelemetry", "opentelemetry.sdk"])
def test_without_opentelemetry_the_error_names_the_extra(monkeypatch, name):
    for known in [known for known in sys.modules if known.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(frames.MissingPackageError, match="otel"):
        frames.runs_to_otlp(*runs_and_events())
