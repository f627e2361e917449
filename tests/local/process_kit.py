"""A service in a process of its own, that a test can kill, starve and start again."""

import json
import resource
import subprocess
import sys

import psutil
from service_kit import Kit, Rpc, connect

from aod_notebook.local.processes import orphans

PROGRAM = (sys.executable, "-m", "aod_notebook.local")


class Process:
    """A service in a process of its own, that can be killed and started again."""

    def __init__(self, data_dir, *options, before=()):
        self.data_dir = data_dir
        self.child = subprocess.Popen(
            [*before, *PROGRAM, "--data-dir", data_dir, "--json", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.child.stdout.readline()
        assert line, "the service did not start"
        self.said = json.loads(line)
        self.client = connect(self.said["url"], self.said["aod_token"])
        self.kit = Kit(self.client)
        self.rpc = Rpc(connect(self.said["url"], self.said["agentos_key"]))

    def end(self, number):
        self.child.send_signal(number)
        code = self.child.wait(60)
        self.child.stdout.close()
        self.client.close()
        self.rpc.client.close()
        return code

    def limit_files(self, size):
        """Let the service write no file beyond a size, as if the disk were full; None: any."""
        size = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def marked(self):
        """Return the ids of the live processes that this data directory's sessions started."""
        pids = orphans.marked(f"AOD_LOCAL_SERVICE={self.said['agent_id']}/")
        return [pid for pid in pids if is_alive(pid)]


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
