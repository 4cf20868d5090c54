"""Server configuration from a file, the environment and arguments, in this order."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_args, get_type_hints

from gleann.index.engines.choose import require_known
from gleann.index.errors import InvalidParamsError
from gleann.service.security.headers import require_key
from gleann.service.settings import (
    CONVERTERS,
    Setting,
    read_settings,
    variable_of,
)
from gleann.service.values import (
    OPTIMIZER_DEFAULTS,
    DeviceChoice,
    Limits,
    OptimizerParams,
)

LIMITS = "limits."
OPTIMIZER = "optimizer."
UNIX = "unix:"
SOCKET_BYTES = 107
"""Longest path of a socket file on Linux."""
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
LARGEST = 1_000_000_000
"""Largest value of a number: gRPC takes options of 32 bits, one of them doubled."""
_NOT_SPARE = ("faiss-gpu", "torch", "triton")
_ADDRESS = re.compile(r"\[?(?P<host>[^\[\]]+)\]?:(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Configuration of a server, or of the library in process.

    Attributes:
        data_dir: directory of all state; created if missing.
        listen: "host:port", where port 0 picks a free one, or "unix:path" for a socket
            file.
        allow_remote: whether other machines may reach the `listen` address.
        import_roots: directories under which files may be imported; none by default.
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
        rpc_threads: maximum number of concurrent calls.
        rpc_queue: maximum number of running and queued calls; more are refused.
        connection_calls: maximum number of concurrent calls per connection.
        message_seconds: seconds after which a call without its message is ended.
        keep_days: days to keep finished operations, selections, and answers to
            requests with a request_id.
        keep_operations: number of finished operations to keep, the latest ones.
        limits: caps on single requests.
        optimizer: when indexes are compacted that set nothing else; what is None in it
            is as in `OPTIMIZER_DEFAULTS`.
    """

    data_dir: Path
    listen: str = "127.0.0.1:50051"
    allow_remote: bool = False
    import_roots: tuple[Path, ...] = ()
    export_roots: tuple[Path, ...] = ()
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
    optimizer: OptimizerParams = OPTIMIZER_DEFAULTS

    def __post_init__(self) -> None:
        whole = self.optimizer.filled(OPTIMIZER_DEFAULTS)
        object.__setattr__(self, "optimizer", whole)
        if not self.allow_remote and _is_remote(self.listen):
            raise InvalidParamsError(
                f"listen is {self.listen!r}, which other machines can reach;"
                " --allow-remote (in a file: allow_remote = true) permits that"
            )
        if self.device not in get_args(DeviceChoice):
            raise InvalidParamsError(
                f"device must be one of {', '.join(get_args(DeviceChoice))};"
                f" got {self.device!r}"
            )
        require_known(self.engine)
        require_host_engine(self.engine, self.device)
        if self.api_key is not None:
            require_key(self.api_key)
        for name in _NUMBERS:
            floor = 0 if name == "threads" else 1
            _require_number(name, getattr(self, name), at_least=floor)
        for cap in fields(Limits):
            _require_number(LIMITS + cap.name, getattr(self.limits, cap.name))


def _require_number(name: str, value: int, *, at_least: int = 1) -> None:
    if not at_least <= value <= LARGEST:
        side = f"least {at_least}" if value < at_least else f"most {LARGEST}"
        raise InvalidParamsError(f"{name} must be at {side}, got {value}")


def _kind(hint: object) -> str:
    """The name of a field's converter."""
    for kind in (bool, int, float, str, Path):
        if hint in (kind, kind | None):
            return kind.__name__
    return "tuple[Path, ...]" if hint == tuple[Path, ...] else "str"


_TABLES: dict[str, type] = {LIMITS: Limits, OPTIMIZER: OptimizerParams}
"""Fields of `Config` that are tables of a file, with a dot."""

