import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def dockerfile():
    """What repo2docker would build of this tree; it needs no docker for that."""
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_binder_installs_the_package_with_the_notebook_extras():
    planned = dockerfile()
    assert '-r "binder/requirements.txt"' in planned
    assert "binder/postBuild" in planned
    assert "binder/start" in planned
    requirements = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
    assert requirements.strip() == "-e .[lab,viz]"


def test_binder_scripts_can_be_run_and_are_valid():
    for name in ("postBuild", "start"):
        script = ROOT / "binder" / name
        assert os.access(script, os.X_OK)
        subprocess.run(["bash", "-n", script], check=True)


def test_a_visitors_state_stays_in_the_visitors_folder(tmp_path):
    shown = subprocess.run(
        [ROOT / "binder" / "start", "sh", "-c", 'echo "$AOD_NOTEBOOK_HOME"'],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert shown.strip() == f"{tmp_path}/.aod-notebook"
