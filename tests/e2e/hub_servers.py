"""A real JupyterHub: its proxy in front, and behind it the JupyterLab of whoever signs in."""

import json
import os
import sys
from pathlib import Path

from servers import PAGES, Server, free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import hub

STOP_S = 60
"""The hub stops the servers of its users before it ends."""


class HubServer(Server):
    """The server of one user; `sign_in` starts it."""

    def __init__(self, folder, user):
        super().__init__(folder, base=f"/user/{user}")
        self.user = user
        self.token = ""  # the browser has the hub's cookie

    @property
    def site(self):
        """The address of the proxy, below which all is."""
        return self.url.removesuffix(self.base)

    @property
    def answers(self):
        return f"{self.site}/hub/api"

    def command(self):
        path = self.folder / "hub.json"
        path.write_text(json.dumps(self._configuration()), encoding="utf-8")
        return ["jupyterhub", "-f", str(path)]

    def environment(self):
        path = os.pathsep.join([str(hub.packages()), os.environ.get("PYTHONPATH", "")])
        return {**super().environment(), "PYTHONPATH": path}

    def _configuration(self):
        kept = [*super().environment(), "PYTHONPATH"]
        return {
            "JupyterHub": {
                "authenticator_class": "dummy",
                "spawner_class": "simple",
                "bind_url": self.site,
                "hub_port": free_port(),
                "db_url": f"sqlite:///{self.folder / 'hub.sqlite'}",
                "cookie_secret_file": str(self.folder / "cookie_secret"),
            },
            "Authenticator": {"allow_all": True},
            "ConfigurableHTTPProxy": {
                "command": [str(hub.proxy())],
                "api_url": f"http://127.0.0.1:{free_port()}",
                "pid_file": str(self.folder / "proxy.pid"),
            },
            "SimpleLocalProcessSpawner": {"home_dir_template": str(self.folder / "{username}")},
            "Spawner": {
                "cmd": [sys.executable, "-m", "jupyterhub.singleuser"],
                "args": ["--allow-root", *PAGES],
                "notebook_dir": str(self.root),
                "env_keep": kept,
                "start_timeout": 200,
                "http_timeout": 200,
            },
        }

    def sign_in(self, page, timeout):
        """Sign in on a page, and wait for the JupyterLab that is started."""
        page.goto(f"{self.site}/hub/login")
        page.get_by_label("Username").fill(self.user)
        page.get_by_label("Password").fill("any")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/lab**", timeout=timeout)

    def stop(self, seconds=STOP_S):
        super().stop(seconds)
