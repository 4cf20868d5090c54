"""`gleann demo`: the whole workflow on real data, with a report."""

from dataclasses import dataclass
from pathlib import Path

import click

from gleann.service.cli import options
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """Parameters of `gleann demo`."""

    out: Path
    quick: bool
    seed: int
    overwrite: bool
    progress: bool


@click.command(
    "demo",
    short_help="Run the whole workflow on real data and write a report with charts.",
    epilog=options.examples(
        "gleann demo --out demo-report", "gleann demo --quick --out /tmp/quick"
    ),
)
@click.option(
    "--out",
    type=options.PATH,
    default=Path("demo-report"),
    show_default=True,
    help="Directory for report.html and report.json.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="A small subset in seconds; its figures are not representative.",
)
@options.seed_option
@options.overwrite_option
@options.progress_option
@options.takes(DemoJob)
def command(job: DemoJob) -> None:
    """Index word vectors, search them through gRPC, choose training data, and report.

    Needs the packages of the extra "demo". Starts a server on a loopback port.
    """
    from gleann.index.engines.choose import best_engine
    from gleann.service.demo.pages import render
    from gleann.service.demo.result import as_json
    from gleann.service.demo.run import run_demo
    from gleann.service.demo.scale import FULL, QUICK, WITHOUT_KERNELS
    from gleann.service.demo.stage import Stage

    page, figures = job.out / "report.html", job.out / "report.json"
    output_paths.require_writable(
        OutputPath(flag="--out", path=page, makes_parents=True),
        OutputPath(flag="--out", path=figures, makes_parents=True),
        overwrite=job.overwrite,
    )
    engine, reason = best_engine()
    if engine == "native":
        scale = FULL
    else:
        scale = WITHOUT_KERNELS
        say(f"{engine} serves ({reason}): fewer words; see gleann doctor")
    scale = QUICK if job.quick else scale
    with progress_bars(wanted=job.progress) as report:
        stage = Stage(scale=scale, seed=job.seed, say=say, report=report)
        result = run_demo(stage)
    outputs.make_directory(job.out)
    outputs.write_text(page, render(result))
    outputs.write_json(figures, as_json(result))
    say(f"{page}: {sum(result.stages.values()):.0f} s in all")
