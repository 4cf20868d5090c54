"""A GPU that engines and builds of tests take for one; it runs out, or is lost."""

from weakref import WeakSet

from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
)

TOO_LARGE = DeviceMemoryError("the lists take 9.00 GiB, and cuda:0 has 1.00 GiB")
LOST = DeviceLostError("cuda:0 failed and is lost to this process: CUDA error")
BUSY = DeviceMemoryError("a query takes 2.00 GiB of keys, and cuda:0 has 1.00 GiB free")


class FakeEngine(ReferenceEngine):
    name = "fake-gpu"

    def __init__(self, data, gpu):
        super().__init__(data)
        self.data = data
        self._gpu = gpu

    def search(self, queries, *, nprobe, request):
        self._gpu.asked += 1
        if self._gpu.failure is not None:
            raise self._gpu.failure
        return super().search(queries, nprobe=nprobe, request=request)


class FakeGpu:
    """Attributes say what goes wrong."""

    name = "fake:0"

    def __init__(self, *, reason="", refusal=None, rows=10**9):
        self._reason = reason
        self.room = rows
        self._there = WeakSet()
        self.refusal = refusal
        self.failure = None
        self.runs_out = lambda data: False
        self.asked = 0

    def reason(self):
        return self._reason

    @property
    def rows(self):
        """Of all indexes on it."""
        return sum(len(engine.data.vectors) for engine in self._there)

    def has_room(self, data):
        if LOST in (self.failure, self.refusal):
            raise LOST
        return self.rows + len(data.vectors) <= self.room

    def engine(self, data):
        if self.refusal is not None:
            raise self.refusal
        if not self.has_room(data):
            raise TOO_LARGE
        engine = FakeEngine(data, self)
        self._there.add(engine)
        if self.runs_out(data):
            try:
                raise RuntimeError("CUDA out of memory")
            except RuntimeError as error:
                raise DeviceMemoryError(str(TOO_LARGE)) from error
        return engine


ON_GPU = ["auto", "cuda", "require-cuda"]
