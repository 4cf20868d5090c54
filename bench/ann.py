"""`python -m bench ann`: recall against queries per second, gleann and its peers."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

from bench.comparison.curves import Point, best_at
from bench.comparison.pairing import Contestant, Side, compare, time_rounds
from bench.comparison.pairing import as_json as comparison_json
from bench.comparison.process import OPEN_SECONDS, PeerFailedError, PeerProcess
from bench.comparison.tuning import Task, Tuner
from bench.comparison.tuning import as_json as tuned_json
from bench.datasets import Dataset, describe, load_dataset
from bench.peers import PEERS, is_ours
from bench.peers.contract import Peer, Shape, Sweep
from bench.provenance import load, provenance
from bench.quality import Judge
from bench.records import write_json
from bench.say import say

SCHEMA = 1
SINGLE_QUERIES = 1000
QUICK_SETTINGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line.

    Attributes:
        data: folder or HDF5 file.
        peers: names of `PEERS`.
        mode: "batch", "batch100", "single" or "build".
        threads: for every peer alike.
        k: neighbours.
        levels: recall to reach.
        rounds: alternations of gleann and a peer.
        minutes: tuning budget of a peer.
        seed: of every build.
        quick: few rows, queries and settings, to see that everything runs.
    """

    data: Path
    peers: tuple[str, ...]
    mode: str
    threads: int
    k: int
    levels: tuple[float, ...]
    rounds: int
    minutes: float
    seed: int
    quick: bool


