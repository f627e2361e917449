"""Provisioning: what each stage does on this machine, and how it fails."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from service_kit import Kit, connect

from aod_notebook.local import LocalService
from aod_notebook.local.turns.packages import (
    PackagesRefusedError,
    check_name,
    install_commands,
    installer_environment,
)
from aod_notebook.local.turns.skills import install_command


def stages(events):
    return [(e["stage"], e["state"]) for e in events if e["type"] == "stage"]


def failure(events):
    """Return the message of the failed stage, after checking what follows it."""
    failed = next(e for e in events if e.get("state") == "failed")
    assert failed["duration_ms"] >= 0
    *_, said, last = events
    assert (said["stream"], said["turn"]) == ("stderr", 1)
    assert said["data"] == f"provision failed: {failed['message']}\n"
    assert last["type"] == "error"
    return failed["stage"], failed["message"]


def output(events):
    return "".join(e["data"] for e in events if e["type"] == "output" and e["stream"] == "stdout")


def run(kit, prompt, agent=None, **environment):
    made = kit.environment(**environment)
    return kit.stream(kit.session(prompt, agent, environment_id=made["id"]))


def test_apt_packages_are_refused_in_a_stage(kit):
    stage, message = failure(run(kit, "true", packages={"apt": ["jq", "curl"]}))
    assert stage == "provision_setup"
    assert message == (
        "Provisioning script failed: apt packages are not installed on this machine (jq, curl): "
        "install them yourself and take 'apt' out of the environment's packages"
    )


def test_limited_networking_fails_unless_it_is_allowed(kit):
    events = run(kit, "true", networking={"type": "limited"})
    stage, message = failure(events)
    assert stage == "network_policy"
    assert message == (
        "Failed to prepare Sprite: this machine can't limit a session's network; use "
        "unrestricted networking, or start the service with --allow-unenforced-network"
    )


def test_limited_networking_that_was_allowed_is_named_as_not_enforced():
    with (
        LocalService(allow_unenforced_network=True) as service,
        connect(service.url, service.aod_token) as client,
    ):
        events = run(Kit(client), "true", networking={"type": "limited"})
    assert ("network_policy", "done") in stages(events)
    said = [e["data"] for e in events if e["type"] == "output"]
    assert said == ["network policy: not enforced on this machine\n"]
    assert events[-1]["code"] == 0


@pytest.mark.parametrize(
    ("runtime", "model", "package"),
    [
        ("claude", "anthropic/claude-sonnet-4-6", "@anthropic-ai/claude-code"),
        ("codex", "openai/o3", "@openai/codex"),
        ("gemini", "google/gemini-2.5-pro", "@google/gemini-cli"),
        ("opencode", "openai/o3", "opencode-ai"),
    ],
)
def test_a_missing_cli_fails_with_what_to_install(
    monkeypatch, fresh_service, fresh_kit, runtime, model, package
):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    events = fresh_kit.stream(
        fresh_kit.session("hi", fresh_kit.agent(runtime=runtime, model=model))
    )
    stage, message = failure(events)
    assert stage == "install_runtime"
    assert message == (
        f"Failed to install runtime: '{runtime}' was not found on PATH: "
        f"install it (npm install -g {package}), or use the runtime shell or replay"
    )


def test_a_variable_with_a_nul_character_fails(kit):
    session = kit.session("true", secret_env_vars={"A": "x\0y"})
    stage, message = failure(kit.stream(session))
    assert (stage, message) == (
        "env_file",
        "Failed to prepare Sprite: variable A holds a NUL character",
    )


def test_the_setup_script_runs_once_in_the_workspace(kit):
    environment = kit.environment(setup_script="echo made >> f", env_vars={"X": "1"})
    session = kit.session("cat f", environment_id=environment["id"])
    kit.finish(session)
    kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "cat f"}, 202)
    assert output(kit.stream(session)) == "made\nmade\n"


@pytest.fixture
def wheel(tmp_path):
    """A package of one module, as a wheel."""
    path = tmp_path / "tinything-1-py3-none-any.whl"
    info = "tinything-1.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tinything.py", "print('installed')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinything\nVersion: 1\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tinything.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return path


@pytest.mark.faults
def test_packages_of_pip_go_into_the_sessions_own_venv(kit, wheel):
    events = run(kit, "python -m tinything", packages={"pip": [str(wheel)]})
    assert output(events) == "installed\n"


NPM = """#!/bin/sh
shift 4  # install --silent --global --prefix
mkdir -p "$1/bin" || exit
test "$2" = -- || exit
test "$3" != nothing || { echo "no package $3" >&2; exit 1; }
printf '#!/bin/sh\\necho installed\\n' > "$1/bin/$3"
chmod +x "$1/bin/$3"
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in for npm, first on PATH."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(NPM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_an_installed_packages_programs_are_on_the_sessions_path(npm, fresh_kit):
    assert output(run(fresh_kit, "tinything", packages={"npm": ["tinything"]})) == "installed\n"


