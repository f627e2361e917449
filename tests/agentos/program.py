"""A program that uses an AgentOS SDK, the same text for every SDK and version.

Usage: program.py FOLDER VERSION URL KEY AGENT: imports `agentos` from the folder, or ours if
the folder is "ours"; prints the ids of the runs that it reported, and what it got back.
"""

# ruff: noqa: PLR0915, T201, TRY301 - one program from top to bottom, which prints what it found

import json
import sys


def main(folder, version, url, key, agent):
    if folder == "ours":
        import aod_notebook.agentos as sdk
    else:
        sys.path.insert(0, folder)
        import agentos as sdk
    first = version == "0.2.0"
    client = sdk.AgentOS(api_key=key, agent_id=agent, base_url=url)
    said = {}
    run = client.start_run(input={"invoice": 1}, trigger_type="manual")
    run.emit("step.completed", {"rows": 42, "nested": {"a": [1, None, "x"]}})
    run.emit("warning.detected", {"message": "é"}, level="warn")
    run.emit_llm_request("m", "p", {"temperature": 0.5})
    usage = {"input_tokens": 5, "output_tokens": 2}
    run.emit_llm_response("m", "r", **({"token_usage": usage} if first else {"usage": usage}))
    run.emit_tool_call("t", {"q": 1})
    run.emit_tool_return("t", {"r": [1]})
    run.emit_tool_error("t", "no")
    task = run.start_task("parse", input={"file": "x"})
    task.complete(output={"pages": 3})
    run.start_task("bad").fail("why")
    run.start_task("skipped").skip()
    if not first:
        root = run.start_span("root", kind="step", payload={"a": 1})
        root.child("inner", kind="llm").end({"b": 2})
        root.fail("broken", {"c": 3})
        run.complete({"ok": True}, usage={**usage, "cache_read_tokens": 1})
    else:
        run.complete({"ok": True})
    failed = client.start_run()
    failed.fail("it broke", {"where": "here"})
    said["runs"] = [run.run_id, failed.run_id]
    if not first:
        cancelled = client.start_run(external_run_id="again")
        assert client.start_run(external_run_id="again").run_id == cancelled.run_id
        cancelled.cancel("changed my mind")
        said["runs"].append(cancelled.run_id)
        try:
            with client.start_run() as with_error:
                raise RuntimeError("inside")
        except RuntimeError:
            said["runs"].append(with_error.run_id)
        with client.start_run(parent_run_id=run.run_id) as child:
            child.emit("x")
        said["runs"].append(child.run_id)
        result = client.invoke({"query": "q"}, start_session=True, prompt_variables={"A": "b"})
        said["invoke"] = [result.status, result.output, result.session_id is not None]
        said["stream"] = [
            {k: v for k, v in event.items() if k not in ("run_id", "duration_ms", "session_id")}
            for event in client.invoke_stream({"query": "q"})
        ]
    else:
        said["invoke"] = client.invoke({"query": "q"})["output"]
    client.close()
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
