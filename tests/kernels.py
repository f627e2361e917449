"""Real kernels and notebooks for tests, each with its own state folder."""

import contextlib
import os
import queue
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).parent / "tools"))

from older_kernels import folder

DEADLINE_S = 60
SCRUBBED = (
    *("AOD_API_URL", "AOD_API_TOKEN"),
    *("AGENTOS_API_KEY", "AGENTOS_BASE_URL", "AGENTOS_AGENT_ID", "AGENTOS_WORKSPACE"),
)


def clean_environment(home, **extra):
    """Return the environment of a kernel that knows no token but what `extra` says."""
    kept = {name: value for name, value in os.environ.items() if name not in SCRUBBED}
    return {**kept, "AOD_NOTEBOOK_HOME": str(home), "IPYTHONDIR": str(home / "ipython"), **extra}


def older(environment, kernel):
    """Return an environment in which one of the older kernels is started (`tests/tools/older_kernels`)."""
    return {**environment, "PYTHONPATH": str(folder(kernel)), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


@dataclass
class Ran:
    """What one executed cell left."""

    status: str = ""
    text: str = ""
    outputs: list = field(default_factory=list)

    @property
    def error(self):
        """The one error output, as its content."""
        (error,) = [content for kind, content in self.outputs if kind == "error"]
        return error

    @property
    def html(self):
        """The HTML of the last display."""
        return [c["data"]["text/html"] for kind, c in self.outputs if kind == "display_data"][-1]


class Kernel:
    """A real ipykernel in its own process."""

    def __init__(self, environment):
        self.environment = environment
        self.manager = KernelManager(kernel_name="python3")
        self.client = None
        self.updated = {}
        """What displays were updated to last, by display id, whichever cell was running."""

    def start(self):
        self.manager.start_kernel(env=self.environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=DEADLINE_S)

    def kill_and_restart(self):
        """SIGKILL the kernel's process, as a crash or the operating system would."""
        os.kill(self.manager.provisioner.process.pid, signal.SIGKILL)
        self.manager.provisioner.process.wait(60)
        self.client.stop_channels()
        self.manager.cleanup_resources()
        self.manager = KernelManager(kernel_name="python3")
        self.start()

    def begin(self, code):
        """Send a cell; `finish` reads what it leaves."""
        # After an error, a kernel would drop the cells that come within a tenth of a second.
        return self.client.execute(code, store_history=True, stop_on_error=False)

    def wait_for_text(self, request, text):
        """Read the running cell's output until `text` is printed."""
        ran = Ran()
        while text not in ran.text:
            self._read_one(request, ran)
        return ran

    def finish(self, request):
        ran = Ran()
        while self._read_one(request, ran) != "idle":
            pass
        reply = self._reply(request)
        ran.status = reply["content"]["status"]
        return ran

    def run(self, code):
        return self.finish(self.begin(code))

    def is_complete(self, code):
        """Ask as a console does after each Enter; give the answer."""
        return self._reply(self.client.is_complete(code))["content"]["status"]

    def interrupt(self):
        self.manager.interrupt_kernel()

    def stop(self):
        if self.client is not None:
            self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy()

    def read_any(self):
        """Read one message of any cell."""
        message = self.client.get_iopub_msg(timeout=DEADLINE_S)
        if message["msg_type"] == "update_display_data":
            content = message["content"]
            self.updated[content["transient"]["display_id"]] = content
        return message

    def _read_one(self, request, ran):
        message = self.read_any()
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") != request:
            return None
        if kind == "status":
            return content["execution_state"]
        if kind == "stream":
            ran.text += content["text"]
        elif kind == "clear_output":
            ran.text = ""
            ran.outputs.clear()
        elif kind in ("display_data", "execute_result", "error"):
            ran.outputs.append((kind, content))
        return kind

    def _reply(self, request):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                reply = self.client.get_shell_msg(timeout=1)
                if reply["parent_header"].get("msg_id") == request:
                    return reply
        raise TimeoutError("the kernel sent no reply")


def notebook(*cells):
    """Make a notebook of code cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def run_all(content, environment, **settings):
    """Execute a notebook as Run All does; a failing cell raises CellExecutionError.

    `settings` are those of `NotebookClient`, such as `allow_errors`.
    """
    client = NotebookClient(content, kernel_name="python3", **{"timeout": 120, **settings})
    return client.execute(env=environment)
