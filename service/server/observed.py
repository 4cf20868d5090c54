"""What the edge records of every call: its id, its time and its status."""

import re
from secrets import token_hex
from time import monotonic

from gleann.service.server.rpc import Rpc
from gleann.service.status import CALL_ID_HEADER
from gleann.service.telemetry.telemetry import Telemetry

_CALL_ID = re.compile(r"[!-~]{1,128}")


def call_id_of(rpc: Rpc) -> str:
    """The id that the caller gave the call, or a new one.

    It is 1 to 128 visible ASCII letters; another one is not taken.
    """
    given = rpc.header(CALL_ID_HEADER)
    return given if _CALL_ID.fullmatch(given) else token_hex(8)


def observe(rpc: Rpc, method: str, telemetry: Telemetry) -> None:
    """Count a call of a method of the protocol when it has ended.

    Its time is from its arrival to the end of its answer.
    """
    began = monotonic()
    rpc.when_ended(
        lambda: telemetry.call_ended(method, rpc.status_name, monotonic() - began)
    )
