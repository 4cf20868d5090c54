"""Conversion of the parameters of rounds."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from gleann.service.wire.active_messages import classifier_of, classifier_to_wire
from gleann.service.wire.fields import fill, given
from gleann.v1 import rounds_pb2

if TYPE_CHECKING:
    from gleann.selection.rounds import RoundsParams


def rounds_params_to_wire(
    params: "RoundsParams | None",
) -> rounds_pb2.RoundsParams | None:
    """Pack session parameters, if any."""
    if params is None:
        return None
    message = rounds_pb2.RoundsParams()
    fill(message, classifier_to_wire(asdict(params)))
    return message


def rounds_params_of(message: rounds_pb2.RoundsParams) -> "RoundsParams":
    """Read session parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.rounds import RoundsParams

    return RoundsParams(**classifier_of(given(message)))
