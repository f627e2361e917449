"""A program that takes a service's port as another user, and writes down what it is sent.

Usage: python listener.py PORT. It prints `bound`, then reads lines from standard input: a port to
which each connection is passed on from now on, or `lie`, `hang up` or `say nothing`. At the end
of its input it prints how many proofs of the real service it has passed back, and then what it
has heard, in hexadecimal, one line per connection.
"""

import contextlib
import encodings.idna  # noqa: F401 - the other user may not be able to read the library
import os
import socket
import sys
import threading

OTHER_USER = 65534
LIE = b"HTTP/1.1 204 No Content\r\nx-aod-proof: " + b"0" * 64 + b"\r\n\r\n"

heard = []
proofs = []
how = "hang up"


def serve(connection):
    said = bytearray()
    heard.append(said)
    mode = how
    with connection:
        if mode.isdigit():
            relay(connection, said, int(mode))
            return
        connection.settimeout(10)
        while data := connection.recv(65536):
            said += data
            if mode == "hang up":
                return
            if mode == "lie":
                connection.sendall(LIE)


def relay(connection, said, port):
    with socket.create_connection(("127.0.0.1", port)) as service:

        def back():
            while data := service.recv(65536):
                proofs.extend([data] if b"x-aod-proof" in data else [])
                connection.sendall(data)

        threading.Thread(target=quietly, args=(back,), daemon=True).start()
        while data := connection.recv(65536):
            said += data
            service.sendall(data)


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def quietly(work, *arguments):
    with contextlib.suppress(OSError):
        work(*arguments)


def accept(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=quietly, args=(serve, connection), daemon=True).start()


def bound(port):
    while True:
        try:
            return socket.create_server(("127.0.0.1", port), backlog=256)
        except OSError:
            continue  # the service is still there


if __name__ == "__main__":
    if os.getuid() == 0:
        os.setuid(OTHER_USER)
    listener = bound(int(sys.argv[1]))
    say("bound")
    threading.Thread(target=quietly, args=(accept, listener), daemon=True).start()
    for line in sys.stdin:
        how = line.strip()
        say("ready")
    say(len(proofs))
    for said in heard:
        say(bytes(said).hex())
