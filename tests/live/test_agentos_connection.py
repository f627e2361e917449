import json

import keyring
import pytest
from memory_keyring import MemoryKeyring

import aod_notebook
from aod_notebook import live
from aod_notebook.live.connections import (
    agentos_connection,
    connect_agentos,
    connection,
    default_notice,
)
from aod_notebook.live.credentials import AGENTOS, TokenMissingError, UnknownConnectionError, named
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

URL = "https://agentos.example"


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path, monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    for name in ("AOD_API_TOKEN", "AOD_API_URL", "AGENTOS_API_KEY", "AGENTOS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    yield
    keyring.set_keyring(before)
    live.disconnect()


def test_the_environments_key_is_not_sent_to_another_service(monkeypatch):
    monkeypatch.setenv("AGENTOS_API_KEY", "aos_ws_from-env")
    monkeypatch.setenv("AGENTOS_BASE_URL", "https://other.example")
    with pytest.raises(TokenMissingError) as caught:
        connect_agentos(URL)
    assert str(caught.value) == (
        f"No key for {URL}: AGENTOS_API_KEY belongs to https://other.example and is not sent "
        f"elsewhere. If it is for {URL}, set AGENTOS_BASE_URL to that."
    )


def test_the_keys_of_both_services_of_one_url_are_kept_apart():
    live.connect(URL, ask_token=lambda _: "aod_typed")
    on = connect_agentos(URL, ask_key=lambda question: f"aos_ws_{len(question)}")
    assert on.sources["key"] == "typed in, kept in the keyring"
    assert connection().sources["token"] == "typed in, kept in the keyring"
    assert keyring.get_password("aod-notebook", URL) == "aod_typed"
    assert keyring.get_password("aod-notebook", f"agentos {URL}").startswith("aos_ws_")


def test_one_name_carries_both_services_and_no_secret(tmp_path):
    live.connect("https://aod.example", name="prod", ask_token=lambda _: "aod_typed")
    connect_agentos(URL, name="prod", agent_id="a7", ask_key=lambda _: "aos_ws_typed")
    live.disconnect()
    assert aod_notebook.connect(name="prod").base_url == "https://aod.example"
    on = agentos_connection()
    assert (on.base_url, on.agent_id) == (URL, "a7")
    kept = (tmp_path / "home" / "connections.json").read_text()
    assert "typed" not in kept
    assert set(json.loads(kept)["prod"]) == {"aod", "agentos"}


def test_a_name_of_one_service_leaves_the_other_only():
    live.connect("https://aod.example", name="mine", ask_token=lambda _: "aod_typed")
    connect_agentos(URL, ask_key=lambda _: "aos_ws_typed")
    live.connect(name="mine")
    assert agentos_connection().base_url == URL
    with pytest.raises(UnknownConnectionError, match=r"'mine' \(known: none yet\)"):
        connect_agentos(name="mine")


def test_a_url_remembered_by_an_earlier_version_is_still_known(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "connections.json").write_text('{"old": "https://aod.example"}')
    assert named("old") == {"url": "https://aod.example"}
    with pytest.raises(UnknownConnectionError):
        named("old", AGENTOS)


def test_a_failed_connecting_leaves_the_former_choice():
    connect_agentos(URL, ask_key=lambda _: "aos_ws_typed")
    with pytest.raises(TokenMissingError):
        connect_agentos("https://another.example")
    assert agentos_connection().base_url == URL


def test_a_connection_shows_no_key():
    on = connect_agentos(URL, ask_key=lambda _: "aos_ws_the-key")
    assert "the-key" not in repr(on) + repr(vars(on)) + str(on.sources["base_url"]) + repr(
        on.client
    )


def test_without_a_key_the_embedded_service_is_used_and_comes_back(monkeypatch):
    monkeypatch.setenv("AGENTOS_BASE_URL", URL)
    on = aod_notebook.connect()
    assert on.agentos.workspaces.list()[0]["slug"] == "local"
    before = agentos_connection()
    assert before.base_url == on.base_url
    assert "AGENTOS_BASE_URL is set, but without a key it is not used" in default_notice(AGENTOS)
    run = live.invoke({"query": "hi"}).wait()
    stop_service(embedded_data_dir())
    assert live.attach_run("last").id == run.id
    assert run.events["run_id"].eq(run.id).all()
    stop_service(embedded_data_dir())
