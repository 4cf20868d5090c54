"""The whole demo, stage by stage."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from gleann.service.client import Client
from gleann.service.demo.concepts import make_concepts
from gleann.service.demo.found import digit_pictures, found_words
from gleann.service.demo.result import DemoResult
from gleann.service.demo.run_digits import run_digits
from gleann.service.demo.run_estimating import run_estimating
from gleann.service.demo.run_labelling import (
    check_session,
    facts_of,
    make_tasks,
    run_labelling,
)
from gleann.service.demo.run_speed import run_speed
from gleann.service.demo.server import running_server
from gleann.service.demo.stage import Stage
from gleann.service.demo.tour import Tour, take_tour, write_words
from gleann.service.demo.words import load_words, require_packages
from gleann.service.report.machine import command_line, machine, now, versions


def run_demo(stage: Stage) -> DemoResult:
    """Run the whole workflow on real data.

    Raises:
        EngineUnavailableError: a data package is missing; names what to install.
    """
    require_packages()
    scale = stage.scale
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="gleann-demo-")))
        with stage.timed("words"):
            words = load_words(
                limit=scale.words,
                held_out_share=scale.held_out_share,
                seed=stage.seed,
            )
            concepts = make_concepts(words.words)
            file = write_words(words, folder)
            stage.say(f"   {len(words.base):,} words, {len(words.held_out):,} held out")
        address = stack.enter_context(running_server(folder / "data", folder))
        client = stack.enter_context(Client(address))
        with stage.timed("service: import, build, search"):
            tour = take_tour(stage, client, words, file)
            _tell(stage, tour)
        index, speed = run_speed(stage, words, client)
        tasks = make_tasks(words, concepts, index)
        runs = run_labelling(stage, tasks, index)
        session = check_session(stage, tasks[0], words, index, client)
        trials = run_estimating(stage, words, tasks, index, runs)
        digits = run_digits(stage, client)
    return DemoResult(
        scale=scale,
        seed=stage.seed,
        words=len(words.base),
        held_out=len(words.held_out),
        tour=tour,
        speed=speed,
        concepts=[facts_of(task) for task in tasks],
        runs=runs,
        session=session,
        trials=trials,
        digits=digits,
        found=found_words(tasks, runs, words),
        pictures=digit_pictures(digits.subsets, seed=stage.seed),
        stages=stage.seconds,
        about=_about(),
    )


def _about() -> dict[str, object]:
    """The machine, the versions, and the command that ends now."""
    return {
        "machine": machine(),
        "versions": versions(),
        "command": command_line(),
        "finished": now(),
    }


def _tell(stage: Stage, tour: Tour) -> None:
    stage.say(f"   imported {tour.count:,} words in {tour.import_seconds:.1f} s")
    stage.say(
        f"   built {tour.nlist:,} lists in {tour.build_seconds:.1f} s,"
        f" engine {tour.engine}"
    )
    for word, nearest in tour.nearest.items():
        stage.say(f"   {word}: {', '.join(other for other, _ in nearest)}")
