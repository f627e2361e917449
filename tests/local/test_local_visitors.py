"""Connections of strangers neither stop the service nor fill its log."""

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from process_kit import Process
from service_kit import connect, until

from aod_notebook.local import LocalService, log, visitors
from aod_notebook.local.log import LimitedHandler


def dial(url):
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), 10)
    connection.settimeout(10)
    return connection


def is_closed(connection):
    """Wait until the other side closes; what it says before is read."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return True


def ask(connection, path="/health", token=None):
    said = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
    said += f"Authorization: Bearer {token}\r\n\r\n" if token else "\r\n"
    connection.sendall(said.encode())
    answer = b""
    while not answer.endswith(b"}"):
        data = connection.recv(4096)
        if not data:
            break
        answer += data
    return answer


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(visitors, "HEAD_S", 0.2)
    with LocalService() as service:
        yield service


@pytest.mark.parametrize("said", [b"", b"GET /agents HTTP/1.1\r\nHost: loc", b"\x16\x03\x01"])
def test_a_connection_without_a_whole_request_is_closed(hurried, said):
    with dial(hurried.url) as connection:
        connection.sendall(said)
        assert is_closed(connection)


def test_broken_requests_write_nothing_to_stderr():
    program = (
        "import socket, sys; from urllib.parse import urlsplit;"
        "from aod_notebook.local import LocalService\n"
        "with LocalService() as service:\n"
        "    at = urlsplit(service.url)\n"
        "    with socket.create_connection((at.hostname, at.port)) as connection:\n"
        "        connection.sendall(b'no HTTP\\r\\n\\r\\n')\n"
        "        assert connection.recv(100).startswith(b'HTTP/1.1 400')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr == b""


def test_a_connection_that_asks_on_and_on_without_a_token_is_closed(hurried, monkeypatch):
    monkeypatch.setattr(visitors, "_BUSY_S", 0.2)
    asked = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000

    def ask_on():
        while True:  # no answer is read, so one is always being sent
            connection.sendall(asked)

    with dial(hurried.url) as connection, pytest.raises(ConnectionError):
        ask_on()


@pytest.mark.parametrize("token", [None, "aod_wrong"])
def test_an_answered_request_without_a_valid_token_does_not_keep_a_connection(hurried, token):
    with dial(hurried.url) as connection:
        assert ask(connection, "/health", token).startswith(b"HTTP/1.1 200")
        assert is_closed(connection)


def test_a_connection_with_a_valid_token_is_kept(hurried):
    with dial(hurried.url) as ours, dial(hurried.url) as theirs:
        ask(ours, "/agents", hurried.aod_token)
        assert is_closed(theirs)
        assert ask(ours, "/agents", hurried.aod_token).startswith(b"HTTP/1.1 200")


def test_of_too_many_silent_connections_the_oldest_is_closed(monkeypatch):
    monkeypatch.setattr(visitors, "_MOST_VISITORS", 4)
    monkeypatch.setattr(visitors, "_FEWEST", 4)
    with LocalService() as service, contextlib.ExitStack() as stack:
        asked = []
        for _ in range(4):
            asked.append(stack.enter_context(dial(service.url)))
            assert ask(asked[-1])
        ours = stack.enter_context(dial(service.url))
        assert ask(ours, "/agents", service.aod_token)
        silent = [stack.enter_context(dial(service.url)) for _ in range(4)]
        for connection in (*asked[:-2], *silent[:-2]):
            assert is_closed(connection)
        assert ask(asked[-1]).startswith(b"HTTP/1.1 200")
        assert ask(silent[-1]).startswith(b"HTTP/1.1 200")
        assert ask(ours, "/agents", service.aod_token).startswith(b"HTTP/1.1 200")


def starved(tmp_path, files):
    """A service that may have so many files open; its log is a file, as that of a detached one."""
    limit = f'ulimit -n {files}; exec "$@" 2>>{tmp_path}/log'
    return Process(tmp_path / "data", before=("sh", "-c", limit, "sh"))


def test_four_hundred_idle_connections_do_not_stop_a_service_of_256_descriptors(tmp_path):
    process = starved(tmp_path, 256)
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(400):
                stack.enter_context(dial(process.said["url"]))
            for _ in range(10):
                with connect(process.said["url"], process.said["aod_token"]) as client:
                    assert client.get("/agents").status_code == 200
            session = process.kit.session("echo hi")
            assert process.kit.finish(session)["status"] == "completed"
    finally:
        process.end(signal.SIGTERM)
    assert (tmp_path / "log").stat().st_size < 100_000


def test_more_clients_with_tokens_than_descriptors_leave_a_short_log(tmp_path):
    process = starved(tmp_path, 64)
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                connection = stack.enter_context(dial(process.said["url"]))
                with contextlib.suppress(OSError):
                    connection.settimeout(0.02)
                    ask(connection, "/agents", process.said["aod_token"])
        until(lambda: process.client.get("/agents").status_code == 200)
    finally:
        process.end(signal.SIGTERM)
    assert (tmp_path / "log").stat().st_size < 100_000


@pytest.fixture
def logger(tmp_path):
    with (tmp_path / "log").open("a+") as file:
        made = logging.Logger("test")  # noqa: LOG001 - it is nobody else's
        made.addHandler(LimitedHandler(file))
        yield made


def lines(tmp_path):
    return (tmp_path / "log").read_text().splitlines()


def test_what_repeats_is_logged_five_times_a_minute(logger, tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for number in range(20):
        logger.warning("again %s", number)
    logger.warning("something else")
    assert len(lines(tmp_path)) == 6
    assert lines(tmp_path)[4].endswith("again 4 (more of this kind are left out for a minute)")
    clock[0] += 61
    for _ in range(2):
        logger.warning("after a minute")
    assert len(lines(tmp_path)) == 8


def test_a_full_log_keeps_its_newest_quarter(logger, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_MOST_BYTES", 4000)
    monkeypatch.setattr(log, "_REPEATS", sys.maxsize)
    for number in range(1000):
        logger.warning("line %s", number)
    assert (tmp_path / "log").stat().st_size <= 4000
    assert lines(tmp_path)[-1].endswith("line 999")
    assert all(line.count("line") == 1 for line in lines(tmp_path))


def test_a_very_long_line_is_cut(logger, tmp_path):
    logger.warning("x" * 100_000)
    assert len(lines(tmp_path)[0]) < 20_000
