"""The agent CLIs, with stand-in programs that record how they were called; and `replay`."""

import json
import shlex
import threading

import pytest
from cli_kit import MODELS, calls

from aod_notebook.local.runtimes import replay

FIRST = {
    "claude": "--dangerously-skip-permissions --print --verbose --output-format stream-json"
    " --model claude-sonnet-4-6 --session-id {id}",
    "codex": "exec -m o3 --dangerously-bypass-approvals-and-sandbox --json",
    "gemini": "--yolo --skip-trust --output-format stream-json",
    "opencode": "run --model openai/o3 --format json --auto",
}
LATER = {
    "claude": "--dangerously-skip-permissions --print --verbose --output-format stream-json"
    " --model claude-sonnet-4-6 --resume {id}",
    "codex": "exec resume --last -m o3 --dangerously-bypass-approvals-and-sandbox --json",
    "gemini": "--yolo --skip-trust --output-format stream-json --resume",
    "opencode": "run --model openai/o3 --format json --auto --continue",
}


@pytest.mark.parametrize("runtime", list(MODELS))
def test_a_cli_gets_its_arguments_and_the_prompt_on_stdin(fresh_kit, programs, runtime):
    agent = fresh_kit.agent(runtime=runtime, model=MODELS[runtime], system="be brief")
    session = fresh_kit.session("Ünïcode\n'quotes'", agent)
    fresh_kit.finish(session)
    fresh_kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "and now?"}, 202)
    first, later = calls(fresh_kit, session)
    assert first["argv"][0].endswith(f"/{runtime}")
    assert first["argv"][1:] == shlex.split(FIRST[runtime].format(id=session["id"]))
    assert first["stdin"] == "be brief\n\nÜnïcode\n'quotes'"
    assert later["argv"][1:] == shlex.split(LATER[runtime].format(id=session["id"]))
    assert later["stdin"] == "and now?"
    assert first["cwd"] == later["cwd"]
    assert first["env"]["AOD_MODEL"] == MODELS[runtime]
    assert first["env"]["HOME"] != str(programs)


def test_gemini_gets_its_model_in_a_variable(fresh_kit, programs):
    agent = fresh_kit.agent(runtime="gemini", model=MODELS["gemini"])
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert call["env"]["GEMINI_MODEL"] == "gemini-2.5-pro"


def test_a_provider_agent_runs_on_its_providers_cli(fresh_kit, programs):
    agent = fresh_kit.agent(provider="openai", model="gpt-next")
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert call["argv"][1:4] == ["exec", "-m", "gpt-next"]


def test_a_prefix_that_is_not_a_providers_is_a_part_of_the_models_name(fresh_kit, programs):
    agent = fresh_kit.agent(provider="openai", model="openai/house/gpt-next")
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert call["argv"][1:4] == ["exec", "-m", "house/gpt-next"]


def test_a_cli_gets_its_own_keys_only(fresh_kit, programs, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "for-claude")
    monkeypatch.setenv("OPENAI_API_KEY", "for-codex")
    agent = fresh_kit.agent(runtime="claude", model=MODELS["claude"])
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert call["env"]["ANTHROPIC_API_KEY"] == "for-claude"
    assert "OPENAI_API_KEY" not in call["env"]


def test_a_login_of_the_person_is_copied_into_the_sessions_home(fresh_kit, programs):
    (programs / ".claude").mkdir()
    (programs / ".claude" / ".credentials.json").write_text("login")
    agent = fresh_kit.agent(runtime="claude", model=MODELS["claude"])
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert call["files"][".claude/.credentials.json"] == "login"


