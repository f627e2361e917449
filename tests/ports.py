"""Ports on which nobody answers, and which no service that a test starts is given by chance."""

import contextlib
import random
import socket

BELOW_THE_EPHEMERAL = range(20_000, 32_000)


def unused_port():
    """Find a port that is free, out of the range from which the system gives free ones."""
    while True:
        port = random.choice(BELOW_THE_EPHEMERAL)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
