"""Options of the channels of clients."""

from collections.abc import Iterable
from typing import Any

from gleann.service.client.link import repeats

KEEPALIVE_SECONDS = 60
"""A connection is asked for a sign of life after so long without one, with and without
calls: NATs and load balancers forget one that is idle, the shortest ones after four
minutes. The server permits it: see `gleann.service.server.grpc_server`."""

SIGN_SECONDS = 20
"""What gets no sign of life for so long is lost: its calls end with UNAVAILABLE."""

FIRST_RECONNECT, LONGEST_RECONNECT = 0.1, 5.0
"""Seconds between attempts to connect; each is 1.6 times the one before."""


def channel_options(services: Iterable[str], *, retries: int) -> list[tuple[str, Any]]:
    """Options of a channel.

    Args:
        services: full names of the services to be called.
        retries: repeats of a call that no server answered.
    """
    return [
        # The server enforces its own caps; a client limit could only differ.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", 1000 * KEEPALIVE_SECONDS),
        ("grpc.keepalive_timeout_ms", 1000 * SIGN_SECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", round(1000 * FIRST_RECONNECT)),
        ("grpc.max_reconnect_backoff_ms", round(1000 * LONGEST_RECONNECT)),
        # No lookup of a service config by DNS: the one below is meant.
        ("grpc.service_config_disable_resolution", 1),
        *repeats.options(services, retries=retries),
    ]
