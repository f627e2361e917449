"""The script that generates the sync twins."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "tools" / "unasync.py"

ASYNC = '''"""The async thing."""
import anyio
import httpx
from package._async.thing import AsyncThing


class AsyncUser:
    async def __aenter__(self) -> AsyncThing:
        async with httpx.AsyncClient() as http:
            async for line in http.aiter_bytes():
                await anyio.sleep(1)
        return await anext(self.it)
'''


def test_the_generated_files_are_up_to_date():
    command = [sys.executable, SCRIPT, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_sync_twin_has_nothing_async_left(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import unasync

    twin = unasync.convert(ASYNC, "x.py")
    compile(twin, "x.py", "exec")
    code = twin.partition("\n")[2]
    assert "async" not in code
    assert "Async" not in code
    assert "await" not in code
    assert "time.sleep(1)" in code
    assert "next(self.it)" in code
