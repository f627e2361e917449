"""Finding, starting and stopping the detached service."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from service_kit import Kit, connect, until

from aod_notebook.local import (
    LocalService,
    ServiceLockedError,
    ServiceStartError,
    ensure_service,
    find_service,
    stop_service,
)
from aod_notebook.local.__main__ import main


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    yield folder
    stop_service(folder)


def test_a_service_is_started_once_and_found_again(data_dir):
    assert find_service(data_dir) is None
    started = ensure_service(data_dir)
    assert ensure_service(data_dir) == started
    assert find_service(data_dir) == started
    with connect(started.url, started.aod_token) as client:
        assert client.get("/agents").json() == {"data": []}
    assert started.pid != os.getpid()
    assert os.getsid(started.pid) != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_services_process_holds_no_secret_of_the_notebook(data_dir, monkeypatch):
    secrets = ("AOD_API_TOKEN", "AGENTOS_API_KEY", "ANTHROPIC_API_KEY", "MY_PASSWORD")
    for name in secrets:
        monkeypatch.setenv(name, "fake-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:fake-secret@proxy:1")
    started = ensure_service(data_dir)
    with connect(started.url, started.aod_token) as client:
        kit = Kit(client)
        events = kit.stream(kit.session("tr '\\0' '\\n' < /proc/$PPID/environ; env"))
    said = "".join(event["data"] for event in events if event["type"] == "output")
    assert "PATH=" in said
    assert "HTTPS_PROXY=http://proxy:1\n" in said
    assert "fake-secret" not in said


def test_of_many_starts_at_once_one_service_comes(data_dir):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ensure_service(data_dir), range(8)))
    assert len({info.pid for info in found}) == 1
    program = "from pathlib import Path; import sys; from aod_notebook.local import ensure_service;"
    program += "print(ensure_service(Path(sys.argv[1])).pid)"
    others = [
        subprocess.run(
            [sys.executable, "-c", program, data_dir], capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert {int(other.stdout) for other in others} == {found[0].pid}


def test_processes_that_start_at_once_share_one_service(data_dir):
    program = "from pathlib import Path; import sys; from aod_notebook.local import ensure_service;"
    program += "print(ensure_service(Path(sys.argv[1])).pid)"
    children = [
        subprocess.Popen([sys.executable, "-c", program, data_dir], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    pids = {child.communicate(timeout=60)[0] for child in children}
    assert len(pids) == 1


def test_stop_ends_the_service_and_says_whether_one_ran(data_dir):
    started = ensure_service(data_dir)
    assert stop_service(data_dir)
    assert find_service(data_dir) is None
    until(lambda: not psutil.pid_exists(started.pid) or _is_zombie(started.pid))
    assert not stop_service(data_dir)


def _is_zombie(pid):
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_killed_service_is_restarted(data_dir):
    first = ensure_service(data_dir)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: find_service(data_dir) is None)
    second = ensure_service(data_dir)
    assert second.pid != first.pid
    assert second.aod_token == first.aod_token


def test_the_keys_are_in_files_that_only_their_owner_reads(data_dir):
    ensure_service(data_dir)
    for path in data_dir.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_no_key_is_in_the_repr(data_dir):
    started = ensure_service(data_dir)
    for key in (started.aod_token, started.agentos_key, started.agent_key):
        assert key not in repr(started)


def test_an_idle_service_leaves_by_itself(data_dir):
    started = ensure_service(data_dir, idle_exit_s=0.3)
    until(lambda: not psutil.pid_exists(started.pid) or _is_zombie(started.pid))
    assert find_service(data_dir) is None


@pytest.mark.parametrize(
    ("path", "token"),
    [("/health", None), ("/agents", None), ("/api/v1/rpc/runs_list", "aos_ws_guessed")],
)
def test_requests_without_a_valid_token_keep_no_service(data_dir, path, token):
    started = ensure_service(data_dir, idle_exit_s=0.5)
    with connect(started.url, token) as stranger:

        def is_gone():
            try:
                stranger.get(path)
            except httpx.TransportError:
                return True
            return False

        until(is_gone)


@pytest.mark.parametrize("keeps", ["session", "stream", "requests"])
def test_a_service_that_is_used_stays(data_dir, keeps):
    started = ensure_service(data_dir, idle_exit_s=2.0)
    with connect(started.url, started.aod_token) as client:
        kit = Kit(client)
        ended = threading.Event()
        if keeps == "session":
            kit.session("sleep 3")
            ended.wait(2.7)
        elif keeps == "stream":
            environment = kit.environment(setup_script="sleep 2.7")
            kit.stream(kit.session("true", environment_id=environment["id"]))
        else:
            for _ in range(14):
                client.get("/agents")
                ended.wait(0.2)
        assert client.get("/agents").status_code == 200


def test_a_directory_is_served_by_one_service_only(data_dir):
    ensure_service(data_dir)
    with pytest.raises(ServiceLockedError, match="another service already runs"):
        LocalService(data_dir)


def test_no_token_is_sent_to_a_stranger_on_the_port(data_dir):
    with LocalService(data_dir) as service:
        stranger = socket.socket()
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        heard = []

        def answer():
            connection, _ = stranger.accept()
            heard.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-aod-proof: x\r\ncontent-length: 2\r\n\r\n{}")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        until((data_dir / "service.json").exists)
        (data_dir / "service.json").write_text(
            json.dumps({"url": url, "pid": os.getpid(), "embedded": True})
        )
        assert find_service(data_dir) is None
        thread.join(60)
        stranger.close()
        assert service.aod_token.encode() not in heard[0]


def test_a_service_in_this_process_is_found_by_its_directory(data_dir):
    with LocalService(data_dir) as service:
        found = until(lambda: find_service(data_dir))
        assert (found.url, found.aod_token, found.pid) == (
            service.url,
            service.aod_token,
            os.getpid(),
        )


def test_a_service_in_this_process_is_not_stopped_from_outside(data_dir):
    with LocalService(data_dir) as service:
        until(lambda: find_service(data_dir))
        assert not stop_service(data_dir)
        assert find_service(data_dir).url == service.url


def test_a_service_that_another_process_is_starting_is_awaited(data_dir):
    real = LocalService(data_dir)  # holds the lock, and does not answer yet
    with ThreadPoolExecutor(1) as pool:
        finding = pool.submit(ensure_service, data_dir)
        until(lambda: "already runs" in _log(data_dir))
        assert not finding.done()
        with real:
            assert finding.result(60).url == real.url


def _log(data_dir):
    path = data_dir / "service.log"
    return path.read_text() if path.exists() else ""


def test_a_database_of_a_newer_version_is_one_line_on_stderr(tmp_path, capsys):
    with sqlite3.connect(tmp_path / "service.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert main(["--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "use the newer aod-notebook that wrote it" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["service.db", "credentials.json", "vault.key"])
def test_a_damaged_file_is_named_on_stderr_before_the_service_says_where_it_is(
    tmp_path, capsys, name
):
    (tmp_path / name).write_bytes(b"damaged" * 100)
    assert main(["--data-dir", str(tmp_path), "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert name in said.err
    assert said.err.count("\n") == 1


def test_a_start_that_fails_names_the_log(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "credentials.json").write_text("{}")
    with pytest.raises(ServiceStartError, match=r"service\.log"):
        ensure_service(folder)
    assert "credentials.json" in (folder / "service.log").read_text()


def test_the_first_line_of_json_has_exactly_the_five_names(data_dir):
    child = subprocess.Popen(
        [sys.executable, "-m", "aod_notebook.local", "--data-dir", data_dir, "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    said = json.loads(child.stdout.readline())
    assert set(said) == {"url", "aod_token", "agentos_key", "agent_key", "agent_id"}
    assert httpx.get(f"{said['url']}/health").status_code == 200
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 0
    assert child.stdout.read() == ""
    child.stdout.close()


def test_a_wanted_port_is_used(data_dir):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LocalService(data_dir, port=port) as service:
        assert service.url == f"http://127.0.0.1:{port}"


def test_the_next_service_of_a_directory_takes_the_last_ones_port(data_dir):
    first = ensure_service(data_dir).url
    stop_service(data_dir)
    assert ensure_service(data_dir).url == first


@pytest.mark.parametrize("said", [b"", b"no", b"99999999", b"-1"])
def test_a_last_port_that_is_none_does_no_harm(tmp_path, said):
    (tmp_path / "port").write_bytes(said)
    with LocalService(tmp_path) as service:
        assert httpx.get(f"{service.url}/health").status_code == 200


def test_a_last_port_that_is_taken_is_left_to_its_owner(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "port").write_text(str(port))
        with LocalService(tmp_path) as service:
            assert not service.url.endswith(f":{port}")


def test_a_port_that_is_taken_is_one_line_on_stderr(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["--data-dir", str(tmp_path / "x"), "--port", port]) == 1
    said = capsys.readouterr().err
    assert said.startswith("aod-notebook: the service can't start: ")
    assert said.count("\n") == 1


def test_a_temporary_directory_is_removed_when_the_start_fails(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            LocalService(port=taken.getsockname()[1])
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_was_never_started_can_be_stopped():
    service = LocalService()
    service.stop()
    service.stop()
    assert not service.data_dir.exists()


def test_a_service_that_is_stopped_before_it_begins_ends_at_once():
    service = LocalService()
    service._loop.call_soon(service._service.stop)
    service.start()
    service._thread.join(60)
    assert not service._thread.is_alive()
    service.stop()
    assert not service.data_dir.exists()


def test_the_public_names_are_there_and_no_others():
    from aod_notebook import local

    for name in local.__all__:
        assert getattr(local, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        local.nothing  # noqa: B018 - the access is what is tested


def test_finding_a_service_loads_no_server():
    program = (
        "import sys; from aod_notebook.local import find_service;"
        "print([m for m in ('starlette', 'uvicorn', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
