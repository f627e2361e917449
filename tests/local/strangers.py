"""A program that keeps many connections to a service without a word, as strangers could.

Usage: python strangers.py PORT COUNT. It prints `ready` when each was connected once. One that is
closed by the service is made anew five seconds later.
"""

import asyncio
import contextlib
import resource
import sys


async def idle(port, made):
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            made.release()
            try:
                await reader.read()
            finally:
                writer.close()
        await asyncio.sleep(5)


async def main(port, count):
    made = asyncio.Semaphore(0)
    idling = [asyncio.ensure_future(idle(port, made)) for _ in range(count)]
    for _ in range(count):
        await made.acquire()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*idling)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
