"""The process that writes a compacted version, apart from the one that searches.

It has a low priority, memory and an interpreter lock of its own, and ends with the
process that started it: when its standard input is closed. It reads a folder of inputs
and writes progress, and at last its outcome, to standard output, a JSON object a line.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import HeldIds, Mask, Vectors
from gleann.index.build.on_disk import RowSource
from gleann.index.errors import GleannError
from gleann.index.fold import PAYLOAD_ROWS, fold_on_disk, joined_payload
from gleann.index.ids.held import joined_ids, take_ids
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.progress import Report
from gleann.index.texts import Texts
from gleann.service.files.row_source import ChosenRows, JoinedRows
from gleann.service.optimizer_params import CompactionKind

SPEC = "spec.json"
NICENESS = 10
"""A tenth of the weight of searches where both want a core: with 5, a third, less than
half of the queries per second were left during a fold. With more, a compaction would
hardly come to an end on a machine that is busy all the time."""

BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is to be written.

    Attributes:
        kind: whether newer rows go into the lists there are.
        old: the directory of the sealed version; None without one.
        into: the directory to write.
        params: of a build.
        threads: worker threads.
        schema: JSON of the columns of payload.
        payload: whose is among the inputs: that of "newer" rows, or of "all".
    """

    kind: CompactionKind
    old: str | None
    into: str
    params: Mapping[str, Any]
    threads: int
    schema: str
    payload: Literal["newer", "all"]


class Inputs:
    """The folder of inputs: the spec, the rows that are kept, and those that come."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_spec(self, spec: Spec) -> None:
        """Write what is to be done."""
        (self.folder / SPEC).write_text(json.dumps(asdict(spec)), encoding="utf-8")

    def spec(self) -> Spec:
        """What is to be done."""
        return Spec(**json.loads((self.folder / SPEC).read_text(encoding="utf-8")))

    def write_keep(self, keep: Mask) -> None:
        """Write which rows of the sealed version are kept; none is written for all."""
        np.save(self.folder / "keep.npy", keep)

    def keep(self) -> Mask | None:
        """Which rows of the sealed version are kept; None for all."""
        file = self.folder / "keep.npy"
        return np.load(file) if file.exists() else None

    def write_newer(self, rows: RowSource, ids: HeldIds) -> None:
        """Write newer rows, block by block, and their ids."""
        shape, file = rows.shape, self.folder / "newer.npy"
        with file.open("wb") as handle:
            described = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(handle, described)
            for block in block_slices(shape[0], BLOCK_BYTES // (4 * shape[1])):
                handle.write(np.ascontiguousarray(rows[block], "<f4").data)
        if isinstance(ids, Texts):
            np.save(self.folder / "lengths.npy", ids.lengths)
            (self.folder / "texts").write_bytes(ids.packed())
        else:
            np.save(self.folder / "ids.npy", ids)

    def write_payload(self, blocks: Iterable[Payload], schema: Schema) -> None:
        """Write payload, block by block; nothing for a schema without columns."""
        if len(schema):
            Payload.write(self.folder / "payload.arrow", blocks, schema)

    def payload(self, schema: Schema) -> Iterator[Payload]:
        """The payload, in blocks."""
        held = Payload.open(self.folder / "payload.arrow", schema)
        for block in block_slices(len(held), PAYLOAD_ROWS):
            yield held.slice(block.start, block.stop)

    def newer(self) -> tuple[Vectors, HeldIds] | None:
        """The newer rows, memory-mapped, and their ids; None without any."""
        file = self.folder / "newer.npy"
        if not file.exists():
            return None
        rows = np.load(file, mmap_mode="r")
        if not (lengths := self.folder / "lengths.npy").exists():
            return rows, np.load(self.folder / "ids.npy")
        packed = (self.folder / "texts").read_bytes()
        return rows, Texts.of_packed(packed, np.load(lengths))


def perform(inputs: Inputs, report: Report) -> None:
    """Write the version that the inputs describe.

    Raises:
        GleannError: as `fold_on_disk` and `SoarIndex.build_on_disk`.
    """
    spec, keep, newer = inputs.spec(), inputs.keep(), inputs.newer()
    rows, ids = (None, None) if newer is None else newer
    # No engine is asked to search: the reference holds nothing of its own.
    old = None if spec.old is None else SoarIndex.load(spec.old, engine="reference")
    schema = Schema.from_json(spec.schema)
    payload = _payload(inputs, spec, schema, old, keep)
    if spec.kind == "fold":
        assert old is not None, "the lists to fold into"
        fold_on_disk(
            old,
            rows,
            spec.into,
            ids=ids,
            keep=keep,
            payload=payload,
            schema=schema,
            progress=report,
            threads=spec.threads,
        )
        return
    source: RowSource
    if old is None:
        assert rows is not None, "rows to build from"
        source, all_ids = rows, ids
    else:
        source, kept = old.stored_rows, old.held_ids
        if keep is not None:
            places = np.flatnonzero(keep)
            source, kept = ChosenRows(source, places), take_ids(kept, places)
        source = source if rows is None else JoinedRows([source, rows])
        all_ids = kept if ids is None else joined_ids([kept, ids])
    SoarIndex.build_on_disk(
        source,
        spec.into,
        BuildParams(**spec.params),
        ids=all_ids,
        payload=payload,
        schema=schema,
        progress=report,
        threads=spec.threads,
    )


def _payload(
    inputs: Inputs,
    spec: Spec,
    schema: Schema,
    old: SoarIndex | None,
    keep: Mask | None,
) -> Iterator[Payload]:
    """The payload of all rows of the new version, in blocks."""
    if not len(schema):
        # Not None, with which a fold keeps columns that were dropped since.
        return iter(())
    given = inputs.payload(schema)
    if spec.payload == "all" or old is None or old.payload is None:
        return given
    return joined_payload(old.payload, keep, given)


def main(folder: str) -> None:
    """Do what the folder says; the exit status is 0 where the outcome was written."""
    Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    try:
        perform(Inputs(Path(folder)), lambda news: _say(progress=asdict(news)))
    except GleannError as error:
        _say(error=type(error).__name__, message=str(error))
    except MemoryError:
        _say(error="LimitError", message="there is not enough memory for a version")
    else:
        _say(done=True)


def _end_with_parent() -> None:
    # Not through `sys.stdin`, whose lock would be held when the interpreter ends.
    while os.read(0, 1):
        pass
    os._exit(1)


def _say(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()
