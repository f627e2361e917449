"""An HTTPS proxy that ends TLS with a certificate of its own: hosts of a CLI that can't be set.

Claude takes the address of its token endpoint from no variable that a test could set, but it does
use `HTTPS_PROXY`, and trusts what `NODE_EXTRA_CA_CERTS` names.
"""

import contextlib
import datetime as dt
import http.server
import json
import socket
import socketserver
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder, hosts):
    """Write a self-signed certificate of these hosts, with its key, to one file; return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class _Tunnel(socketserver.BaseRequestHandler):
    """One CONNECT: the host's bytes go to the port that stands for it."""

    def handle(self):
        with contextlib.suppress(OSError):
            head = self.request.recv(65536).decode()
            host = head.split()[1].partition(":")[0]
            self.server.asked.append(host)
            if host not in self.server.ports:
                self.request.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                return
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with (
                self.server.tls.wrap_socket(self.request, server_side=True) as plain,
                socket.create_connection(("127.0.0.1", self.server.ports[host])) as other,
            ):
                back = threading.Thread(target=_copy, args=(other, plain))
                back.start()
                _copy(plain, other)
                back.join()


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class _Tokens(http.server.BaseHTTPRequestHandler):
    """Renews a login, once per refresh token."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.used.append(asked.get("refresh_token"))
        number = len(self.server.used)
        lifetimes = self.server.lifetimes
        seconds = lifetimes[min(number, len(lifetimes)) - 1]
        body = json.dumps({
            "token_type": "Bearer", "access_token": f"access-{number}", "expires_in": seconds,
            "refresh_token": f"refresh-{number}", "scope": "user:inference user:profile",
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(server):
    """Serve in a thread; yield the server."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def token_server(*lifetimes):
    """Return a token endpoint; `used` lists the refresh tokens that it took.

    `lifetimes` are the seconds of the first login, the second and so on; the last one repeats.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    server.used, server.lifetimes = [], lifetimes or (28800,)
    return server


def proxy(certificate_file, ports):
    """Return a proxy; `ports` maps a host to the port that stands for it, `asked` lists hosts."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel)
    server.daemon_threads = True
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(certificate_file)
    server.ports, server.asked = ports, []
    return server
