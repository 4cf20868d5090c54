"""`Points` of a matrix: on the named device, or else on the host."""

from gleann.index.arrays import Vectors
from gleann.index.engines import native
from gleann.index.engines.torch import unavailable_reason
from gleann.index.errors import EngineUnavailableError
from gleann.index.remedies import DEVICE
from gleann.selection.coreset.distance.contract import Points
from gleann.selection.coreset.distance.host import NativePoints, NumpyPoints


def make_points(vectors: Vectors, *, device: str | None = None) -> Points:
    """Prepare `vectors` (n, d), finite and within 1e37, for distances.

    Args:
        vectors: the rows.
        device: torch's name of a device to keep them on; None keeps them on the host.

    Raises:
        EngineUnavailableError: torch is not installed, or there is no such device.
        DeviceMemoryError: there is too little memory on it.
    """
    if device is None:
        return NativePoints(vectors) if native.available() else NumpyPoints(vectors)
    if reason := unavailable_reason():
        raise EngineUnavailableError(f"{reason}: to pick on {device!r} needs {DEVICE}")
    from gleann.selection.coreset.distance.device import DevicePoints

    return DevicePoints(vectors, device)
