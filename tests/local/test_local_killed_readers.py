"""The service killed under load: what a reader that gave up has, and what it gets by going on."""

import random
import shlex
import signal
import sys
import threading

import pytest
from service_kit import frames, until

from aod_notebook.aod import Client, StreamInterrupted

SESSIONS = 6
READERS = 2  # of each session
COUNTING = """
import itertools, time
for number in itertools.count():
    print(number, flush=True)
    time.sleep(0.001)  # so that each line is a row
"""
PROGRAM = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(COUNTING)}"


class Reader(threading.Thread):
    """Follows a session until its service is gone, and gives up at the first failure."""

    def __init__(self, service, session_id):
        super().__init__()
        self.session_id = session_id
        self.rows = []
        self.cursor = None
        self._client = Client(service.said["url"], service.said["aod_token"], max_retries=0)
        self.start()

    def run(self):
        with self._client, self._client.sessions.stream(self.session_id) as events:
            try:
                for event in events:
                    if event.id is not None and event.type != "turn_start":
                        self.rows.append((event.id, event.extra.get("data")))
            except StreamInterrupted as error:
                self.cursor = error.last_event_id

    def rest(self, client):
        """Return the rows that come when the stream is taken up where it broke off."""
        with client.sessions.stream(self.session_id, since=self.cursor) as events:
            return [
                (event.id, event.extra.get("data"))
                for event in events
                if event.id is not None and event.type not in {"turn_start", "error"}
            ]


def missing_after_a_kill(start, seconds):
    """Kill a service under load; return how many rows were read, and what is missing to whom."""
    service = start()
    agent = service.kit.agent()
    made = [service.kit.session(PROGRAM, agent)["id"] for _ in range(SESSIONS)]
    readers = [Reader(service, session_id) for session_id in made for _ in range(READERS)]
    until(lambda: all(reader.rows for reader in readers))
    threading.Event().wait(seconds)  # a random moment, not a synchronisation
    service.end(signal.SIGKILL)
    for reader in readers:
        reader.join(60)
    until(lambda: not service.marked())
    again = start()
    missing = {}
    with Client(again.said["url"], again.said["aod_token"]) as client:
        stored = {each: rows_of(again.kit.raw({"id": each})) for each in made}
        for number, reader in enumerate(readers):
            whole = stored[reader.session_id]
            lacking = sorted(set(whole) ^ set(reader.rows + reader.rest(client)))
            if lacking or reader.rows != whole[: len(reader.rows)]:
                missing[number, reader.session_id] = (lacking, reader.cursor, reader.rows[-1])
    for session_id, whole in stored.items():
        said = "".join(data for _, data in whole if data and data[0].isdigit())
        lines = said.split("\n")
        if lines[:-1] != [str(number) for number in range(len(lines) - 1)]:
            missing["stored", session_id] = lines
    again.end(signal.SIGTERM)
    return sum(len(reader.rows) for reader in readers), missing


def rows_of(body):
    return [
        (cursor, event.get("data"))
        for cursor, event in frames(body)
        if cursor is not None and event["type"] in {"output", "stage"}
    ]


def test_a_reader_that_gave_up_at_a_kill_misses_nothing_once_it_continues(start):
    read, missing = missing_after_a_kill(start, 0.3)
    assert missing == {}
    assert read > SESSIONS * READERS


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_readers_that_gave_up_lack_none_of_fifty_thousand_rows(start):
    dice = random.Random(8)
    read = kills = 0
    while read < 50_000 or kills < 30:
        more, missing = missing_after_a_kill(start, dice.random() * 1.5)
        assert missing == {}, f"kill {kills + 1}, after {read:,} rows"
        read, kills = read + more, kills + 1
    sys.stdout.write(f"{kills} kills, {read:,} rows read: none missing\n")
