"""The published SDK in a child process: makes calls there and tells what it sent.

Run as a script it reads one JSON object a line, `{"path", "args"}`, calls that method on the
client and answers with the request that it made.
"""

# ruff: noqa: T201 - its output is its answer

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

UNSET = "<left out>"


class Official:
    """A child that has one version of the published SDK on its path."""

    def __init__(self, folder):
        self._child = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def request(self, path, args, workspace=None):
        """Make a call; give path, body and authorisation of its request."""
        line = json.dumps({"path": path, "args": args, "workspace": workspace})
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def close(self):
        self._child.stdin.close()
        self._child.wait(60)
        self._child.stdout.close()


def main():
    sys.path.insert(0, sys.argv[1])
    import agentos
    import httpx

    seen = []

    def answer(request):
        seen.append(
            {
                "method": request.method,
                "path": request.url.path,
                "body": json.loads(request.content),
                "authorization": request.headers["authorization"],
            }
        )
        return httpx.Response(200, json={"data": []})

    http_client = httpx.Client(transport=httpx.MockTransport(answer))
    for line in sys.stdin:
        call = json.loads(line)
        client = agentos.AgentOS(
            api_key="aos_ws_k", workspace=call["workspace"], http_client=http_client,
            base_url="http://agentos.test",
        )  # fmt: skip
        method = client
        for name in call["path"].split("."):
            method = getattr(method, name)
        method(**call["args"])
        print(json.dumps(seen.pop()), flush=True)


if __name__ == "__main__":
    main()
