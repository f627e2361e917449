"""Which certificates a client checks: those of plain HTTP on this machine need not be loaded."""

import ssl

import pytest

from aod_notebook.core.settings import tls


@pytest.mark.parametrize("url", ["http://127.0.0.1:8777", "http://localhost:1", "http://[::1]:1"])
def test_plain_http_to_this_machine_trusts_no_authority(url):
    context = tls(url)
    assert context.get_ca_certs() == []
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:8777", "https://example.org", "http://10.0.0.1"]
)
def test_everything_else_is_checked_as_usual(url):
    context = tls(url)
    assert context.get_ca_certs() != []
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
