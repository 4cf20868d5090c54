"""The last pass: lists and codes of a shard, from what was decided for all rows."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.build.host import HostKernels
from gleann.index.build.on_disk import BLOCK_BYTES, code_files
from gleann.index.codes import Encoding
from gleann.index.lists import invert
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Keep
from gleann.index.shards.build.assigned import AssignedFiles
from gleann.index.shards.build.folder import BuildFolder
from gleann.index.shards.build.gather import CONTENT
from gleann.index.shards.rows import JoinedRows
from gleann.index.shards.whole import whole_folder, write_json
from gleann.index.storage import packing
from gleann.index.storage.encoding_files import add_encoding
from gleann.index.storage.files import Draft

FILES = "files"
"""The folder of the files, beside what the manifest is to say of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scanning:
    """What writes lists and codes.

    Attributes:
        folder: of the build.
        rows: of all shards.
        offsets: the first row of each shard, and the end of the last.
        assigned: the lists of all rows.
        centroids: (nlist, d).
        encoding: of the rows.
        is_spilled: whether second lists are kept.
        keep: how rows are kept.
    """

    folder: BuildFolder
    rows: JoinedRows
    offsets: tuple[int, ...]
    assigned: AssignedFiles
    centroids: Vectors
    encoding: Encoding
    is_spilled: bool
    keep: Keep


def scan_shard(job: Scanning, shard: int) -> None:
    """Write lists and codes of a shard that has rows, in one step.

    Memory: the lists of the shard, and a block of its rows.

    Raises:
        StorageError: the disk refused.
    """
    path = job.folder.scanned(shard)
    if path.is_dir():
        return
    with whole_folder(path) as folder:
        data = folder / FILES
        data.mkdir()
        draft = Draft(folder, data)
        _write_lists(draft, job, shard)
        _write_codes(draft, job, shard)
        write_json(folder / CONTENT, draft.content)


def _write_lists(draft: Draft, job: Scanning, shard: int) -> None:
    start, stop = job.offsets[shard], job.offsets[shard + 1]
    primary, secondary = job.assigned.between(start, stop, n=len(job.rows))
    if not job.is_spilled:
        secondary[:] = -1
    lists = invert(primary, secondary, nlist=len(job.centroids))
    for name, array in packing.pack_entries(job.centroids, lists).items():
        draft.add(name, array)


def _write_codes(draft: Draft, job: Scanning, shard: int) -> None:
    start, stop = job.offsets[shard], job.offsets[shard + 1]
    n, dim = stop - start, job.rows.shape[1]
    add_encoding(draft, job.encoding)
    kernels = HostKernels(1)
    with ExitStack() as stack:
        open_files = code_files(stack, draft, job.encoding, n=n)
        if not open_files:
            return
        for block in block_slices(n, BLOCK_BYTES // (4 * dim)):
            rows = job.rows[start + block.start : start + block.stop]
            codes = kernels.codes(np.ascontiguousarray(rows), job.encoding)
            arrays = packing.pack_codes(codes, job.encoding)
            for name, file in open_files.items():
                file.append(arrays[name])


def joined_content(first: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of the files of two drafts, in the folder of the first."""
    requires = [*first.get("requires", []), *then.get("requires", [])]
    content = {**then, **first, "arrays": {**first["arrays"], **then["arrays"]}}
    return content | ({"requires": requires} if requires else {})


def move_files(scanned: Path, data: Path) -> None:
    """Move the files of a draft into the data folder of the shard; some may be there.

    Raises:
        OSError: the disk refused.
    """
    for file in sorted((scanned / FILES).iterdir()):
        file.replace(data / file.name)
