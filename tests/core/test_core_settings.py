"""Base URLs, the home directory, loopback."""

from pathlib import Path

import pytest

from aod_notebook.core import settings


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:8777", "http://localhost:8777"),
        ("http://localhost:8777/", "http://localhost:8777"),
        (" https://example.org/api// ", "https://example.org/api"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_a_base_url_loses_blanks_and_trailing_slashes(given, used):
    assert settings.base_url(given) == used


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8777", "ftp://host", "http://", "", "http://host:port", "http://h?q=1",
        "http://h#f", "http://h?", "http://h#", "http://h/a b", "http://h/\x00", "http://[::1",
        "http://xn--", "http://\u2603.example",
    ],
)  # fmt: skip
def test_an_invalid_base_url_is_refused(url):
    with pytest.raises(ValueError, match="base URL"):
        settings.base_url(url)


def test_a_password_in_a_base_url_is_refused_without_repeating_it():
    with pytest.raises(ValueError, match="user or password") as caught:
        settings.base_url("http://me:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://h?token=hunter2", "http://h/#hunter2", "ftp://h?t=hunter2"]
)
def test_what_a_query_of_a_base_url_holds_is_not_repeated(url):
    with pytest.raises(ValueError, match=r"base URL '(http|ftp)://h") as caught:
        settings.base_url(url)
    assert "hunter2" not in str(caught.value)


def test_home_follows_the_variable(monkeypatch):
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", "~/somewhere")
    assert settings.home() == Path("~/somewhere").expanduser()
    monkeypatch.delenv("AOD_NOTEBOOK_HOME")
    assert settings.home().name == "aod-notebook"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:3", True),
        ("http://localhost.example.org", False),
        ("http://127.example.org", False),
        ("https://aod.example.org", False),
    ],
)
def test_loopback_is_distinguished_from_other_hosts(url, loopback):
    assert settings.is_loopback(url) is loopback
