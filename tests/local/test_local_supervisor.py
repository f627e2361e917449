"""The supervisor of the runtimes' processes, by itself."""

import asyncio
import os

from aod_notebook.local.processes.supervisor import Stop, Supervisor


class Nowhere:
    """A sink that forgets."""

    def __getattr__(self, name):
        return lambda *_: None


def test_a_child_that_ends_after_the_close_starts_no_new_guard(tmp_path):
    async def main():
        supervisor = Supervisor("test")
        work = asyncio.create_task(
            supervisor.run(
                ["sleep", "60"], cwd=tmp_path, env=dict(os.environ), sink=Nowhere(), stop=Stop(),
                time_limit=60,
            )
        )  # fmt: skip
        while not supervisor._groups:  # noqa: ASYNC110 - the child is there within a moment
            await asyncio.sleep(0)
        supervisor.close()
        await work
        assert supervisor._guard is None

    asyncio.run(main())
