"""The numeric kernels of a build, by device."""

from gleann.index.build.contract import BuildKernels
from gleann.index.build.host import HostKernels
from gleann.index.checks import require_threads
from gleann.index.engines.torch import unavailable_reason
from gleann.index.errors import EngineUnavailableError
from gleann.index.remedies import DEVICE


def kernels_on(device: str | None, *, threads: int = 0) -> BuildKernels:
    """The build kernels of a device, or of the host.

    Args:
        device: torch's name of a device, such as "cuda" or "cpu"; None builds without
            torch.
        threads: threads of the native kernels on the host; 0 takes all cores.

    Raises:
        InvalidParamsError: a number of threads that cannot be.
        EngineUnavailableError: torch is not installed, or has no such device.
    """
    require_threads(threads)
    if device is None:
        return HostKernels(threads)
    if reason := unavailable_reason():
        raise EngineUnavailableError(f"{reason}: to build on {device!r} needs {DEVICE}")
    from gleann.index.build.device.kernels import DeviceKernels
    from gleann.index.engines.device.plan.choice import resolve_device

    return DeviceKernels(resolve_device(device))
