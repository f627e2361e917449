"""A 500-event stream through a hostile network: every event exactly once, in order, to an end."""

import json
import random
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import httpx
import pytest
from chaos import ChaosProxy, Fault
from scripted import in_no_time

from aod_notebook.aod import AodConnectionError, AsyncClient, Client, StreamInterrupted, Timeouts

LINES = 500
PLACES = 200
HOWS = ["close", "rst", "stall"]
PATIENT = Timeouts(no_bytes=20)  # a loaded machine is no stall
BRISK = Timeouts(no_bytes=2)
LANES = 40  # stalls that are waited out at the same time


class Log(NamedTuple):
    """A finished session, what a perfect network gives of it, and how that looks on the wire."""

    id: str
    events: list[dict]
    answer: bytes  # head and body


@pytest.fixture(scope="module")
def log(service, tmp_path_factory):
    lines = [json.dumps({"type": "text", "n": n, "pad": "é" * (n % 50)}) for n in range(LINES)]
    recording = tmp_path_factory.mktemp("recordings") / "long.jsonl"
    recording.write_text("".join(line + "\n" for line in lines), "utf-8")
    metadata = {"replay": {"recording": str(recording)}}
    with Client(base_url=service.url, token=service.aod_token) as client:
        agent = client.agents.create(name="long", model="m", runtime="replay", metadata=metadata)
        session_id = str(client.sessions.run(agent_id=agent.id, prompt="p").session.id)
        with client.sessions.stream(session_id) as events:
            found = [event.model_dump() for event in events]
    assert len(found) > LINES
    return Log(session_id, found, wire_answer(service, session_id))


def wire_answer(service, session_id):
    headers = {"Authorization": f"Bearer {service.aod_token}"}
    url = f"{service.url}/sessions/{session_id}/stream"
    with httpx.Client(headers=headers) as http, http.stream("GET", url) as response:
        head = b"".join(b"%s: %s\r\n" % pair for pair in response.headers.raw)
        return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"".join(response.iter_raw())


@pytest.fixture(scope="module")
def proxy(service):
    with ChaosProxy(service.url) as proxy:
        yield proxy


@contextmanager
def through(proxy, service, timeouts):
    limits = httpx.Limits(max_keepalive_connections=0)  # a fault belongs to one connection
    with (
        httpx.Client(limits=limits) as http,
        Client(proxy.url, service.aod_token, timeouts, http_client=http) as client,
    ):
        in_no_time(client)
        yield client


@pytest.fixture(scope="module")
def client(service, proxy):
    with through(proxy, service, PATIENT) as client:
        yield client


def follow(client, session_id):
    with client.sessions.stream(session_id) as events:
        return [event.model_dump() for event in events]


def test_cut_at_every_byte_of_one_event(client, proxy, log):
    middle = log.answer.index(b"data: ", len(log.answer) // 2)
    begin = log.answer.rindex(b"\n\n", 0, middle)
    end = log.answer.index(b"\n\n", middle) + 2
    for place in range(begin, end + 1):
        proxy.plan(Fault(place, HOWS[place % 2]))
        before = proxy.connections
        assert follow(client, log.id) == log.events, f"cut at byte {place}"
        assert proxy.connections > before + 1


@pytest.mark.parametrize("how", HOWS[:2])
def test_cut_at_seeded_places(client, proxy, log, how):
    for place in seeded_places(log):
        proxy.plan(Fault(place, how))
        assert follow(client, log.id) == log.events, f"{how} at byte {place}"


def test_stalled_at_seeded_places(service, log):
    places = seeded_places(log)

    def lane(number):
        with ChaosProxy(service.url) as proxy, through(proxy, service, BRISK) as client:
            for place in places[number::LANES]:
                proxy.plan(Fault(place, "stall"))
                assert follow(client, log.id) == log.events, f"stall at byte {place}"
            return proxy.connections

    with ThreadPoolExecutor(LANES) as lanes:
        assert sum(lanes.map(lane, range(LANES))) >= 2 * PLACES  # each stall was left


def seeded_places(log):
    places = random.Random(20260101)
    return [places.randrange(len(log.answer)) for _ in range(PLACES)]


def test_cut_again_and_again_with_refusals_between(client, proxy, log):
    places = random.Random(7)
    for _ in range(20):
        plan = []
        for _ in range(10):
            plan.append(
                Fault(places.randrange(3000, len(log.answer) // 4), places.choice(HOWS[:2]))
            )
            plan += [Fault(how="refuse")] * places.randrange(3)
        proxy.plan(*plan)
        assert follow(client, log.id) == log.events


def test_seven_byte_chunks(client, proxy, log):
    proxy.plan(Fault(len(log.answer) // 2, "rst", chunk=7), Fault(chunk=7))
    assert follow(client, log.id) == log.events


def test_a_service_that_stays_away_ends_the_call(client, proxy, log):
    proxy.plan(Fault(len(log.answer) // 2), *[Fault(how="refuse")] * 50)
    with (
        client.sessions.stream(log.id) as events,
        pytest.raises(StreamInterrupted, match=log.id) as caught,
    ):
        list(events)
    assert re.search(rf"since={caught.value.last_event_id}\)", str(caught.value))
    proxy.plan()
    with client.sessions.stream(log.id, since=caught.value.last_event_id) as events:
        assert [event.type for event in events][-1] == "exit"


def test_a_service_that_is_not_there_ends_the_call(service, log):
    with ChaosProxy(service.url) as gone:
        url = gone.url
    with Client(url, service.aod_token) as client:
        in_no_time(client)
        with pytest.raises(AodConnectionError, match=f"{url}.*aod-notebook serve"):
            follow(client, log.id)


@pytest.mark.anyio
@pytest.mark.parametrize("how", HOWS)
async def test_the_async_client_survives_the_same(service, proxy, log, how):
    places = random.Random(how)
    one_each = httpx.Limits(max_keepalive_connections=0)
    limits = BRISK if how == "stall" else PATIENT
    async with (
        httpx.AsyncClient(limits=one_each) as http,
        AsyncClient(proxy.url, service.aod_token, limits, http_client=http) as client,
    ):
        in_no_time(client)
        for _ in range(20 if how != "stall" else 5):
            proxy.plan(Fault(places.randrange(len(log.answer)), how), Fault(how="refuse"))
            async with client.sessions.stream(log.id) as events:
                found = [event.model_dump() async for event in events]
            assert found == log.events
