"""Properties of spools: whatever happens to the bytes, adoption sends every whole record once."""

import shutil
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aod_notebook.agentos.report.orphans import OrphanLog
from aod_notebook.agentos.report.reader import SpoolReader, Window, segment_path
from aod_notebook.agentos.report.record import END, EVENT, START, pack, scan
from aod_notebook.agentos.report.spool import Header, SpoolWriter
from aod_notebook.agentos.report.steps import end_body, start_body

REQUEST = b'{"agent_id":"a","trigger_type":"sdk","input":{},"external_run_id":"r"}'
HEADER = Header("http://x", "f" * 16, "a")


def spool_bytes(count):
    """A spool's records, apart: a start, events, an end."""
    records = [pack(START, 1, b'"r"', start_body(REQUEST, owner=True))]
    records += [
        pack(EVENT, number, b'"r"', b'{"type":"t","payload":{"i":%d}}' % number)
        for number in range(2, count)
    ]
    return [*records, pack(END, count, b'"r"', end_body("complete", b"{}"))]


damage = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 7)),
    st.tuples(st.just("repeat"), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(max_size=40)),
    st.tuples(st.just("drop"), st.floats(0, 1), st.floats(0, 1)),
)


def damaged(data, kind, *where):
    """The bytes with one damage done to them."""
    at = [int(each * len(data)) for each in where if isinstance(each, float)]
    if not data:
        return data
    if kind == "cut":
        return data[: at[0]]
    if kind == "flip":
        index = min(at[0], len(data) - 1)
        return data[:index] + bytes([data[index] ^ 1 << where[1]]) + data[index + 1 :]
    if kind == "insert":
        return data[: at[0]] + where[1] + data[at[0] :]
    first, last = sorted(at[:2])
    if kind == "repeat":
        return data[: at[2]] + data[first:last] + data[at[2] :]
    return data[:first] + data[last:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spools")


def read_all(spool):
    log = OrphanLog(spool, HEADER)
    found = []
    while (window := log.read(7)).records:
        found += window.records
    log.close()
    return found, log


@given(
    count=st.integers(3, 40), harm=st.lists(damage, min_size=1, max_size=5), cut=st.integers(1, 3)
)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_adoption_sends_no_corrupt_record_and_loses_no_whole_one(folder, count, harm, cut):
    records = spool_bytes(count)
    data = b"".join(records)
    for each in harm:
        data = damaged(data, *each)
    spool = folder / "spool-1-uid"
    spool.mkdir()
    step = len(data) // cut + 1
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    if cut > 1:  # several segments: records do not straddle them in real life, but may be cut
        for number, piece in enumerate(pieces, 1):
            segment_path(spool, number).write_bytes(piece)
    else:
        segment_path(spool, 1).write_bytes(data)
        pieces = [data]
    try:
        found, _ = read_all(spool)
    finally:
        shutil.rmtree(spool)
    originals = {record.n: raw for raw in records for record, _ in scan(raw)}
    for record in found:
        run = b'"%b"' % record.r.encode()
        assert pack(record.k, record.n, run, bytes(record.b)) == originals[record.n]
    whole = {number for number, raw in originals.items() if any(raw in piece for piece in pieces)}
    assert {record.n for record in found} == whole
    assert len(found) == len(whole)


@given(data=st.binary(max_size=300), cursor=st.binary(max_size=30))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_adoption_of_any_bytes_at_all_never_raises(folder, data, cursor):
    spool = folder / "spool-2-uid"
    spool.mkdir()
    try:
        segment_path(spool, 1).write_bytes(data)
        (spool / "cursor").write_bytes(cursor)
        assert read_all(spool)[0] == []
    finally:
        shutil.rmtree(spool)


@pytest.mark.parametrize("odd", [b'{"k":5}', b'{"k":"event"},{"k":"event"}', b"not JSON", b"\xff"])
def test_records_behind_many_that_are_none_are_found(odd):
    framed = struct.pack("<4sII", b"\xf5\xaf\xfe\x01", len(odd), zlib.crc32(odd)) + odd
    data = framed * 200 + pack(EVENT, 7, b'"r"', b"{}")
    assert [(record.n, end) for record, end in scan(data, 50)] == [(7, len(data))]


@given(
    bodies=st.lists(st.text(max_size=30), max_size=20),
    size=st.integers(1, 200),
)
@settings(max_examples=100, deadline=None)
def test_records_come_out_as_they_went_in_however_they_are_read(bodies, size):
    import msgspec

    texts = [msgspec.json.encode({"text": body}) for body in bodies]
    data = b"".join(pack(EVENT, n, b'"r"', text) for n, text in enumerate(texts, 1))
    assert [bytes(record.b) for record, _ in scan(data)] == texts
    head = data[:size]
    assert [bytes(record.b) for record, _ in scan(head)] == texts[: len(list(scan(head)))]


def test_a_cursor_survives_and_a_damaged_one_only_repeats(tmp_path):
    writer = SpoolWriter(tmp_path, "http://x", "f" * 16, "a")
    for number in range(1, 11):
        writer.append(pack(EVENT, number, b'"r"', b"{}"))
    reader = SpoolReader(writer.folder)
    window = reader.read(4, writer.end)
    reader.acknowledge(window.records[-1].n, window.segment)
    reader.close()
    writer.release()
    found, log = read_all(writer.folder)
    assert [record.n for record in found] == [5, 6, 7, 8, 9, 10]
    assert list(log.unended()) == []  # its start is lost, so its end is not ours to tell
    (writer.folder / "cursor").write_bytes(b"\0" * 20)
    assert [record.n for record in read_all(writer.folder)[0]] == list(range(1, 11))


def test_a_reader_never_reads_past_what_has_been_written(tmp_path):
    writer = SpoolWriter(tmp_path, "http://x", "f" * 16, "a")
    reader = SpoolReader(writer.folder)
    assert reader.read(10, writer.end) == Window([])
    writer.append(pack(EVENT, 1, b'"r"', b"{}"))
    half = pack(EVENT, 2, b'"r"', b"{}")[:20]
    with Path(segment_path(writer.folder, 1)).open("ab") as file:
        file.write(half)
    assert [record.n for record in reader.read(10, writer.end).records] == [1]
    assert reader.read(10, writer.end) == Window([])
    reader.close()
    writer.release()


def test_the_files_of_a_spool_are_private_and_name_no_key(tmp_path):
    writer = SpoolWriter(tmp_path, "http://x", "f" * 16, "a")
    modes = {path.name: path.stat().st_mode & 0o777 for path in writer.folder.iterdir()}
    assert writer.folder.stat().st_mode & 0o777 == 0o700
    assert {modes["lock"], modes["00000001.log"]} == {0o600}
    writer.release()
