import socket
from urllib.parse import urlsplit

import keyring
import pytest
from memory_keyring import MemoryKeyring

from aod_notebook import live
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import DEFAULT_AGENTOS_URL, DEFAULT_AOD_URL, home
from aod_notebook.live import SessionRequest, attach, connect, connect_agentos, connections, start
from aod_notebook.live.connections import default_notice
from aod_notebook.live.credentials import (
    AGENTOS,
    PlainHttpWarning,
    TokenMissingError,
    UnknownConnectionError,
    find_token,
)
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

URL = "https://aod.example"


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AOD_API_TOKEN", raising=False)
    monkeypatch.delenv("AOD_API_URL", raising=False)
    yield
    live.disconnect()


@pytest.fixture(autouse=True)
def ring():
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def test_the_environments_token_is_used_for_its_own_service(monkeypatch):
    monkeypatch.setenv("AOD_API_TOKEN", "aod_from-env")
    monkeypatch.setenv("AOD_API_URL", f"{URL}/")
    assert find_token(URL, None) == ("aod_from-env", "AOD_API_TOKEN")


def test_the_environments_token_is_not_sent_to_another_service(monkeypatch):
    monkeypatch.setenv("AOD_API_TOKEN", "aod_from-env")
    monkeypatch.setenv("AOD_API_URL", "https://other.example")
    with pytest.raises(TokenMissingError) as caught:
        find_token(URL, None)
    assert "AOD_API_TOKEN belongs to https://other.example" in str(caught.value)
    assert "aod_from-env" not in str(caught.value)


def test_a_token_without_a_url_is_for_the_default_address_only(monkeypatch):
    monkeypatch.setenv("AOD_API_TOKEN", "aod_from-env")
    assert find_token(DEFAULT_AOD_URL, None) == ("aod_from-env", "AOD_API_TOKEN")
    with pytest.raises(TokenMissingError) as caught:
        connect("http://other.example")
    text = str(caught.value)
    assert f"AOD_API_TOKEN belongs to {DEFAULT_AOD_URL} and is not sent elsewhere" in text
    assert "set AOD_API_URL to that" in text
    assert connect(URL, ask_token=lambda _: "aod_typed").sources["token"].startswith("typed in")


def test_an_agentos_key_without_a_url_is_for_the_default_address_only(monkeypatch):
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_ws_from-env")
    monkeypatch.delenv("AGENTOS_BASE_URL", raising=False)
    assert find_token(DEFAULT_AGENTOS_URL, None, AGENTOS)[0] == "aos_ws_from-env"
    with pytest.raises(TokenMissingError, match="AGENTOS_API_KEY belongs to"):
        connect_agentos("http://other.example")


def test_plain_http_to_another_machine_warns_once():
    with pytest.warns(PlainHttpWarning, match=r"http://10\.0\.0\.1:1 is plain http"):
        connect("http://10.0.0.1:1", ask_token=lambda _: "aod_typed")
    connect("http://10.0.0.1:1", ask_token=lambda _: "aod_typed")  # a second warning would raise
    connect("https://10.0.0.1:1", ask_token=lambda _: "aod_typed")
    connect("http://127.0.0.1:1", ask_token=lambda _: "aod_typed")


def test_a_typed_token_is_kept_in_the_keyring_and_found_there():
    assert find_token(URL, lambda _: " aod_typed ") == (
        "aod_typed",
        "typed in, kept in the keyring",
    )
    assert find_token(URL, None) == ("aod_typed", "keyring")


def test_a_locked_keyring_is_passed_over(monkeypatch, ring):
    def locked(*_):
        raise keyring.errors.KeyringLocked

    monkeypatch.setattr(ring, "get_password", locked)
    monkeypatch.setattr(ring, "set_password", locked)
    assert find_token(URL, lambda _: "aod_typed") == ("aod_typed", "typed in")


def test_a_named_url_is_remembered_without_its_token(tmp_path):
    connect(URL, name="prod", ask_token=lambda _: "aod_typed")
    made = connect(name="prod")
    assert made.base_url == URL
    assert made.sources == {"base_url": "remembered as prod", "token": "keyring"}
    assert "aod_typed" not in (tmp_path / "home" / "connections.json").read_text()


def test_an_unknown_name_lists_the_known_ones():
    connect(URL, name="prod", ask_token=lambda _: "aod_typed")
    with pytest.raises(UnknownConnectionError, match=r"'prdo' \(known: prod\)"):
        connect(name="prdo")


@pytest.mark.parametrize("url", ["aod.example", "ftp://x", "https://me:pw@aod.example"])
def test_a_url_that_is_none_is_refused_without_echoing_a_password(url):
    with pytest.raises(AodNotebookError) as caught:
        connect(url, ask_token=lambda _: "aod_typed")
    assert "base URL" in str(caught.value)
    assert ":pw@" not in str(caught.value)


@pytest.mark.parametrize("make", [connect, connect_agentos])
@pytest.mark.parametrize("blank", ["", " \t"])
@pytest.mark.parametrize("what", ["url", "name"])
def test_an_empty_url_or_name_is_not_the_same_as_none(make, blank, what):
    with pytest.raises(AodNotebookError, match=r"Not connected: the .* is empty"):
        make(**{what: blank})


def test_an_empty_home_counts_as_unset(monkeypatch):
    monkeypatch.delenv("AOD_NOTEBOOK_HOME")
    unset = home()
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", " ")
    assert home() == unset


def test_local_and_a_url_exclude_each_other():
    with pytest.raises(AodNotebookError, match="either local or to a URL"):
        connect(URL, local=True)


def test_the_notice_says_that_a_url_without_a_token_is_not_used(monkeypatch):
    monkeypatch.setenv("AOD_API_URL", URL)
    assert "AOD_API_URL is set, but without a token it is not used" in default_notice()


def test_a_connection_shows_no_token():
    made = connect(URL, ask_token=lambda _: "aod_typed-token")
    assert "aod_typed" not in repr(made) + repr(vars(made)) + str(made.sources)


def test_the_embedded_service_comes_back_after_it_has_left():
    session = start(SessionRequest(prompt="echo one > file", runtime="shell")).wait()
    stop_service(embedded_data_dir())
    assert session.prompt("cat file").wait().text == "one"
    assert attach("last").id == session.id
    assert list(session.turns["status"]) == ["completed", "completed"]
    stop_service(embedded_data_dir())


def test_the_embedded_service_is_found_when_it_comes_back_on_another_port():
    session = start(SessionRequest(prompt="echo one > file", runtime="shell")).wait()
    before = connections.connection().base_url
    stop_service(embedded_data_dir())
    with socket.create_server(("127.0.0.1", urlsplit(before).port)):
        assert session.prompt("cat file").wait().text == "one"
    assert connections.connection().base_url != before
    stop_service(embedded_data_dir())
