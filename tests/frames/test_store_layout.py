"""The parts of a store and the manifest that names them."""

import json
import threading
from urllib.parse import quote

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aod_notebook import frames
from aod_notebook.frames.store import STORED, commit, parts


@pytest.fixture(scope="module")
def ids(client):
    agent = client.agents.create(name="kept", model="any", runtime="replay")
    acks = [client.sessions.create(agent_id=agent.id, prompt=f"go {n}") for n in range(6)]
    for ack in acks:
        client.sessions.wait_for_completion(ack.id)
    return sorted(str(ack.id) for ack in acks)


@pytest.fixture(scope="module")
def truth(client, ids, tmp_path_factory):
    store = frames.collect(ids, into=tmp_path_factory.mktemp("truth"), client=client)
    return {name: store.frame(name) for name in STORED}


class Counting:
    """A client that notes what it is asked."""

    def __init__(self, client):
        self.agents, self.base_url = client.agents, client.base_url
        self._sessions, self.sessions = client.sessions, self
        self.asked = []

    def __getattr__(self, name):
        found = getattr(self._sessions, name)

        def asked(*args, **options):
            self.asked.append(name)
            return found(*args, **options)

        return asked


def check(store, truth):
    for name in STORED:
        pd.testing.assert_frame_equal(store.frame(name), truth[name])
        assert store.frame(name).attrs["complete"] is True


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))


def test_all_sessions_of_a_collection_share_a_file_per_frame(client, ids, tmp_path):
    frames.collect(ids, into=tmp_path, client=client)
    expected = ["manifest.parquet", *sorted(f"{name}/part-0.parquet" for name in STORED)]
    assert files(tmp_path) == sorted(expected)
    manifest = pd.read_parquet(tmp_path / "manifest.parquet")
    assert list(manifest["session_id"]) == ids
    assert set(manifest["complete"]) == {True}
    assert list(manifest["turns_rows"]) == [1] * len(ids)


