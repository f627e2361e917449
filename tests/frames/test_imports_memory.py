"""The memory of an import: that of its batches, whatever the size of all logs."""

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc"),
]

SESSION_BYTES = 2_000_000
GROWTH_MB = 50
"""Half of what 50 more sessions weigh."""
IMPORT = """
import re, resource, sys
from pathlib import Path
from aod_notebook import frames
frames.import_logs(sys.argv[1], into=sys.argv[2], jobs=int(sys.argv[3]))
own = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # the largest: there is one
print((own + others) / 1e3)
"""


def write_session(folder, number):
    path = folder / ".claude" / "projects" / f"-srv-p{number % 5}" / f"session-{number}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        index = 0
        while file.tell() < SESSION_BYTES:
            file.write(json.dumps(line(f"{number}-{index}", is_prompt=index % 20 == 0)) + "\n")
            index += 1


def line(name, *, is_prompt):
    """A prompt, or an answer with a call."""
    words = f"Look at {name}. " * 60
    if is_prompt:
        return {"type": "user", "uuid": name, "message": {"role": "user", "content": words}}
    call = {"type": "tool_use", "id": f"toolu_{name}", "name": "Bash", "input": {"command": words}}
    usage = {"input_tokens": 5, "output_tokens": 40}
    message = {"id": f"msg_{name}", "model": "claude-sonnet-4-6", "usage": usage, "content": [call]}
    return {"type": "assistant", "uuid": name, "requestId": name, "message": message}


@pytest.fixture(scope="module")
def peak(tmp_path_factory):
    """Return a function: the peak of memory of an import of some sessions, in MB."""
    homes = {}
    for count in (25, 75):
        homes[count] = tmp_path_factory.mktemp(f"home{count}")
        for number in range(count):
            write_session(homes[count], number)

    def of(count, jobs):
        store = tmp_path_factory.mktemp("store")
        argv = [sys.executable, "-c", IMPORT, homes[count], store, str(jobs)]
        return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    return of


@pytest.mark.parametrize("jobs", [1, 2])
def test_three_times_the_sessions_need_no_more_memory(peak, jobs):
    assert peak(75, jobs) - peak(25, jobs) < GROWTH_MB


def test_a_second_process_needs_no_more_memory_than_the_first(peak):
    assert peak(25, 2) < 2 * peak(25, 1) + GROWTH_MB
