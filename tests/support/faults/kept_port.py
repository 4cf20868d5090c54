"""A port for a server that is to listen on it later, or again."""

import random
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Ports that the system gives to whoever asks for any, and to each outgoing call."""
LEAST, FEWEST = 20_000, 5000
"""Below are those that the workers of a Ray may take, 10,002 to 19,999."""
TRIES = 1000
_given: set[int] = set()
"""In this process, which may start two servers one after the other."""


def kept_port() -> int:
    """A port that is free, and that the system gives to nobody else meanwhile.

    One that the system had chosen could be given to another process before the server
    listens there. Where the system gives nearly all ports, it is one at random, which
    is hardly ever among the few that are given.
    """
    first = int(RANGE.read_text().split()[0]) if RANGE.exists() else 32_768
    last = max(first, LEAST + FEWEST)
    for port in random.SystemRandom().choices(range(LEAST, last), k=TRIES):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise AssertionError(f"no port is free from {LEAST} to {last}")


def _is_free(port: int) -> bool:
    with socket.socket() as place:
        try:
            place.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