SETTINGS: dict[str, str] = {
    k: _kind(hint)
    for k, hint in get_type_hints(Config).items()
    if k + "." not in _TABLES
}
"""The name of each setting, and of its converter."""
for _table, _type in _TABLES.items():
    SETTINGS |= {_table + k: _kind(hint) for k, hint in get_type_hints(_type).items()}


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
    flags: Mapping[str, str] | None = None,
) -> Config:
    """Read a configuration from file, environment and overrides; later ones win.

    Args:
        path: a TOML file with the fields of `Config`, and tables [limits] and
            [optimizer].
        environ: variables GLEANN_<FIELD>, GLEANN_LIMITS_<FIELD> and
            GLEANN_OPTIMIZER_<FIELD>; defaults to the process environment.
            GLEANN_IMPORT_ROOTS separates paths as PATH does.
        overrides: fields by name; None leaves a field alone.
        flags: how messages name an override, such as "--data" for data_dir.

    Raises:
        MissingFileError: the file does not exist.
        InvalidParamsError: not TOML, an unknown field, or a value of the wrong type or
            out of its range.
    """
    found = given_settings(path, environ=environ, overrides=overrides, flags=flags)
    values = typed_settings(found)
    if "data_dir" not in values:
        raise InvalidParamsError(
            f"data_dir is required: give --data, {variable_of('data_dir')}, or data_dir"
            " in the file of --config"
        )
    limits, optimizer = _of_table(LIMITS, values), _of_table(OPTIMIZER, values)
    try:
        return Config(
            **values, limits=Limits(**limits), optimizer=_optimizer_params(optimizer)
        )
    except InvalidParamsError as error:
        raise InvalidParamsError(_at_origin(str(error), found)) from error


def _of_table(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Take the values of a table out of `values`, without the name of the table."""
    names = [name for name in values if name.startswith(table)]
    return {name.removeprefix(table): values.pop(name) for name in names}


def _optimizer_params(values: Mapping[str, Any]) -> OptimizerParams:
    try:
        return OptimizerParams(**values)
    except InvalidParamsError as error:
        raise InvalidParamsError(f"{OPTIMIZER}{error}") from error


def _at_origin(message: str, found: Mapping[str, Setting]) -> str:
    """A message that begins with a setting, which is named as the user gave it."""
    name, space, rest = message.partition(" ")
    return f"{found[name].origin}{space}{rest}" if name in found else message


def given_settings(
    path: str | os.PathLike[str] | None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    flags: Mapping[str, str] | None = None,
) -> dict[str, Setting]:
    """The settings that were given, by name; arguments as those of `load_config`."""
    names = flags or {}
    return read_settings(
        None if path is None else Path(path),
        names=SETTINGS,
        environ=os.environ if environ is None else environ,
        overrides={
            name: Setting(value, names.get(name, name))
            for name, value in (overrides or {}).items()
            if value is not None
        },
    )


def typed_settings(found: Mapping[str, Setting]) -> dict[str, Any]:
    """The values of settings, converted to the types of their fields.

    Raises:
        InvalidParamsError: a value of another type.
    """
    return {name: CONVERTERS[SETTINGS[name]](one) for name, one in found.items()}


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" or "[v6]:port".

    Raises:
        InvalidParamsError: neither, or a port above 65535.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        raise InvalidParamsError(f"listen must be host:port, got {address!r}")
    return match["host"], int(match["port"])


def socket_path(address: str) -> Path | None:
    """The socket file of "unix:path" or "unix:///path"; None for other addresses.

    Raises:
        InvalidParamsError: no path, or one that is too long for a socket.
    """
    if not address.startswith(UNIX):
        return None
    path = address.removeprefix(UNIX)
    path = path[2:] if path.startswith("//") else path
    size = len(os.fsencode(path))
    if not 0 < size <= SOCKET_BYTES or "\0" in path:
        raise InvalidParamsError(
            f"a socket's path has 1 to {SOCKET_BYTES} bytes, {address!r} has {size}"
        )
    return Path(path)


def _is_remote(listen: str) -> bool:
    """Whether other machines can reach an address."""
    if socket_path(listen) is not None:
        return False
    host, _ = split_address(listen)
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
