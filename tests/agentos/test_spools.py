"""Spools of reported records: segments, adoption, full and missing disks, crashes."""

import errno
import json
import shutil
import threading
import time

from collector import Collector, until
from ports import unused_port

from aod_notebook.agentos import (
    AgentOS,
)
from aod_notebook.agentos.report import spool as spool_module
from aod_notebook.agentos.report.reader import SpoolReader, read_cursor, segments
from aod_notebook.agentos.report.spool import spool_folder
from aod_notebook.core import append_log


def client_of(server, **options):
    url = server if isinstance(server, str) else server.url
    fields = {"api_key": "aos_agent_x", "agent_id": "a1", "base_url": url, **options}
    return AgentOS(**fields)


def spools():
    return [path for path in spool_folder().iterdir() if not path.name.startswith(".")]


def test_a_spool_is_deleted_when_all_of_it_is_delivered():
    with Collector() as server:
        with client_of(server) as client:
            client.start_run().complete()
            assert len(spools()) == 1
        assert spools() == []


def test_segments_are_deleted_as_they_are_delivered_and_repeat_the_start(monkeypatch):
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 10_000)
    with Collector() as server, client_of(server) as client:
        run = client.start_run(external_run_id="long")
        for number in range(1000):
            run.emit("step", {"i": number})
        assert run.flush().is_complete
        (spool,) = spools()
        assert segments(spool)[0] > 5
        left = b"".join(path.read_bytes() for path in spool.glob("*.log"))
        assert b'"k":"start"' in left
        run.complete()
        assert server.numbers == list(range(1000))


def test_a_spool_names_its_destination_and_never_the_key():
    with Collector() as server, client_of(server, api_key="aos_agent_very-secret") as client:
        client.start_run().emit("x", {"i": 1})
        (spool,) = spools()
        header = json.loads((spool / "header.json").read_text())
        assert (header["base_url"], header["agent_id"]) == (server.url, "a1")
        assert "very-secret" not in "".join(
            path.read_text("latin-1") for path in spool.iterdir() if path.is_file()
        )
        assert "very-secret" not in repr(client) + repr(vars(client))


def test_another_key_does_not_adopt():
    offline = client_of(f"http://127.0.0.1:{unused_port()}")
    offline.start_run().emit("x", {"i": 1})
    offline.close(timeout=0)
    offline._reporter.leave()
    with Collector() as server, client_of(server) as client:
        client.flush()
        assert server.paths() == []
    assert len(spools()) == 1


def test_without_a_usable_disk_memory_is_used_and_one_line_says_so(home, caplog):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        for number in range(500):
            run.emit("step", {"i": number})
        assert run.complete().is_complete
        assert server.numbers == list(range(500))
    assert caplog.text.count("kept in memory instead") == 1


def test_a_disk_that_fills_up_loses_nothing_that_memory_can_hold(monkeypatch):
    real, full = append_log.write, []

    def write(fd, data):
        if full:
            if full[0] == "half":
                return real(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(append_log, "write", write)
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        for number in range(900):
            if number == 300:
                full.append("half")
            if number == 400:
                full[0] = "none"
            if number == 600:
                full.clear()
            run.emit("step", {"i": number})
        assert run.complete().is_complete
        assert server.numbers == list(range(900))


def test_a_full_memory_drops_events_counts_them_and_keeps_the_end(home, caplog):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    gate = threading.Event()

    def respond(_path, _body):
        gate.wait(60)
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server, max_queue_size=500) as client:
        run = client.start_run()
        for number in range(2000):
            run.emit("step", {"i": number})
        gate.set()
        receipt = run.complete()
        dropped = run.stats.dropped["memory full"]
        assert dropped >= 1400
        assert (receipt.rejected, receipt.pending) == (dropped, 0)
        assert len(server.numbers) == 2000 - dropped
        assert server.paths()[-1] == "run/complete"


def test_what_the_disk_has_lost_is_not_waited_for():
    with Collector() as server, client_of(server, batch_interval_ms=60_000) as client:
        run = client.start_run()
        until(lambda: server.paths() == ["run/start"])
        (spool,) = spools()
        for number in range(5):
            run.emit("step", {"i": number})
        (log,) = spool.glob("*.log")
        data = bytearray(log.read_bytes())
        data[-60:] = b"?" * 60  # the last record is no more
        log.write_bytes(data)
        client.flush(timeout=60)
        until(lambda: server.numbers == [0, 1, 2, 3])
        until(lambda: client._reporter.delivery.wait(time.monotonic()) > 1)  # the sender sleeps
        run._recorder.stats.sent += 1  # nothing else can be said of it


def test_what_counts_as_delivered_is_behind_the_cursor(monkeypatch):
    let_go = threading.Event()
    note = SpoolReader.acknowledge

    def slow(self, *args):
        if server.events:
            assert let_go.wait(60)
        note(self, *args)

    monkeypatch.setattr(SpoolReader, "acknowledge", slow)
    with Collector() as server, client_of(server) as client:
        run = client.start_run()
        run.emit("step", {"i": 1})
        client.flush(timeout=0)
        until(lambda: server.numbers == [1])
        assert client.flush(timeout=0).pending == 1
        let_go.set()
        assert client.flush().pending == 0


def test_a_whole_record_of_another_version_goes_to_the_dead_letters(home):
    from aod_notebook.agentos.options import fingerprint
    from aod_notebook.agentos.report.record import END, EVENT, pack
    from aod_notebook.agentos.report.spool import SpoolWriter

    with Collector() as server:
        spool_folder().mkdir(parents=True)
        writer = SpoolWriter(spool_folder(), server.url, fingerprint("aos_agent_x"), "a1")
        writer.append(pack(EVENT, 1, b'"old"', b'{"type":"x","payload":{"i":1}}'))
        writer.append(pack(END, 2, b'"old"', b"[1, 2]"))
        writer.release()
        with client_of(server) as client:
            client.flush(timeout=60)
            assert server.numbers == [1]
    assert "unreadable record" in (home / "agentos" / "dead-letters.jsonl").read_text()
    assert spools() == []


def test_a_crash_at_any_batch_leaves_unsent_records_in_the_spool(tmp_path):
    left = []

    def respond(path, _body):
        if path.endswith("/events"):
            [spool] = spools()
            copy = tmp_path / str(len(left))
            shutil.copytree(spool, copy)  # what a crash would leave before the answer is known
            left.append((copy, 1 + len(server.events)))  # with the run's start, which was taken
        return 200, {"data": {}}

    with Collector(respond) as server, client_of(server, batch_size=7) as client:
        run = client.start_run()
        for number in range(40):
            run.emit("step", {"i": number})
        run.complete()
    assert len(left) >= 6
    for spool, taken in left:
        reader = SpoolReader(spool)
        found = [record.n for record in reader.read(100).records]
        reader.close()
        assert read_cursor(spool) <= taken
        assert min(found) <= taken + 1