def test_unchanged_sessions_cost_no_request_but_the_list(client, ids, tmp_path):
    frames.collect(ids, into=tmp_path, client=client)
    before = [(path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.parquet")]
    counting = Counting(client)
    frames.collect(ids, into=tmp_path, client=counting)
    assert counting.asked == ["list"]
    assert [(path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.parquet")] == before


def test_a_changed_session_replaces_its_rows_only(client, tmp_path):
    agent = client.agents.create(name="changed", model="any", runtime="replay")
    made = [client.sessions.run(agent_id=agent.id, prompt="one").session.id for _ in range(3)]
    frames.collect(made, into=tmp_path, client=client)
    client.sessions.prompt(made[1], "two")
    client.sessions.wait_for_completion(made[1])
    counting = Counting(client)
    store = frames.collect(made, into=tmp_path, client=counting)
    assert counting.asked.count("stream") == 1
    for name in ("turns", "events", "results"):
        fetched = getattr(frames, f"{name}_df")(sorted(map(str, made)), client=client)
        pd.testing.assert_frame_equal(store.frame(name), fetched)
    assert len(pl.scan_parquet(tmp_path / "turns").collect()) == 4  # no old rows for others to see


def test_many_small_parts_become_one(client, ids, tmp_path, truth):
    for one in ids:
        store = frames.collect(one, into=tmp_path, client=client)
    assert len(store.files("events")) <= 4
    check(store, truth)


def test_a_full_part_is_followed_by_another(client, ids, tmp_path, truth, monkeypatch):
    monkeypatch.setattr(parts, "MOST_SESSIONS", 2)
    monkeypatch.setattr(commit, "MOST_SESSIONS", 2)
    monkeypatch.setattr("aod_notebook.frames.store.stage._BATCH_SESSIONS", 2)
    store = frames.collect(ids, into=tmp_path, client=client)
    assert len(store.files("events")) == 3
    check(store, truth)


def test_small_parts_become_more_than_one_if_their_sessions_fill_several(
    client, ids, tmp_path, truth, monkeypatch
):
    monkeypatch.setattr(parts, "MOST_SESSIONS", 2)
    for one in ids:
        store = frames.collect(one, into=tmp_path, client=client)
    rows = pq.read_table(tmp_path / "manifest.parquet")["part"].value_counts().to_pylist()
    assert max(row["counts"] for row in rows) == 2
    check(store, truth)


def test_rows_are_written_in_groups_of_bounded_size(client, ids, tmp_path, truth, monkeypatch):
    monkeypatch.setattr(parts, "_GROUP_ROWS", 1)
    monkeypatch.setattr("aod_notebook.frames.store.stage._BATCH_SESSIONS", 1)
    store = frames.collect(ids, into=tmp_path, client=client)
    (path,) = store.files("events")
    assert pq.ParquetFile(path).num_row_groups == len(ids)
    check(store, truth)


def test_what_the_manifest_does_not_name_does_not_exist(client, ids, tmp_path):
    store = frames.collect(ids, into=tmp_path, client=client)
    copy = tmp_path / "turns" / "part-7.parquet"
    copy.write_bytes((tmp_path / "turns" / "part-0.parquet").read_bytes())
    assert len(store.frame("turns")) == len(ids)
    frames.collect(ids, into=tmp_path, client=client)
    assert not copy.exists()


def test_two_collectors_at_once_double_nothing(client, ids, tmp_path, truth):
    together = threading.Barrier(2)

    def collect(order):
        together.wait()
        frames.collect(order, into=tmp_path, client=client)

    both = [threading.Thread(target=collect, args=[order]) for order in (ids, ids[::-1])]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    check(frames.scan(tmp_path), truth)
    assert len(pl.scan_parquet(tmp_path / "turns").collect()) == len(ids)


def test_a_reader_that_knows_the_old_parts_finds_the_new_ones(client, ids, tmp_path):
    reader = frames.collect(ids[:2], into=tmp_path, client=client)
    assert len(reader.frame("turns")) == 2
    for one in ids[2:]:
        frames.collect(one, into=tmp_path, client=client)
    assert list(reader.frame("turns")["session_id"]) == ids


def older(folder, truth, ids, *, without=()):
    """Write a store of the first layout: a file per session and frame, and a mark."""
    for one in ids:
        for name in STORED:
            frame = truth[name]
            own = frame[frame["session_id"] == one].drop(columns=["session_id", *without])
            labels = [n for n in own if isinstance(own[n].dtype, pd.CategoricalDtype)]
            path = folder / name / f"session_id={quote(one)}" / "data.parquet"
            path.parent.mkdir(parents=True)
            own.astype(dict.fromkeys(labels, "str")).to_parquet(path, index=False)
        row = truth["sessions"].set_index("session_id").loc[one]
        mark = {"updated_at": str(row["updated_at"]), "status": row["status"], "complete": True}
        (folder / "_sessions").mkdir(exist_ok=True)
        (folder / "_sessions" / f"{one}.json").write_text(json.dumps(mark))


def test_a_store_of_the_first_layout_is_read_as_it_is(ids, tmp_path, truth):
    older(tmp_path, truth, ids)
    store = frames.scan(tmp_path)
    assert store.session_ids == ids
    for name in STORED:
        pd.testing.assert_frame_equal(store.frame(name), truth[name])


def test_a_store_of_the_first_layout_is_taken_over_by_the_next_collection(
    client, ids, tmp_path, truth
):
    older(tmp_path, truth, ids)
    counting = Counting(client)
    check(frames.collect(ids, into=tmp_path, client=counting), truth)
    assert counting.asked.count("stream") == 0
    assert not (tmp_path / "_sessions").exists()
    assert len(files(tmp_path)) == 1 + len(STORED)


def test_a_damaged_session_of_the_first_layout_is_fetched_again(client, ids, tmp_path, truth):
    older(tmp_path, truth, ids)
    path = tmp_path / "events" / f"session_id={ids[1]}" / "data.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    counting = Counting(client)
    check(frames.collect(ids, into=tmp_path, client=counting), truth)
    assert counting.asked.count("stream") == 1


@pytest.mark.parametrize("mark", ["", "{half", "[]"])
def test_a_damaged_mark_of_the_first_layout_costs_one_fetch(client, ids, tmp_path, truth, mark):
    older(tmp_path, truth, ids)
    (tmp_path / "_sessions" / f"{ids[1]}.json").write_text(mark)
    assert frames.scan(tmp_path).session_ids == ids
    counting = Counting(client)
    check(frames.collect(ids, into=tmp_path, client=counting), truth)
    assert counting.asked.count("stream") == 1


def test_a_large_store_of_the_first_layout_is_taken_over_in_several_parts(
    client, ids, tmp_path, truth, monkeypatch
):
    monkeypatch.setattr(parts, "MOST_SESSIONS", 2)
    older(tmp_path, truth, ids)
    store = frames.collect(ids, into=tmp_path, client=client)
    assert len(store.files("events")) == 3
    check(store, truth)


def test_parts_of_another_version_are_read_with_missing_columns_and_rewritten(
    client, ids, tmp_path, truth, monkeypatch
):
    frames.collect(ids, into=tmp_path, client=client)
    path = tmp_path / "turns" / "part-0.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["prompt"]), path)
    manifest = pq.read_table(tmp_path / "manifest.parquet")
    meta = json.loads(manifest.schema.metadata[b"aod.store"])
    facts = parts.facts_of(path)
    meta["parts"]["0"]["files"]["turns"] = {
        "size": facts.size,
        "crc": facts.crc,
        "mtime_ns": facts.mtime_ns,
    }
    at = manifest.column_names.index("schema_version")
    old = manifest.set_column(at, "schema_version", pa.array(["2.0"] * len(ids)))
    pq.write_table(
        old.replace_schema_metadata({"aod.store": json.dumps(meta)}), tmp_path / "manifest.parquet"
    )
    store = frames.scan(tmp_path)
    assert store.frame("turns")["prompt"].isna().all()
    assert len(store.duckdb().sql("select turn from turns").fetchall()) == len(ids)
    counting = Counting(client)
    store = frames.collect(ids, into=tmp_path, client=counting)
    assert counting.asked == ["list"]
    assert "prompt" in pq.read_schema(store.files("turns")[0]).names


def test_engines_read_the_files_and_the_stores_own_ways_the_same(client, ids, tmp_path):
    store = frames.collect(ids, into=tmp_path, client=client)
    expected = int(store.frame("tool_calls")["is_error"].sum())
    query = "select count(*) from tool_calls where is_error"
    assert store.duckdb().sql(query).fetchall() == [(expected,)]
    assert store.polars("tool_calls").select(pl.col("is_error").sum()).collect().item() == expected
    assert store.arrow("tool_calls", columns=["is_error"]).num_rows == len(
        store.frame("tool_calls")
    )
    glob = f"from read_parquet('{tmp_path}/tool_calls/*.parquet') select sum(is_error::int)"
    assert duckdb.sql(glob).fetchall() == [(expected,)]


def test_one_session_is_opened(client, ids, tmp_path, truth):
    store = frames.collect(ids, into=tmp_path, client=client)
    opened = store.open(ids[2])
    own = truth["messages"][truth["messages"]["session_id"] == ids[2]].reset_index(drop=True)
    pd.testing.assert_frame_equal(opened.messages, own)
    with pytest.raises(frames.FrameError, match="no session `ffffffffff`"):
        store.open("ffffffffff")


def test_an_opened_session_has_the_events_of_its_turns(client, ids, tmp_path):
    """Stages and the end belong to no turn."""
    opened = frames.collect(ids[:1], into=tmp_path / "store", client=client).open(ids[0])
    outputs = opened.events["type"].eq("output").sum()
    kinds = [event.type for event in opened.received()]
    assert (kinds.count("output"), kinds.count("turn_start"), kinds[-1]) == (outputs, 1, "exit")
