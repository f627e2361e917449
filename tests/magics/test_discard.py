"""Throwing away what waits and nothing can send."""

import pytest

from aod_notebook import cli, live
from aod_notebook.agentos.options import fingerprint
from aod_notebook.agentos.outbox import waiting
from aod_notebook.agentos.report.record import EVENT, pack
from aod_notebook.agentos.report.spool import SpoolWriter, spool_folder
from aod_notebook.live import outbox
from aod_notebook.live.outbox import SendResult, discard


def leave(url, key):
    """Write a spool with two records, as a process does that has not ended."""
    writer = SpoolWriter(spool_folder(), url, fingerprint(key), "a")
    for number in (1, 2):
        writer.append(pack(EVENT, number, b'"r"', b'{"type":"x"}'))
    return writer


@pytest.fixture
def dead_url(tmp_path, monkeypatch, unused_port):
    """An address that nobody answers at, with what is left for it with two keys."""
    url = f"http://127.0.0.1:{unused_port}"
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_ws_another")
    for key in ("aos_ws_one", "aos_ws_two"):
        leave(url, key).release()
    yield url
    live.disconnect()


def test_a_dead_address_is_listed_once(dead_url, capsys):
    assert cli.main(["outbox"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{dead_url}: 4 records since")


def test_a_spool_that_holds_nothing_more_is_not_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    SpoolWriter(spool_folder(), "http://there", fingerprint("aos_ws_one"), "a").release()
    assert [spool.records for spool in waiting()] == [0]
    assert cli.main(["outbox"]) == 0
    assert capsys.readouterr().out == "nothing waits\n"


def test_records_that_nothing_can_send_are_discarded_and_reported(dead_url, capsys):
    assert cli.main(["outbox", "--discard"]) == 0
    assert capsys.readouterr().out == f"{dead_url}: 4 records discarded\nnothing waits\n"
    assert not waiting()
    assert discard() == ["nothing was discarded"]


def test_what_a_living_process_wrote_is_kept(dead_url):
    writer = leave(dead_url, "aos_ws_one")
    discard()
    (spool,) = waiting()
    assert spool.is_alive
    writer.release()


def test_records_accepted_meanwhile_are_reported(dead_url, monkeypatch):
    monkeypatch.setattr(outbox, "send", lambda _: [SendResult("http://there", 3, 0)])
    assert discard() == [
        "http://there: 3 records delivered, 0 left",
        f"{dead_url}: 4 records discarded",
    ]


def test_the_magic_throws_away_too(dead_url, shell, capsys):
    assert shell.run("%agentos outbox --discard").empty
    assert f"{dead_url}: 4 records discarded" in capsys.readouterr().out
