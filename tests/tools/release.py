"""Build the release and try it as a user does: in fresh environments that know nothing of this checkout.

Usage: python tests/tools/release.py [3.11 3.12 …]      by default every Python from 3.11 on that is here

It builds sdist and wheel, checks what they say of themselves, installs them with the extras of the
README on each Python, once with the lowest versions that `pyproject.toml` allows, and runs the
demo in each. The files are left in `dist/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
TOOLS = ROOT / ".venv-release"
OLDEST = (3, 11)
EXTRAS = "[lab,viz]"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An installation: on which Python, of which file, with the lowest versions or the newest."""

    python: str
    file: Path
    extras: str = EXTRAS
    lowest: bool = False


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed; what it says when it fails is shown.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        done.check_returncode()
    return done.stdout


def tool(name: str) -> Path:
    """Return the path of a tool of releases; all of them are installed when one is missing."""
    path = TOOLS / "bin" / name
    if not path.exists():
        run(sys.executable, "-m", "venv", TOOLS)
        run(TOOLS / "bin" / "python", "-m", "pip", "install", "-q", "build", "twine", "uv")
    return path


def build() -> tuple[Path, Path]:
    """Build sdist and wheel of what is committed or about to be, and check them; return both."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(tool("python"), "-m", "build", "--outdir", DIST, ROOT)
    files = sorted(DIST.iterdir())
    print(run(tool("twine"), "check", "--strict", *files).strip())
    (wheel,) = DIST.glob("*.whl")
    (sdist,) = DIST.glob("*.tar.gz")
    return sdist, wheel


def pythons() -> list[str]:
    """Return the newest interpreter of each version from the oldest supported one on."""
    by_pyenv = Path.home().glob(".pyenv/versions/*/bin")  # its shims start only the chosen version
    env = {**os.environ, "PATH": os.pathsep.join([*map(str, by_pyenv), os.environ["PATH"]])}
    list_all = ("python", "list", "--only-installed", "--output-format", "json")
    listed = json.loads(run(tool("uv"), *list_all, env=env))
    found: dict[tuple[int, int], tuple[int, str]] = {}
    for one in listed:
        parts = one["version_parts"]
        version = (parts["major"], parts["minor"])
        if one["implementation"] == "cpython" and one["path"] and version >= OLDEST:
            found[version] = max(found.get(version, (-1, "")), (parts["patch"], one["path"]))
    return [path for _, (_, path) in sorted(found.items())]


def size(folder: Path) -> float:
    """Return the size of a folder's files in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def tried(trial: Trial, folder: Path) -> str:
    """Install a file into a fresh environment, run the demo there, and return a line on it."""
    uv, here, own = tool("uv"), folder / "env" / "bin", folder / "home"
    own.mkdir(parents=True)
    run(uv, "venv", "-q", "--python", trial.python, folder / "env")
    began = time.monotonic()
    install = (uv, "pip", "install", "-q", "--python", here / "python")
    if trial.lowest:
        lowest = ("--resolution", "lowest-direct", "-r", ROOT / "pyproject.toml")
        run(*install, *lowest, "--extra", "lab", "--extra", "viz")
        run(*install, "--no-deps", trial.file, cwd=folder)
    else:
        run(*install, f"{trial.file}{trial.extras}", cwd=folder)
    took, names = time.monotonic() - began, ("AOD_API_TOKEN", "AOD_API_URL", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= {"HOME": str(own), "AOD_NOTEBOOK_HOME": str(own / "state")}
    env |= {"AOD_NOTEBOOK_REPLAY_PACE": "0", "PATH": f"{here}:/usr/bin:/bin"}
    version = run(here / "aod-notebook", "--version", cwd=folder, env=env).strip()
    try:
        if trial.extras:
            run(here / "aod-notebook", "demo", "--html", "demo.html", cwd=folder, env=env)
            assert "March has 31 nights again." in (folder / "demo.html").read_text("utf-8")
        run(here / "aod-notebook", "doctor", cwd=folder, env=env)
    finally:
        run(here / "aod-notebook", "service", "stop", cwd=folder, env=env)
    python = run(here / "python", "--version").strip()
    what = f"{trial.file.suffix.removeprefix('.')}{trial.extras}{' lowest' if trial.lowest else ''}"
    return f"{version} · {python} · {what} · {took:.0f} s · {size(folder / 'env'):.0f} MB"


def binder(python: str, folder: Path) -> str:
    """Install what Binder installs into a fresh environment, run `postBuild`, and return a line."""
    run(tool("uv"), "venv", "-q", "--python", python, folder)
    install = (tool("uv"), "pip", "install", "-q", "--python", folder / "bin" / "python")
    run(*install, "-r", "binder/requirements.txt")
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    run("binder/postBuild", env={"PATH": path, "NB_PYTHON_PREFIX": str(folder)})
    run(folder / "bin" / "python", "-c", "import dask, duckdb, jupyterlab, matplotlib, polars")
    return f"binder: {size(folder):.0f} MB"


def main(wanted: list[str]) -> int:
    """Build the release and try it on each Python."""
    sdist, wheel = build()
    for file in (sdist, wheel):
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    found = wanted or pythons()
    trials = [Trial(python=python, file=wheel) for python in found]
    trials.append(Trial(python=found[0], file=wheel, extras=""))
    trials.append(Trial(python=found[-1], file=sdist))
    trials.append(Trial(python=found[0], file=wheel, lowest=True))
    for trial in trials:
        with tempfile.TemporaryDirectory(prefix="aod-notebook-release-") as folder:
            print(tried(trial, Path(folder)), flush=True)
    with tempfile.TemporaryDirectory(prefix="aod-notebook-binder-") as folder:
        print(binder(found[0], Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
