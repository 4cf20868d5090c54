"""How long calls took by the server's own clock, from its metrics."""

from contextlib import closing
from socket import socket
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from bench.service.calls import SEARCH

NAME = "gleann_call_duration_seconds"
SECONDS = 10.0

Buckets = dict[float, float]
"""Calls at or below each bound in seconds, since the server's start."""


def free_address() -> str:
    """An address on which nothing listened a moment ago."""
    with closing(socket()) as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def buckets_of(text: str, code: str, path: str = SEARCH) -> Buckets:
    """The calls of a method that ended with a status, in the text of the metrics."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"{NAME}_bucket"
        and (sample.labels["method"], sample.labels["code"]) == (path, code)
    }


def read_buckets(address: str, code: str) -> Buckets:
    """As `buckets_of`, of the server whose metrics are at an address."""
    with urlopen(f"http://{address}/metrics", timeout=SECONDS) as page:
        return buckets_of(page.read().decode(), code)


def p99_bound_ms(before: Buckets, after: Buckets) -> float | None:
    """The bound of the bucket that holds the 99th percentile; None without calls.

    The percentile itself is at most that.
    """
    counts = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    most = max(counts.values(), default=0.0)
    if not most:
        return None
    return 1e3 * min(bound for bound, count in counts.items() if count >= 0.99 * most)