SERVERS = [
    {"name": "web", "url": "https://x/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
    {"name": "own", "type": "stdio", "command": "run", "args": ["-v"], "env": {"A": "b"}},
]


@pytest.mark.parametrize(
    ("runtime", "path", "content"),
    [
        (
            "claude",
            ".claude.json",
            {
                "mcpServers": {
                    "web": {
                        "type": "http",
                        "url": "https://x/mcp",
                        "headers": {"Authorization": "Bearer ${TOKEN}"},
                    },
                    "own": {"type": "stdio", "command": "run", "args": ["-v"], "env": {"A": "b"}},
                }
            },
        ),
        (
            "gemini",
            ".gemini/settings.json",
            {
                "mcpServers": {
                    "web": {
                        "httpUrl": "https://x/mcp",
                        "headers": {"Authorization": "Bearer ${TOKEN}"},
                    },
                    "own": {"command": "run", "args": ["-v"], "env": {"A": "b"}},
                }
            },
        ),
        (
            "opencode",
            ".config/opencode/opencode.json",
            {
                "mcp": {
                    "web": {
                        "type": "remote",
                        "url": "https://x/mcp",
                        "enabled": True,
                        "headers": {"Authorization": "Bearer ${TOKEN}"},
                    },
                    "own": {
                        "type": "local",
                        "command": ["run", "-v"],
                        "environment": {"A": "b"},
                        "enabled": True,
                    },
                }
            },
        ),
    ],
)
def test_mcp_servers_are_written_as_the_cli_reads_them(fresh_kit, programs, runtime, path, content):
    agent = fresh_kit.agent(runtime=runtime, model=MODELS[runtime], mcp_servers=SERVERS)
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert json.loads(call["files"][path]) == content


def test_codex_gets_its_mcp_servers_as_toml(fresh_kit, programs):
    import tomllib

    agent = fresh_kit.agent(runtime="codex", model=MODELS["codex"], mcp_servers=SERVERS)
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert tomllib.loads(call["files"][".codex/config.toml"]) == {
        "mcp_servers": {
            "web": {"url": "https://x/mcp", "bearer_token_env_var": "TOKEN"},
            "own": {"command": "run", "args": ["-v"], "env": {"A": "b"}},
        }
    }


def test_no_character_of_a_server_spoils_the_toml(fresh_kit, programs):
    import tomllib

    odd = '\N{WAVING HAND SIGN} \x7f \x1b " \\ é\n'
    server = {"name": odd, "type": "stdio", "command": odd, "args": [odd], "env": {odd: odd}}
    agent = fresh_kit.agent(runtime="codex", model=MODELS["codex"], mcp_servers=[server])
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    written = tomllib.loads(call["files"][".codex/config.toml"])["mcp_servers"]
    assert written == {odd: {"command": odd, "args": [odd], "env": {odd: odd}}}


NO_HEADER = "MCP server 'web': codex takes no header but 'Authorization: Bearer ${VARIABLE}'"


NO_TEXT = "MCP server 'web': codex takes texts only for url, command and args"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "x", "headers": {"X-Key": "1"}}, NO_HEADER),
        ({"url": "x", "headers": {"Authorization": "Bearer abc"}}, NO_HEADER),
        ({"url": "x", "headers": 5}, "'int' object has no attribute 'items'"),
        ({"url": None}, NO_TEXT),
        ({"type": "stdio", "command": "run", "args": ["--limit", None]}, NO_TEXT),
        ({"type": "stdio", "command": "run", "args": {"port": 1}, "env": "x"}, "'str' object"),
    ],
)
def test_a_server_that_codex_can_not_have_fails_in_its_stage(fresh_kit, programs, fields, said):
    server = {"name": "web", **fields}
    agent = fresh_kit.agent(runtime="codex", model=MODELS["codex"], mcp_servers=[server])
    failed = [
        e for e in fresh_kit.stream(fresh_kit.session("x", agent)) if e.get("state") == "failed"
    ]
    assert failed[0]["stage"] == "runtime_config"
    assert failed[0]["message"].startswith(f"Failed to write runtime config: {said}")


def test_a_server_with_half_a_character_fails_in_its_stage(fresh_kit, programs):
    body = {"name": "a", "runtime": "codex", "model": MODELS["codex"]}
    body["mcp_servers"] = [{"name": "web", "url": "\ud83d"}]
    agent = fresh_kit.client.post("/agents", content=json.dumps(body)).json()
    failed = [
        e for e in fresh_kit.stream(fresh_kit.session("x", agent)) if e.get("state") == "failed"
    ]
    assert failed[0]["stage"] == "runtime_config"


@pytest.mark.parametrize(
    ("runtime", "root", "agent_name"),
    [
        ("claude", ".claude/skills", "claude-code"),
        ("codex", ".codex/skills", "codex"),
        ("gemini", ".gemini/skills", "gemini-cli"),
        ("opencode", ".config/opencode/skills", "opencode"),
    ],
)
def test_skills_go_where_the_cli_looks(fresh_kit, programs, runtime, root, agent_name):
    skills = [{"name": "s", "description": "d", "content": "c"}]
    agent = fresh_kit.agent(runtime=runtime, model=MODELS[runtime], skills=skills)
    (call,) = calls(fresh_kit, fresh_kit.session("x", agent))
    assert call["files"][f"{root}/s/SKILL.md"].endswith("\n\nc")


def test_a_skill_from_github_is_installed_with_npx(programs):
    from aod_notebook.local.turns.skills import install_command

    skill = {"type": "github", "description": "d", "source": "o/r", "name": "s"}
    assert install_command(skill, "codex") == [
        *("npx", "-y", "skills@latest", "add", "o/r"),
        *("--global", "--agent", "codex", "--yes", "--skill", "s"),
    ]


# replay


def lines(kit, session):
    said = "".join(e["data"] for e in kit.stream(session) if e["type"] == "output")
    return [json.loads(line) for line in said.splitlines()]


def replaying(kit, **options):
    return kit.agent(runtime="replay", metadata={"replay": options} if options else {})


def test_replay_plays_the_packaged_recording_line_by_line(kit):
    session = kit.session("anything", replaying(kit))
    played = [e for e in kit.stream(session) if e["type"] == "output"]
    assert all(e["data"].endswith("\n") and e["data"].count("\n") == 1 for e in played)
    assert json.loads(played[-1]["data"])["type"] == "result"
    assert kit.get(f"/sessions/{session['id']}")["runtime"] == "replay"


