"""`Config`: all settings of a server."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from gleann.index.engines.choose import require_known
from gleann.index.errors import InvalidParamsError
from gleann.service.config.about import LARGEST, about, require_allowed, require_number
from gleann.service.config.address import is_remote, socket_path
from gleann.service.config.log import LogSettings
from gleann.service.config.metrics import MetricsSettings
from gleann.service.config.probe import ProbeSettings
from gleann.service.config.queues import LoadSettings
from gleann.service.config.security import SecuritySettings
from gleann.service.config.storage import StorageSettings
from gleann.service.config.trace import TraceSettings
from gleann.service.optimizer_params import OPTIMIZER_DEFAULTS, OptimizerParams
from gleann.service.security.headers import require_key
from gleann.service.values import DeviceChoice, Limits

LARGEST_COUNT = 1 << 53
"""Largest limit of what is only counted: JSON has it exactly."""
_RELOADED = ("dim", "rows", "hits", "distances", "work_bytes")
_OF_GRPC = ("dim", "rows", "hits", "message_bytes")
_NOT_SPARE = ("faiss-gpu", "torch", "triton")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Configuration of a server, or of the library in process.

    Attributes:
        data_dir: directory of all state; created if missing.
        listen: "host:port", where port 0 picks a free one, or "unix:path" for a socket
            file.
        allow_remote: whether other machines may reach the `listen` address.
        import_roots: directories under which files may be imported; none by default. A
            link below one that leads out of it is refused.
        import_urls: prefixes of URLs of object stores, such as "s3://bucket/vectors/",
            under which files may be imported; none by default. A link below the folder
            of a file:// prefix that leads out of it is refused.
        export_roots: directories under which snapshots may be exported; none by
            default.
        import_rows: maximum number of vectors in an imported file.
        api_key: if set, every call must send it.
        engine: the scan engine: "auto", "native", "faiss", "faiss-gpu", "reference",
            "torch" or "triton". If `device` is not "cpu", it is the CPU engine; GPU and
            torch engines need device "cpu".
        device: where searches, builds and subset selections run: "cpu", "auto", "cuda"
            or "require-cuda". "auto" and "cuda" fall back to the CPU.
        threads: worker threads of the engine; 0 takes all cores.
        rpc_threads: maximum number of concurrent calls of each kind.
        connection_calls: maximum number of concurrent calls per connection.
        message_seconds: seconds after which a call without its message is ended.
        keep_days: days to keep finished operations, selections, curations and answers
            to requests with a request_id.
        keep_operations: number of finished operations to keep, the latest ones.
        limits: caps on single requests.
        optimizer: when indexes are compacted that set nothing else; what is None in it
            is as in `OPTIMIZER_DEFAULTS`.
        load: how many calls run and wait.
        storage: the disk.
        log: the log.
        metrics: the metrics for Prometheus.
        probe: the recall probe.
        trace: OpenTelemetry traces.
        security: keys, TLS and the audit log.
    """

    data_dir: Path = field(metadata=about(flag="--data"))
    listen: str = field(default="127.0.0.1:50051", metadata=about(flag="--listen"))
    allow_remote: bool = field(default=False, metadata=about(flag="--allow-remote"))
    import_roots: tuple[Path, ...] = field(
        default=(), metadata=about(flag="--import-root")
    )
    import_urls: tuple[str, ...] = field(
        default=(), metadata=about(flag="--import-url")
    )
    export_roots: tuple[Path, ...] = field(
        default=(), metadata=about(flag="--export-root")
    )
    import_rows: int = field(default=100_000_000, metadata=about(at_least=1))
    api_key: str | None = field(default=None, repr=False, metadata=about(secret=True))
    engine: str = field(default="auto", metadata=about(flag="--engine"))
    device: DeviceChoice = field(default="cpu", metadata=about(flag="--device"))
    threads: int = field(default=0, metadata=about(flag="--threads", at_least=0))
    rpc_threads: int = field(default=16, metadata=about(at_least=1))
    connection_calls: int = field(default=128, metadata=about(at_least=1))
    message_seconds: int = field(default=20, metadata=about(at_least=1))
    keep_days: int = field(default=7, metadata=about(at_least=1))
    keep_operations: int = field(default=1000, metadata=about(at_least=1))
    limits: Limits = field(default_factory=Limits, metadata=about(reload=_RELOADED))
    optimizer: OptimizerParams = OPTIMIZER_DEFAULTS
    load: LoadSettings = field(
        default_factory=LoadSettings, metadata=about(reload=True)
    )
    storage: StorageSettings = field(default_factory=StorageSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    trace: TraceSettings = field(default_factory=TraceSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)

    def __post_init__(self) -> None:
        whole = self.optimizer.filled(OPTIMIZER_DEFAULTS)
        object.__setattr__(self, "optimizer", whole)
        if socket_path(self.listen) and self.security.tls_cert is not None:
            raise InvalidParamsError(
                f"listen is {self.listen}, a socket file of this machine, which has no"
                " TLS: leave tls_cert and tls_key out, or listen on host:port"
            )
        if not self.allow_remote and is_remote(self.listen):
            raise InvalidParamsError(
                f"listen is {self.listen!r}, which other machines can reach;"
                " --allow-remote (in a file: allow_remote = true) permits that"
            )
        require_allowed(self)
        require_known(self.engine)
        require_host_engine(self.engine, self.device)
        if self.api_key is not None:
            require_key(self.api_key)
        for cap in fields(Limits):
            most = LARGEST if cap.name in _OF_GRPC else LARGEST_COUNT
            value = getattr(self.limits, cap.name)
            require_number(f"limits.{cap.name}", value, at_most=most)


def require_host_engine(engine: str, device: DeviceChoice) -> None:
    """Refuse an engine that could hold a second copy of the index on the device.

    Raises:
        InvalidParamsError: `engine` is not a CPU engine and `device` is not "cpu".
    """
    if device != "cpu" and engine in _NOT_SPARE:
        raise InvalidParamsError(
            f"engine is {engine!r} and device is {device!r}: with a device, engine is"
            " what takes over on the CPU; leave one of the two out"
        )
