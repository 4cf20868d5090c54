"""`gleann serve`: serve one data directory over gRPC."""

import logging
import os
import resource
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from gleann.service.cli import options
from gleann.service.cli.say import echo_json, result, say

if TYPE_CHECKING:
    from gleann.service.server import Server

_log = logging.getLogger(__name__)

GRACE_SECONDS = 3.0
"""For calls under way when the server is told to stop."""
SPARE_SECONDS = 3.0
"""For what stopping itself may take, before the process ends without it."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeJob:
    """Parameters of `gleann serve`; None defers to the file and the environment."""

    data: Path | None
    listen: str | None
    allow_remote: bool | None
    import_root: tuple[Path, ...]
    export_root: tuple[Path, ...]
    engine: str | None
    device: str | None
    threads: int | None
    config: Path | None
    print_config: bool
    log_level: str


@click.command(
    "serve",
    short_help="Serve a data directory over gRPC.",
    epilog=options.examples(
        "gleann serve --data library",
        "gleann serve --data library --listen 127.0.0.1:50051 --import-root /data",
        "gleann serve --data library --device auto",
        "GLEANN_API_KEY=... gleann serve --config gleann.toml",
        "gleann serve --data library --print-config > gleann.toml",
    ),
)
@click.option(
    "--data", type=options.PATH, help="Directory for all state; created if missing."
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Address; 127.0.0.1:50051 by default; port 0 picks a free one.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    default=None,
    help="Allow a listen address that other machines can reach.",
)
@click.option(
    "--import-root",
    type=options.PATH,
    multiple=True,
    help="Directory from which clients may import files; may be repeated.",
)
@click.option(
    "--export-root",
    type=options.PATH,
    multiple=True,
    help="Directory to which clients may export snapshots; may be repeated.",
)
@click.option(
    "--engine",
    help="auto, native, faiss, faiss-gpu, reference, torch or triton; auto by default.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "auto", "cuda", "require-cuda"]),
    help="Device for search, builds and subset selection; cpu by"
    " default. auto and cuda fall back to the CPU (auto also if the GPU fails later);"
    " require-cuda refuses to start.",
)
@click.option("--threads", type=int, help="Threads of the engine; all cores if 0.")
@click.option(
    "--config", type=options.PATH, help="TOML file with these settings and more."
)
@click.option(
    "--print-config",
    is_flag=True,
    help="Print every setting with its value, origin and meaning as a TOML file"
    " (without the API key), and exit.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Log level of stderr.",
)
@options.takes(ServeJob)
def command(job: ServeJob) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish running calls within 3 seconds.

    A second SIGTERM or Ctrl-C exits at once. No acknowledged change is lost.

    Settings come from --config, GLEANN_* variables and these options; later ones win.
    An API key is read from GLEANN_API_KEY or the file, never from the command line.
    """
    from gleann.service.cli.config_text import FLAGS, config_text, config_values
    from gleann.service.config import given_settings, load_config
    from gleann.service.server import serve

    logging.basicConfig(level=job.log_level.upper(), format=LOG_FORMAT)
    overrides = {
        "data_dir": job.data,
        "listen": job.listen,
        "allow_remote": job.allow_remote,
        "import_roots": job.import_root or None,
        "export_roots": job.export_root or None,
        "engine": job.engine,
        "device": job.device,
        "threads": job.threads,
    }
    if job.print_config:
        found = given_settings(job.config, overrides=overrides, flags=FLAGS)
        say(config_text(found))
        result(**config_values(found))
        return
    config = load_config(job.config, overrides=overrides, flags=FLAGS)
    # Files hold vectors and keys: other users must not be able to read them.
    os.umask(0o077)
    _allow_many_connections()
    stopping = _stop_on_signals()
    server = serve(config)
    say(f"listening on {server.target}, data in {config.data_dir}")
    result(target=server.target, data_dir=config.data_dir)
    echo_json(click.get_current_context())
    stopping.wait()
    _log.info("stopping")
    _stop(server)


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


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process."""
    event = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if event.is_set():
            os._exit(128 + number)
        event.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return event


def _allow_many_connections() -> None:
    """Raise the open-file limit to its maximum: each connection uses one file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
