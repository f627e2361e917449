"""Binder: what it would build, and what a visitor finds there."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 90


def test_binder_installs_what_the_notebooks_need_on_the_oldest_python():
    done = subprocess.run(  # it prints the Dockerfile, for which it needs no docker
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = (done.stdout + done.stderr).splitlines()
    for expected in (
        r'RUN \$\{KERNEL_PYTHON_PREFIX\}/bin/pip install --no-cache-dir -r "binder/requirements.txt"',
        r"COPY .*environment-2epy-2d3-2e11-2dlinux.* /tmp/env/environment\.lock",
        r"RUN \./binder/postBuild",
        r'ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/binder/start"',
        r'CMD \["jupyter", "notebook", .*',
    ):
        assert [line for line in lines if re.fullmatch(expected, line.strip())], expected
    requirements = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
    assert requirements.strip() == "-e .[notebooks]"


def test_binder_scripts_can_be_run():
    for name in ("postBuild", "start"):
        assert os.access(ROOT / "binder" / name, os.X_OK)


def test_a_visitors_state_stays_in_the_visitors_folder(tmp_path):
    shown = subprocess.run(
        [ROOT / "binder" / "start", "sh", "-c", 'echo "$AOD_NOTEBOOK_HOME"'],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert shown.strip() == f"{tmp_path}/.aod-notebook"


@pytest.mark.timeout(240)
def test_a_visitor_begins_with_the_quickstart(tmp_path, unused_port):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"HOME": str(tmp_path), "PATH": path, "NB_PYTHON_PREFIX": str(tmp_path)}
    subprocess.run([ROOT / "binder" / "postBuild"], cwd=ROOT, env=env, check=True)
    env["JUPYTER_CONFIG_PATH"] = str(tmp_path / "etc" / "jupyter")  # the image's prefix has it
    command = [ROOT / "binder" / "start", "jupyter", "notebook", "--allow-root", "--no-browser"]
    command += [f"--ServerApp.port={unused_port}", "--ServerApp.port_retries=0"]
    running = subprocess.Popen(
        [*command, "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=visitor"],
        cwd=ROOT, env=env, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert first_page(f"http://127.0.0.1:{unused_port}/?token=visitor", running) == (
            "/lab/tree/notebooks/quickstart.ipynb"
        )
    finally:
        running.terminate()
        running.wait(30)


def first_page(url, running):
    """Return the path that a server sends its visitors to, once it answers."""
    deadline = time.monotonic() + DEADLINE_S
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with opener.open(url, timeout=10) as answer:
                return urlsplit(answer.url).path
        except OSError:
            time.sleep(0.2)  # it does not listen yet
    raise TimeoutError("the server did not answer")
