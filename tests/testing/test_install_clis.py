"""The installer of the pinned CLIs, with an npm of the test's own."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import install_clis

NPM = """#!/bin/sh
echo "$@" >> {log}
mkdir -p "$3/node_modules/.bin"
touch "$3/node_modules/.bin/codex"
"""


@pytest.fixture
def npm(tmp_path):
    """A program that installs nothing but the name of Codex, and logs how it was called."""
    program = tmp_path / "npm"
    program.write_text(NPM.format(log=tmp_path / "log"))
    program.chmod(0o755)
    return program


def calls(tmp_path):
    return (tmp_path / "log").read_text().splitlines()


def test_version_of_the_file_is_installed_without_a_lock_file(npm, tmp_path):
    folder = install_clis.install("codex", tmp_path / "cache", npm=str(npm))
    assert (folder / "codex").exists()
    (call,) = calls(tmp_path)
    version = install_clis.pinned()["codex"]["version"]
    assert call.endswith(f"--no-package-lock --no-audit --no-fund @openai/codex@{version}")


def test_two_runs_at_once_install_once(npm, tmp_path):
    found = []

    def install():
        found.append(install_clis.install("codex", tmp_path / "cache", npm=str(npm)))

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 1
    assert len(found) == 4
    assert len(calls(tmp_path)) == 1


def test_half_an_installation_is_replaced(npm, tmp_path):
    half = install_clis.bin_folder("codex", tmp_path / "cache").parent
    half.mkdir(parents=True)
    folder = install_clis.install("codex", tmp_path / "cache", npm=str(npm))
    assert (folder / "codex").exists()


def test_failed_installation_leaves_nothing_that_looks_whole(tmp_path, capfd):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'no such version' >&2\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):
        install_clis.install("codex", tmp_path / "cache", npm=str(npm))
    assert "no such version" in capfd.readouterr().err
    assert not install_clis.bin_folder("codex", tmp_path / "cache").exists()


def test_machine_without_npm_gets_one_line_on_what_is_left_out(tmp_path):
    program = Path(install_clis.__file__)
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, program], env=env, capture_output=True, text=True, check=True
    )
    (line,) = ran.stdout.splitlines()
    assert line.startswith("left out, because there is no npm here: claude 2")
    assert all(name in line for name in install_clis.pinned())
