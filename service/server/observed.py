"""What the edge records of every call: its id, its time and its status."""

import re
from collections.abc import Iterable
from itertools import count
from secrets import token_hex
from time import monotonic

from gleann.service.security.key_ring import Metadatum
from gleann.service.server.rpc import Rpc
from gleann.service.status import CALL_ID_HEADER
from gleann.service.telemetry.telemetry import Telemetry

_CALL_ID = re.compile(r"[!-~]{1,128}")
_PROCESS = token_hex(4)
_numbers = count(1)
"""Random bytes for each call would be a call of the system, in the polling thread."""


def call_id_of(metadata: Iterable[Metadatum]) -> str:
    """The id that the caller gave the call, or a new one.

    It is 1 to 128 visible ASCII letters; another one is not taken.
    """
    for item in metadata:
        if item.key == CALL_ID_HEADER and _CALL_ID.fullmatch(str(item.value)):
            return str(item.value)
    return f"{_PROCESS}{next(_numbers):08x}"


def observe(rpc: Rpc, telemetry: Telemetry) -> None:
    """Count a call of a method of the protocol when it has ended.

    Its time is from its arrival to the end of its answer.
    """
    began, method = monotonic(), rpc.context.method
    rpc.when_ended(
        lambda: telemetry.call_ended(method, rpc.status_name, monotonic() - began)
    )
