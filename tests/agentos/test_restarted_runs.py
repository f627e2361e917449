"""Runs that are started once more under the same external id."""

import threading

import pytest
from collector import Collector, until

from aod_notebook.agentos import AgentOS, AgentOSNotFoundError


class Service:
    """Knows every agent but `bad`; holds back what `held` says until `go` is set."""

    starts = True

    def __init__(self, held):
        self.held = held
        self.go = threading.Event()

    def __call__(self, path, body):
        if path.endswith("/run/start"):
            if body["agent_id"] == "bad":
                return 404, {"error": {"code": "NOT_FOUND", "message": "no such agent"}}
            return 200, {"data": {"run_id": body["external_run_id"], "accepts": ["event_id"]}}
        if self.held(path, body):
            self.go.wait(60)
        return 200, {"data": {}}


class Failing(Service):
    """Fails instead of holding back."""

    def __call__(self, path, body):
        if not path.endswith("/run/start") and not self.go.is_set():
            return 503, {}
        return super().__call__(path, body)


def client_of(server, **options):
    return AgentOS(api_key="aos_agent_x", agent_id="a1", base_url=server.url, **options)


def start_refused_then_taken(client):
    with pytest.raises(AgentOSNotFoundError):
        client.start_run(agent_id="bad", external_run_id="job")
    return client.start_run(external_run_id="job")


def test_a_run_restarted_after_a_refusal_is_reported():
    service = Service(lambda _path, body: body["run_id"] == "other")
    with Collector(service) as server, client_of(server, batch_interval_ms=0) as client:
        other = client.start_run(external_run_id="other")
        other.emit("keeps the sender busy")
        until(lambda: any(path.endswith("/events") for path in server.asked))
        threading.Timer(0.05, service.go.set).start()
        run = start_refused_then_taken(client)
        assert other.complete().is_complete  # so all that was recorded before has been read
        run.emit("x")
        assert run.complete().is_complete
        assert [event["type"] for event in server.events][1:] == ["x"]


def test_a_restarted_run_is_delivered_by_the_next_process_too():
    service = Failing(lambda _path, _body: False)
    with Collector(service) as server:
        client = client_of(server, batch_interval_ms=0)
        client.start_run(external_run_id="other").emit("waits")
        run = start_refused_then_taken(client)
        run.emit("x")
        client.close(timeout=0)
        client._reporter.leave()  # as a process that dies
        service.go.set()
        with client_of(server) as next_client:
            assert next_client.flush().is_complete
        ends = {body["run_id"]: body["error_message"] for body in server.bodies("/run/fail")}
    # What the dead one had on its way may come as well: a service knows it by its id.
    taken = {event["event_id"]: event["type"] for event in server.events}
    assert list(taken.values()) == ["waits", "x"]
    assert ends == {"other": "process ended", "job": "process ended"}


def test_a_late_end_does_not_end_the_restarted_run():
    service = Service(lambda path, _body: path.endswith("/run/complete"))
    with Collector(service) as server, client_of(server) as client:
        client.start_run(external_run_id="job").complete(timeout=0)
        until(lambda: any(path.endswith("/run/complete") for path in server.asked))
        run = client.start_run(external_run_id="job")
        service.go.set()
        assert run.flush().is_complete
        run.emit("x")
        assert run.complete().is_complete
        assert [event["type"] for event in server.events] == ["x"]
