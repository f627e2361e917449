"""Install the agent CLIs of `tests/clis/versions.toml` into the user's cache, once.

    python tests/tools/install_clis.py

About 1.1 GB, 30 seconds. Each version has a folder of its own, so nothing else on the machine
sees them; they stay there between runs. Without npm one line says what is left out.
"""

import fcntl
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import platformdirs

VERSIONS = Path(__file__).parents[1] / "clis" / "versions.toml"
CACHE = Path(platformdirs.user_cache_dir("aod-notebook")) / "clis"
INSTALL_S = 600


class NoNpmError(Exception):
    """The CLIs can't be installed here."""


def pinned() -> dict[str, dict[str, str]]:
    """Return the table of versions: name -> {package, version}."""
    return tomllib.loads(VERSIONS.read_text(encoding="utf-8"))


def program(name: str) -> str:
    """Return what the CLI is called on PATH: `claude-before` is a `claude`, too."""
    return name.partition("-")[0]


def bin_folder(name: str, cache: Path = CACHE) -> Path:
    """Return the folder to put on PATH for one CLI, installed or not."""
    return cache / f"{program(name)}-{pinned()[name]['version']}" / "node_modules" / ".bin"


def install(name: str, cache: Path = CACHE, npm: str = "npm") -> Path:
    """Install one CLI unless it is there; return the folder to put on PATH.

    Several processes may do it at once: one installs, the others wait. What is found under the
    final name is whole, because it was moved there at the end.

    Raises:
        NoNpmError: it is not installed, and there is no npm.
        CalledProcessError: npm failed; its output has been written to stderr.
    """
    found = bin_folder(name, cache)
    if (found / program(name)).exists():
        return found
    if shutil.which(npm) is None:
        raise NoNpmError(f"{name} {pinned()[name]['version']} is left out: there is no npm here")
    folder = found.parents[1]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found / program(name)).exists():
            _install(pinned()[name], folder, npm)
    return found


def _install(package: dict[str, str], folder: Path, npm: str) -> None:
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    quiet = ["--no-package-lock", "--no-audit", "--no-fund"]
    what = f"{package['package']}@{package['version']}"
    done = subprocess.run(
        [npm, "install", "--prefix", fresh, *quiet, what],
        capture_output=True, text=True, timeout=INSTALL_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    fresh.rename(folder)


def main() -> None:
    """Install them all; a machine without npm is not an error."""
    left_out = []
    for name in pinned():
        try:
            sys.stdout.write(f"{name} {install(name)}\n")
        except NoNpmError as error:
            left_out.append(str(error).partition(" is ")[0])
    if left_out:
        names = ", ".join(left_out)
        sys.stdout.write(f"left out, because there is no npm here: {names}\n")


if __name__ == "__main__":
    main()
