"""Fixtures of the Agent on Demand tests: clients of the embedded and of scripted services."""

import pytest
from scripted import in_no_time

from aod_notebook.aod import AsyncClient, Client

TOKEN = "aod_a-token-for-tests"


@pytest.fixture
def client(service):
    with Client(base_url=service.url, token=service.aod_token) as client:
        yield client


@pytest.fixture
def connect():
    """Make a client that hardly waits between retries: `connect(service, **options)`."""
    clients = []

    def make(server, **options):
        client = Client(base_url=server.url, token=TOKEN, **options)
        in_no_time(client)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
async def aconnect():
    """The same, async."""
    clients = []

    def make(server, **options):
        client = AsyncClient(base_url=server.url, token=TOKEN, **options)
        in_no_time(client)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
