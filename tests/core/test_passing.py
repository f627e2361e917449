"""Bodies that pass httpcore by: over real sockets, on connections that are used again."""

import gzip
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import anyio
import httpx
import pytest
import scripted
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scripted import Scripted

from aod_notebook.aod import Client
from aod_notebook.core._async.direct import AsyncDirectTransport
from aod_notebook.core._sync.direct import DirectTransport
from aod_notebook.core._sync.passing import PassingStream

BODY = b"0123456789abcdef" * (1 << 17)


def in_chunks(body, size=1000):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def head(*lines):
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


CHUNKED = head("Transfer-Encoding: chunked")
LENGTH = head(f"Content-Length: {len(BODY)}")
FORMS = {"chunked": CHUNKED + in_chunks(BODY), "length": LENGTH + BODY}
SMALL = head("Content-Length: 2") + b"ok"


def kept(*answers):
    """Give these answers on one connection."""

    def give(connection):
        for data in answers:
            connection.sendall(data)
            if scripted.read_request(connection) is None:
                return

    return give


@pytest.fixture
def client():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    transport = DirectTransport(None, httpx.Limits(), context)
    with httpx.Client(transport=transport, timeout=5) as client:
        yield client


@pytest.mark.parametrize("form", FORMS)
def test_a_large_body_leaves_its_connection_to_the_next_request(client, form):
    with Scripted([kept(FORMS[form], SMALL)]) as service:
        assert client.get(service.url).content == BODY
        assert client.get(service.url).text == "ok"
        assert len(service.requests) == 1  # a connection


@pytest.mark.parametrize(
    ("form", "header"),
    [("chunked", ("transfer-encoding", "chunked")), ("length", ("content-length", str(len(BODY))))],
)
def test_an_answer_keeps_the_header_that_frames_its_body(client, form, header):
    with Scripted([kept(FORMS[form])]) as service:
        assert client.get(service.url).headers.multi_items() == [header]


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_is_left_early_costs_its_connection_only(client, form):
    with Scripted([kept(FORMS[form]), kept(SMALL)]) as service:
        with client.stream("GET", service.url) as response:
            assert next(response.iter_bytes())
        assert client.get(service.url).text == "ok"
        assert len(service.requests) == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_body_that_is_cut_off_is_an_error(client, form):
    with (
        Scripted([lambda connection: connection.sendall(FORMS[form][:-1])]) as service,
        pytest.raises(httpx.RemoteProtocolError, match="closed"),
    ):
        client.get(service.url)


def test_a_body_that_stays_away_times_out(client):
    def give(connection):
        connection.sendall(CHUNKED)
        scripted.hang()(connection)

    with Scripted([give]) as service, pytest.raises(httpx.ReadTimeout):
        client.get(service.url, timeout=0.1)


def test_a_reset_within_a_body_is_an_error_of_reading(client):
    def give(connection):
        connection.sendall(CHUNKED)
        scripted.reset()(connection)

    with Scripted([give]) as service, pytest.raises(httpx.ReadError):
        client.get(service.url)


def test_a_body_that_is_not_in_chunks_is_an_error(client):
    with (
        Scripted([kept(CHUNKED + b"hello\r\n")]) as service,
        pytest.raises(httpx.RemoteProtocolError, match="illegal chunk header"),
    ):
        client.get(service.url)


AFTER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"


@pytest.mark.parametrize(
    "first",
    [
        CHUNKED + in_chunks(b"one"),
        head("Content-Length: 3") + b"one",
        FORMS["length"],
        FORMS["chunked"],
    ],
    ids=["chunked", "length", "large", "large-chunked"],
)
def test_a_connection_with_bytes_behind_a_body_is_not_used_again(client, first):
    with Scripted([kept(first + AFTER), kept(SMALL)]) as service:
        assert client.get(service.url).content in {b"one", BODY}
        assert client.get(service.url).text == "ok"
        assert len(service.requests) == 2


def test_a_request_for_the_head_leaves_its_connection_to_the_next_one(client):
    with Scripted([kept(CHUNKED, LENGTH, SMALL)]) as service:
        assert client.head(service.url).content == b""
        assert client.head(service.url).headers["content-length"] == str(len(BODY))
        assert client.get(service.url).text == "ok"
        assert len(service.requests) == 1


