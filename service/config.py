"""Server configuration from a file, the environment and arguments, in this order."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_args

from gleann.index.errors import InvalidParamsError, MissingFileError
from gleann.service.values import DeviceChoice, Limits

PREFIX = "GLEANN_"
_NUMBERS = (
    "threads",
    "rpc_threads",
    "rpc_queue",
    "import_rows",
    "connection_calls",
    "message_seconds",
    "keep_days",
    "keep_operations",
)
_NOT_SPARE = ("faiss-gpu", "torch", "triton")
_ADDRESS = re.compile(r"\[?(?P<host>[^\[\]]+)\]?:(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Configuration of a server, or of the library in process.

    Attributes:
        data_dir: directory of all state; created if missing.
        listen: "host:port"; port 0 picks a free one.
        allow_remote: whether other machines may reach the `listen` address.
        import_roots: directories under which files may be imported; none by default.
        import_rows: maximum number of vectors in an imported file.
        api_key: if set, every call must send it.
        engine: the scan engine, as in `SoarIndex.load`. If `device` is not "cpu", it is
            the CPU engine; GPU and torch engines need device "cpu".
        device: "cpu", "auto", "cuda" or "require-cuda"; see `gleann.service.devices`.
        threads: worker threads of the engine; 0 takes all cores.
        rpc_threads: maximum number of concurrent calls.
        rpc_queue: maximum number of running and queued calls; more are refused.
        connection_calls: maximum number of concurrent calls per connection.
        message_seconds: seconds after which a call without its message is ended.
        keep_days: days to keep finished operations, selections, and answers to
            requests with a request_id.
        keep_operations: number of finished operations to keep, the latest ones.
        limits: caps on single requests.
    """

    data_dir: Path
    listen: str = "127.0.0.1:50051"
    allow_remote: bool = False
    import_roots: tuple[Path, ...] = ()
    import_rows: int = 100_000_000
    api_key: str | None = field(default=None, repr=False)
    engine: str = "auto"
    device: DeviceChoice = "cpu"
    threads: int = 0
    rpc_threads: int = 16
    rpc_queue: int = 256
    connection_calls: int = 128
    message_seconds: int = 20
    keep_days: int = 7
    keep_operations: int = 1000
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        host, _ = split_address(self.listen)
        if not self.allow_remote and not _is_loopback(host):
            raise InvalidParamsError(
                f"listen is {self.listen!r}, which other machines can reach;"
                " set allow_remote to mean it"
            )
        if self.device not in get_args(DeviceChoice):
            raise InvalidParamsError(
                f"device must be one of {', '.join(get_args(DeviceChoice))};"
                f" got {self.device!r}"
            )
        require_host_engine(self.engine, self.device)
        if self.api_key == "":
            raise InvalidParamsError("api_key is empty")
        for name in _NUMBERS:
            floor = 0 if name == "threads" else 1
            if getattr(self, name) < floor:
                raise InvalidParamsError(
                    f"{name} must be at least {floor}, got {getattr(self, name)}"
                )
        for cap in fields(Limits):
            if getattr(self.limits, cap.name) < 1:
                raise InvalidParamsError(
                    f"limits.{cap.name} must be at least 1,"
                    f" got {getattr(self.limits, cap.name)}"
                )


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


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """Read a configuration from file, environment and overrides; later ones win.

    Args:
        path: a TOML file with the fields of `Config`, and a table [limits].
        environ: variables GLEANN_<FIELD> and GLEANN_LIMITS_<FIELD>; defaults to the
            process environment. GLEANN_IMPORT_ROOTS separates paths as PATH does.
        overrides: fields by name; None leaves a field alone.

    Raises:
        MissingFileError: the file does not exist.
        InvalidParamsError: not TOML, an unknown field, or a value out of its range.
    """
    values = {} if path is None else _read_file(Path(path))
    values |= _from_environment(os.environ if environ is None else environ)
    values |= {k: v for k, v in (overrides or {}).items() if v is not None}
    limits = {k: values.pop(k) for k in list(values) if k.startswith("limits_")}
    known = {field.name for field in fields(Config)}
    if unknown := sorted(values.keys() - known):
        raise InvalidParamsError(f"configuration has no field {unknown[0]!r}")
    if "data_dir" not in values:
        raise InvalidParamsError("data_dir is required")
    return Config(**_typed(values), limits=_limits(limits))


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" or "[v6]:port".

    Raises:
        InvalidParamsError: neither, or a port above 65535.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        raise InvalidParamsError(f"listen must be host:port, got {address!r}")
    return match["host"], int(match["port"])


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidParamsError(f"{path} is not TOML: {error}") from error
    limits = values.pop("limits", {})
    return values | {f"limits_{name}": value for name, value in limits.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    names = [field.name for field in fields(Config) if field.name != "limits"]
    names += [f"limits_{field.name}" for field in fields(Limits)]
    found = {name: environ.get(PREFIX + name.upper()) for name in names}
    values: dict[str, Any] = {k: v for k, v in found.items() if v}
    if "import_roots" in values:
        values["import_roots"] = values["import_roots"].split(os.pathsep)
    return values


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """Convert text from a file or the environment to the field types."""
    typed = dict(values)
    typed["data_dir"] = Path(values["data_dir"])
    if "import_roots" in values:
        typed["import_roots"] = tuple(map(Path, values["import_roots"]))
    if "allow_remote" in values:
        typed["allow_remote"] = _flag(values["allow_remote"], "allow_remote")
    for name in _NUMBERS:
        if name in values:
            typed[name] = _whole(values[name], name)
    return typed


def _limits(values: dict[str, Any]) -> Limits:
    known = {f"limits_{field.name}" for field in fields(Limits)}
    if unknown := sorted(values.keys() - known):
        raise InvalidParamsError(f"configuration has no field {unknown[0]!r}")
    return Limits(
        **{k.removeprefix("limits_"): _whole(v, k) for k, v in values.items()}
    )


def _flag(value: object, name: str) -> bool:
    text = str(value).lower()
    if text not in ("true", "false", "1", "0"):
        raise InvalidParamsError(f"{name} must be true or false, got {value!r}")
    return text in ("true", "1")


def _whole(value: object, name: str) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise InvalidParamsError(f"{name} must be an integer, got {value!r}") from error