def test_a_package_that_can_not_be_installed_fails_with_the_installers_words(npm, fresh_kit):
    stage, message = failure(run(fresh_kit, "true", packages={"npm": ["nothing"]}))
    assert stage == "provision_setup"
    assert message == (
        "Provisioning script failed: npm: exit code 1\nstderr:\nno package nothing\n"
    )


def test_packages_are_installed_in_the_contracts_order_below_the_home(tmp_path):
    packages = {"pip": ["p"], "npm": ["n"], "go": ["g", "h@v1"], "gem": ["m"], "cargo": ["c"]}
    commands = [" ".join(argv) for _, argv in install_commands(packages, tmp_path)]
    local = f"{tmp_path}/.local"
    assert commands == [
        f"cargo install --quiet --root {local} -- c",
        f"gem install --no-document --install-dir {local}/gems --bindir {local}/bin m",
        f"env GOBIN={local}/bin go install -- g@latest",
        f"env GOBIN={local}/bin go install -- h@v1",
        f"npm install --silent --global --prefix {local} -- n",
        f"{sys.executable} -m venv {tmp_path}/venv",
        f"{tmp_path}/venv/bin/pip install --quiet -- p",
    ]


@pytest.mark.parametrize("name", ["--report=f", "-r", " -r", "", "..", "../x", "a/../b", "x@../y"])
@pytest.mark.parametrize("manager", ["cargo", "gem", "go", "npm", "pip"])
def test_a_package_name_that_is_an_option_or_a_path_upward_is_refused(
    http, tmp_path, manager, name
):
    packages = {manager: ["fine", name]}
    response = http.post("/environments", json={"name": "e", "packages": packages})
    assert response.status_code == 422
    assert f"Invalid {manager} package name" in response.json()["detail"][0]["msg"]
    with pytest.raises(PackagesRefusedError, match="package name"):  # stored by 0.1
        list(install_commands(packages, tmp_path))


@pytest.mark.parametrize(
    "name", ["x>=1,<2", "@scope/x@^1..2", "./folder", "git+https://h/o/r", "a.b"]
)
def test_ordinary_package_names_are_taken(name):
    check_name(name, "pip")


@pytest.mark.parametrize("source", ["--registry/x", "-o/r", "o/-r", "../..", "./.", "o/..", "./r"])
def test_a_skill_source_that_is_an_option_or_a_path_is_refused(http, source):
    skill = {"type": "github", "description": "d", "source": source}
    agent = {"name": "a", "model": "m", "runtime": "shell", "skills": [skill]}
    response = http.post("/agents", json=agent)
    assert response.status_code == 422
    assert "must be 'owner/repo'" in response.json()["detail"][0]["msg"]
    with pytest.raises(ValueError, match="must be 'owner/repo'"):  # stored by 0.1
        install_command(skill, "claude-code")


def test_a_skill_source_with_dots_and_dashes_is_taken():
    argv = install_command({"source": ".github/my-skills.v2"}, "claude-code")
    assert ".github/my-skills.v2" in argv


@pytest.mark.parametrize("model", ["-x", "--help", " -x", "anthropic/-x", "anthropic/ -x"])
def test_a_model_that_is_an_option_is_refused(http, model):
    for kind in ({"runtime": "shell"}, {"provider": "anthropic"}):
        response = http.post("/agents", json={"name": "a", "model": model, **kind})
        assert response.status_code == 422
        assert "begin with '-'" in response.json()["detail"][0]["msg"]


def test_a_missing_installer_is_named(fresh_service, fresh_kit, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    _, message = failure(run(fresh_kit, "true", packages={"gem": ["x"], "cargo": ["y"]}))
    assert message == "Provisioning script failed: 'cargo' was not found on PATH: install it"


def git(folder, home, *arguments):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(home)}
    subprocess.run(["git", *arguments], cwd=folder, env=env, check=True)


