"""The record of a batch job: inputs, parameters, results, versions, times.

It is written next to the output as `<output>.manifest.json`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from gleann.index import Progress
from gleann.index.data.files import files_below, source_text
from gleann.index.data.vector_columns import reading
from gleann.service.cli.files.outputs import Staged, staged
from gleann.service.cli.progress import Report
from gleann.service.cli.say import result
from gleann.service.report.machine import command_line, machine, now, versions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BLOCK_BYTES = 1 << 22


def manifest_path(output: Path) -> Path:
    """Path of the record of `output`."""
    return output.with_name(output.name + ".manifest.json")


class JobRecord:
    """Collects the record of one job while it runs.

    Args:
        command: its name, such as "search".
        job: its parameters, as a dataclass.
    """

    def __init__(self, command: str, job: "DataclassInstance") -> None:
        self._command = command
        self._parameters = asdict(job)
        self._started = now()
        self._inputs: list[dict[str, str | int | None]] = []
        self._seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Measure the duration of one phase."""
        start = perf_counter()
        yield
        self._seconds[phase] = perf_counter() - start

    @contextmanager
    def timed_until(self, phase: str, report: Report, *, then: str) -> Iterator[Report]:
        """Measure `phase` until its first progress report, then the phase `then`.

        Args:
            phase: measured first.
            report: called with every progress value.
            then: name of the phase from the first report on; unused without a report.
        """
        start = perf_counter()
        switched: list[float] = []

        def heard(progress: Progress) -> None:
            if progress.phase == then:
                switched.append(perf_counter())
            report(progress)

        yield heard
        end = perf_counter()
        # The last one: work that failed on a GPU was restarted on the CPU.
        self._seconds[phase] = (switched[-1] if switched else end) - start
        if switched:
            self._seconds[then] = end - switched[-1]

    def seconds(self, phase: str) -> float:
        """Duration of a finished phase in seconds."""
        return self._seconds[phase]

    def add_file(self, path: Path) -> None:
        """Record an input by the hash of its bytes; those of a folder in their order.

        What an URL names is recorded by that alone.
        """
        if "://" in (text := source_text(path)):
            self._inputs.append({"path": text})
            return
        digest, size = hashlib.sha256(), 0
        for one in files_below(path):
            with reading(one), one.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                    size += len(block)
        self._inputs.append({"path": text, "bytes": size, "sha256": digest.hexdigest()})

    @property
    def hashes(self) -> list[str]:
        """Hashes of the input files so far."""
        return [str(one["sha256"]) for one in self._inputs if "sha256" in one]

    def add_index(self, path: Path, data_hash: str) -> None:
        """Record an index by the hash of its data."""
        self._inputs.append({"path": str(path), "data_hash": data_hash})

    def add_served(self, name: str, *, place: str, data_hash: str | None) -> None:
        """Record an index of a server or of a data directory.

        Args:
            name: of the index.
            place: address of the server, or the directory.
            data_hash: of the vectors that were read; None where none were.
        """
        self._inputs.append({"path": name, "place": place, "data_hash": data_hash})

    def write(self, output: Path, results: Mapping[str, object]) -> None:
        """Write the record next to `output`; it is also what --json prints."""
        with staged() as files:
            self.add_to(files, output, results)

    def add_to(
        self, files: Staged, output: Path, results: Mapping[str, object]
    ) -> None:
        """Write the record of `output` together with other files."""
        contents = self.contents(output, results)
        files.add_json(manifest_path(output), contents)
        result(**contents)

    def contents(
        self, output: Path, results: Mapping[str, object]
    ) -> dict[str, object]:
        """The record of the job so far."""
        return {
            "command": self._command,
            "command_line": command_line(),
            "parameters": self._parameters,
            "seed": self._parameters.get("seed"),
            "inputs": self._inputs,
            "output": str(output),
            "results": dict(results),
            "seconds": self._seconds,
            "started": self._started,
            "finished": now(),
            "machine": machine(),
            "versions": versions(),
        }
