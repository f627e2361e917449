"""A store that somebody else made: it deletes and writes nothing elsewhere, and is refused in a line."""

import json
import os
import re
import shutil
import time
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aod_notebook import frames

META = b"aod.store"
LONG_AGO_S = 10_000


@pytest.fixture(scope="module")
def made(client, tmp_path_factory):
    """A store of one session; tests take copies of it."""
    agent = client.agents.create(name="hostile", model="any", runtime="replay")
    one = client.sessions.run(agent_id=agent.id, prompt="go").session.id
    folder = tmp_path_factory.mktemp("made") / "store"
    frames.collect([one], into=folder, client=client)
    return folder, one


@pytest.fixture
def given(made, tmp_path):
    """A copy of the store, and the id of its session."""
    shutil.copytree(made[0], tmp_path / "store")
    return tmp_path / "store", made[1]


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that is old enough to be taken for what a killed collection left."""
    folder = tmp_path / "elsewhere"
    (folder / "below").mkdir(parents=True)
    for path in (folder / "below" / "a.txt", folder / "part-9.parquet"):
        path.write_text("precious")
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - LONG_AGO_S,) * 2)
    return folder


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


KEPT = ["below", "below/a.txt", "part-9.parquet"]


def test_what_a_link_among_the_fresh_files_leads_to_is_not_deleted(client, given, elsewhere):
    folder, one = given
    (folder / "_fresh" / "left").symlink_to(elsewhere)
    frames.collect([one], into=folder, client=client)
    assert names(elsewhere) == KEPT


@pytest.mark.parametrize("name", ["_fresh", "_lock", "_imported", "_sessions", "events"])
def test_a_store_with_a_link_for_a_folder_is_not_written(client, given, elsewhere, name):
    folder, one = given
    if (folder / name).is_dir():
        shutil.rmtree(folder / name)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(elsewhere if name != "_lock" else elsewhere / "made")
    with pytest.raises(frames.FrameError, match=rf"{name}' is a link, and a store is not written"):
        frames.collect([one], into=folder, client=client)
    assert names(elsewhere) == KEPT


def test_an_import_writes_through_no_link(given, tmp_path):
    folder, _ = given
    (folder / "_imported").mkdir()
    (tmp_path / "bashrc").write_text("precious")
    for name in ("files", "requests"):
        for end in ("new", "msgpack"):
            (folder / "_imported" / f"{name}.{end}").symlink_to(tmp_path / "bashrc")
    line = {"type": "user", "uuid": "u", "sessionId": "s", "timestamp": "2026-03-01T09:00:00Z"}
    log = tmp_path / ".claude" / "projects" / "-x" / "s.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({**line, "message": {"content": "hi"}}) + "\n")
    assert "s" in frames.import_logs(tmp_path, into=folder).session_ids
    assert (tmp_path / "bashrc").read_text() == "precious"


def put(name, value, kind=None):
    def change(table, meta):
        array = pa.array([value] * len(table), kind or table.schema.field(name).type)
        return table.set_column(table.column_names.index(name), name, array), meta

    return change


def renumbered(table, meta):
    return table, {**meta, "parts": {"-5": meta["parts"]["0"]}}


MANIFESTS = {
    "a session without an id": put("session_id", None),
    "a part that is not there": put("part", 77),
    "no part": put("part", None),
    "a part by a text": put("part", "x", pa.string()),
    "a part below 0": renumbered,
    "a column missing": lambda table, meta: (table.drop_columns(["notes"]), meta),
    "notes that are not JSON": put("notes", "{no"),
    "notes of another kind": put("notes", '{"problems": [{"what": "x"}]}'),
}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_does_not_fit_together_is_refused_in_one_line(client, given, change):
    folder, one = given
    path = folder / "manifest.parquet"
    table = pq.read_table(path)
    table, meta = change(table, json.loads(table.schema.metadata[META]))
    pq.write_table(table.replace_schema_metadata({META: json.dumps(meta)}), path)
    damaged = re.escape(f"{str(path)!r} is damaged: delete the store")
    with pytest.raises(frames.FrameError, match=damaged):
        frames.scan(folder).frame("events")
    with pytest.raises(frames.FrameError, match=damaged):
        frames.collect([one], into=folder, client=client)


def test_a_pipe_in_the_place_of_a_part_is_not_waited_for(client, given):
    folder, one = given
    path, manifest = folder / "events" / "part-0.parquet", folder / "manifest.parquet"
    path.unlink()
    os.mkfifo(path)
    table = pq.read_table(manifest)
    meta = json.loads(table.schema.metadata[META])
    meta["parts"]["0"]["files"]["events"] = {"size": 0, "crc": zlib.crc32(b""), "mtime_ns": 1}
    pq.write_table(table.replace_schema_metadata({META: json.dumps(meta)}), manifest)
    store = frames.collect([one], into=folder, client=client)
    assert len(store.frame("events")) > 0
