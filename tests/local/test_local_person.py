"""The person's settings, keys and gateways in a session: used, kept, and sent nowhere else."""

import json
import os
import signal
import tomllib

import pytest
from cli_kit import MODELS, calls

from aod_notebook.local import LocalService
from aod_notebook.local.variables import CLI_VARIABLES, PLACES, own_variables

SECRET = "not-a-real-key"
SERVER = {"name": "own", "type": "stdio", "command": "run"}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in {name for names in CLI_VARIABLES.values() for name in names} | set(PLACES):
        monkeypatch.delenv(name, raising=False)


def call(kit, runtime, prompt="x", agent=None, **session):
    """Run one turn of a CLI; return how it was called."""
    agent = kit.agent(runtime=runtime, model=MODELS[runtime], **(agent or {}))
    return calls(kit, kit.session(prompt, agent, **session))[-1]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


SETTINGS = [
    ("claude", ".claude/settings.json"),
    ("codex", ".codex/config.toml"),
    ("gemini", ".gemini/settings.json"),
    ("opencode", ".config/opencode/opencode.json"),
]


@pytest.mark.parametrize(("runtime", "path"), SETTINGS)
def test_the_persons_settings_are_copied_and_theirs_stay_as_they_are(
    fresh_service, fresh_kit, programs, runtime, path
):
    text = '# mine\nmodel_reasoning_effort = "low"\n' if path.endswith("toml") else '{"a": 1}'
    write(programs / path, text)
    seen = call(fresh_kit, runtime, agent={"mcp_servers": [SERVER]})
    read = tomllib.loads if path.endswith("toml") else json.loads
    assert read(text).items() <= read(seen["files"][path]).items()
    assert (programs / path).read_text() == text
    assert not any(file.is_symlink() for file in fresh_service.data_dir.rglob("*"))


@pytest.mark.parametrize(
    ("runtime", "path", "key"),
    [
        ("claude", ".claude.json", "mcpServers"),
        ("codex", ".codex/config.toml", "mcp_servers"),
        ("gemini", ".gemini/settings.json", "mcpServers"),
        ("opencode", ".config/opencode/opencode.json", "mcp"),
    ],
)
def test_an_agents_servers_come_beside_the_persons(fresh_kit, programs, runtime, path, key):
    mine = f'[{key}.mine]\ncommand = "m"\n' if path.endswith("toml") else {key: {"mine": {}}}
    write(programs / path, mine)
    seen = call(fresh_kit, runtime, agent={"mcp_servers": [SERVER]})
    read = tomllib.loads if path.endswith("toml") else json.loads
    assert set(read(seen["files"][path])[key]) == {"mine", "own"}


def test_the_setup_script_finds_the_persons_settings_and_has_the_last_word_on_them(
    fresh_kit, programs
):
    write(programs / ".codex/config.toml", 'model_provider = "mine"\nprofile = "p"\n')
    script = "sed -i s/mine/theirs/ ~/.codex/config.toml"
    environment = fresh_kit.environment(
        setup_script=script, env_vars={"OPENAI_BASE_URL": "http://x"}
    )
    seen = call(
        fresh_kit, "codex", agent={"mcp_servers": [SERVER]}, environment_id=environment["id"]
    )
    document = tomllib.loads(seen["files"][".codex/config.toml"])
    assert (document["model_provider"], document["profile"]) == ("theirs", "p")
    assert set(document["mcp_servers"]) == {"own"}


def test_settings_with_comments_are_read(fresh_kit, programs):
    path = ".gemini/settings.json"
    write(programs / path, '{"ui": {"theme": "a // b"}, // mine\n /* old */ "x": [1,],}')
    document = json.loads(call(fresh_kit, "gemini", agent={"mcp_servers": [SERVER]})["files"][path])
    assert (document["ui"], document["x"]) == ({"theme": "a // b"}, [1])


def test_settings_that_can_not_be_read_fail_in_a_stage_that_names_them(fresh_kit, programs):
    write(programs / ".codex/config.toml", "model = ")
    agent = fresh_kit.agent(runtime="codex", model="any", mcp_servers=[SERVER])
    events = fresh_kit.stream(fresh_kit.session("x", agent))
    failed = next(e for e in events if e.get("state") == "failed")
    assert failed["stage"] == "runtime_config"
    assert "config.toml can't be read as TOML" in failed["message"]


