"""`python -m bench cluster --part kills`: kill -9 of workers at random moments.

A round is a piece of work of which one worker is killed at a random moment, unless it
ends before; its answer is compared with that of an undisturbed run. The moments are
drawn from the seed.
"""

import argparse
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bench.cluster.build_part import command, gleann, hash_of, write_rows
from bench.cluster.processes import lose, workers
from bench.cluster.steps import drawn
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, Found, SearchParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.service.cluster.search.opened import held
from gleann.service.cluster.session import joined

ROUNDS, QUICK_ROUNDS = 20, 2
"""With a kill."""

MOST_TRIES = 10
"""Rounds for each that is wanted."""

SHARDS, ROWS, DIM = 3, 60_000, 96
BUILD_ROWS, PICKS = 60_000, 500
QUERIES, SEARCHES = 500, 4
"""Queries of a search, and searches of a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of a round.

    Attributes:
        killed: whether there was a worker to kill.
        same: whether the answer was that of an undisturbed run.
        seconds: that it took.
    """

    killed: bool
    same: bool
    seconds: float


def run_kills(args: argparse.Namespace) -> dict[str, Any]:
    """Rounds of searches, of builds and of selections."""
    rounds = QUICK_ROUNDS if args.quick else args.rounds or ROUNDS
    rng = np.random.default_rng(args.seed)
    with TemporaryDirectory(dir=args.folder) as folder:
        found = {
            "search": _searches(Path(folder), rounds, rng),
            "build": _builds(Path(folder), rounds, rng),
            "selection": _selections(Path(folder), rounds, rng),
        }
    return {
        "rounds": rounds,
        "work": {
            name: {
                "undisturbed": undisturbed,
                "killed": sum(one.killed for one in done),
                "same": sum(one.same for one in done),
                "seconds": [round(one.seconds, 2) for one in done],
            }
            for name, (undisturbed, done) in found.items()
        },
    }


def _searches(
    folder: Path, rounds: int, rng: np.random.Generator
) -> tuple[float, list[Round]]:
    """Searches of shards that actors hold, one of which is killed."""
    path = folder / "searched"
    index = SoarIndex.build(drawn(ROWS, DIM), BuildParams(tune_queries=500))
    cut(index, path, shards=SHARDS)
    queries = drawn(QUERIES, DIM, stream="queries")
    with joined() as cluster, held(cluster, path) as shards:

        def search() -> list[Found]:
            params = SearchParams(k=10, target_recall=0.95)
            return [shards.search(queries, params) for _ in range(SEARCHES)]

        begun = perf_counter()
        wanted = search()[0]
        undisturbed = perf_counter() - begun

        def one_round(_: int) -> Round:
            after = rng.uniform(0, undisturbed)
            killing = Killing(os.getpid(), "ShardActor", after, rng)
            begun = perf_counter()
            with killing:
                found = search()
            seconds = perf_counter() - begun
            same = all(_equal(one, wanted) for one in found)
            return Round(killed=killing.killed, same=same, seconds=seconds)

        return undisturbed, rounds_with_kills("search", one_round, rounds)


def rounds_with_kills(
    name: str, one_round: Callable[[int], Round], with_kill: int
) -> list[Round]:
    """Rounds until so many had a kill: some work ends before its moment comes."""
    done: list[Round] = []
    while sum(one.killed for one in done) < with_kill:
        if len(done) == MOST_TRIES * with_kill:
            raise RuntimeError(f"{name}: {len(done)} rounds, {with_kill} kills wanted")
        done.append(one_round(len(done)))
        say(f"{name} {len(done)}: {done[-1]}")
    return done


def _equal(found: Found, wanted: Found) -> bool:
    return np.array_equal(found.ids, wanted.ids) and np.array_equal(
        found.distances, wanted.distances
    )


def _builds(
    folder: Path, rounds: int, rng: np.random.Generator
) -> tuple[float, list[Round]]:
    """Builds, one of whose workers is killed."""
    file = folder / "built.npy"
    write_rows(file, BUILD_ROWS)
    return _commands(
        folder / "build",
        lambda out: command(file, out, workers=2, shards=SHARDS),
        rounds,
        rng,
    )


def _selections(
    folder: Path, rounds: int, rng: np.random.Generator
) -> tuple[float, list[Round]]:
    """Choices of rows from the shards that were searched."""
    words = ["cluster", "select", "farthest-first", folder / "searched"]
    words += ["--k", PICKS, "--workers", 2, "--out"]
    return _commands(
        folder / "select",
        lambda out: gleann(*words, out.with_suffix(".parquet")),
        rounds,
        rng,
    )


def _commands(
    folder: Path,
    words_of: Callable[[Path], list[str]],
    rounds: int,
    rng: np.random.Generator,
) -> tuple[float, list[Round]]:
    """A command again and again, one of whose workers is killed.

    Args:
        folder: of what it writes, which is compared.
        words_of: the command that writes to a path.
        rounds: with a kill; besides an undisturbed run.
        rng: draws the moments.
    """
    folder.mkdir()
    begun = perf_counter()
    subprocess.run(words_of(folder / "whole"), stdout=subprocess.DEVNULL, check=True)
    undisturbed = perf_counter() - begun
    [wanted] = {hash_of(path) for path in folder.glob("whole*") if _is_answer(path)}

    def one_round(number: int) -> Round:
        words = words_of(folder / f"round-{number}")
        begun = perf_counter()
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
            killing = Killing(process.pid, "", rng.uniform(0, undisturbed), rng)
            with killing:
                code = process.wait()
        seconds = perf_counter() - begun
        if code:
            raise subprocess.CalledProcessError(code, words)
        written = folder.glob(f"round-{number}*")
        found = {hash_of(path) for path in written if _is_answer(path)}
        return Round(killed=killing.killed, same=found == {wanted}, seconds=seconds)

    return undisturbed, rounds_with_kills(folder.name, one_round, rounds)


def _is_answer(path: Path) -> bool:
    """Not the record of the command, which has its times."""
    return not path.name.endswith(".manifest.json")


class Killing:
    """Kills a worker after some seconds, while the block runs.

    Args:
        process: that started the workers.
        name: what their titles begin with.
        after: seconds.
        rng: draws which one.

    Attributes:
        killed: whether one was.
    """

    LOOK_SECONDS = 0.02

    def __init__(
        self, process: int, name: str, after: float, rng: np.random.Generator
    ) -> None:
        self.killed = False
        self._process, self._name, self._after = process, name, after
        self._drawn = rng.random()
        self._ended = Event()
        self._thread = Thread(target=self._kill, daemon=True)

    def _kill(self) -> None:
        sleep(self._after)
        while not self._ended.wait(self.LOOK_SECONDS):
            if there := workers(self._process, self._name):
                lose(there[int(self._drawn * len(there))])
                self.killed = True
                return

    def __enter__(self) -> "Killing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def kills_table(result: dict[str, Any]) -> str:
    """Rounds, kills and answers of each kind of work."""
    heads = ["work", "rounds", "with a kill", "same answer", "undisturbed, s"]
    heads += ["median, s", "most, s"]
    rows = [
        [
            name,
            str(len(one["seconds"])),
            str(one["killed"]),
            str(one["same"]),
            f"{one['undisturbed']:.1f}",
            f"{np.median(one['seconds']):.1f}",
            f"{max(one['seconds']):.1f}",
        ]
        for name, one in result["work"].items()
    ]
    return markdown(heads, rows)
