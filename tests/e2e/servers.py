"""A real Jupyter server with kernels of its own, and what its pages hold."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
from kernels import clean_environment

START_S = 60
STOP_S = 8
LIGHT = "JupyterLab Light"
DARK = "JupyterLab Dark"
PAGES = (
    "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
)  # fmt: skip
"""Options for pages that ask nobody else for anything, and show their application to tests."""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """JupyterLab, which serves Notebook 7 too, in a process group of its own."""

    def __init__(self, folder, base=""):
        self.folder = folder
        self.base = base
        self.root = folder / "root"
        self.home = folder / "home"
        self.port = free_port()
        self.token = secrets.token_hex(16)
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.base}"

    def start(self):
        self.root.mkdir()
        self.home.mkdir()
        self.settings("apputils-extension/notification", fetchNews="false", checkForUpdates=False,
                      doNotDisturbMode=True)  # fmt: skip
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command()], env=self.environment(), stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self._wait()

    def command(self):
        """Return the module to run, and its arguments."""
        return [
            "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
            f"--ServerApp.base_url={self.base}/",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}", *PAGES,
        ]  # fmt: skip

    def environment(self):
        """Return the environment, in which all that Jupyter writes is below the folder."""
        places = {
            f"{name}_DIR": str(self.folder / name.lower())
            for name in (
                "JUPYTER_CONFIG", "JUPYTER_DATA", "JUPYTER_RUNTIME", "JUPYTERLAB_WORKSPACES",
                "JUPYTERLAB_SETTINGS",
            )
        }  # fmt: skip
        return clean_environment(self.home, **places)

    def settings(self, plugin, **values):
        """Set what a plugin of JupyterLab reads when a page is opened."""
        path = self.folder / "jupyterlab_settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")

    @property
    def answers(self):
        """The address that answers when the server has started."""
        return f"{self.url}/api?token={self.token}"

    def _wait(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(self.answers, timeout=5) as answer,
            ):
                answer.read()
                return
            time.sleep(0.2)
        raise TimeoutError((self.folder / "server.log").read_text(encoding="utf-8"))

    def stop(self, seconds=STOP_S):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def notebook(self, name, *cells):
        """Write a notebook of code cells; give its path."""
        content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        content.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        path = self.root / name
        nbformat.write(content, path)
        return path

    def saved(self, path):
        return nbformat.read(Path(path), as_version=4)

    def kernels(self):
        """Return the process ids of the kernels that run."""
        with urllib.request.urlopen(f"{self.url}/api/kernels?token={self.token}") as answer:
            return [kernel["id"] for kernel in json.load(answer)]

    def stop_kernel(self, kernel):
        """Shut a kernel down."""
        request = urllib.request.Request(
            f"{self.url}/api/kernels/{kernel}?token={self.token}", method="DELETE"
        )
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=20):
            pass