def commit(folder, home):
    git(folder, home, "add", ".")
    author = ["-c", "user.name=t", "-c", "user.email=t@x"]
    git(folder, home, *author, "commit", "-q", "--allow-empty", "-m", "m")


@pytest.fixture
def repository(tmp_path):
    """A repository `o/r` below a directory that stands for github.com."""
    folder = tmp_path / "hub" / "o" / "r"
    folder.mkdir(parents=True)
    git(folder, tmp_path, "init", "-q")
    commit(folder, tmp_path)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{tmp_path}/hub/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }


def resource(**fields):
    return {"type": "github_repository", "url": "https://github.com/o/r.git", **fields}


@pytest.mark.parametrize(
    ("mount_path", "place"),
    [
        (None, "r"),
        ("/workspace/deep/er", "deep/er"),
        ("/home/sprite/x", "x"),
        ("/srv/data", "srv/data"),
        ("//srv/two", "srv/two"),
    ],
)
def test_a_repository_is_cloned_into_the_workspace(kit, repository, mount_path, place):
    environment = kit.environment(env_vars=repository)
    given = {} if mount_path is None else {"mount_path": mount_path}
    session = kit.session(
        f"git -C {place} log --format=%s",
        environment_id=environment["id"],
        resources=[resource(**given)],
    )
    shown = {
        "type": "github_repository",
        "url": "https://github.com/o/r",
        "mount_path": mount_path or "/workspace/r",
    }
    assert session["resources"] == [shown]
    assert output(kit.stream(session)) == "m\n"
    assert kit.get(f"/sessions/{session['id']}")["resources"] == [shown]


def test_a_mount_path_can_not_lead_out_of_the_sessions_directory(kit):
    session = kit.session("true", resources=[resource(mount_path="/workspace/../../../x")])
    _, message = failure(kit.stream(session))
    assert message.endswith("leads out of the session's directory")