def test_trailers_leave_the_connection_to_the_next_request(client):
    with Scripted([kept(FORMS["chunked"][:-2] + b"Expires: 0\r\n\r\n", SMALL)]) as service:
        assert client.get(service.url).content == BODY
        assert client.get(service.url).text == "ok"
        assert len(service.requests) == 1


def test_bytes_of_a_body_are_returned_as_they_come(client):
    may_send = threading.Semaphore(1)

    def give(connection):
        connection.sendall(CHUNKED)
        for part in (b"5\r\nhello\r\n", b"6\r\n wor", b"ld\r\n", b"0\r\n\r\n"):
            assert may_send.acquire(timeout=scripted.DEADLINE_S)
            connection.sendall(part)

    with Scripted([give]) as service, client.stream("GET", service.url) as response:
        for part in response.iter_raw():
            assert part in {b"hello", b" wor", b"ld"}
            may_send.release()
        assert response.num_bytes_downloaded == len("hello world")


def test_answers_of_every_form_follow_each_other_on_one_connection(client):
    moved = b"HTTP/1.1 302 Found\r\nLocation: /\r\nTransfer-Encoding: chunked\r\n\r\n"
    refused = CHUNKED.replace(b"200 OK", b"401 Unauthorized") + in_chunks(b"no")
    given = [
        (FORMS["chunked"], BODY),
        (moved + in_chunks(BODY), None),
        (SMALL, b"ok"),
        (refused, b"no"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (CHUNKED + in_chunks(b""), b""),
        (CHUNKED + b"2;extension\r\nok\r\n0\r\n\r\n", b"ok"),
    ]
    with Scripted([kept(*[data for data, _ in given])]) as service:
        for body in [body for _, body in given if body is not None]:
            assert client.get(service.url, follow_redirects=True).content == body
        assert len(service.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("form", FORMS)
async def test_a_cancelled_read_costs_its_connection_only(form):
    def give(connection):
        connection.sendall(FORMS[form][:-1])
        scripted.hang()(connection)

    transport = AsyncDirectTransport(None, httpx.Limits(), ssl.create_default_context())
    with Scripted([give, kept(SMALL)]) as service:
        async with httpx.AsyncClient(transport=transport) as client:
            with anyio.CancelScope() as scope:
                async with client.stream("GET", service.url) as response:
                    async for _ in response.aiter_raw():
                        scope.cancel()
            assert scope.cancelled_caught
            assert not transport._pool.connections
            assert (await client.get(service.url)).text == "ok"


def test_an_interim_answer_comes_before_the_real_one(client):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with Scripted([kept(interim + FORMS["chunked"], interim + SMALL)]) as service:
        assert client.get(service.url).content == BODY
        assert client.get(service.url).text == "ok"


def test_a_compressed_body_in_chunks_is_decoded(client):
    coded = head("Transfer-Encoding: chunked", "Content-Encoding: gzip")
    with Scripted([kept(coded + in_chunks(gzip.compress(BODY)))]) as service:
        assert client.get(service.url).content == BODY


def test_a_head_that_comes_in_pieces_is_read(client):
    def give(connection):
        for at in range(len(CHUNKED)):
            connection.sendall(CHUNKED[at : at + 1])
        connection.sendall(in_chunks(b"abc"))

    with Scripted([give]) as service:
        assert client.get(service.url).text == "abc"


def certificate(folder):
    """Make a certificate of 127.0.0.1; return the files of it and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_bodies_pass_over_tls_too(tmp_path):
    own, key = certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own, key)
    trusting = ssl.create_default_context(cafile=own)

    def give(connection):
        for _ in range(2):
            connection.sendall(FORMS["chunked"])
            if scripted.read_request(connection) is None:
                return

    with (
        Scripted([give], tls=server) as service,
        httpx.Client(transport=DirectTransport(None, httpx.Limits(), trusting)) as client,
    ):
        for _ in range(2):
            response = client.get(service.url)
            assert response.content == BODY
            assert isinstance(response.extensions["network_stream"], PassingStream)
        assert len(service.requests) == 1


def test_a_proxy_of_the_environment_is_used_for_a_hosted_service(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Scripted([scripted.answer(200, {"data": []})]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with Client(base_url="http://aod.example", token="of-no-use") as client:
            assert client.sessions.list() == []
        assert proxy.requests[0].path == "http://aod.example/sessions"
