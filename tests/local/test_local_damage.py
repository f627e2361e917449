"""A damaged `service.db` is named with a remedy: at the start, by answers, and by the commands."""

import contextlib
import shutil
import signal
import sqlite3

import pytest
from service_kit import Kit, Rpc, connect, detail

from aod_notebook.cli.entry import main
from aod_notebook.live.embedded import ServiceNotStartedError, start_embedded
from aod_notebook.local import LocalService, ServiceStartError, ensure_service

REMEDY = "database disk image is malformed; put a backup in its place, or move it away to start with an empty one"


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A data folder with a finished session and a run."""
    folder = tmp_path_factory.mktemp("used") / "data"
    with LocalService(folder) as service, connect(service.url, service.aod_token) as client:
        kit = Kit(client)
        session = kit.session("seq 1 20000")
        kit.finish(session)
        with connect(service.url, service.agentos_key) as other:
            run_id = Rpc(other).start(service.agent_id)
    return folder, session["id"], run_id


def spoil(path, table):
    """Overwrite the first page of a table, as a bad disk does."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = database.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = database.execute(query, (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


@pytest.fixture
def spoilt(used, tmp_path):
    """Return a copy of the data folder in which a table is damaged."""
    folder, session_id, run_id = used
    copy = tmp_path / "data"
    shutil.copytree(folder, copy)

    def spoiling(table):
        spoil(copy / "service.db", table)
        return copy

    spoiling.session_id, spoiling.run_id = session_id, run_id
    return spoiling


@pytest.mark.parametrize("table", ["run", "sealing"])
def test_a_page_that_is_damaged_is_named_at_the_start(table, spoilt, capsys):
    folder = spoilt(table)
    assert main(["serve", "--data-dir", str(folder)]) == 1
    said = capsys.readouterr().err
    assert said == f"aod-notebook: the service can't start: {folder / 'service.db'}: {REMEDY}\n"


def test_the_start_of_the_embedded_service_names_the_damaged_file(spoilt):
    folder = spoilt("run")
    with pytest.raises(ServiceStartError) as caught:
        ensure_service(folder)
    assert caught.value.reason == f"{folder / 'service.db'}: {REMEDY}"
    with pytest.raises(ServiceNotStartedError) as caught:
        start_embedded(folder)
    assert f"did not start: {folder / 'service.db'}: {REMEDY}. Its log is" in str(caught.value)


def test_a_page_that_is_damaged_is_named_by_every_answer_that_needs_it(spoilt, start, tmp_path):
    folder = spoilt("log_block")
    spoil(folder / "service.db", "run_event")
    spoil(folder / "service.db", "environment")
    service = start()
    said = f"The service's database can't be used at present: {folder / 'service.db'}: {REMEDY}"
    answer = service.client.get(f"/sessions/{spoilt.session_id}/stream")
    assert (answer.status_code, answer.json()) == (503, {"detail": said})
    assert detail(service.client, "/environments", name="e") == (503, said)
    path = "/api/v1/rpc/runs_get_events"
    assert service.rpc.error(path, {"run_id": spoilt.run_id}) == (503, "INTERNAL_ERROR", said)
    event = {"type": "x", "level": "info", "occurred_at": "2026-01-01T00:00:00Z", "payload": {}}
    body = {"run_id": spoilt.run_id, "events": [event]}
    assert service.rpc.error("/api/ingest/v1/events", body) == (503, "INTERNAL_ERROR", said)
    assert service.kit.get("/agents")["data"]  # what is whole is served
    service.end(signal.SIGTERM)


@pytest.mark.parametrize("command", ["vacuum", "clean"])
def test_the_commands_name_the_damaged_file(command, spoilt, capsys):
    folder = spoilt("run")
    options = ["--older-than", "0"] if command == "clean" else []
    assert main(["service", command, *options, "--data-dir", str(folder)]) == 1
    assert f"{folder / 'service.db'}: {REMEDY}" in capsys.readouterr().err