def test_every_toml_value_survives_additions(fresh_kit, programs):
    text = (
        'a = 1\nb = 1.5\nc = true\nd = 2026-11-01T10:00:00Z\ne = [{x = 1}, {y = "z"}]\nf = inf\n'
        '["odd key"."é"]\ng = "a\\"b"\n[h]\n[h.i]\nj = []\n'
    )
    write(programs / ".codex/config.toml", text)
    seen = call(fresh_kit, "codex", agent={"mcp_servers": [SERVER]})
    document = tomllib.loads(seen["files"][".codex/config.toml"])
    del document["mcp_servers"]
    assert document == tomllib.loads(text)


def test_a_folder_that_the_person_chose_for_a_cli_is_where_its_files_are(
    fresh_kit, programs, monkeypatch, tmp_path
):
    write(tmp_path / "codex" / "config.toml", 'profile = "p"\n')
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    seen = call(fresh_kit, "codex")
    assert tomllib.loads(seen["files"][".codex/config.toml"]) == {"profile": "p"}
    assert "CODEX_HOME" not in seen["env"]


# keys and gateways


def test_an_openai_key_is_used_for_codex_without_a_login(fresh_kit, programs, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert call(fresh_kit, "codex")["env"]["CODEX_API_KEY"] == SECRET


def test_a_login_of_codex_wins_over_a_key_that_lies_around(fresh_kit, programs, monkeypatch):
    write(programs / ".codex/auth.json", {"tokens": {}})
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert "CODEX_API_KEY" not in call(fresh_kit, "codex")["env"]


def test_a_key_that_the_session_is_given_wins_over_a_login_of_codex(fresh_kit, programs):
    write(programs / ".codex/auth.json", {"tokens": {}})
    seen = call(fresh_kit, "codex", secret_env_vars={"OPENAI_API_KEY": SECRET})
    assert seen["env"]["CODEX_API_KEY"] == SECRET


def test_codex_talks_to_the_gateway_that_the_key_is_for(fresh_kit, programs, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gate.example/v1")
    document = tomllib.loads(call(fresh_kit, "codex")["files"][".codex/config.toml"])
    provider = document["model_providers"][document["model_provider"]]
    assert provider["base_url"] == "https://gate.example/v1"
    assert (provider["env_key"], provider["wire_api"]) == ("OPENAI_API_KEY", "responses")
    assert SECRET not in json.dumps(document)


def test_a_key_that_codexs_settings_name_reaches_it(fresh_kit, programs, monkeypatch):
    write(programs / ".codex/config.toml", '[model_providers.h]\nenv_key = "HOUSE_KEY"\n')
    monkeypatch.setenv("HOUSE_KEY", SECRET)
    monkeypatch.setenv("OTHER_KEY", SECRET)
    env = call(fresh_kit, "codex")["env"]
    assert env["HOUSE_KEY"] == SECRET
    assert "OTHER_KEY" not in env


def test_opencode_talks_to_geminis_gateway(fresh_kit, programs, monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://gate.example/")
    document = json.loads(call(fresh_kit, "opencode")["files"][".config/opencode/opencode.json"])
    assert document["provider"]["google"]["options"]["baseURL"] == "https://gate.example/v1beta"


@pytest.mark.parametrize(
    ("variables", "files", "method"),
    [
        ({"GEMINI_API_KEY": SECRET}, {}, "gemini-api-key"),
        ({}, {"oauth_creds.json": {"refresh_token": "r"}}, "oauth-personal"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "true"}, {}, "vertex-ai"),
        (
            {"GEMINI_API_KEY": SECRET},
            {"settings.json": {"security": {"auth": {"selectedType": "oauth-personal"}}}},
            "oauth-personal",
        ),
    ],
    ids=["key", "google", "vertex", "chosen"],
)
def test_gemini_knows_how_to_log_in(fresh_kit, programs, monkeypatch, variables, files, method):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name, content in files.items():
        write(programs / ".gemini" / name, content)
    document = json.loads(call(fresh_kit, "gemini")["files"][".gemini/settings.json"])
    assert document["security"]["auth"]["selectedType"] == method


def test_what_bedrock_needs_reaches_claude(fresh_service, fresh_kit, programs, monkeypatch):
    (programs / ".aws").mkdir()
    (programs / ".aws" / "config").write_text("[default]")
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    monkeypatch.setenv("AWS_PROFILE", "work")
    seen = call(fresh_kit, "claude")
    assert (seen["env"]["CLAUDE_CODE_USE_BEDROCK"], seen["env"]["AWS_PROFILE"]) == ("1", "work")
    (linked,) = fresh_service.data_dir.glob("sessions/*/home/.aws")
    assert linked.resolve() == programs / ".aws"  # a login that is renewed is the person's


# what a kernel sends


def test_what_a_kernel_sends_wins_over_the_services_own_environment(
    fresh_kit, programs, monkeypatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the-services")
    sent = {**own_variables({**os.environ, "ANTHROPIC_API_KEY": "the-kernels"}), "MINE": SECRET}
    env = call(fresh_kit, "claude", local_env_vars=sent)["env"]
    assert env["ANTHROPIC_API_KEY"] == "the-kernels"
    assert "MINE" not in env  # a CLI gets what it reads, whatever is sent
    assert "OPENAI_API_KEY" not in env


def test_the_next_prompt_brings_the_variables_of_its_own_kernel(fresh_kit, programs):
    sent = own_variables(os.environ)
    agent = fresh_kit.agent(runtime="claude", model="any")
    session = fresh_kit.session("x", agent, local_env_vars={**sent, "ANTHROPIC_API_KEY": "one"})
    fresh_kit.finish(session)
    body = {"prompt": "y", "local_env_vars": {**sent, "ANTHROPIC_API_KEY": "two"}}
    fresh_kit.post(f"/sessions/{session['id']}/prompt", body, 202)
    fresh_kit.finish(session)
    fresh_kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "z"}, 202)
    keys = [each["env"]["ANTHROPIC_API_KEY"] for each in calls(fresh_kit, session)]
    assert keys == ["one", "two", "two"]


def test_what_a_kernel_sends_is_stored_nowhere_and_answered_nowhere(start, programs):
    service = start()
    agent = service.kit.agent(runtime="shell", model="any")
    sent = {**own_variables(os.environ), "ANTHROPIC_API_KEY": SECRET}
    session = service.kit.session("true", agent, local_env_vars=sent)
    assert service.kit.finish(session)["status"] == "completed"
    said = [service.client.get(f"/sessions{path}").text for path in ("", f"/{session['id']}")]
    refused = service.client.post("/sessions", json={"local_env_vars": {"K": [SECRET]}})
    assert refused.status_code == 422
    assert SECRET not in "".join([*said, refused.text, service.kit.raw(session)])
    service.end(signal.SIGTERM)
    files = [path for path in service.data_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


# folders and root


def test_temporary_files_stay_in_the_sessions_folder_and_go_with_it(fresh_service, fresh_kit):
    session = fresh_kit.session('mktemp; echo "$TMPDIR"')
    fresh_kit.finish(session)
    said = "".join(e["data"] for e in fresh_kit.stream(session) if e["type"] == "output")
    made, folder = said.splitlines()
    assert made.startswith(f"{folder}/")
    assert folder == str(fresh_service.data_dir / "sessions" / session["id"] / "tmp")


REFUSES = """#!/bin/sh
test "$IS_SANDBOX" = 1 && exit 0
echo 'cannot be used with root/sudo privileges for security reasons' >&2
exit 1
"""


@pytest.fixture
def root(programs, monkeypatch):
    """This is root, and claude refuses that as it does."""
    claude = programs.parent / "bin" / "claude"
    claude.write_text(REFUSES)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_root_gets_one_line_on_how_to_allow_it(fresh_kit, root):
    agent = fresh_kit.agent(runtime="claude", model="any")
    *_, last, _ = fresh_kit.stream(fresh_kit.session("x", agent))
    assert last["data"].count("\n") == 1
    for way in ("IS_SANDBOX=1", "env_vars", "%config AodMagics.allow_root", "allow_root=True"):
        assert way in last["data"]


def test_root_is_allowed_by_an_environment_by_the_person_or_by_the_service(
    fresh_kit, root, monkeypatch, tmp_path
):
    from service_kit import Kit, connect

    agent = fresh_kit.agent(runtime="claude", model="any")
    environment = fresh_kit.environment(env_vars={"IS_SANDBOX": "1"})
    session = fresh_kit.session("x", agent, environment_id=environment["id"])
    assert fresh_kit.finish(session)["status"] == "completed"
    with (
        LocalService(tmp_path / "data", allow_root=True) as service,
        connect(service.url, service.aod_token) as client,
    ):
        kit = Kit(client)
        session = kit.session("x", kit.agent(runtime="claude", model="any"))
        assert kit.finish(session)["status"] == "completed"
    monkeypatch.setenv("IS_SANDBOX", "1")
    assert fresh_kit.finish(fresh_kit.session("x", agent))["status"] == "completed"
