"""A damaged part of a store: reading names it, and `collect` fetches it again; a full disk."""

import errno
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from aod_notebook import frames

NOISE = b"\xa5\x5a" * 20


def overwrite(place):
    """Return a way of damage: 40 bytes at a share of the file's length."""

    def damage(data):
        at = min(int(len(data) * place), len(data) - len(NOISE) - 8)
        return (
            data[:at]
            + bytes(a ^ b for a, b in zip(data[at:], NOISE, strict=False))
            + data[at + len(NOISE) :]
        )

    return damage


DAMAGE = {
    "near the start": overwrite(0.02),
    "in the middle": overwrite(0.3),
    "in the footer": overwrite(1),
    "empty": lambda _: b"",
    "half": lambda data: data[: len(data) // 2],
}


@pytest.fixture(scope="module")
def ids(client):
    agent = client.agents.create(name="damaged", model="any", runtime="replay")
    made = [client.sessions.run(agent_id=agent.id, prompt=f"go {n}").session.id for n in range(2)]
    return sorted(map(str, made))


@pytest.fixture
def store(client, ids, tmp_path):
    return frames.collect(ids, into=tmp_path / "store", client=client)


def part(store, name="events"):
    return store.path / name / "part-0.parquet"


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_is_named_by_reading_and_fetched_again_by_collect(how, store, client, ids):
    whole = store.frame("events")
    path = part(store)
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    with pytest.warns(frames.FrameWarning, match="events/part-0.parquet is damaged") as caught:
        left = store.frame("events")
    assert "\n" not in str(caught[0].message)
    assert left.empty
    assert left.attrs["complete"] is False
    assert left.attrs["problems"][0]["where"] == str(path)
    again = frames.collect(ids, into=store.path, client=client)
    pd.testing.assert_frame_equal(again.frame("events"), whole)
    assert again.frame("events").attrs["complete"] is True


def test_damage_that_only_reading_finds_is_fetched_again_too(store, client, ids):
    whole = store.frame("events")
    path = part(store)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(DAMAGE["in the middle"](path.read_bytes()))
    os.utime(path, ns=times)  # as on a disk that lost something by itself
    with pytest.warns(frames.FrameWarning, match="is damaged"):
        store.frame("events")
    again = frames.collect(ids, into=store.path, client=client)
    pd.testing.assert_frame_equal(again.frame("events"), whole)


def test_a_missing_part_is_not_complete_and_is_fetched_again(store, client, ids):
    whole = store.frame("turns")
    part(store, "turns").unlink()
    with pytest.warns(frames.FrameWarning, match="turns/part-0.parquet is missing"):
        assert store.frame("turns").attrs["complete"] is False
    assert store.frame("events").attrs["complete"] is True
    again = frames.collect(ids, into=store.path, client=client).frame("turns")
    pd.testing.assert_frame_equal(again, whole)
    assert again.attrs["complete"] is True


def test_a_part_with_other_rows_is_fetched_again(store, client, ids):
    whole = store.frame("events")
    path = part(store)
    frames.to_parquet(pd.read_parquet(path, partitioning=None).iloc[:-1], path)
    again = frames.collect(ids, into=store.path, client=client)
    pd.testing.assert_frame_equal(again.frame("events"), whole)


def test_of_a_lost_part_only_requested_sessions_are_fetched_and_the_others_reported(
    store, client, ids
):
    whole = store.frame("turns")
    part(store, "turns").unlink()
    with pytest.warns(frames.FrameWarning, match="rows were lost"):
        left = frames.collect(ids[0], into=store.path, client=client).frame("turns")
    assert set(left["session_id"]) == {ids[0]}
    assert left.attrs["complete"] is False
    again = frames.collect(ids, into=store.path, client=client)
    pd.testing.assert_frame_equal(again.frame("turns"), whole)
    assert again.frame("turns").attrs["complete"] is True


def test_a_copy_of_a_store_is_as_good_as_the_store(store, client, ids, tmp_path):
    shutil.copytree(store.path, tmp_path / "copy", copy_function=shutil.copy)  # with times of now
    before = (tmp_path / "copy" / "events" / "part-0.parquet").stat().st_ino
    copied = frames.collect(ids, into=tmp_path / "copy", client=client)
    pd.testing.assert_frame_equal(copied.frame("events"), store.frame("events"))
    assert copied.files("events")[0].stat().st_ino == before  # nothing was written again


def test_a_full_disk_leaves_the_manifest_as_it_was(store, client, ids, monkeypatch):
    before = store.frame("turns")
    client.sessions.prompt(ids[0], "more")
    client.sessions.wait_for_completion(ids[0])

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr("aod_notebook.frames.store.manifest.pq.write_table", full)
        with pytest.raises(frames.FrameError, match="No space left on device"):
            frames.collect(ids, into=store.path, client=client)
    assert list((store.path / "_fresh").iterdir()) == []
    pd.testing.assert_frame_equal(frames.scan(store.path).frame("turns"), before)
    assert (
        len(frames.collect(ids, into=store.path, client=client).frame("turns")) == len(before) + 1
    )


SMALL_DISK = """
import resource, signal, sys
from aod_notebook import frames
from aod_notebook.aod import Client

url, token, session_id, folder, size = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
with Client(base_url=url, token=token) as client:
    try:
        frames.collect(session_id, into=folder, client=client)
    except frames.FrameError as error:
        print(error)
"""


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing_half_written(
    service, client, ids, tmp_path
):
    where = tmp_path / "store"
    arguments = (service.url, service.aod_token, ids[0], str(where), "5000")
    child = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert child.stdout == (
        f"The store in {str(where)!r} cannot be written: File too large. Make room and call "
        "collect again for the other sessions: what is stored stays\n"
    )
    assert child.stderr == ""
    assert list((where / "_fresh").iterdir()) == []
    assert frames.scan(where).session_ids == []
    assert frames.collect(ids[0], into=where, client=client).session_ids == ids[:1]