def test_a_turn_after_the_recordings_end_says_that_it_is_a_replay(kit):
    session = kit.session("one", replaying(kit))
    kit.finish(session)
    count = len(lines(kit, session))
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "two"}, 202)
    init, assistant, result = lines(kit, session)[count:]
    assert (init["type"], init["subtype"]) == ("system", "init")
    assert assistant["message"]["content"][0]["text"] == result["result"]
    assert "This is a replay" in result["result"]
    assert (result["subtype"], result["total_cost_usd"]) == ("success", 0.0)


@pytest.fixture
def recording(fresh_service):
    """Write a recording of two turns into the service's data directory."""
    folder = fresh_service.data_dir / "recordings"
    folder.mkdir()
    made = [{"type": "x", "n": n} for n in range(3)]
    text = "".join(
        json.dumps(line) + "\n" for line in (*made, {"type": "result", "t": 1}, *made[:1])
    )
    path = folder / "mine.jsonl"
    path.write_text(text + '{"type": "result", "t": 2}')
    return path


def test_a_recordings_turns_are_played_one_by_one(fresh_kit, recording):
    session = fresh_kit.session("one", replaying(fresh_kit, recording="mine"))
    fresh_kit.finish(session)
    assert [line.get("t") for line in lines(fresh_kit, session)] == [None, None, None, 1]
    fresh_kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "two"}, 202)
    assert [line.get("t") for line in lines(fresh_kit, session)][4:] == [None, 2]


def test_a_slow_recording_blocks_no_other_request(fresh_kit, monkeypatch):
    session = fresh_kit.session("one", replaying(fresh_kit))
    fresh_kit.finish(session)
    load, begun, let = replay.load, threading.Event(), threading.Event()

    def slowly(*args):
        begun.set()
        assert let.wait(60)
        return load(*args)

    monkeypatch.setattr(replay, "load", slowly)
    fresh_kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "two"}, 202)
    assert begun.wait(60)
    assert fresh_kit.client.get("/health", timeout=5).status_code == 200
    let.set()
    assert fresh_kit.finish(session)["status"] == "completed"


def test_a_recording_may_be_a_path_and_be_repeated_with_an_exit_code(fresh_kit, recording):
    agent = replaying(fresh_kit, recording=str(recording), repeat=3, exit_code=4)
    session = fresh_kit.session("one", agent)
    assert len(lines(fresh_kit, session)) == 12
    assert fresh_kit.get(f"/sessions/{session['id']}")["exit_code"] == 4


def test_a_link_to_another_file_is_not_played_as_a_recording(fresh_service, fresh_kit, tmp_path):
    (tmp_path / "link.jsonl").symlink_to(fresh_service.data_dir / "credentials.json")
    agent = replaying(fresh_kit, recording=str(tmp_path / "link.jsonl"))
    events = fresh_kit.stream(fresh_kit.session("one", agent))
    assert "no recording" in str(events)
    assert "aos_ws_" not in str(events)


def test_a_replay_that_would_never_end_ends_when_it_is_stopped(fresh_kit, recording):
    session = fresh_kit.session("one", replaying(fresh_kit, recording="mine", repeat=2**70))
    fresh_kit.wait_for_output(session)
    fresh_kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    assert fresh_kit.stream(session)[-1]["type"] == "terminated"


def test_a_paced_replay_can_be_stopped(fresh_kit, recording):
    session = fresh_kit.session("one", replaying(fresh_kit, recording="mine", pace=0.05, repeat=99))
    fresh_kit.wait_for_output(session)
    fresh_kit.post(f"/sessions/{session['id']}/terminate", expect=200)
    assert fresh_kit.stream(session)[-1]["type"] == "terminated"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"recording": "none"}, "no recording 'none' (recordings that are there: claude-coding)"),
        ({"recording": "../../etc/passwd"}, "no recording '../../etc/passwd'"),
        ({"recording": "/etc/passwd"}, "no recording '/etc/passwd'"),
        ({"recording": "/nowhere/claude-coding"}, "no recording '/nowhere/claude-coding'"),
        ({"speed": 0}, "the agent's metadata key 'replay' takes an object with recording"),
        ({"exit_code": 2**70}, "the agent's metadata key 'replay' takes an object with recording"),
        ({"exit_code": 256}, "the agent's metadata key 'replay' takes an object with recording"),
        ({"pace": "fast"}, "the agent's metadata key 'replay' takes an object with recording"),
    ],
)
def test_a_replay_that_can_not_be_fails_when_it_is_installed(kit, options, text):
    events = kit.stream(kit.session("x", replaying(kit, **options)))
    failed = next(e for e in events if e.get("state") == "failed")
    assert failed["stage"] == "install_runtime"
    assert failed["message"].startswith(f"Failed to install runtime: {text}")
