"""`gleann serve`: serve one data directory over gRPC."""

import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from gleann.index.errors import InvalidParamsError
from gleann.service.cli import options
from gleann.service.cli.cluster.holding import (
    LOST_SECONDS,
    HoldingOptions,
    holding_options,
)
from gleann.service.cli.cluster.joining import cluster_options
from gleann.service.cli.say import echo_json, result, say
from gleann.service.config import Config
from gleann.service.config.load import given_settings, load_config
from gleann.service.config.table import FLAGS, REQUIRED, SETTINGS, Setting

if TYPE_CHECKING:
    from gleann.service.server import Server
    from gleann.service.views.sharded_view import ShardedView

_log = logging.getLogger(__name__)

GRACE_SECONDS = 3.0
"""For calls under way when the server is told to stop."""
SPARE_SECONDS = 3.0
"""For what stopping itself may take, before the process ends without it."""

_NOTHING_KEPT = (
    "this server has no data directory, and only reads the indexes of --cluster: give"
    " it --data to make others"
)

_NOBODY = HoldingOptions(
    workers=None,
    address=None,
    replicas=1,
    partial=False,
    seconds=None,
    lost_seconds=LOST_SECONDS,
)
"""What is given of who holds shards where nothing is."""

_METAVARS = {"listen": "HOST:PORT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeJob:
    """Parameters of `gleann serve`.

    Attributes:
        config: the file of settings.
        print_config: print the settings and exit.
        settings: settings by name; None defers to the file and the environment.
        cluster: indexes in shards to serve besides, each a path or name=path.
        holding: who holds them.
    """

    config: Path | None
    print_config: bool
    settings: Mapping[str, object]
    cluster: tuple[str, ...]
    holding: HoldingOptions

    @classmethod
    def of(
        cls,
        config: Path | None,
        print_config: bool,
        cluster: tuple[str, ...],
        **parsed: Any,
    ) -> "ServeJob":
        """The job of parsed parameters."""
        names = [one.name for one in fields(HoldingOptions)]
        holding = HoldingOptions(**{name: parsed.pop(name) for name in names})
        settings: dict[str, object] = parsed
        by_name = {key.replace("__", "."): value for key, value in settings.items()}
        given = {name: None if one == () else one for name, one in by_name.items()}
        return cls(
            config=config,
            print_config=print_config,
            settings=given,
            cluster=cluster,
            holding=holding,
        )


def _setting_options(function: options.Callback) -> options.Callback:
    """An option for each setting that has one."""
    for setting in reversed(list(SETTINGS.values())):
        if setting.flag:
            function = _option_of(setting)(function)
    return function


def _option_of(setting: Setting) -> Callable[[options.Callback], options.Callback]:
    several = setting.kind.startswith("tuple")
    kinds: dict[str, object] = {"int": int, "float": float, "Path": options.PATH}
    kinds["tuple[Path, ...]"] = options.PATH
    choices = click.Choice(setting.choices) if setting.choices else None
    return click.option(
        setting.flag,
        setting.name.replace(".", "__"),
        type=choices or kinds.get(setting.kind),
        is_flag=setting.kind == "bool",
        multiple=several,
        default=None,
        metavar=_METAVARS.get(setting.name),
        help=_help(setting) + (" May be repeated." if several else ""),
    )


def _help(setting: Setting) -> str:
    if setting.kind == "bool" or setting.default in (REQUIRED, None, ()):
        return setting.meaning
    return f"{setting.meaning} {setting.default} by default."


@click.command(
    "serve",
    short_help="Serve a data directory over gRPC.",
    epilog=options.examples(
        "gleann serve --data library",
        "gleann serve --data library --listen 127.0.0.1:50051 --import-root /data",
        "gleann serve --data library --device auto",
        "GLEANN_API_KEY=... gleann serve --config gleann.toml",
        "gleann serve --data library --keys keys.json --tls-cert server.pem --tls-key"
        " server.key --listen 0.0.0.0:50051 --allow-remote",
        "gleann serve --cluster /mnt/all/pages --address auto --replicas 2",
        "gleann serve --data library --print-config > gleann.toml",
    ),
)
@_setting_options
@click.option(
    "--config", type=options.PATH, help="TOML file with these settings and more."
)
@click.option(
    "--print-config",
    is_flag=True,
    help="Print every setting with its value, origin and meaning as a TOML file"
    " (without secrets), and exit.",
)
@click.option(
    "--cluster",
    metavar="[NAME=]PATH",
    multiple=True,
    help="An index in shards to serve besides, to calls that only read; a cluster holds"
    " it (pip install 'ray[data]'). Without --data nothing else is served. May be"
    " repeated.",
)
@cluster_options
@holding_options
@options.takes(ServeJob.of)
def command(job: ServeJob) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish running calls within 3 seconds.

    A second SIGTERM or Ctrl-C exits at once. No acknowledged change is lost. SIGHUP
    reads the settings and the keys again, and opens the log file again.

    Settings come from --config, GLEANN_* variables and these options; later ones win.
    An API key is read from GLEANN_API_KEY or the file, never from the command line.

    --address, --workers, --replicas, --partial, --seconds and --lost-seconds are for
    --cluster.
    """
    from gleann.service.cli.config_text import config_text, config_values
    from gleann.service.logs.setup import ServerLog
    from gleann.service.server import serve
    from gleann.service.server.reloading import Reloading

    _require_cluster(job)
    if job.print_config:
        found = given_settings(job.config, overrides=job.settings, flags=FLAGS)
        say(config_text(found))
        result(**config_values(found))
        return
    # Files hold vectors, keys and names: other users must not be able to read them.
    os.umask(0o077)
    with ExitStack() as stack:
        overrides, is_kept = stack.enter_context(_settings(job))

        def load() -> Config:
            return load_config(job.config, overrides=overrides, flags=FLAGS)

        config = load()
        log = stack.enter_context(closing(ServerLog(config.log)))
        _allow_many_connections()
        shards = stack.enter_context(_shards(job))
        signals = _signals()
        closed = "" if is_kept else _NOTHING_KEPT
        server = serve(config, shards=shards, closed=closed)
        applying = [lambda new: log.apply(new.log), server.reload]
        reloading = Reloading(config, load, applying)
        say(f"listening on {server.target}, data in {config.data_dir}")
        result(target=server.target, data_dir=config.data_dir)
        echo_json(click.get_current_context())
        while next(signals) == signal.SIGHUP:
            reloading.reload()
        _log.info("stopping")
        _stop(server)


def _require_cluster(job: ServeJob) -> None:
    """Refuse options of who holds shards where nobody does.

    Raises:
        InvalidParamsError: one is given without --cluster.
    """
    for name, value in asdict(job.holding).items():
        if not job.cluster and value != getattr(_NOBODY, name):
            flag = "--" + name.replace("_", "-")
            raise InvalidParamsError(f"{flag} is for --cluster, which is not given")


@contextmanager
def _settings(job: ServeJob) -> Iterator[tuple[Mapping[str, object], bool]]:
    """The settings, and whether there is a data directory that stays.

    Without one, indexes in shards have a passing one: for what a server keeps for
    itself, such as answers to repeated requests.
    """
    found = given_settings(job.config, overrides=job.settings, flags=FLAGS)
    if "data_dir" in found or not job.cluster:
        yield job.settings, True
        return
    with TemporaryDirectory(prefix="gleann-serve-") as folder:
        yield {**job.settings, "data_dir": Path(folder)}, False


@contextmanager
def _shards(job: ServeJob) -> "Iterator[Sequence[ShardedView]]":
    """The indexes of --cluster, held until the end of the block."""
    if not job.cluster:
        yield ()
        return
    from gleann.service.cli.cluster.serving import held_shards

    # That takes minutes; Ray, and what it has in /tmp, is then to end with the process.
    signal.signal(signal.SIGTERM, _unwind)
    with held_shards(job.cluster, job.holding) as views:
        yield views


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _stop(server: "Server") -> None:
    """Stop within seconds; if a thread still computes then, end the process.

    All acknowledged changes are on disk, and long work resumes at the next start.
    """
    late = threading.Timer(GRACE_SECONDS + SPARE_SECONDS, _leave, ["stopping hangs"])
    late.daemon = True
    late.start()
    server.stop(grace=GRACE_SECONDS)
    if server.busy:
        # Python would wait for their threads indefinitely.
        _leave(f"{server.busy} calls are not answered")
    late.cancel()


def _leave(why: str) -> None:
    """End the process without waiting for its threads."""
    _log.warning("stopped at once: %s", why)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _signals() -> Iterator[int]:
    """Signals to stop (SIGTERM, SIGINT) or to read the settings again, as they come.

    A second signal to stop ends the process. The system may hand a signal to any
    thread, as it does with one that comes right after another, and then a wait for a
    lock in this one is not interrupted: so they are read from a pipe. Two threads may
    also write theirs in the wrong order: of several that wait, SIGHUP comes first.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    stopping = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            os._exit(128 + number)
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, lambda *_: None)
    return (
        number
        for _ in repeat(None)
        for number in sorted(os.read(reading, 64), key=lambda n: n != signal.SIGHUP)
    )


def _allow_many_connections() -> None:
    """Raise the open-file limit to its maximum: each connection uses one file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