class Run:
    """One run over one data set; `result` is written to the file."""

    def __init__(self, options: Options, out: Path) -> None:
        self._options = options
        self._out = out
        self._dataset = load_dataset(options.data, quick=options.quick)
        self._judge = Judge(self._dataset, k=options.k)
        self._task = make_task(options, self._dataset, self._judge)
        self._shape = make_shape(options, self._dataset)
        self.result = header(options, self._dataset) | {
            "queries": self._task.queries,
            "queries_with_truth": min(self._judge.queries, self._task.queries),
            "peers": {},
            "comparisons": [],
        }

    def run(self) -> dict[str, Any]:
        """Tune gleann, then each peer; time each against gleann, in turn."""
        ours = [name for name in self._options.peers if is_ours(name)]
        others = [name for name in self._options.peers if not is_ours(name)]
        with ExitStack() as stack:
            home: list[Contestant] = []
            for name in ours:
                home += self._tune(name, stack)
            for name in others:
                with ExitStack() as guest:
                    self._compete(home, self._tune(name, guest))
                self._save()
            self._compete_at_home(home)
        self.result["load_at_end"] = load()
        self._save()
        return self.result

    def _tune(self, name: str, stack: ExitStack) -> list[Contestant]:
        """Tune a peer: its best point at each level it reaches."""
        say(f"{name}: tuning")
        process = stack.enter_context(self._process(PEERS[name]))
        report: dict[str, Any] = {}
        self.result["peers"][name] = report
        try:
            usable, version = process.ask("open", seconds=OPEN_SECONDS)
            if not usable:
                say(f"{name}: SKIPPED: {version}")
                report |= {"status": "skipped", "reason": version}
                return []
            process.ask("load", seconds=OPEN_SECONDS)
            normaliser = process.ask("normaliser", seconds=OPEN_SECONDS)
            sweep = self._sweep(PEERS[name])
            minutes = self._task.minutes * PEERS[name].time_share
            task = replace(self._task, minutes=minutes)
            tuned = Tuner(process, sweep, task, self._judge).run()
        except PeerFailedError as error:
            say(f"{name}: FAILED: {error}")
            report |= {"status": "failed", "reason": str(error)}
            return []
        finally:
            self._save()
        report |= {"status": "measured", "version": version}
        report |= {"normaliser_seconds": normaliser} | tuned_json(tuned)
        for what in (what for what in tuned.dropped if "failed" in what):
            say(f"{name}: {what}")
        say(f"{name}: {len(tuned.builds)} builds, {len(tuned.points)} points,")
        say(f"  {len(tuned.dropped)} settings dropped (they are in the file)")
        return list(self._best(name, process, tuned.points))

    def _best(
        self, name: str, process: PeerProcess, points: list[Point]
    ) -> Iterator[Contestant]:
        for level in self._options.levels:
            point = best_at(points, level)
            if point is None:
                best = max((point.recall for point in points), default=0.0)
                say(f"{name}: never reached recall {level}; best was {best:.4f}")
                continue
            say(f"{name}: recall {point.recall:.4f} at {point.search} {point.build}")
            yield Contestant(name=name, process=process, point=point, level=level)

    def _compete(self, home: list[Contestant], guests: list[Contestant]) -> None:
        """Time a peer in turn with every form of gleann, level by level."""
        for guest in guests:
            hosts = [one for one in home if one.level == guest.level]
            sides = self._rounds([*hosts, guest])
            for host in hosts if sides else []:
                self._record(sides[host.name], sides[guest.name], guest.level)

    def _compete_at_home(self, home: list[Contestant]) -> None:
        """Time the forms of gleann in turn, and compare each with those after it."""
        for level in self._options.levels:
            here = [one for one in home if one.level == level]
            if not here or (len(here) == 1 and self._was_timed(here[0])):
                continue
            sides = list(self._rounds(here).values())
            for first, second in combinations(sides, 2):
                self._record(first, second, level)
            if len(sides) == 1:
                self._alone(sides[0], level)

    def _rounds(self, contestants: list[Contestant]) -> dict[str, Side]:
        names = ", ".join(one.name for one in contestants)
        say(f"timing at recall {contestants[0].level}: {names}")
        try:
            return time_rounds(
                contestants, self._task, self._judge, rounds=self._options.rounds
            )
        except PeerFailedError as error:
            reason = f"timing {names} at {contestants[0].level}: {error}"
            say(f"FAILED: {reason}")
            self.result.setdefault("failures", []).append(reason)
        for one in contestants:
            # One that cannot even start again fails its next timing, and is told then.
            with suppress(PeerFailedError):
                one.process.restart()
        return {}

    def _record(self, ours: Side, theirs: Side, level: float) -> None:
        found = compare(ours, theirs, level=level)
        self.result["comparisons"].append(comparison_json(found))
        say(
            f"  {ours.name} / {theirs.name} at {level}: {found.ratio:.2f}"
            f" ({found.low:.2f}..{found.high:.2f})"
        )

    def _was_timed(self, one: Contestant) -> bool:
        return any(
            found["ours"]["name"] == one.name and found["level"] == one.level
            for found in self.result["comparisons"]
        )

    def _alone(self, side: Side, level: float) -> None:
        self.result.setdefault("alone", []).append(
            {"level": level, "side": asdict(side)}
        )

    def _sweep(self, peer: Peer) -> Sweep:
        sweep = peer.sweep(import_module(peer.module), self._shape)
        return shortened(sweep) if self._options.quick else sweep

    def _process(self, peer: Peer) -> PeerProcess:
        options = self._options
        return PeerProcess(
            peer, data=options.data, quick=options.quick, threads=options.threads
        )

    def _save(self) -> None:
        write_json(self.result, self._out)


def shortened(sweep: Sweep) -> Sweep:
    """The first settings, and every second search variant."""
    return Sweep(
        settings=sweep.settings[:QUICK_SETTINGS],
        fixed=sweep.fixed[::2],
        effort=sweep.effort,
    )


def make_task(options: Options, dataset: Dataset, judge: Judge) -> Task:
    """The measured queries: one query at a time needs fewer of them."""
    queries = len(dataset.queries)
    if options.mode == "single":
        queries = min(queries, judge.queries, SINGLE_QUERIES)
    return Task(
        mode=options.mode,
        k=options.k,
        queries=queries,
        levels=options.levels,
        minutes=options.minutes,
    )


def make_shape(options: Options, dataset: Dataset) -> Shape:
    """The parameters of the sweeps."""
    n, dim = dataset.base.shape
    return Shape(
        n=n,
        dim=dim,
        metric=dataset.metric,
        k=options.k,
        mode=options.mode,
        seed=options.seed,
    )


def header(options: Options, dataset: Dataset) -> dict[str, Any]:
    """The part of a result common to all modes."""
    return {
        "schema": SCHEMA,
        "mode": options.mode,
        "data": describe(dataset),
        "k": options.k,
        "levels": options.levels,
        "threads": options.threads,
        "rounds": options.rounds,
        "minutes": options.minutes,
        "seed": options.seed,
        "quick": options.quick,
    } | provenance()
