"""`python -m bench ann --mode build`: seconds, peak memory, bytes per vector.

Every build happens in a fresh process, in turn with gleann's, so that its peak is its
own and drift of the machine hits all alike.
"""

from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from bench.ann import Options, header, make_shape
from bench.comparison.process import OPEN_SECONDS, PeerFailedError, PeerProcess
from bench.comparison.tuning import BUILD_SECONDS
from bench.comparison.worker import status_bytes
from bench.datasets import Dataset, load_dataset
from bench.peers import PEERS, is_ours
from bench.peers.contract import STANDARD_SETTINGS, Params
from bench.provenance import load
from bench.say import say

SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One build in a separate process.

    Attributes:
        seconds: from float32 rows to an index that answers.
        cores: CPU seconds a second meanwhile.
        peak_anonymous_bytes: largest anonymous memory seen while it was built, the
            rows included, less what the process had before it read them.
        peak_resident_bytes: VmHWM of the process, from start to end.
        serving_bytes: anonymous memory once the rows are given up and only the index
            is kept, less what the process had before it read the rows.
    """

    seconds: float
    cores: float
    peak_anonymous_bytes: int
    peak_resident_bytes: int
    serving_bytes: int


@dataclass(slots=True, kw_only=True)
class Entry:
    """All builds of one peer with one set of parameters."""

    peer: str
    build: Params
    runs: list[Built] = field(default_factory=list)
    failure: str = ""


def run_builds(options: Options) -> dict[str, Any]:
    """Build with every peer's standard settings, in turn, `rounds` times."""
    dataset = load_dataset(options.data, quick=options.quick)
    result = header(options, dataset) | {"peers": {}}
    entries = _entries(options, dataset, result["peers"])
    for number in range(options.rounds):
        for entry in entries:
            if not entry.failure:
                _add_run(entry, options, number)
    result["builds"] = [
        asdict(entry) | {"ratio": _ratio(entries[0], entry)} for entry in entries
    ]
    result["load_at_end"] = load()
    return result


def _entries(
    options: Options, dataset: Dataset, reports: dict[str, Any]
) -> list[Entry]:
    shape = make_shape(options, dataset)
    entries: list[Entry] = []
    for name in sorted(options.peers, key=lambda name: not is_ours(name)):
        with _process(name, options) as process:
            usable, version = process.ask("open", seconds=OPEN_SECONDS)
        if not usable:
            say(f"{name}: SKIPPED: {version}")
            reports[name] = {"status": "skipped", "reason": version}
            continue
        reports[name] = {"status": "measured", "version": version}
        sweep = PEERS[name].sweep(import_module(PEERS[name].module), shape)
        entries += [
            Entry(peer=name, build=setting.build)
            for setting in sweep.settings[:STANDARD_SETTINGS]
        ]
        if is_ours(name):  # as a caller gets it: operating points measured as well
            entries.append(Entry(peer=name, build=_with_points(entries[-2].build)))
    return entries


def _with_points(build: Params) -> Params:
    return build | {"tune_queries": 400}


def _add_run(entry: Entry, options: Options, number: int) -> None:
    try:
        built = _build_once(entry, options)
    except PeerFailedError as error:
        entry.failure = str(error)
        say(f"{entry.peer} {entry.build}: FAILED: {error}")
        return
    entry.runs.append(built)
    say(f"round {number + 1}: {entry.peer} {entry.build}: {built.seconds:.2f} s")


def _build_once(entry: Entry, options: Options) -> Built:
    with _process(entry.peer, options) as process:
        process.ask("open", seconds=OPEN_SECONDS)
        before = process.ask("load", seconds=OPEN_SECONDS)
        process.post("build", entry.build)
        peak, waited = 0, 0.0
        while not process.answered(SAMPLE_SECONDS) and waited < BUILD_SECONDS:
            peak = max(peak, status_bytes("RssAnon", process.pid))
            waited += SAMPLE_SECONDS
        seconds, cores = process.wait(seconds=0)
        return Built(
            seconds=seconds,
            cores=cores,
            peak_anonymous_bytes=peak - before,
            peak_resident_bytes=status_bytes("VmHWM", process.pid),
            serving_bytes=process.ask("serving_bytes", seconds=OPEN_SECONDS) - before,
        )


def _ratio(ours: Entry, theirs: Entry) -> dict[str, float] | None:
    """Ratio of the peer's seconds to ours per round: median, minimum, maximum."""
    pairs = list(zip(ours.runs, theirs.runs, strict=False))
    if not pairs:
        return None
    ratios = [other.seconds / own.seconds for own, other in pairs]
    return {"median": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}


def _process(name: str, options: Options) -> PeerProcess:
    return PeerProcess(
        PEERS[name], data=options.data, quick=options.quick, threads=options.threads
    )
