"""`gleann serve`: one data directory behind gRPC."""

import logging
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from gleann.service.cli import options

_log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeJob:
    """What `gleann serve` was asked; None leaves a setting to file and environment."""

    data: Path | None
    listen: str | None
    allow_remote: bool | None
    import_root: tuple[Path, ...]
    engine: str | None
    device: str | None
    threads: int | None
    config: Path | None
    log_level: str


@click.command(
    "serve",
    short_help="Serve a data directory over gRPC.",
    epilog=options.examples(
        "gleann serve --data library",
        "gleann serve --data library --listen 127.0.0.1:50051 --import-root /data",
        "gleann serve --data library --device auto",
        "GLEANN_API_KEY=... gleann serve --config gleann.toml",
    ),
)
@click.option(
    "--data", type=options.PATH, help="Directory that holds all state; made if missing."
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Address; 127.0.0.1:50051 by default, port 0 takes a free one.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    default=None,
    help="Allow an address that other machines can reach.",
)
@click.option(
    "--import-root",
    type=options.PATH,
    multiple=True,
    help="Directory from which clients may import files; may be repeated.",
)
@click.option(
    "--engine",
    help="auto, native, faiss, faiss-gpu, reference, torch or triton; auto by default.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "auto", "cuda", "require-cuda"]),
    help="Where sealed indexes are searched and built, and subsets chosen; cpu by"
    " default. auto and cuda fall back to the CPU (auto also if the GPU fails later);"
    " require-cuda refuses to start.",
)
@click.option("--threads", type=int, help="Threads of the engine; all cores if 0.")
@click.option(
    "--config", type=options.PATH, help="TOML file with these settings and more."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="How much is logged to stderr.",
)
@options.takes(ServeJob)
def command(job: ServeJob) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the calls under way.

    Settings come from --config, then from GLEANN_* variables, then from these options.
    An API key is read from GLEANN_API_KEY or the file, never from the command line.
    """
    from gleann.service.config import load_config
    from gleann.service.server import serve

    logging.basicConfig(level=job.log_level.upper(), format=LOG_FORMAT)
    config = load_config(
        job.config,
        overrides={
            "data_dir": job.data,
            "listen": job.listen,
            "allow_remote": job.allow_remote,
            "import_roots": job.import_root or None,
            "engine": job.engine,
            "device": job.device,
            "threads": job.threads,
        },
    )
    stopping = _stop_on_signals()
    server = serve(config)
    click.echo(f"listening on {server.target}, data in {config.data_dir}")
    stopping.wait()
    _log.info("stopping")
    server.stop()


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, in place of ending the process at once."""
    event = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        event.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return event
