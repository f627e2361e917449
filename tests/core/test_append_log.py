"""Append-only files: whole records, a tail that is cut, one writer."""

import errno
import os
import subprocess
import sys

import pytest

from aod_notebook.core import append_log
from aod_notebook.core.append_log import AppendLog

LOCKED_BY_ANOTHER = """
import sys
from pathlib import Path
from aod_notebook.core.append_log import AppendLog
log = AppendLog.open(Path(sys.argv[1]))
print(log.lock(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def log(path):
    log = AppendLog.open(path)
    yield log
    log.close()


def test_records_stand_one_after_another_and_the_end_follows_them(log, path):
    for record in (b"one\n", b"two\n"):
        log.append(record)
        assert log.end == path.stat().st_size
    assert path.read_bytes() == b"one\ntwo\n"


def test_only_the_owner_can_read_it(log, path):
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_that_the_disk_takes_in_part_leaves_nothing(log, path, monkeypatch):
    log.append(b"one\n")
    monkeypatch.setattr(append_log, "write", lambda fd, data: os.write(fd, data[:2]))
    with pytest.raises(OSError, match="disk is full") as failure:
        log.append(b"two\n")
    monkeypatch.undo()
    assert failure.value.errno == errno.ENOSPC
    log.append(b"three\n")
    assert path.read_bytes() == b"one\nthree\n"
    assert log.end == len(b"one\nthree\n")


def test_a_record_counts_though_an_interrupt_comes_right_after_its_write(log, path, monkeypatch):
    def interrupted(fd, data):
        os.write(fd, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(append_log, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.append(b"one\n")
    assert log.end == len(path.read_bytes()) == len(b"one\n")


def test_a_torn_tail_is_cut_before_the_next_record(path):
    path.write_bytes(b"one\ntw")
    log = AppendLog.open(path)
    log.cut(len(b"one\n"))
    log.append(b"three\n")
    log.close()
    assert path.read_bytes() == b"one\nthree\n"


def test_a_new_file_is_not_one_that_is_there(log, path):
    with pytest.raises(FileExistsError):
        AppendLog.open(path, is_new=True)


def test_a_file_has_one_writer_until_its_process_ends(log, path):
    command = [sys.executable, "-c", LOCKED_BY_ANOTHER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "True\n"
        assert not log.lock()
        other.kill()
        other.wait()
        assert log.lock()


def test_a_system_without_locks_is_an_error(log, monkeypatch):
    monkeypatch.setattr(append_log, "fcntl", None)
    with pytest.raises(OSError, match="no file locks"):
        log.lock()