def test_a_clone_can_not_leave_the_session_through_a_link_of_an_earlier_one(
    kit, repository, tmp_path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "hub" / "o" / "r"
    (folder / "link").symlink_to(outside)
    (folder / "inside").symlink_to("sub")
    (folder / "sub").mkdir()
    (folder / "sub" / "file").touch()
    commit(folder, tmp_path)
    environment = kit.environment(env_vars=repository)

    def cloned(second):
        resources = [resource(mount_path="/workspace/r1"), resource(mount_path=second)]
        return kit.stream(
            kit.session("true", environment_id=environment["id"], resources=resources)
        )

    stage, message = failure(cloned("/workspace/r1/link/deep/escaped"))
    assert stage == "provision_setup"
    assert "leads out of the session's directory through a symbolic link" in message
    assert list(outside.iterdir()) == []
    assert cloned("/workspace/r1/inside/kept")[-1]["code"] == 0


def test_a_mount_path_that_no_file_system_takes_fails_in_its_stage(kit):
    session = kit.session("true", resources=[resource(mount_path="/workspace/a\0b/c")])
    assert failure(kit.stream(session)) == (
        "provision_setup",
        "Provisioning script failed: mount_path '/workspace/a\\x00b/c' has a NUL, which no path can have",
    )


def test_a_repositorys_token_reaches_git_and_nothing_else(kit, repository):
    environment = kit.environment(env_vars=repository)
    session = kit.session(
        "git config --get-urlmatch http.extraHeader https://github.com/o/r;"
        " git config --get-urlmatch http.extraHeader https://github.com/o/other; cat ~/.git* 2>&-",
        environment_id=environment["id"],
        resources=[resource(authorization_token="s3cret")],
    )
    events = kit.stream(session)
    assert ("git_credentials", "done") in stages(events)
    # "x-access-token:s3cret" in base64, once: for this repository only, and in no file
    assert output(events) == "Authorization: Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0\n"


def test_a_clone_that_fails_says_so(kit, tmp_path):
    empty = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{tmp_path}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
    environment = kit.environment(env_vars=empty)
    session = kit.session("true", environment_id=environment["id"], resources=[resource()])
    stage, message = failure(kit.stream(session))
    assert stage == "provision_setup"
    assert message.startswith("Provisioning script failed: git: exit code 128\nstderr:\n")


def test_skills_come_after_the_configuration(kit):
    skill = {"name": "s", "description": 'say "hi"', "content": "body\n"}
    events = kit.stream(kit.session("cat ~/.skills/s/SKILL.md", kit.agent(skills=[skill])))
    assert stages(events)[-3:] == [
        ("skills", "started"),
        ("skills", "done"),
        ("runtime_start", "started"),
    ]
    assert output(events) == '---\nname: s\ndescription: "say \\"hi\\""\n---\n\nbody\n'


def test_a_skill_from_github_needs_a_runtime_that_takes_it(kit):
    skill = {"type": "github", "description": "d", "source": "o/r"}
    stage, message = failure(kit.stream(kit.session("true", kit.agent(skills=[skill]))))
    assert stage == "skills"
    assert message == "Failed to write skills: this runtime takes no skills from GitHub"


def test_the_environment_holds_the_documented_variables_and_no_service_token(kit, monkeypatch):
    monkeypatch.setenv("AOD_API_TOKEN", "aod_secret")
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key_secret")
    session = kit.session("env", kit.agent(model="m-1"))
    said = output(kit.stream(session))
    assert f"AOD_SESSION_ID={session['id']}\n" in said
    assert "AOD_MODEL=m-1\n" in said
    assert "secret" not in said


@pytest.fixture
def leaky(monkeypatch):
    """Secrets in the environment that begin as what installers read does."""
    names = (
        *("GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "GODADDY_KEY", "GEM_HOST_API_KEY"),
        *("CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_X_TOKEN", "NPM_CONFIG__AUTH", "NPM_TOKEN"),
        *("npm_config__authToken", "PIP_SECRET", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN"),
        *("AOD_API_TOKEN", "AGENTOS_API_KEY", "ANTHROPIC_API_KEY"),
    )
    for name in names:
        monkeypatch.setenv(name, f"fake-secret-{name}")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:fake-secret-proxy@proxy:1")


BACKEND = """
import json, os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    open(os.environ["SEEN"], "w").write(json.dumps(dict(os.environ)))
    raise SystemExit("seen")
"""


@pytest.mark.parametrize("manager", ["cargo", "gem", "go", "npm", "pip"])
def test_an_installer_gets_its_settings_by_exact_names_and_no_token(leaky, monkeypatch, manager):
    monkeypatch.setenv("GOPRIVATE", "example.com")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    session = {"HOME": "/s", "HTTPS_PROXY": "http://proxy:1", "A": "1"}
    env = installer_environment(session, os.environ, manager)
    proxy = env.pop("HTTPS_PROXY")
    assert proxy == "http://me:fake-secret-proxy@proxy:1"
    assert "fake-secret" not in str(env)
    assert env["HOME"] == os.environ["HOME"]
    assert ("GOPRIVATE" in env) == (manager == "go")
    assert ("PIP_INDEX_URL" in env) == (manager == "pip")


def test_an_environments_own_setting_wins_over_the_persons():
    session = {"HOME": "/s", "PIP_INDEX_URL": "mine", "HTTPS_PROXY": "http://mine"}
    own = {"HOME": "/p", "PIP_INDEX_URL": "theirs", "HTTPS_PROXY": "http://me:pw@theirs"}
    assert installer_environment(session, own, "pip") == {**session, "HOME": "/p"}


def test_a_packages_build_sees_no_secret_of_the_person(leaky, kit, tmp_path):
    source = tmp_path / "package"
    source.mkdir()
    seen = tmp_path / "seen.json"
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    )
    (source / "b.py").write_text(BACKEND)
    environment = {"env_vars": {"SEEN": str(seen)}, "packages": {"pip": [str(source)]}}
    assert failure(run(kit, "true", **environment))[0] == "provision_setup"
    env = json.loads(seen.read_text())
    del env["HTTPS_PROXY"]
    assert [name for name, value in env.items() if "fake-secret" in value] == []


def test_a_proxys_password_does_not_reach_a_shell_session(leaky, kit):
    said = output(kit.stream(kit.session("env")))
    assert "HTTPS_PROXY=http://proxy:1\n" in said
    assert "fake-secret" not in said


def test_the_shell_ignores_the_system_text_and_reads_an_empty_input(kit):
    events = kit.stream(kit.session("cat; echo done", kit.agent(system="echo system")))
    assert output(events) == "done\n"
