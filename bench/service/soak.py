"""Scenario `soak`: mixed load for a long time, and what of it stays.

Memory is sampled meanwhile; its slope leaves out the first third, in which caches
fill. Open files, threads and files in the data directory are counted at rest: after a
short load that does everything once, and at the end.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

from bench.say import say
from bench.service.memory import Samples, sampled
from bench.service.mixed import MixedLoad, Turns, prepare
from bench.service.serving import Served, serving
from bench.service.workers import START_SECONDS, Workers, workers_of
from bench.tables import markdown
from gleann import Client
from gleann.service.server.queues.lanes import IDLE_SECONDS

SETTLED = 1 / 3
REST_SECONDS = 60.0
QUIET_SECONDS = 2 * IDLE_SECONDS
ANSWER_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakJob:
    """Parameters of the scenario.

    Attributes:
        minutes: of the load.
        warm_seconds: of the load before the first count.
        seed: of what is written and asked.
    """

    minutes: float = 3.0
    warm_seconds: float = 15.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a server at rest has open and stored."""

    files: int
    threads: int
    stored_files: int
    stored_mib: float
    anonymous_mib: float


def run_soak(job: SoakJob, folder: Path | None) -> dict[str, Any]:
    """Load a new server; slope of the memory, counts at both ends, turns."""
    with TemporaryDirectory(dir=folder) as place:
        data = Path(place) / "data"
        with Client(data) as client:
            prepare(client, job.seed)
        with serving(data) as served, workers_of(served.address, 1) as workers:
            load_for(job.warm_seconds, served, workers, job.seed)
            first = at_rest(served, data)
            say(f"at rest: {first}")
            with sampled(served) as samples:
                turns = load_for(60 * job.minutes, served, workers, job.seed + 1)
            last = at_rest(served, data)
            say(f"at rest: {last}")
    return {
        "minutes": job.minutes,
        "memory": samples.slope(settled=SETTLED),
        "samples": thinned(samples),
        "first": asdict(first),
        "last": asdict(last),
        "turns": {name: asdict(one) for name, one in turns.items()},
    }


def load_for(
    seconds: float, served: Served, workers: Workers, seed: int
) -> dict[str, Turns]:
    """Mixed load for some seconds; what each kind of work did."""
    begin = monotonic() + START_SECONDS
    order = MixedLoad(target=served.target, begin=begin, seconds=seconds, seed=seed)
    workers.send([order])
    (turns,) = workers.answers(seconds=seconds + ANSWER_SECONDS)
    return turns


def at_rest(served: Served, data: Path) -> Held:
    """What is held once it no longer changes, or after a minute."""
    last = monotonic() + REST_SECONDS
    held = _held(served, data)
    while monotonic() < last:
        sleep(QUIET_SECONDS)
        before, held = held, _held(served, data)
        if (before.files, before.threads, before.stored_files) == (
            held.files,
            held.threads,
            held.stored_files,
        ):
            break
    return held


def _held(served: Served, data: Path) -> Held:
    used = served.usage()
    sizes = [size for file in data.rglob("*") if (size := _size(file)) is not None]
    return Held(
        files=used.files,
        threads=used.threads,
        stored_files=len(sizes),
        stored_mib=round(sum(sizes) / 2**20, 1),
        anonymous_mib=round(used.anonymous_bytes / 2**20, 1),
    )


def _size(path: Path) -> int | None:
    """Bytes of a file; None for folders and for what was removed meanwhile."""
    try:
        return path.stat().st_size if path.is_file() else None
    except FileNotFoundError:
        return None


def thinned(samples: Samples, most: int = 200) -> list[tuple[float, float]]:
    """Seconds and MiB of at most so many samples, evenly spaced."""
    step = -(-len(samples.moments) // most)
    begin = samples.moments[0]
    return [
        (round(moment - begin, 1), round(size / 2**20, 1))
        for moment, size in zip(
            samples.moments[::step], samples.anonymous[::step], strict=True
        )
    ]


def soak_table(result: dict[str, Any]) -> str:
    """The slope, what is held at both ends, and what was done."""
    memory = result["memory"]
    what = (
        f"{result['minutes']:g} minutes of mixed load: RssAnon"
        f" {memory['mib_a_minute']:+.2f} MiB a minute ({memory['low']:+.2f} to"
        f" {memory['high']:+.2f}, 95 %) after the first third, from"
        f" {memory['first_mib']:,.0f} to {memory['last_mib']:,.0f} MiB."
    )
    ends = [
        [name.replace("_", " "), f"{result['first'][name]:g}", f"{value:g}"]
        for name, value in result["last"].items()
    ]
    turns = [
        [
            name,
            f"{one['done']:,}",
            ", ".join(f"{n} {e}" for e, n in one["errors"].items()),
        ]
        for name, one in result["turns"].items()
    ]
    return "\n\n".join(
        [
            what,
            markdown(["at rest", "before", "after"], ends),
            markdown(["work", "turns", "errors"], turns),
        ]
    )
