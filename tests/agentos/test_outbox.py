"""What waits, and what was refused, for people who look."""

from collector import Collector, until
from ports import unused_port

from aod_notebook.agentos import AgentOS, outbox


def test_a_spool_is_listed_with_what_waits_in_it():
    url = f"http://127.0.0.1:{unused_port()}"
    client = AgentOS(api_key="aos_agent_x", agent_id="a1", base_url=url)
    run = client.start_run()
    for number in range(10):
        run.emit("x", {"i": number})
    (spool,) = outbox.waiting()
    assert (spool.base_url, spool.agent_id, spool.is_alive) == (url, "a1", True)
    assert (spool.records, spool.size > 0) == (11, True)
    client.close(timeout=0)
    client._reporter.leave()
    (spool,) = outbox.waiting()
    assert not spool.is_alive
    assert outbox.refused() == []


def test_what_was_refused_is_listed_with_its_reason():
    def respond(path, _body):
        if path.endswith("/events"):
            return 400, {"error": {"code": "VALIDATION_ERROR", "message": "not so"}}
        return 200, {"data": {}}

    with Collector(respond) as server:
        with AgentOS(api_key="aos_agent_x", agent_id="a1", base_url=server.url) as client:
            client.start_run(external_run_id="job").emit("x", {"i": 1})
            until(outbox.refused)
        (letter,) = outbox.refused()
    assert (letter["external_run_id"], letter["kind"]) == ("job", "event")
    assert "not so" in letter["reason"]
    assert letter["body"]["payload"] == {"i": 1}


def test_an_empty_home_has_nothing_waiting():
    assert outbox.waiting() == []
